package alerts

import (
	"time"

	"github.com/corewatch/corewatch/detect"
)

// DryRun gives the messages that subscriptions would have led to, had they been in force while the revisions were made: those within hold of event
// time are decided together. Within of the subscriptions says where networks are. Nothing is sent, and quiet hours are not waited for.
func DryRun(revisions []Revision, subs []*Subscription, hold time.Duration, url func(*detect.Incident) string) (out []Message) {
	told := map[string]map[string]*Told{}
	of := func(id string) map[string]*Told { return told[id] }
	for len(revisions) > 0 {
		first := MadeAt(&revisions[0].Incident)
		b := batch{now: first, subs: subs, told: told, url: url, whole: of}
		place := map[string]int{}
		n := 0
		for ; n < len(revisions) && MadeAt(&revisions[n].Incident).Sub(first) < hold; n++ {
			in := &revisions[n].Incident
			if i, ok := place[in.ID]; ok {
				b.in[i] = in
				continue
			}
			place[in.ID] = len(b.in)
			b.in = append(b.in, in)
		}
		notes, messages := b.decide()
		for i := range notes {
			t := &notes[i]
			if told[t.Incident] == nil {
				told[t.Incident] = map[string]*Told{}
			}
			told[t.Incident][t.Receiver] = t
		}
		for _, m := range messages {
			out = append(out, m.Message)
		}
		revisions = revisions[n:]
	}
	return out
}

// MadeAt is when a revision was made.
func MadeAt(in *detect.Incident) time.Time {
	if n := len(in.Revisions); n > 0 {
		return in.Revisions[n-1].At.Time
	}
	return in.Start.Time.Time
}
