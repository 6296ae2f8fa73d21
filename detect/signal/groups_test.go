package signal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// lands is the atlas with regions of 16 blocks, the last of each 16 in none, and two zones: the first five regions, and AS64501 on one day.
type lands struct{ atlas }

func (lands) Region(p bgp.Prefix, country string) (code, name string) {
	if i := int(p.Netip().Addr().As4()[2]); country == "PK" && i%16 != 15 {
		return fmt.Sprintf("PK-%02d", i/16), fmt.Sprintf("Region %d", i/16)
	}
	return "", ""
}

// zoneDay is the day of the second zone: that which begins five hours after the start.
const zoneDay = start/(86400*bgp.Second) + 1

func (lands) Zones(_ bgp.Prefix, origin uint32, country, region string, at bgp.Micros) (out []detect.Entity) {
	if country == "PK" && region != "" && region < "PK-05" {
		out = append(out, detect.Entity{Type: "zone", Code: "five", Name: "Five"})
	}
	if day := at / (86400 * bgp.Second); origin == 64501 && day == zoneDay {
		out = append(out, detect.Entity{Type: "zone", Code: "one-day", Name: "One day"})
	}
	return out
}

func (lands) ZonesChange(after, until bgp.Micros) bool {
	from, to := after/(86400*bgp.Second), until/(86400*bgp.Second)
	return from < zoneDay && zoneDay <= to || from < zoneDay+1 && zoneDay+1 <= to
}

// check adds every region and zone up again from the rows.
func (f *feed) check(t *testing.T) {
	t.Helper()
	l := f.m.places.(lands)
	for _, fam := range f.m.fams {
		want := map[string]detect.Reading{}
		origins := map[string]map[uint32]bool{}
		for i := range fam.rows {
			x, p := &fam.rows[i], fam.table.Prefix(visibility.RowID(i))
			if x.judged == unjudged {
				continue
			}
			country := l.Country(p, x.origin)
			region, _ := l.Region(p, country)
			var keys []string
			if region != "" {
				keys = append(keys, "region:"+region)
			}
			for _, z := range l.Zones(p, x.origin, country, region, f.m.now) {
				keys = append(keys, z.Key())
			}
			for _, k := range keys {
				r := want[k]
				switch {
				case x.judged == unobservable:
					r.UnobservablePrefixes++
					r.Unobservable += int64(x.units)
				default:
					r.Prefixes++
					r.Expected += int64(x.units)
				}
				if x.judged == lost {
					r.LostPrefixes++
					r.Depth += int64(x.loss8)
					if x.covered {
						r.Deaggregated++
					} else {
						r.Lost += int64(x.units)
						if origins[k] == nil {
							origins[k] = map[uint32]bool{}
						}
						if x.origin != 0 {
							origins[k][x.origin] = true
						}
					}
				}
				want[k] = r
			}
		}
		for key, id := range f.m.others {
			a := fam.aggs[id]
			if a == nil {
				a = &agg{}
			}
			got, w := fam.reading(a), want[key]
			w.Origins = len(origins[key])
			got.Votes, got.SmallQuorum = w.Votes, w.SmallQuorum
			if got != w {
				t.Fatalf("%s of %s: %+v, want %+v", key, fam.sig, got, w)
			}
			delete(want, key)
		}
		if len(want) != 0 {
			t.Fatalf("not registered: %v", want)
		}
	}
}

// TestGroupsAddUp withdraws, announces and moves prefixes at random, over a midnight at which a zone begins and one at which it is over:
// regions and zones are always the sums of their rows.
func TestGroupsAddUp(t *testing.T) {
	ps := peers(12)
	f := seededIn(t, lands{}, ps, 200)
	f.check(t)
	r := rand.New(rand.NewPCG(3, 5))
	f.run(119)
	f.step = 60 * bgp.Second
	moved := 0
	for round := range 30 {
		f.run(int64(round+1) * 3600)
		for range 40 {
			x := block(r.IntN(220))
			sec := float64(f.now-f.step-start)/1e6 + 1
			kind := bgp.Announce
			if r.IntN(3) > 0 {
				kind = bgp.Withdraw
			}
			as := origin(x)
			if r.IntN(4) == 0 {
				as, moved = 64501, moved+1
			}
			for _, p := range ps[:6+r.IntN(7)] {
				f.seq++
				if err := f.m.Begin(bgp.Message{Seq: f.seq, At: at(sec), Peer: p, Raw: []byte("x")}); err != nil {
					t.Fatal(err)
				}
				f.m.Elem(&bgp.Elem{Prefix: x, Kind: kind, Origin: as})
				f.m.End()
			}
		}
		f.check(t)
		zone, ok := f.m.others["zone:one-day"]
		if day := f.m.now / (86400 * bgp.Second); ok != (day >= zoneDay) || ok && day > zoneDay && f.m.fams[0].aggs[zone].n != 0 {
			t.Fatalf("hour %d: the zone of one day is known: %v", round+1, ok)
		}
	}
	if moved == 0 || len(f.m.others) < 14 {
		t.Errorf("%d moved, %d regions and zones", moved, len(f.m.others))
	}
}

// TestZoneBeginsQuietly: what a zone has lost when it begins is not news, and what it loses then is.
func TestZoneBeginsQuietly(t *testing.T) {
	ps := peers(12)
	f := seededIn(t, lands{}, ps, 200)
	f.run(119)
	f.step = 60 * bgp.Second
	var mine []bgp.Prefix
	for i := range 200 {
		if x := block(i); origin(x) == 64501 {
			mine = append(mine, x)
		}
	}
	f.run(4*3600 + 3240) // six minutes before midnight
	f.step = bgp.Second
	f.all(4*3600+3400, ps, bgp.Withdraw, mine[:20]...)
	f.run(6 * 3600)
	about := func(code string) (out []*detect.Incident) {
		for _, inc := range f.m.engine.Incidents() {
			if inc.Entity.Code == code {
				out = append(out, inc)
			}
		}
		return out
	}
	if len(about("AS64501")) != 1 || len(about("one-day")) != 0 {
		t.Fatalf("%v", f.log)
	}
	f.all(6*3600+10, ps, bgp.Withdraw, mine[20:]...)
	f.run(6*3600 + 300)
	if got := about("one-day"); len(got) != 1 || got[0].Signals[0].Prefixes.Lost != 40 || len(got[0].References) != 1 {
		t.Errorf("%v", f.log)
	}
}

// TestWithin: a network lies in its country, then in the region and the zones that hold most of what it lost; a country in nothing.
func TestWithin(t *testing.T) {
	ps := peers(12)
	f := seededIn(t, lands{}, ps, 200)
	var mine []bgp.Prefix
	for i := range 15 { // of region 0, and zone five
		mine = append(mine, block(i))
	}
	f.all(61, ps, bgp.Withdraw, mine...)
	f.run(100)
	pk, region, zone := f.m.countries["PK"], f.m.others["region:PK-00"], f.m.others["zone:five"]
	for _, c := range []struct {
		id   detect.EntityID
		want []detect.EntityID
	}{{f.m.networks[64500], []detect.EntityID{pk, region, zone}}, {region, []detect.EntityID{pk, zone}}, {zone, nil}, {pk, nil}} {
		if got := f.m.Within(c.id, detect.BGPv4); !slices.Equal(got, c.want) {
			t.Errorf("%s lies in %v, want %v", f.m.engine.Entity(c.id).Key(), got, c.want)
		}
	}
	if got := f.m.Countries(zone, detect.BGPv4); !slices.Equal(got, []detect.CountryLoss{{Country: pk, Prefixes: 15}}) {
		t.Errorf("%v", got)
	}
	f.all(101, ps, bgp.Withdraw, blocks(96, 140)...) // now less than half of the network's loss is there
	f.run(140)
	if got := f.m.Within(f.m.networks[64500], detect.BGPv4); !slices.Equal(got, []detect.EntityID{pk}) {
		t.Errorf("%v", got)
	}
}

// TestRowSize: the number of the set fits into room that a row had left.
func TestRowSize(t *testing.T) {
	if n := unsafe.Sizeof(row{}); n != 48 {
		t.Errorf("a row has %d octets", n)
	}
}
