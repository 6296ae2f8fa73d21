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
	case in.Severity > was.Severity:
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
	now   time.Time
	subs  []*Subscription
	in    []*detect.Incident
	told  map[string]map[string]*Told // by incident and receiver
	url   func(*detect.Incident) string
	whole func(id string) map[string]*Told // what receivers were told of an incident that is not in the batch
}

// decide gives what is noted and what is sent. It depends on nothing but the batch.
func (b *batch) decide() (told []Told, out []Outgoing) {
	for _, sub := range b.subs {
		var all []news
		for _, in := range b.in {
			was := b.told[in.ID][sub.Receiver]
			if o := sub.occasion(in, was); o != "" {
				all = append(all, news{sub, in, was, o})
			}
		}
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
	now := map[string]bool{}
	for _, n := range all {
		if n.o != Over && n.o != Retracted {
			now[n.in.ID] = true
		}
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
			if now[r.ID] || known != nil && known.Whole == "" && known.Occasion != Retracted && (known.Occasion != Over || n.o == Over) {
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
			m.Items = append(m.Items, Item{Incident: *n.in, Occasion: n.o, First: n.was == nil, Parts: parts[n.in.ID], URL: b.url(n.in)})
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
