package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/rival"
)

// beaconWindow is how long after its time a transition may be seen.
const beaconWindow = 600 * second

// beaconVoters is how many ASNs must have announced a beacon in the record for it to be counted: the least that the small quorum takes.
const beaconVoters = 3

// transition is one time at which a beacon is withdrawn or announced.
type transition struct {
	prefix bgp.Prefix
	up     bool
	at     bgp.Micros
}

// beaconSchedule reads the beacons with their hours from the list that RIPE NCC publishes, and gives the transitions of a day from
// one instant to another, in order. Times that give a beacon less than an hour up or down are left out: a detector of outages that
// waits for three minutes and closes after fifteen is not about them.
func beaconSchedule(path string, from, until bgp.Micros) (out []transition, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the schedule of the beacons: %w", err)
	}
	var list []struct {
		Prefix netip.Prefix `json:"prefix"`
		Type   string       `json:"type"`
		Times  []string     `json:"times"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("the schedule of the beacons: %w", err)
	}
	day := from.Time().Truncate(24 * time.Hour)
	for _, b := range list {
		if b.Type != "beacon" || !b.Prefix.IsValid() || len(b.Times) > 12 {
			continue
		}
		for _, span := range b.Times {
			var h, m, s, h2, m2, s2 int
			if n, err := fmt.Sscanf(span, "%d:%d:%d-%d:%d:%d", &h, &m, &s, &h2, &m2, &s2); n != 6 || err != nil {
				return nil, fmt.Errorf("the schedule of the beacons: %s: %q is no span of a day", b.Prefix, span)
			}
			for i, sec := range []int{h*3600 + m*60 + s, h2*3600 + m2*60 + s2} {
				at := bgp.Micros(day.Add(time.Duration(sec) * time.Second).UnixMicro())
				if at >= from && at+beaconWindow <= until {
					out = append(out, transition{bgp.PrefixOf(b.Prefix), i == 0, at})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b transition) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.prefix.Compare(b.prefix)
	})
	return slices.Compact(out), nil
}

// beaconLog is what the raw elements say of the beacons: by prefix, who said what when. It is fed like a rule, and raises nothing.
type beaconLog struct {
	of map[bgp.Prefix][]beaconWord
}

type beaconWord struct {
	at bgp.Micros
	as uint32
	up bool
}

// Announce implements rival.Rule.
func (l *beaconLog) Announce(at bgp.Micros, peer bgp.Peer, p bgp.Prefix, _ uint32) {
	if w, ok := l.of[p]; ok {
		l.of[p] = append(w, beaconWord{at, peer.AS, true})
	}
}

// Withdraw implements rival.Rule.
func (l *beaconLog) Withdraw(at bgp.Micros, peer bgp.Peer, p bgp.Prefix) {
	if w, ok := l.of[p]; ok {
		l.of[p] = append(w, beaconWord{at, peer.AS, false})
	}
}

// State implements rival.Rule.
func (*beaconLog) State(bgp.Micros, bgp.Peer, bool) {}

// Tick implements rival.Rule.
func (*beaconLog) Tick(bgp.Micros) {}

// Alerts implements rival.Rule.
func (*beaconLog) Alerts() []rival.Alert { return nil }

// carriers are the ASNs that ever announced the prefix.
func (l *beaconLog) carriers(p bgp.Prefix) int {
	seen := map[uint32]bool{}
	for _, w := range l.of[p] {
		if w.up {
			seen[w.as] = true
		}
	}
	return len(seen)
}

// half is when half of the carriers had followed a transition; 0 when they did not within the window.
func (l *beaconLog) half(t transition) bgp.Micros {
	last := map[uint32]bool{}
	need := (l.carriers(t.prefix) + 1) / 2
	follow := 0
	for _, w := range l.of[t.prefix] {
		if w.at < t.at {
			last[w.as] = w.up == t.up
			continue
		}
		if w.at > t.at+beaconWindow {
			return 0
		}
		if now := w.up == t.up; now != last[w.as] {
			last[w.as] = now
			if now {
				follow++
			} else {
				follow--
			}
		}
		if follow >= need {
			return w.at
		}
	}
	return 0
}

// beaconMembers are the beacons among the members of our incidents.
type beaconMembers struct {
	of map[string]bool // prefixes
	// by prefix: when it was found lost, and back, in any incident
	lost, back map[string][]bgp.Micros
}

// sink takes the members of each revision; the last one of an incident knows all.
func (m *beaconMembers) sink(_ int, inc *detect.Incident, members []detect.Member) {
	if inc.Kind != detect.Outage {
		return
	}
	note := func(in map[string][]bgp.Micros, p string, t detect.Time) {
		if at := bgp.Micros(t.Micros()); !t.IsZero() && !slices.Contains(in[p], at) {
			in[p] = append(in[p], at)
		}
	}
	for i := range members {
		x := &members[i]
		if !m.of[x.Prefix] {
			continue
		}
		note(m.lost, x.Prefix, x.LostAt)
		note(m.back, x.Prefix, x.BackAt)
		for j, h := range x.History {
			was := j > 0 && 2*x.History[j-1].Carried <= x.History[j-1].Expected
			if is := 2*h.Carried <= h.Expected; is && !was {
				note(m.lost, x.Prefix, h.At)
			} else if was && !is {
				note(m.back, x.Prefix, h.At)
			}
		}
	}
}

// within is the first instant of a list from at on, inside the window; 0 when there is none.
func within(list []bgp.Micros, at bgp.Micros) (first bgp.Micros) {
	for _, t := range list {
		if t >= at && t <= at+beaconWindow && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

// beacons scores the record of rrc04, first by the schedule of RIPE NCC's beacons, then by the truth derived from its elements.
func (e Eval) beacons(ctx context.Context) (*evalResult, error) {
	a, err := e.openArchive("rrc04", "mrt", "rrc04")
	if err != nil {
		return nil, err
	}
	a.name = "rrc04"
	docs, err := e.folder("reference", "ris_beacons_docs")
	if err != nil {
		return nil, err
	}
	from := bgp.Micros(a.start.UnixMicro())
	plan, err := beaconSchedule(filepath.Join(docs, "ris-routing-beacons.json"), from, from+24*3600*second)
	if err != nil {
		return nil, err
	}
	raw := &beaconLog{of: map[bgp.Prefix][]beaconWord{}}
	ours := &beaconMembers{of: map[string]bool{}, lost: map[string][]bgp.Micros{}, back: map[string][]bgp.Micros{}}
	for _, t := range plan {
		raw.of[t.prefix] = nil
		ours.of[t.prefix.String()] = true
	}
	each := func(p bgp.Prefix, _ uint32) string { // to the rules, every beacon is a country of its own
		if ours.of[p.String()] {
			return p.String()
		}
		return ""
	}
	ioda, alerter := rivals(each, false)
	events, err := a.derive(ctx, &e)
	if err != nil {
		return nil, err
	}
	out, m, err := a.compete(ctx, &e, ours.sink, raw, ioda, alerter)
	if err != nil {
		return nil, err
	}
	plan = slices.DeleteFunc(plan, func(t transition) bool { return t.at+beaconWindow > out.last || raw.carriers(t.prefix) < beaconVoters })
	if len(plan) == 0 {
		return nil, errors.New("no scheduled time of a beacon lies in the record")
	}
	t := eval.Table{
		Title:   "beacons: scheduled transitions seen, and delay from the schedule",
		Columns: []string{"half of the carriers (raw)", "ours", "IODA, critical", "BGPalerter"},
		Note: fmt.Sprintf("A transition counts when at least %d networks announced the beacon at any time of the record, and is seen when it is found within %d s. "+
			"Ours is a prefix that became lost as a member of an incident, or was back: one incident of AS12654 holds them all, so that it is raised once. BGPalerter has no word for a return.", beaconVoters, beaconWindow/second),
	}
	for _, up := range []bool{false, true} {
		beaconRows(&t, plan, up, raw, ours, ioda.Alerts(), alerter.Alerts())
	}
	reports := a.compare(events.Events, m, []stretch{{"whole", out.first, out.last}})
	return &evalResult{
		About: "4 h 10 min of RIS rrc04, 2021-01-01 04:55 to 09:05 UTC: six full feeds, IPv4 and IPv6, no table at the beginning. The first table takes the published schedule of RIPE NCC's beacons as truth " +
			"(up for two hours, down for two); the others take the events that detect/eval/truth derives from the raw elements.",
		Inputs: []evalInput{a.input}, References: a.places.References(out.first),
		Goals: archiveGoals("rrc04", reports), Tables: []eval.Table{t}, Reports: reports,
		damaged: out.damaged(),
	}, nil
}

// beaconRows adds the lines of the withdrawals, or of the announcements.
func beaconRows(t *eval.Table, plan []transition, up bool, raw *beaconLog, ours *beaconMembers, ioda, alerter []rival.Alert) {
	var (
		found [4]eval.Ratio
		delay [4][]float64
	)
	theirs := func(list []rival.Alert, level string, x transition) (at []bgp.Micros) {
		for _, a := range list {
			if a.Entity.Code == x.prefix.String() && a.Level == level {
				if up {
					at = append(at, a.Ended)
				} else {
					at = append(at, a.Raised)
				}
			}
		}
		return at
	}
	for _, x := range plan {
		if x.up != up {
			continue
		}
		name := x.prefix.String()
		seen := [4]bgp.Micros{raw.half(x), within(ours.lost[name], x.at), within(theirs(ioda, "critical", x), x.at), within(theirs(alerter, "visibility", x), x.at)}
		if up {
			seen[1] = within(ours.back[name], x.at)
		}
		for i, at := range seen {
			count(&found[i], at != 0)
			if at != 0 {
				delay[i] = append(delay[i], float64(at-x.at)/float64(second))
			}
		}
	}
	what := "withdrawn"
	if up {
		what = "announced"
	}
	var cells, spreads []fmt.Stringer
	for i := range found {
		if up && i == 3 {
			cells, spreads = append(cells, eval.Text("–")), append(spreads, eval.Text("–"))
			continue
		}
		cells, spreads = append(cells, found[i]), append(spreads, eval.Seconds(delay[i]))
	}
	t.Add(what+": "+strings.Join(hours(plan, up), ", "), cells...)
	t.Add("… delay", spreads...)
}

// hours are the times of the transitions.
func hours(plan []transition, up bool) (out []string) {
	for _, x := range plan {
		if x.up == up {
			out = append(out, x.at.Time().Format("15:04"))
		}
	}
	return slices.Compact(out)
}
