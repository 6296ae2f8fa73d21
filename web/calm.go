package web

import (
	"context"
	"fmt"
	"html/template"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// unstable reports a sample that must not be shown as normal: too much of its weight could not be judged (method, section 2).
func (s *Server) unstable(p detect.Sample) bool {
	c := detect.Config{UnstableShare: s.cfg.UnstableShare}
	return !p.NoData && c.Unstable(p.Expected, p.Unobservable)
}

// notice says of each family whose newest sample is unstable what could not be judged; empty when none is.
func (s *Server) notice(ctx context.Context, lib Library, entity, name string, v4 detect.Sample) (template.HTML, error) {
	v6, err := newest(ctx, lib, entity, sigV6)
	if err != nil {
		return "", err
	}
	var say []string
	for _, f := range []struct {
		p    detect.Sample
		unit string
	}{{v4, "slash24"}, {v6, "slash48"}} {
		if !s.unstable(f.p) {
			continue
		}
		all := f.p.Expected + f.p.Unobservable
		say = append(say, string(s.cat.html("unstable.say", name, full(f.p.At.Time), grouped(f.p.Unobservable), grouped(all),
			s.word("unit", f.unit), share(f.p.Unobservable, all), fmt.Sprintf("%.4g", 100*s.cfg.UnstableShare))))
	}
	return template.HTML(strings.Join(say, " ")), nil
}

// calm is the sentence and the tiles of a country without an incident.
func (s *Server) calm(name string, p detect.Sample) (template.HTML, []tile) {
	if p.At.IsZero() {
		return s.cat.html("calm.nothing", name), nil
	}
	if p.NoData {
		return s.cat.html("calm.nodata", name, full(p.At.Time)), nil
	}
	vis := int64(p.Prefixes - p.LostPrefixes)
	at := s.cat.html("tile.now", hourMinute(p.At.Time))
	say := s.cat.html("calm.lede", name, full(p.At.Time), grouped(vis), grouped(p.Prefixes), share(vis, int64(p.Prefixes)), grouped(p.Voting))
	if s.unstable(p) {
		say = s.cat.html("calm.rest", grouped(vis), grouped(p.Prefixes), share(vis, int64(p.Prefixes)), grouped(p.Voting))
	}
	sub := s.cat.html("tile.blocks", grouped(p.Expected-p.Lost), grouped(p.Expected))
	if p.Unobservable > 0 {
		sub = s.cat.html("tile.unobservable", sub, grouped(p.Unobservable))
	}
	big, unit := number(share(vis, int64(p.Prefixes)))
	blocks, bunit := number(share(p.Expected-p.Lost, p.Expected))
	return say, []tile{
		{Class: "bgp", Head: s.cat.text("tile.routes", "IPv4"), Big: big, Unit: unit, Rest: s.cat.text("tile.visible"), Part: vis, Whole: int64(p.Prefixes), Sub: s.cat.html("tile.prefixes", grouped(vis), grouped(p.Prefixes)), Source: at},
		{Class: "bgp", Head: s.cat.text("tile.slash24"), Big: blocks, Unit: bunit, Rest: s.cat.text("tile.visible"), Part: p.Expected - p.Lost, Whole: p.Expected, Sub: sub, Source: at},
		{Class: "vote", Head: s.cat.text("tile.vantage"), Big: grouped(p.Voting), Rest: s.cat.text("tile.vote"), Part: 1, Whole: 1, Source: at},
	}
}
