package truth

import (
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestOneOutage is the definition worked out on paper. Ten ASNs carry five prefixes of one network. One after the other, every 10 s
// from second 100 on, each withdraws them: after the first 9 of 10 carry them, which is 90 %; after the second (110) 80 %; after the
// tenth (190) none, which is less than 10 %. At 600 one of ten announces them again.
func TestOneOutage(t *testing.T) {
	p := &paper{}
	five := block(0, 5)
	for _, s := range ten() {
		p.announce(0, s, 64500, five...)
	}
	for i, s := range ten() {
		p.withdraw(100+10*i, s, five...)
	}
	p.announce(600, peer{n: 3}, 64500, five...)
	p.idle(1000)
	res := derive(t, p, func(netip.Prefix, uint32) string { return "ZZ" })
	if res.Carriers4 != 7 {
		t.Errorf("carriers needed: %d, want two thirds of 10, rounded up", res.Carriers4)
	}
	if len(res.Events) != 2 {
		t.Fatalf("%d events, want the country's and the network's: %+v", len(res.Events), res.Events)
	}
	for i, kind := range []string{"country", "network"} {
		e := res.Events[i]
		got := [6]int64{e.First, e.Start, e.Begin, e.Peak, e.End, e.Recovered}
		want := [6]int64{at(110), at(110), at(190), at(190), at(600), at(600)}
		if e.Kind != kind || got != want || e.Dark != 5 || e.Total != 5 || e.Need != 4 || e.Ending != EndedBack || len(e.Prefixes) != 5 {
			t.Errorf("%s: %+v, want times %v and 5 of 5 dark", kind, e, want)
		}
		if len(e.Origins) != 1 || e.Origins[0] != (OriginCount{64500, 5}) || e.Share() != 1 || e.Held != (Floors{Low: kind == "network", High: kind == "country"}) {
			t.Errorf("%s: origins %v, share %v, floors %v", kind, e.Origins, e.Share(), e.Held)
		}
		if m := e.Prefixes[4]; m != (Prefix{netip.MustParsePrefix("10.0.4.0/24"), 64500, at(110), at(190), at(600)}) {
			t.Errorf("%s: last prefix %+v", kind, m)
		}
	}
}

// TestReadings has one case for each thing the package comment decides; each says how many network events there are.
func TestReadings(t *testing.T) {
	five := block(0, 5)
	announced := func(p *paper, peers []peer) {
		for _, s := range peers {
			p.announce(0, s, 64500, five...)
		}
	}
	withdrawn := func(p *paper, when int, peers []peer) {
		for _, s := range peers {
			p.withdraw(when, s, five...)
		}
	}
	for _, c := range []struct {
		name  string
		write func(p *paper)
		want  []int64 // Begin of each event
	}{
		{"back after less than 3 min", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			p.announce(279, peer{n: 0}, 64500, five...)
			p.idle(2000)
		}, nil},
		{"back after 3 min", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			p.announce(280, peer{n: 0}, 64500, five...)
			p.idle(2000)
		}, []int64{at(100)}},
		{"open at the end", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			p.idle(280)
		}, []int64{at(100)}},
		{"one of ten still carries it", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten()[1:])
			p.idle(2000)
		}, nil},
		{"an ASN that went an hour ago is not asked any more", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten()[:2])
			withdrawn(p, 3701, ten()[2:9]) // one of eight is left
			p.idle(6000)
		}, nil},
		{"three prefixes", func(p *paper) {
			announced(p, ten())
			for _, s := range ten() {
				p.withdraw(100, s, five[:3]...)
			}
			p.idle(2000)
		}, nil},
		{"four of a hundred are not 5 percent", func(p *paper) {
			announced(p, ten())
			p.announce(0, peer{n: 0}, 64500, block(5, 95)...)
			for _, s := range ten() {
				p.withdraw(100, s, five[:4]...)
			}
			p.idle(2000)
		}, nil},
		{"six of ten name it and seven are needed", func(p *paper) {
			for _, s := range ten() {
				p.announce(0, s, 64500, block(100, 5)...)
			}
			announced(p, ten()[:6])
			withdrawn(p, 100, ten()[:6])
			p.idle(2000)
		}, nil},
		{"first words that are withdrawals", func(p *paper) {
			withdrawn(p, 100, ten()[:9])
			p.announce(101, peer{n: 9}, 64500, block(100, 1)...)
			p.announce(400, peer{n: 0}, 64500, five...)
			p.idle(2000)
		}, []int64{at(100)}},
		{"a later withdrawal proves that a silent ASN still carried it", func(p *paper) {
			announced(p, ten()[:9])
			withdrawn(p, 100, ten()[:9])
			p.withdraw(500, peer{n: 9}, five...)
			p.idle(2000)
		}, []int64{at(500)}},
		{"sessions lost by their collector's word", func(p *paper) {
			announced(p, ten())
			for _, s := range ten() {
				p.state(100, s, 6, 1)
			}
			p.idle(2000)
		}, nil},
		{"half of the sessions lost, the rest withdraw", func(p *paper) {
			announced(p, ten())
			for _, s := range ten()[:3] {
				p.state(100, s, 6, 1)
			}
			withdrawn(p, 110, ten()[3:])
			p.idle(2000)
		}, []int64{at(110)}},
		{"sessions lost during the event", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			for _, s := range ten()[:6] {
				p.state(200, s, 6, 1)
			}
			p.idle(2000)
		}, nil},
		{"the table is withdrawn, over ten sessions at once", func(p *paper) {
			many := block(0, 1200)
			for _, s := range ten() {
				p.announce(0, s, 64500, many...)
			}
			for i, s := range ten() {
				p.withdraw(600+i, s, many...)
			}
			p.idle(3000)
		}, nil},
		{"a withdrawn table is blind one minute longer, then counts again", func(p *paper) {
			many := block(0, 1200)
			for _, s := range ten() {
				p.announce(0, s, 64500, many...)
			}
			p.withdraw(600, peer{n: 0}, many...)
			p.announce(650, peer{n: 0}, 64500, five...)
			for _, s := range ten() {
				p.withdraw(720, s, five...)
			}
			p.idle(3000)
		}, nil}, // five of 1200 are no 5 percent: see the next case
		{"a large network, not quite a table", func(p *paper) {
			many := block(0, 999)
			for _, s := range ten() {
				p.announce(0, s, 64500, many...)
			}
			for i, s := range ten() {
				p.withdraw(600+i, s, many...)
			}
			p.idle(3000)
		}, []int64{at(609)}},
		{"given up one by one", func(p *paper) {
			announced(p, ten())
			for i, x := range five {
				for _, s := range ten() {
					p.withdraw(100+1300*i, s, x)
				}
			}
			p.idle(9000)
		}, nil},
		{"a drain within the hour", func(p *paper) {
			announced(p, ten())
			for i, x := range five {
				for _, s := range ten() {
					p.withdraw(100+1100*i, s, x)
				}
			}
			p.idle(9000)
		}, []int64{at(3400)}},
		{"a break of under 3 min", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			p.announce(500, peer{n: 0}, 64500, five...)
			p.withdraw(679, peer{n: 0}, five...)
			p.announce(1000, peer{n: 0}, 64500, five...)
			p.idle(2000)
		}, []int64{at(100)}},
		{"a break of 3 min", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			p.announce(500, peer{n: 0}, 64500, five...)
			p.withdraw(680, peer{n: 0}, five...)
			p.announce(1000, peer{n: 0}, 64500, five...)
			p.idle(2000)
		}, []int64{at(100), at(680)}},
		{"flapping, never 3 min at a time", func(p *paper) {
			announced(p, ten())
			withdrawn(p, 100, ten())
			for i := range 10 {
				p.announce(200+200*i, peer{n: 0}, 64500, five...)
				p.withdraw(300+200*i, peer{n: 0}, five...)
			}
			p.announce(2200, peer{n: 0}, 64500, five...)
			p.idle(4000)
		}, nil},
		{"a session lost before its first word proves nothing about the time before the loss", func(p *paper) {
			announced(p, ten()[:7])
			p.announce(0, peer{n: 8}, 64500, block(100, 5)...)
			p.announce(0, peer{n: 9}, 64500, block(100, 5)...)
			withdrawn(p, 40, ten()[:7])
			p.state(50, peer{n: 7}, 6, 1)
			withdrawn(p, 60, ten()[7:8])
			p.idle(2000)
		}, []int64{at(40)}},
		{"a table is lost from the minute before on", func(p *paper) {
			tables(p)
			p.withdraw(541, peer{n: 6}, five...)
			withdrawn(p, 550, ten()[:6])
			losing(p, 600)
			p.idle(3000)
		}, nil},
		{"but not from earlier", func(p *paper) {
			tables(p)
			withdrawn(p, 530, ten()[:7])
			losing(p, 600)
			p.idle(3000)
		}, []int64{at(530)}},
		{"until the minute after is over", func(p *paper) {
			tables(p)
			losing(p, 600)
			p.announce(650, peer{n: 6}, 64500, five...)
			p.withdraw(719, peer{n: 6}, five...)
			withdrawn(p, 730, ten()[:6])
			p.idle(3000)
		}, nil},
		{"and not longer", func(p *paper) {
			tables(p)
			losing(p, 600)
			p.announce(650, peer{n: 6}, 64500, five...)
			p.withdraw(720, peer{n: 6}, five...)
			withdrawn(p, 730, ten()[:6])
			p.idle(3000)
		}, []int64{at(730)}},
		{"the other session of the ASN carries on", func(p *paper) {
			announced(p, ten())
			second := peer{n: 20, as: 64600}
			p.announce(0, second, 64500, five...)
			withdrawn(p, 100, ten())
			p.withdraw(400, second, five...)
			p.idle(2000)
		}, []int64{at(400)}},
	} {
		p := &paper{}
		c.write(p)
		var got []int64
		for _, e := range derive(t, p, nil).Events {
			got = append(got, e.Begin)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: events beginning at %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: event %d begins %d s later than wanted", c.name, i, (got[i]-c.want[i])/second)
			}
		}
	}
}

// tables gives ten sessions a table, and the first seven five prefixes beside it: just as many as are needed to judge these.
func tables(p *paper) {
	for _, s := range ten() {
		p.announce(0, s, 64501, block(1000, 1200)...)
	}
	for _, s := range ten()[:7] {
		p.announce(0, s, 64500, block(0, 5)...)
	}
}

// losing has the seventh session withdraw its table.
func losing(p *paper, when int) { p.withdraw(when, peer{n: 6}, block(1000, 1200)...) }

// TestStartAndRecovery: what decides the start of a prefix, and when a recovery is one.
func TestStartAndRecovery(t *testing.T) {
	five := block(0, 5)
	p := &paper{}
	for _, s := range ten() {
		p.announce(0, s, 64500, five...)
	}
	p.withdraw(100, peer{n: 0}, five...)
	p.withdraw(110, peer{n: 1}, five...) // 80 %, and after an hour eight of eight
	for i, s := range ten()[2:] {
		p.withdraw(4000+i, s, five...) // the first makes it seven of eight
	}
	p.announce(5000, peer{n: 5}, 64500, five...)
	p.idle(5179)
	e := derive(t, p, nil).Events
	if len(e) != 1 || e[0].Start != at(4000) || e[0].Begin != at(4007) || e[0].End != at(5000) || e[0].Recovered != 0 {
		t.Errorf("179 s after the return: %+v", e)
	}
	p.idle(5180)
	if e = derive(t, p, nil).Events; len(e) != 1 || e[0].Recovered != at(5000) {
		t.Errorf("180 s after the return: %+v", e)
	}
}

// TestTableLossIsOneVote: of ten ASNs nine withdraw; the tenth withdraws its whole table in the same minutes, then announces the
// prefixes again and withdraws them once more when its blindness is over.
func TestTableLossIsOneVote(t *testing.T) {
	p := &paper{}
	five, table := block(0, 5), block(1000, 1200)
	for _, s := range ten() {
		p.announce(0, s, 64500, five...)
		p.announce(0, s, 64501, table...)
	}
	p.withdraw(600, peer{n: 9}, table...)
	p.withdraw(601, peer{n: 9}, five...) // unknown, not down
	for _, s := range ten()[:8] {
		p.withdraw(602, s, five...)
	}
	p.announce(610, peer{n: 9}, 64500, five...)
	p.withdraw(620, peer{n: 8}, five...) // one of ten carries it: not dark
	p.withdraw(719, peer{n: 9}, five...) // unknown again: none of nine
	p.idle(3000)
	res := derive(t, p, nil)
	if len(res.TableLosses) != 1 || res.TableLosses[0].AS != 64609 || res.TableLosses[0].Prefixes != 1205 || res.TableLosses[0].Minute != at(600) {
		t.Errorf("table losses: %+v", res.TableLosses)
	}
	if len(res.Events) != 1 || res.Events[0].Begin != at(719) || res.Events[0].Start != at(602) || res.Events[0].Code != "AS64500" {
		t.Errorf("events: %+v", res.Events)
	}
}

// TestUntrusted: a session that repeats its withdrawals proves nothing by a first word.
func TestUntrusted(t *testing.T) {
	five := block(0, 5)
	for _, repeats := range []int{2, 3} {
		p := &paper{}
		many := block(1000, 500)
		for _, s := range ten() {
			p.announce(0, s, 64501, many...)
		}
		// 500 withdrawals, 500 after announcing again, 5 in the outage, and repeats × 20 repeated ones: 40 of 1,045 or 60 of 1,065.
		s := peer{n: 6}
		p.withdraw(10, s, many...)
		p.announce(70, s, 64501, many...)
		p.withdraw(130, s, many...)
		for range repeats {
			p.withdraw(190, s, many[:20]...)
		}
		for _, s := range ten()[:7] {
			p.withdraw(300, s, five...)
		}
		p.announce(301, peer{n: 0}, 64500, block(5, 1)...)
		p.idle(2000)
		res := derive(t, p, func(x netip.Prefix, _ uint32) string {
			if netip.MustParsePrefix("10.0.0.0/16").Contains(x.Addr()) && x.Addr().As4()[2] < 5 {
				return "ZZ"
			}
			return ""
		})
		want := map[int]int{2: 1, 3: 0}[repeats] // seven known carriers are needed, and six are left
		if len(res.Events) != want || res.UntrustedSessions != 1-want {
			t.Errorf("%d repeats: %d events, %d sessions untrusted", repeats, len(res.Events), res.UntrustedSessions)
		}
	}
}

// TestCountryAtPeak: 8 of 100 prefixes of three networks, two of them under a covering prefix that lives; one prefix began to fall
// long before the others and one stays away.
func TestCountryAtPeak(t *testing.T) {
	p := &paper{}
	lost := block(0, 8)
	origin := func(i int) uint32 { return 64500 + uint32(i%3) }
	for _, s := range ten() {
		p.announce(0, s, 64501, "10.0.0.0/23") // covers 10.0.1.0/24 of the same origin; 10.0.0.0/24 is of another
		for i, x := range lost {
			p.announce(0, s, origin(i), x)
		}
		p.announce(0, s, 64510, block(100, 91)...)
	}
	p.withdraw(10, peer{n: 0}, lost[7])
	p.withdraw(11, peer{n: 1}, lost[7]) // 80 % from here on
	for _, s := range ten()[2:] {
		p.withdraw(1000, s, lost[7])
	}
	for _, s := range ten() {
		p.withdraw(1100, s, lost[:7]...)
	}
	for _, s := range ten() {
		for i, x := range lost[:7] {
			p.announce(2000, s, origin(i), x)
		}
	}
	p.idle(3000)
	res := derive(t, p, func(netip.Prefix, uint32) string { return "ZZ" })
	var e *Event
	for i := range res.Events {
		if res.Events[i].Kind == "country" {
			e = &res.Events[i]
		}
	}
	if e == nil || e.Dark != 8 || e.Total != 100 || e.Covered != 1 || len(e.Origins) != 3 || e.Origins[0] != (OriginCount{64500, 3}) {
		t.Fatalf("country: %+v", e)
	}
	if e.Start != at(1100) || e.First != at(1100) || e.Prefixes[0].Start != at(11) || e.Begin != at(1100) || e.End != at(2000) || e.Recovered != 0 {
		t.Errorf("times: %+v", e)
	}
	if e.Reached.Any() {
		t.Errorf("floors %v: seven that are not covered are fewer than 8", e.Reached)
	}
	for range 5 {
		if again := derive(t, p, func(netip.Prefix, uint32) string { return "ZZ" }); !reflect.DeepEqual(res, again) {
			t.Fatal("derived again, another result")
		}
	}
}

// TestFamiliesApart: what IPv6 loses is not added to IPv4.
func TestFamiliesApart(t *testing.T) {
	p := &paper{}
	v6 := nlri("2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48", "2001:db8:4::/48")
	hop := append([]byte{0, 2, 1, 16}, make([]byte, 17)...)
	for _, s := range ten() {
		p.update(0, s, message(nil, append(attribute(2, pathOf(s.AS(), 64500)), attribute(14, append(hop, v6...))...), nlri(block(0, 3)...)))
	}
	for _, s := range ten() {
		p.update(100, s, message(nlri(block(0, 3)...), attribute(15, append([]byte{0, 2, 1}, v6...)), nil))
	}
	p.idle(1000)
	res := derive(t, p, nil)
	if len(res.Events) != 1 || res.Events[0].Family != 6 || res.Events[0].Dark != 4 || res.Events[0].Total != 4 || res.Prefixes4 != 3 || res.Prefixes6 != 4 {
		t.Errorf("%+v", res)
	}
}

// TestSharesNoCode holds the promise of the package comment.
func TestSharesNoCode(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range src.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); strings.Contains(path, ".") && path != "github.com/corewatch/corewatch/bgp/mrt" {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
	}
}
