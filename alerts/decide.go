package alerts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// many is how many incidents a receiver is told of one by one when they come at once; more are one message.
const many = 3

// mostItems is how many incidents a message carries whole; of the others it says how many.
const mostItems = 100

// occasion says what of an incident, as it stands, is news to a receiver that was told was (nil: nothing); "" is nothing.
func (s *Subscription) occasion(in *detect.Incident, was *Told) Occasion {
	confirmed := !in.ConfirmedAt.IsZero()
	if in.Kind == MonitorTrouble && (was != nil || s.Wants(in)) {
		return troubled(in, was)
	}
	if was == nil {
		switch {
		case !s.Wants(in), in.State == detect.Retracted, !confirmed && !s.early():
			return ""
		case !in.State.Open():
			if !confirmed {
				return "" // it came and went unsaid, and was never more than a suspicion
			}
			return Over
		case confirmed:
			return Confirmed
		}
		return Suspected
	}
	ended := was.Occasion == Over || was.Occasion == Retracted
	lost := len(in.Revisions) > 0 && in.Revisions[len(in.Revisions)-1].Change == detect.LostSight
	switch {
	case in.State == detect.Retracted && was.Occasion != Retracted:
		return Retracted
	case ended:
		return ""
	case in.State == detect.Closed:
		return Over
	case lost && was.Occasion != LostSight:
		return LostSight
	case confirmed && was.Occasion == Suspected:
		return Confirmed
	case len(in.Episodes) > was.Episodes:
		return Again
	case in.Severity > was.Severity && in.State != detect.Recovering: // severity counts the duration, too, and it is coming back
		return Grew
	}
	return ""
}

// news is one incident that one receiver is to be told of.
type news struct {
	sub *Subscription
	in  *detect.Incident
	was *Told
	o   Occasion
}

// batch is what is decided together: the newest revision of each incident, and what the receivers know of it.
type batch struct {
	now    time.Time
	subs   []*Subscription
	in     []*detect.Incident
	told   map[string]map[string]*Told // by incident and receiver
	url    func(*detect.Incident) string
	within func(*detect.Incident) []string  // see Subscription.Within
	whole  func(id string) map[string]*Told // what receivers were told of an incident that is not in the batch

	orders    []Order                     // in force
	announced []Order                     // work on networks, also what is over or to come
	held      map[string]map[string]*Held // by incident and receiver: what was held back before
	only      map[string]map[string]bool  // by incident: the receivers that it may be new to; absent: all
	kept      []Held                      // decided: what is held back now,
	settled   []Held                      // and what is not any more
}

// decide gives what is noted and what is sent. It depends on nothing but the batch.
func (b *batch) decide() (told []Told, out []Outgoing) {
	for _, sub := range b.subs {
		if b.within != nil {
			sub.Within = b.within
		}
		var all []news
		for _, in := range b.in {
			was := b.told[in.ID][sub.Receiver]
			if only := b.only[in.ID]; only != nil && !only[sub.Receiver] {
				continue
			}
			o := sub.occasion(in, was)
			if o == Over && was == nil && (b.only[in.ID] != nil || b.held[in.ID][sub.Receiver] != nil) {
				continue // it was never told, and is over: there is nothing that still holds
			}
			if o != "" {
				all = append(all, news{sub, in, was, o})
			}
		}
		all = b.hold(all)
		b.settle(sub, all)
		own, parts, notes := b.fold(all)
		told = append(told, notes...)
		if len(own) == 0 {
			continue
		}
		together := len(own) > many
		slices.SortStableFunc(own, func(x, y news) int {
			if together && x.o != y.o {
				return cmp.Compare(x.o, y.o)
			}
			return cmp.Or(cmp.Compare(y.in.Severity, x.in.Severity), x.in.Start.Time.Compare(y.in.Start.Time.Time), cmp.Compare(x.in.ID, y.in.ID))
		})
		for len(own) > 0 { // one message each, or one for each occasion
			n := 1
			for together && n < len(own) && own[n].o == own[0].o {
				n++
			}
			m, notes := b.message(sub, own[:n], parts)
			out = append(out, m)
			told = append(told, notes...)
			own = own[n:]
		}
	}
	return told, out
}

// fold takes out what is part of something that the receiver knows, or learns now: it is told in that message, or was. What is part of
// something that is over or was taken back stands on its own again.
func (b *batch) fold(all []news) (own []news, parts map[string][]string, notes []Told) {
	now, back := map[string]bool{}, map[string]bool{}
	for _, n := range all {
		now[n.in.ID] = n.o != Over && n.o != Retracted
		back[n.in.ID] = n.o == Retracted
	}
	parts = map[string][]string{}
	for _, n := range all {
		whole := ""
		for _, r := range n.in.Related {
			if r.Relation != "part_of" || r.ID == n.in.ID {
				continue
			}
			t := b.told[r.ID]
			if t == nil {
				t = b.whole(r.ID)
			}
			known := t[n.sub.Receiver]
			together := back[r.ID] && n.o == Retracted && n.was.Whole == r.ID // told in it, and taken back with it
			if now[r.ID] || together || known != nil && known.Whole == "" && known.Occasion != Retracted && (known.Occasion != Over || n.o == Over) {
				whole = r.ID
				break
			}
		}
		apart := n.was != nil && n.was.Whole == "" // it was told by itself: so is its end
		if whole == "" || apart && (n.o == Over || n.o == Retracted) {
			if n.was != nil && n.was.Whole != "" && n.o == Over {
				notes = append(notes, n.note(n.was.Whole)) // a part that was never told by itself ends unsaid
				continue
			}
			own = append(own, n)
			continue
		}
		if apart { // remembered, so that its end is told
			notes = append(notes, n.note(""))
		} else {
			notes = append(notes, n.note(whole))
		}
		parts[whole] = append(parts[whole], n.in.ID)
	}
	return own, parts, notes
}

func (n *news) note(whole string) Told {
	return Told{
		Receiver: n.sub.Receiver, Incident: n.in.ID, Revision: n.in.Revision, Occasion: n.o, Severity: n.in.Severity, Episodes: len(n.in.Episodes), Whole: whole,
	}
}

// message puts news into one message. Its ID is of the receiver and the revisions it tells, so that it is the same however often it is decided.
func (b *batch) message(sub *Subscription, list []news, parts map[string][]string) (Outgoing, []Told) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", sub.Receiver)
	m := Message{Receiver: sub.Receiver, At: b.now.UTC().Truncate(time.Second)}
	var notes []Told
	notUntil := time.Time{}
	m.Digest = !slices.ContainsFunc(list, func(n news) bool { return !sub.Digest.holds(n.in.Severity) })
	for _, n := range list {
		fmt.Fprintf(h, "%q %d\n", n.in.ID, n.in.Revision)
		if len(m.Items) < mostItems {
			m.Items = append(m.Items, Item{Incident: *n.in, Occasion: n.o, First: n.was == nil, Parts: parts[n.in.ID], Announced: notices(b.announced, n.in), URL: b.url(n.in)})
		} else {
			m.More++
		}
		notes = append(notes, n.note(""))
		if t := sub.NotUntil(b.now, n.in.Severity, n.o); notUntil.IsZero() || t.Before(notUntil) {
			notUntil = t
		}
	}
	if m.Digest {
		if t, err := sub.Digest.next(b.now); err == nil { // checked when the configuration was read
			notUntil = t
		}
	}
	m.ID = hex.EncodeToString(h.Sum(nil)[:16])
	return Outgoing{Message: m, NotUntil: notUntil, First: b.now}, notes
}

// restID is the ID of what is left of a message that never left.
func restID(m *Message) string {
	h := sha256.New()
	fmt.Fprintf(h, "rest of %q\n", m.ID)
	for i := range m.Items {
		fmt.Fprintf(h, "%q %d\n", m.Items[i].Incident.ID, m.Items[i].Incident.Revision)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// joinedID is the ID of two messages that leave as one.
func joinedID(a, b string) string {
	h := sha256.Sum256([]byte("joined " + a + " " + b))
	return hex.EncodeToString(h[:16])
}
