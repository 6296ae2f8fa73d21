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
