package alerts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// How often a digest is sent.
const (
	Hourly = "hourly"
	Daily  = "daily"
)

// Digest gathers what happened into one message an hour or a day. What was sent already and is taken back is told at once.
type Digest struct {
	Every    string `json:"every"`    // hourly or daily; empty: everything is told at once
	At       string `json:"at"`       // of a daily digest: when it is sent, such as 08:00
	TimeZone string `json:"timezone"` // IANA name; empty: UTC
	Except   int    `json:"except"`   // severity from which nothing waits; 0: everything waits
}

// check says what of a digest cannot be used.
func (g Digest) check() error {
	switch {
	case g.Every != "" && g.Every != Hourly && g.Every != Daily:
		return fmt.Errorf("every: %q; want hourly or daily", g.Every)
	case g.Every != Daily && g.At != "":
		return errors.New("at: is of a daily digest")
	case g.Except < 0 || g.Except > 4:
		return fmt.Errorf("except: %d; want a severity of 1 to 4, or 0", g.Except)
	case g.Every == "":
		return nil
	}
	_, err := g.next(time.Now())
	return err
}

// holds reports whether an incident as severe as given waits for the digest.
func (g Digest) holds(severity int) bool {
	return g.Every != "" && (g.Except == 0 || severity < g.Except)
}

// next is when the digest after an instant is sent.
func (g Digest) next(now time.Time) (time.Time, error) {
	loc, err := time.LoadLocation(g.TimeZone)
	if err != nil {
		return now, fmt.Errorf("timezone: %q is not known", g.TimeZone)
	}
	if g.Every == Hourly {
		return now.Truncate(time.Hour).Add(time.Hour), nil
	}
	at, err := time.Parse("15:04", g.At)
	if err != nil {
		return now, errors.New("at: want a time of the day such as 08:00")
	}
	local := now.In(loc)
	for days := 0; ; days++ {
		if t := time.Date(local.Year(), local.Month(), local.Day()+days, at.Hour(), at.Minute(), 0, 0, loc); t.After(now) {
			return t, nil
		}
	}
}

func zoneName(zone string) string { return cmp.Or(zone, "UTC") }

// gather makes one message of what waits for a receiver's digest and what is added to it; what it replaces of the outbox is added to replaced.
// What a receiver was sent already and is taken back leaves at once, by itself. waiting gives what waits of a receiver and is not being sent.
func gather(now time.Time, out []Outgoing, replaced []int64, waiting func(receiver string) ([]Outgoing, error)) ([]Outgoing, []int64, error) {
	var kept []Outgoing
	digests := map[string]*Outgoing{} // by receiver
	var order []string
	for _, o := range out {
		to := o.Message.Receiver
		switch d := digests[to]; {
		case !o.Message.Digest:
			kept = append(kept, o)
		case d != nil:
			d.absorb(&o)
		default:
			o.Message.Items = slices.Clone(o.Message.Items)
			list, err := waiting(to)
			if err != nil {
				return nil, nil, err
			}
			for _, w := range list {
				if w.Message.Digest && w.Attempts == 0 && !slices.Contains(replaced, w.N) {
					replaced = append(replaced, w.N)
					o.absorb(&w)
				}
			}
			digests[to] = &o
			order = append(order, to)
		}
	}
	for _, to := range order {
		d := digests[to]
		if slices.ContainsFunc(d.Message.Items, sentAndTakenBack) {
			back := *d
			back.Message.Items = slices.DeleteFunc(slices.Clone(d.Message.Items), func(i Item) bool { return !sentAndTakenBack(i) })
			back.Message.Digest, back.Message.More, back.NotUntil, back.First = false, 0, now, now
			back.Message.ID = itemsID(&back.Message)
			kept = append(kept, back)
			d.Message.Items = slices.DeleteFunc(d.Message.Items, sentAndTakenBack)
		}
		if len(d.Message.Items) > 0 {
			d.Message.ID = itemsID(&d.Message)
			kept = append(kept, *d)
		}
	}
	return kept, replaced, nil
}

func sentAndTakenBack(i Item) bool { return i.Occasion == Retracted && !i.First }

// absorb takes the items of another digest in; of an incident that both tell of, the newer revision stands.
func (o *Outgoing) absorb(w *Outgoing) {
	m := &o.Message
	for _, item := range w.Message.Items {
		j := slices.IndexFunc(m.Items, func(x Item) bool { return x.Incident.ID == item.Incident.ID })
		switch {
		case j < 0:
			m.Items = append(m.Items, item)
		case m.Items[j].Incident.Revision >= item.Incident.Revision:
			m.Items[j].First = m.Items[j].First || item.First
		default:
			item.First = item.First || m.Items[j].First
			m.Items[j] = item
		}
	}
	m.More += w.Message.More
	slices.SortStableFunc(m.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Incident.Severity, a.Incident.Severity), a.Incident.Start.Time.Compare(b.Incident.Start.Time.Time), cmp.Compare(a.Incident.ID, b.Incident.ID))
	})
	if more := len(m.Items) - mostItems; more > 0 {
		m.Items, m.More = m.Items[:mostItems], m.More+more
	}
	if w.NotUntil.Before(o.NotUntil) { // a digest is never put off by what comes later
		o.NotUntil = w.NotUntil
	}
	if w.First.Before(o.First) {
		o.First = w.First
	}
}

// itemsID is the ID of a message, of its receiver and the revisions it tells.
func itemsID(m *Message) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %v\n", m.Receiver, m.Digest)
	for i := range m.Items {
		fmt.Fprintf(h, "%q %d\n", m.Items[i].Incident.ID, m.Items[i].Incident.Revision)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// thread notes in each item which message told of its incident first, and in what is told, where that is the item's own. What was told of an
// incident that only waited until now is noted anew. was gives what a receiver was told before.
func thread(out []Outgoing, told []Told, was func(incident, receiver string) *Told) []Told {
	first, noted := map[[2]string]string{}, map[[2]string]bool{}
	for i := range told {
		noted[[2]string{told[i].Incident, told[i].Receiver}] = true
	}
	for i := range out {
		m := &out[i].Message
		for k := range m.Items {
			item := &m.Items[k]
			key := [2]string{item.Incident.ID, m.Receiver}
			t := was(key[0], key[1])
			if item.Thread = ""; t != nil && !item.First {
				item.Thread = t.Thread
			}
			if item.Thread == "" {
				first[key] = m.ID
			}
			if !noted[key] && t != nil && item.First {
				told, noted[key] = append(told, *t), true
			}
		}
	}
	for i := range told {
		t := &told[i]
		if t.Thread = first[[2]string{t.Incident, t.Receiver}]; t.Thread == "" {
			if x := was(t.Incident, t.Receiver); x != nil {
				t.Thread = x.Thread
			}
		}
	}
	return told
}
