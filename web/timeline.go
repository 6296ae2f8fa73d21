package web

import (
	"html/template"
	"sort"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

// timeline is the timeline of evidence: what the messages showed and what the detector made of it, in order of event time.
func (s *Server) timeline(in *detect.Incident, members []detect.Member) []entry {
	c := s.cat
	var out []entry
	add := func(at detect.Time, kind, code, ref, key string, args ...any) {
		if !at.IsZero() {
			out = append(out, entry{At: at.Time, Kind: kind, Chip: c.text("chip." + kind), Text: c.html(key, args...), Plain: c.text(key, args...), Ref: ref, Code: code})
		}
	}
	if m := firstWithdrawal(members); m != nil {
		add(m.FirstWithdrawal, "bgp", "first_withdrawal", clean(m.FirstPeer), "log.first", m.Prefix, peerWords(m.FirstPeer))
	} else {
		add(in.Start.Earliest, "bgp", "first_withdrawal", "", "log.earliest")
	}
	if in.Start.Time != in.Start.Earliest {
		add(in.Start.Time, "bgp", "second_network", "", "log.second")
	}
	if in.Start.Latest != in.Start.Time {
		g := mainSignal(in)
		if g != nil {
			add(in.Start.Latest, "det", "crossed_floor", "", "log.floor")
		}
	}
	if g := mainSignal(in); g != nil && in.Peak != nil {
		add(in.Peak.Time, "bgp", "peak", "", "log.peak", grouped(g.Prefixes.Lost), grouped(g.Prefixes.Expected),
			grouped(g.Expected-g.Observed), grouped(g.Expected), s.word("unit", g.Unit))
	}
	if in.End != nil {
		add(in.End.Time, "bgp", "recovered", "", "log.end")
	}
	for _, r := range in.Revisions {
		text := "log.revision"
		if r.Reason == "" {
			text = "log.revision.bare"
		}
		add(r.At, "det", "revision", "", text, r.Revision, s.word("state", string(r.State)), s.word("change", r.Change), r.Reason)
	}
	sort.SliceStable(out, func(i, k int) bool { return out[i].At.Before(out[k].At) })
	return out
}

// firstWithdrawal is the member that was withdrawn first, by prefix when two were at the same instant.
func firstWithdrawal(members []detect.Member) *detect.Member {
	var first *detect.Member
	for i := range members {
		m := &members[i]
		if m.FirstWithdrawal.IsZero() || m.FirstPeer == "" {
			continue
		}
		if first == nil || m.FirstWithdrawal.Before(first.FirstWithdrawal.Time) || m.FirstWithdrawal == first.FirstWithdrawal && m.Prefix < first.Prefix {
			first = m
		}
	}
	return first
}

// peerParts splits a peer's code "<collector>/AS<n>/<address>".
func peerParts(code string) (collector, as, addr string) {
	f := strings.SplitN(clean(code), "/", 3)
	for len(f) < 3 {
		f = append(f, "")
	}
	return f[0], f[1], f[2]
}

func peerWords(code string) string {
	collector, as, _ := peerParts(code)
	if as == "" {
		return collector
	}
	return as + " (" + collector + ")"
}

// says keeps what was observed apart from what it may mean. Only what the figures themselves carry is written; the cause never is.
func (s *Server) says(in *detect.Incident, members []detect.Member) []statement {
	c := s.cat
	var out []statement
	say := func(mark, head, key string, args ...any) {
		out = append(out, statement{mark, "<b>" + c.html(head) + "</b> " + c.html(key, args...)})
	}
	g := mainSignal(in)
	if g == nil {
		say("u", "say.unknown", "say.cause")
		return out
	}
	origins := len(in.Parts)
	say("y", "say.observed", "say.loss", grouped(g.Prefixes.Lost), grouped(g.Prefixes.Expected), c.text(c.count("say.origins", origins), grouped(origins)),
		grouped(g.Prefixes.Expected-g.Prefixes.Lost), grouped(g.Expected-g.Observed), grouped(g.Expected), s.word("unit", g.Unit))
	if d := g.Prefixes.Deaggregated; d > 0 {
		say("y", "say.observed", "say.covered", grouped(d), grouped(g.Prefixes.Lost))
	}
	half, all := onset(members)
	if all > 0 {
		say("y", "say.observed", "say.onset", length(half), length(all), grouped(len(members)))
	}
	if most, n := heaviest(in.Parts); n > 2 && all > 0 && half <= 5*time.Minute {
		say("y", "say.consistent", "say.several", grouped(n), most)
	} else if n == 1 {
		say("y", "say.consistent", "say.one", most)
	}
	if least, of := leastWithdrawn(members); least > 1 {
		say("n", "say.not", "say.onepeer", grouped(least), grouped(of))
	}
	if kept := g.Prefixes.Expected - g.Prefixes.Lost; 10*kept > g.Prefixes.Expected {
		say("n", "say.not", "say.total", share(int64(kept), int64(g.Prefixes.Expected)))
	}
	say("u", "say.unknown", "say.cause")
	say("u", "say.unknown", "say.hosts")
	return out
}

// onset is how long after the first member half of the members, and all of them, were lost.
func onset(members []detect.Member) (half, all time.Duration) {
	var at []time.Time
	for _, m := range members {
		if !m.LostAt.IsZero() {
			at = append(at, m.LostAt.Time)
		}
	}
	if len(at) < 4 {
		return 0, 0
	}
	sort.Slice(at, func(i, k int) bool { return at[i].Before(at[k]) })
	return at[(len(at)-1)/2].Sub(at[0]), at[len(at)-1].Sub(at[0])
}

// heaviest is the share of the loss that the hardest hit part has, and the number of parts.
func heaviest(parts []detect.Part) (string, int) {
	var most, sum int64
	for _, p := range parts {
		most, sum = max(most, p.Lost), sum+p.Lost
	}
	return share(most, sum), len(parts)
}

// leastWithdrawn is the smallest number of networks that had withdrawn a member at its worst, and of how many.
func leastWithdrawn(members []detect.Member) (least, of int) {
	for _, m := range members {
		if m.Withdrawn > 0 && (least == 0 || m.Withdrawn < least) {
			least, of = m.Withdrawn, m.Expected
		}
	}
	return least, of
}

// strip is the history of the hardest hit prefixes.
type strip struct {
	Rows  []stripRow
	Axis  template.HTML
	Shown int
	Of    int
	Label string
}

type stripRow struct {
	Prefix, AS string
	SVG        template.HTML
	Low        string // "0 of 39"
	Gone       bool
}

// newStrip draws the n members that lost the most: by share of networks that withdrew, then by size, then by prefix.
func (s *Server) newStrip(members []detect.Member, w window, n int) *strip {
	if len(members) == 0 {
		return nil
	}
	list := append([]detect.Member(nil), members...)
	sort.SliceStable(list, func(i, k int) bool {
		a, b := list[i], list[k]
		if x, z := int64(a.Withdrawn)*int64(max(1, b.Expected)), int64(b.Withdrawn)*int64(max(1, a.Expected)); x != z {
			return x > z
		}
		if a.Units != b.Units {
			return a.Units > b.Units
		}
		return a.Prefix < b.Prefix
	})
	v := &strip{Of: len(list), Shown: min(n, len(list)), Axis: template.HTML(figure.TimeAxis(w.From, w.Until, 6))}
	for _, m := range list[:v.Shown] {
		steps := make([]figure.Share, len(m.History))
		low, of := m.Expected-m.Withdrawn, m.Expected
		for i, h := range m.History {
			steps[i] = figure.Share{At: h.At.Time, Carried: h.Carried, Of: h.Expected}
		}
		v.Rows = append(v.Rows, stripRow{
			Prefix: clean(m.Prefix), AS: originWords(m.Origin), SVG: template.HTML(figure.Strip(w.From, w.Until, steps)),
			Low: s.cat.text("of", grouped(max(0, low)), grouped(of)), Gone: low <= 0,
		})
	}
	return v
}

func originWords(as uint32) string {
	if as == 0 {
		return "–"
	}
	return asn(as)
}
