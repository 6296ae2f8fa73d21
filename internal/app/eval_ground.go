package app

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect/eval/inject"
	"github.com/corewatch/corewatch/detect/scenario"
)

// ground is a made-up world in which nothing happens but what ordinary networks do: 36 networks feed three collectors. It is written
// as a scenario, and changed as records.
type ground struct {
	text strings.Builder
	draw *rand.Rand
}

// The world of the ground. Country XA has four hundred IPv4 prefixes of ten networks and eighty of IPv6 of four of them, XB a
// hundred and twenty of four networks, XW a hundred of five and twenty of IPv6.
const (
	groundNetworks = 10 // of XA
	groundEach     = 40 // prefixes of each
	groundSix      = 4  // networks with IPv6
	groundEachSix  = 20
)

// newGround begins a scenario; length is in minutes.
func newGround(seed uint64, length int) *ground {
	g := &ground{draw: rand.New(rand.NewPCG(seed, 0x9d))}
	g.line("%s", scenario.Magic)
	g.line("reason   an ordinary day, drawn from seed %d", seed)
	g.line("seed     %d", 1+seed%1_000_000)
	g.line("start    2030-01-01T00:00:00Z")
	g.line("country  XA 10.0.0.0/8 2001:db8::/32")
	g.line("country  XB 20.0.0.0/8")
	g.line("country  XW 30.0.0.0/8 2001:db9::/32")
	for i, name := range []string{"one", "two", "three"} {
		g.line("peers    %s rc-%s AS%d..AS%d", name, name, 64601+12*i, 64612+12*i)
	}
	g.line("peers    all one two three")
	for n := range groundNetworks {
		g.line("prefixes xa%d AS%d 10.%d.0.0/24 x%d", n, 65001+n, n, groundEach)
	}
	for n := range groundSix {
		g.line("prefixes six%d AS%d 2001:db8:%x::/48 x%d", n, 65001+n, n*0x100, groundEachSix)
	}
	for n := range 4 {
		g.line("prefixes xb%d AS%d 20.%d.0.0/24 x30", n, 65101+n, n)
	}
	for n := range 5 {
		g.line("prefixes xw%d AS%d 30.%d.0.0/24 x20", n, 65201+n, n)
	}
	g.line("prefixes far AS65210 2001:db9::/48 x20")
	all := g.names("xa", groundNetworks) + "," + g.names("six", groundSix) + "," + g.names("xb", 4) + ",far"
	g.line("+0s      table all %s,%s via AS64700", all, g.names("xw", 5))
	g.line("+0s      alive all 30s")
	g.line("+0s      churn all %s 1/s", g.names("xw", 5))
	for at := 60; at < length*60-500; at += 400 { // single prefixes come and go, one at a time
		set := fmt.Sprintf("xw%d:%d", g.draw.IntN(5), 1+g.draw.IntN(20))
		g.line("+%ds     withdraw all %s lag %ds", at+g.draw.IntN(30), set, 5+g.draw.IntN(60))
		g.line("+%ds     announce all %s via AS64700 lag %ds", at+100+g.draw.IntN(180), set, 5+g.draw.IntN(50))
	}
	return g
}

func (g *ground) line(format string, args ...any) {
	fmt.Fprintf(&g.text, format+"\n", args...)
}

func (g *ground) names(set string, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", set, i)
	}
	return strings.Join(out, ",")
}

// loss is an outage put into a ground: prefixes of XA leave and come back.
type loss struct {
	at, back int // seconds
	lost, of int // prefixes, of XA's in that family
	networks map[string]bool
}

// lose draws n prefixes of XA, spread evenly over some of its networks, and writes their loss. at, over (from the first prefix to the
// last), lag (from the first peer to the last) and length are seconds.
func (g *ground) lose(n, origins, at, over, lag, length int, six bool) loss {
	l := loss{at: at, back: at + over + length, lost: n, of: groundNetworks * groundEach, networks: map[string]bool{}}
	set, each, nets := "xa", groundEach, groundNetworks
	if six {
		set, each, nets = "six", groundEachSix, groundSix
		l.of = nets * each
	}
	chosen := g.draw.Perm(nets)[:min(origins, nets)]
	var parts []string
	for i, k := range chosen {
		m := min(n*(i+1)/len(chosen)-n*i/len(chosen), each)
		if m == 0 {
			continue
		}
		first := 1 + g.draw.IntN(each-m+1)
		parts = append(parts, fmt.Sprintf("%s%d:%d-%d", set, k, first, first+m-1))
		l.networks[fmt.Sprintf("AS%d", 65001+k)] = true
	}
	sets := strings.Join(parts, ",")
	spread := ""
	if over > 0 {
		spread = fmt.Sprintf(" over %ds", over)
	}
	g.line("+%ds     withdraw all %s%s lag %ds", at, sets, spread, lag)
	g.line("+%ds     announce all %s via AS64700 over 20s lag 20s", l.back, sets)
	return l
}

// finish parses what was written.
func (g *ground) finish(minutes int) (*scenario.Scenario, error) {
	g.line("+%dm     end", minutes)
	g.line("expect   nothing")
	return scenario.Parse("ground", []byte(g.text.String()))
}

// lanes are the records of a scenario's collectors.
func lanes(s *scenario.Scenario) (out []inject.Lane, err error) {
	for _, c := range s.Collectors() {
		l, err := inject.Read(c, s.Stream(c))
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// laneFiles are lanes as input of a merge.
func laneFiles(in []inject.Lane) (out []collect.File) {
	for i := range in {
		l := &in[i]
		out = append(out, collect.File{
			Input: bgp.Input{Name: "records", Collector: l.Collector, Project: sourceOf(l.Collector).Name},
			Open:  func() (io.ReadCloser, string, error) { return io.NopCloser(l.Reader()), "plain", nil },
		})
	}
	return out
}
