//go:build linux

// Package lab watches real routers with the real program: BIRD, FRR and ExaBGP in network namespaces speak BGP and BMP to `corewatch run`,
// lose prefixes, links, processes and time, and what the monitor says about it is held against what was done.
//
// It needs root and the routers; `make test` installs them. The configuration scales times down, from minutes to seconds: hold times, until something
// is suspected, confirmed and closed, and until a monitor has settled in; and a young monitor's floors are not raised. Everything else, as how many must
// vote and withdraw, is as in docs/method.md.
package lab

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWithdrawn: prefixes that every router withdraws are an outage of the country and of the networks that they belong to, IPv4 and IPv6 apart, and of
// nobody else; it ends when they are back. A router that restarts within its time is no part of that.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	l := start(t, "w")

	// FRR passes on what it hears from the neighbour of which it reports, beside its own: of two paths, one goes.
	all := voters * (len(base) + len(targets))
	l.frrRoutes(v4Targets, false)
	l.routes(all - len(v4Targets))
	l.frrRoutes(v4Targets, true)
	l.routes(all)
	l.withdraw(v4Targets)
	four := l.until("an outage of country:"+countryV4, func(in incidents) bool { return in.outage("country", countryV4, "confirmed") != nil })
	if six := four.outage("country", countryV6, ""); six != nil {
		t.Errorf("only IPv4 is gone, and %s has an outage: %s", countryV6, six.line)
	}
	l.withdraw(v6Targets)
	both := l.until("an outage of country:"+countryV6, func(in incidents) bool { return in.outage("country", countryV6, "confirmed") != nil })
	for _, c := range []struct {
		country, signal string
		routes          []route
	}{{countryV4, "bgp.v4", v4Targets}, {countryV6, "bgp.v6", v6Targets}} {
		inc := both.outage("country", c.country, "confirmed")
		if inc == nil || len(inc.Signals) != 1 || inc.Signals[0].Signal != c.signal || inc.Signals[0].Prefixes.Lost != len(c.routes) || inc.Signals[0].ASNs.Voting != voters {
			t.Fatalf("%d prefixes of %s are gone, judged by %d: %+v", len(c.routes), c.country, voters, inc)
		}
		for _, p := range inc.Parts {
			if !slices.ContainsFunc(c.routes, func(r route) bool { return r.origin() == p.Entity.Code }) {
				t.Errorf("%s is no part of %s", p.Entity.Code, c.country)
			}
		}
	}

	l.announce(v4Targets)
	l.announce(v6Targets)
	l.until("nothing open any more", func(in incidents) bool { return len(in) > 0 && in.open() == nil })

	// A router restarts, and is back within the time that it announced.
	l.exa1.kill()
	l.startExa1()
	l.until("faults of the sessions that restart", func(in incidents) bool { return in.faults(l.exa1.voters()...) })
	l.established()
	l.exa1.tell("announce", base, targets)
	l.routes(all)
	end := l.until("nothing open any more", func(in incidents) bool { return in.open() == nil })
	if said := l.monitor.said(); strings.Contains(said, "restart failed") || strings.Count(said, "graceful=true") != len(exa1Hosts) {
		t.Errorf("%d sessions restarted, and the monitor says\n%s", len(exa1Hosts), said)
	}
	for _, inc := range end {
		switch {
		case inc.Kind == "monitor_fault" && slices.ContainsFunc(l.exa1.voters(), func(as int) bool { return incidents{inc}.faults(as) }):
		case inc.Kind == "outage" && (inc.Entity.Code == countryV4 || inc.Entity.Code == countryV6):
		case inc.Kind == "outage" && slices.ContainsFunc(targets, func(r route) bool { return r.origin() == inc.Entity.Code }):
		default:
			t.Errorf("nothing happened to %s: %s", inc.Entity.Code, inc.line)
		}
	}
	l.replaysTheSame()
}

// TestCut: a link that is cut, routers that are killed, one that hangs until its hold time is over, and one that does not come back within the
// restart time that it announced: each is a fault of the monitor's view, and of no network; nor is their return.
func TestCut(t *testing.T) {
	t.Parallel()
	l := start(t, "c")

	l.cut("exa1")
	l.exa2.kill()
	l.bird.kill()
	gone := slices.Concat([]int{birdAS}, l.exa1.voters(), l.exa2.voters()) // one of them FRR tells of, over BMP
	l.until("faults of the routers that are gone", func(in incidents) bool { return in.faults(gone...) })
	l.bgpd.pause()
	l.until("a fault of the router that hangs", func(in incidents) bool { return in.faults(frrAS) })
	l.bgpd.kill()
	l.wait("no router at the station", func() (string, bool) {
		h := l.health()
		return h, strings.Contains(h, "0 routers connected")
	})
	time.Sleep(holdOutage)
	away := l.incidents()
	said := l.monitor.said()
	for text, want := range map[string]int{"restart failed": len(l.exa2.hosts), "Hold Timer Expired": len(exa1Hosts) + 1} {
		if n := strings.Count(said, text); n != want {
			t.Errorf("the monitor says %q %d times, want %d", text, n, want)
		}
	}

	l.join("exa1")
	l.startBGPD()
	l.startBIRD()
	l.startExa2()
	l.established()
	l.exa2.tell("announce", base, targets)
	back := l.until("nothing open any more", func(in incidents) bool { return len(in) > 0 && in.open() == nil })
	for _, inc := range append(away, back...) {
		if inc.Kind != "monitor_fault" {
			t.Errorf("sessions were cut, and somebody has an outage: %s", inc.line)
		}
	}
	l.replaysTheSame()
}

// replaysTheSame stops the monitor and follows its journal: the same incidents, octet for octet.
func (l *lab) replaysTheSame() {
	l.t.Helper()
	l.monitor.stop()
	said := l.corewatch("incidents", "list", "--json", "--faults", "--store", l.path("data"))
	again := l.corewatch("replay", "--json", l.path("data", "live"))
	if len(said) == 0 || !bytes.Equal(sorted(said), sorted(again)) {
		l.t.Errorf("live\n%s\nits journal\n%s", said, again)
	}
}

// sorted is the lines in order: a store lists the newest incident first, a replay the oldest.
func sorted(text []byte) []byte {
	lines := bytes.Split(text, []byte{'\n'})
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, []byte{'\n'})
}
