package alerts

import (
	"cmp"
	"slices"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// DryRun gives the messages that subscriptions would have led to, had they been in force while the revisions were made: those within hold of event
// time are decided together. Within of the subscriptions says where networks are. Nothing is sent, and quiet hours are not waited for.
func DryRun(revisions []Revision, subs []*Subscription, hold time.Duration, url func(*detect.Incident) string) []Message {
	out, _ := DryRunUnder(nil, revisions, subs, hold, url)
	return out
}

// DryRunUnder is DryRun under orders, as they held then. It gives, too, what they held back; what is still held back at the end has no Became.
func DryRunUnder(orders []Order, revisions []Revision, subs []*Subscription, hold time.Duration, url func(*detect.Incident) string) ([]Message, []Held) {
	r := dryRun{orders: Effective(orders), subs: subs, url: url, told: map[string]map[string]*Told{}, memory: memory{held: map[string]map[string]*Held{}}, newest: map[string]*detect.Incident{}}
	for len(revisions) > 0 {
		first := MadeAt(&revisions[0].Incident)
		r.until(first)
		n := 0
		for n < len(revisions) && MadeAt(&revisions[n].Incident).Sub(first) < hold {
			n++
		}
		var in []*detect.Incident
		place := map[string]int{}
		for i := range revisions[:n] {
			x := &revisions[i].Incident
			if at, ok := place[x.ID]; ok {
				in[at] = x
				continue
			}
			place[x.ID] = len(in)
			in = append(in, x)
		}
		r.decide(first, in, nil)
		revisions = revisions[n:]
	}
	return r.out, r.log
}

// dryRun is what a dry run remembers, in the place of a store.
type dryRun struct {
	orders []Order
	subs   []*Subscription
	url    func(*detect.Incident) string
	told   map[string]map[string]*Told
	newest map[string]*detect.Incident
	memory memory
	out    []Message
	log    []Held
}

func (r *dryRun) decide(at time.Time, in []*detect.Incident, only map[string]map[string]bool) {
	b := batch{
		now: at, subs: r.subs, in: in, told: r.told, url: r.url, whole: func(id string) map[string]*Told { return r.told[id] },
		orders: inForce(r.orders, at), announced: r.orders, held: r.memory.held, only: only,
	}
	notes, messages := b.decide()
	for i := range notes {
		t := &notes[i]
		if r.told[t.Incident] == nil {
			r.told[t.Incident] = map[string]*Told{}
		}
		r.told[t.Incident][t.Receiver] = t
	}
	for _, m := range messages {
		r.out = append(r.out, m.Message)
	}
	for _, x := range in {
		r.newest[x.ID] = x
	}
	for _, h := range b.settled {
		for i := range r.log {
			if x := &r.log[i]; x.Incident == h.Incident && x.Receiver == h.Receiver && x.Became == "" {
				x.Became = h.Became
			}
		}
	}
	(&look{}).remember(&r.memory, &Decision{Settled: b.settled, Kept: b.kept})
	r.log = append(r.log, b.kept...)
}

// until decides, up to an instant, what was held back by orders that ended.
func (r *dryRun) until(at time.Time) {
	ends := []time.Time{}
	for i := range r.orders {
		ends = append(ends, r.orders[i].Until)
	}
	slices.SortFunc(ends, time.Time.Compare)
	for _, end := range slices.CompactFunc(ends, time.Time.Equal) {
		if end.After(at) {
			return
		}
		now, only := inForce(r.orders, end), map[string]map[string]bool{}
		var in []*detect.Incident
		for id, by := range r.memory.held {
			for receiver, h := range by {
				if slices.ContainsFunc(now, func(o Order) bool { return o.N == h.Order }) {
					continue
				}
				if only[id] == nil {
					only[id], in = map[string]bool{}, append(in, r.newest[id])
				}
				only[id][receiver] = true
			}
		}
		if len(in) > 0 {
			slices.SortFunc(in, func(x, y *detect.Incident) int {
				return cmp.Or(x.Start.Time.Compare(y.Start.Time.Time), cmp.Compare(x.ID, y.ID))
			})
			r.decide(end, in, only)
		}
	}
}

// MadeAt is when a revision was made.
func MadeAt(in *detect.Incident) time.Time {
	if n := len(in.Revisions); n > 0 {
		return in.Revisions[n-1].At.Time
	}
	return in.Start.Time.Time
}
