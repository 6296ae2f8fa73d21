package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/detect"
)

// claim is one sentence that may be cited, with what it rests on.
type claim struct {
	ID       string  `json:"id"`
	Claim    string  `json:"claim"`
	State    string  `json:"state"`
	N        *int64  `json:"n,omitempty"`
	Of       *int64  `json:"of,omitempty"`
	Unit     string  `json:"unit,omitempty"`
	Interval between `json:"interval"`
	Rule     string  `json:"rule"`
	Witness  basis   `json:"witness"`
}

type between struct {
	From  detect.Time `json:"from,omitzero"`
	Until detect.Time `json:"until,omitzero"`
}

// basis names the rows that a claim rests on: at most maxWitness of each kind, All of them together.
type basis struct {
	Timeline []int    `json:"timeline,omitempty"`
	Members  []string `json:"members,omitempty"`
	Messages []uint64 `json:"messages,omitempty"`
	All      int      `json:"all"`
}

const maxWitness = 20

// claims adds claims.json.
func (b *builder) claims() error {
	c := &claimant{b: b, byPrefix: map[string][]int{}, byWhat: map[string][]int{}}
	for n, e := range b.story.events {
		if e.prefix != "" {
			c.byPrefix[e.prefix] = append(c.byPrefix[e.prefix], n)
		}
		c.byWhat[e.what] = append(c.byWhat[e.what], n)
	}
	c.whole()
	for _, x := range c.list {
		b.sentences = append(b.sentences, x.Claim)
	}
	for _, m := range b.members {
		c.member(m)
	}
	text, err := lines(document(b.inc), "claims", len(c.list), func(n int) any { return c.list[n] })
	if err != nil {
		return err
	}
	return b.add("data/claims.json", text)
}

type claimant struct {
	b                *builder
	byPrefix, byWhat map[string][]int // rows of the timeline
	list             []claim
}

func (c *claimant) say(section string, n, of int64, unit string, i between, w basis, format string, args ...any) {
	inc := c.b.inc
	x := claim{
		ID: fmt.Sprintf("c%d", len(c.list)+1), Claim: cell(fmt.Sprintf(format, args...)), State: string(inc.State), Interval: i,
		Rule: cell(fmt.Sprintf("%s/%s section %s", inc.Method.Name, inc.Method.Version, section)), Witness: w,
	}
	if unit != "" {
		x.N, x.Of, x.Unit = &n, &of, unit
	}
	c.list = append(c.list, x)
}

// rest collects what a claim rests on: rows of the timeline by their kind, members, and the messages that witness them.
func (c *claimant) rest(what []string, members []detect.Member) (w basis) {
	rows := []int{}
	for _, x := range what {
		rows = append(rows, c.byWhat[x]...)
	}
	for _, m := range members {
		rows = append(rows, c.byPrefix[m.Prefix]...)
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	var messages []uint64
	for _, n := range rows {
		if s := c.b.story.events[n].message; s != 0 {
			messages = append(messages, s)
		}
	}
	slices.Sort(messages)
	messages = slices.Compact(messages)
	w.All = len(rows) + len(members) + len(messages)
	for _, n := range rows[:min(maxWitness, len(rows))] {
		w.Timeline = append(w.Timeline, n+1)
	}
	for _, m := range members[:min(maxWitness, len(members))] {
		w.Members = append(w.Members, m.Prefix)
	}
	w.Messages = messages[:min(maxWitness, len(messages))]
	return w
}

// whole makes the claims about the incident as one.
func (c *claimant) whole() {
	i := c.b.inc
	name := cmp.Or(i.Entity.Name, i.Entity.Code)
	all := c.b.members
	until := between{i.Start.Earliest, i.Start.Latest}
	c.say("5", 0, 0, "", until, c.rest([]string{"first_withdrawal", "second_network", "t0"}, all),
		"The loss of routes of %s began at %s (UTC), not before %s and not after %s.", name, i.Start.Time, i.Start.Earliest, i.Start.Latest)
	for _, s := range i.Signals {
		at := between{s.At, s.At}
		c.say("4", s.Expected-s.Observed, s.Expected, s.Unit, at, c.rest([]string{"peak"}, all),
			"At %s (UTC) %d of %d observable %s blocks of %s were not visible in the routes of the %d of %d networks that voted; %d more blocks could not be judged.",
			s.At, s.Expected-s.Observed, s.Expected, block(s.Unit), name, s.ASNs.Voting, s.ASNs.Expected, s.Unobservable)
		c.say("4", int64(s.Prefixes.Lost), int64(s.Prefixes.Expected), "prefixes", at, c.rest([]string{"peak"}, all),
			"At %s (UTC) %d of %d observable prefixes of %s were withdrawn by at least half of the networks that were expected to carry them.", s.At, s.Prefixes.Lost, s.Prefixes.Expected, name)
	}
	for _, p := range i.Parts {
		if p.Lost == 0 { // all that it lost is covered by less specific prefixes of its own
			continue
		}
		who := p.Entity.Code
		if p.Entity.Name != "" {
			who = p.Entity.Name + " (" + who + ")"
		}
		var own []detect.Member
		for _, m := range all {
			if p.Entity.Type == "network" && p.Entity.Code == fmt.Sprintf("AS%d", m.Origin) {
				own = append(own, m)
			}
		}
		c.say("4", p.Lost, p.Expected, p.Unit, between{i.Start.Time, c.last()}, c.rest([]string{"peak"}, own),
			"Of %s, %d of %d %s blocks were lost at the peak.", who, p.Lost, p.Expected, block(p.Unit))
	}
	if i.End != nil {
		c.say("5", 0, 0, "", between{i.End.Earliest, i.End.Latest}, c.rest([]string{"end", "end_earliest", "end_latest"}, all),
			"The loss of routes of %s ended at %s (UTC), when enough of the prefixes were announced again.", name, i.End.Time)
	} else if !i.OpenAt.IsZero() {
		c.say("5", 0, 0, "", between{i.Start.Time, i.OpenAt}, c.rest([]string{"open_at"}, all), "The loss of routes of %s had not ended at %s (UTC), where the records end.", name, i.OpenAt)
	}
}

func (c *claimant) last() detect.Time {
	if i := c.b.inc; i.End != nil {
		return i.End.Time
	}
	return c.b.inc.OpenAt
}

// member makes the claim about one prefix.
func (c *claimant) member(m detect.Member) {
	text := fmt.Sprintf("%s was lost at %s (UTC): %d of the %d networks that were expected to carry it had withdrawn it at its worst", m.Prefix, m.LostAt, m.Withdrawn, m.Expected)
	if !m.BackAt.IsZero() {
		text += fmt.Sprintf("; it was found announced again at %s", m.BackAt)
	}
	c.say("2", int64(m.Withdrawn), int64(m.Expected), "networks", between{m.LostAt, m.BackAt}, c.rest(nil, []detect.Member{m}), "%s.", text)
}

// block is the unit in words.
func block(unit string) string {
	switch unit {
	case "slash24":
		return "/24"
	case "slash48":
		return "/48"
	}
	return unit
}
