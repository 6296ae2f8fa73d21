package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// revise writes the next revision: figures at the peak, parts, coverage and evidence as they stand now, and the reason.
func (inc *incident) revise(e *Engine, w *watch, change, reason string) {
	d := &inc.doc
	d.Signals = d.Signals[:0:0]
	var main *track
	for _, t := range w.tracks {
		if t == nil || !t.joined {
			continue
		}
		e.atPeak(t)
		if main == nil || t.rise(&t.peak) > main.rise(&main.peak) {
			main = t
		}
		ctx := e.world.Context(w.id, t.sig)
		p := &t.peak
		d.Signals = append(d.Signals, Signal{
			Signal: t.sig.String(), Unit: t.sig.Unit(), Expected: p.Expected, Observed: p.Expected - p.Lost, Unobservable: p.Unobservable,
			At: micros(t.peakAt), LostShare: Share(p.UnitShare()),
			Prefixes: PrefixCount{Expected: p.Prefixes, Lost: p.LostPrefixes, Deaggregated: p.Deaggregated, Unobservable: p.UnobservablePrefixes},
			ASNs:     p.Votes, Collectors: ctx.Collectors,
		})
		d.References, d.Sources = ctx.References, ctx.Sources
		if all := p.Expected + p.Unobservable; float64(p.Unobservable) > e.cfg.UnstableShare*float64(all) {
			ctx.Coverage = Coverage{"reduced", append(ctx.Coverage.Because, "unstable")}
		}
		d.Coverage = worse(d.Coverage, ctx.Coverage, len(d.Signals) == 1)
	}
	if main != nil {
		d.Peak = &Moment{Time: micros(main.peakAt)}
		inc.ensureFirstEpisode()
		if len(d.Episodes) == 1 {
			d.Episodes[0].PeakLostShare = Share(inc.ownPeak)
			d.Episodes[0].Start = d.Start.Time
			if d.End != nil {
				d.Episodes[0].End = d.End.Time
			}
		}
		if d.Entity.Type != "network" {
			d.Parts = main.peakParts
		}
		d.Title = e.title(d.Entity, main)
		d.Severity = Severity(main.peak.Level(), main.peak.Lost, float64(inc.duration(e.now))/1e6)
		inc.size, inc.sizeAt = inc.peakRise(w), e.now
	}
	if change != inputEnded {
		d.OpenAt = Time{}
	}
	d.Evidence = e.world.Evidence(inc.serial)
	d.Revision++
	d.Revisions = append(d.Revisions, Revision{Revision: d.Revision, At: micros(e.now), State: d.State, Change: change, Reason: reason})
	if e.sink != nil {
		var ms []Member
		if !e.bare {
			ms = make([]Member, len(inc.members))
		}
		for i, m := range inc.members[:len(ms)] {
			ms[i] = e.world.Member(m.row, inc.serial)
			ms[i].LostAt = micros(m.lostAt)
			if m.state == PrefixBack {
				ms[i].BackAt = micros(m.since)
			}
		}
		e.sink(inc.serial, d, ms)
	}
}

// worse joins the coverage of an incident's signals: what reduces one reduces the whole.
func worse(a, b Coverage, first bool) Coverage {
	if first {
		return b
	}
	for _, r := range a.Because {
		if !slices.Contains(b.Because, r) {
			b.Because = append(b.Because, r)
		}
	}
	if a.Level == "reduced" {
		b.Level = a.Level
	}
	return b
}

// duration is from t0 to the end, or to now while open, in µs.
func (inc *incident) duration(now int64) int64 {
	if inc.doc.End != nil {
		now = inc.doc.End.Time.UnixMicro()
	}
	return max(0, now-inc.t0)
}

// title names the place and the size with its denominator. When one origin is at least TitleShare of the loss it names that
// network, never the country; and of a zone it names the one country that is (section 4).
func (e *Engine) title(ent Entity, t *track) string {
	p := &t.peak
	name := ent.Name
	if name == "" {
		name = ent.Code
	}
	family := "IPv4"
	if t.sig == BGPv6 {
		family = "IPv6"
	}
	size := fmt.Sprintf("%s of %s observable %s prefixes", thousands(p.LostPrefixes), thousands(p.Prefixes), family)
	share := fmt.Sprintf("(%.1f %%)", 100*p.PrefixShare())
	enough := e.cfg.TitleShare * float64(p.LostPrefixes)
	if ent.Type != "network" && len(t.peakParts) > 0 {
		if top := t.peakParts[0]; float64(top.Prefixes) >= enough {
			n := top.Entity.Code
			if top.Entity.Name != "" {
				n += " " + top.Entity.Name
			}
			return fmt.Sprintf("Network %s: %s of %s %s", n, size, name, share)
		}
	}
	if len(t.peakIn) > 0 && float64(t.peakIn[0].Prefixes) >= enough {
		c := e.entities[t.peakIn[0].Country]
		return fmt.Sprintf("Country %s: %s of %s %s", cmp.Or(c.Name, c.Code), size, name, share)
	}
	return fmt.Sprintf("%s: %s left the routing table %s", name, size, share)
}

// thousands groups digits with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
