package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/snapshot"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval/inject"
	"github.com/corewatch/corewatch/detect/signal"
)

// realGround is a stretch of recorded data as a background: its records as they were stored, after a table of what the sessions carried
// when it begins. The records hold no table, so it is made: the time before is read, and a session with a full feed that said
// nothing of a prefix in that time carries it, as the method presumes (section 2). So it does of prefixes that are first announced in the stretch:
// a table that was read off the routers would have held them.
type realGround struct {
	name   string
	lanes  []inject.Lane
	from   bgp.Micros // of the first record after the table
	until  bgp.Micros
	places signal.Places
	lands  []land // countries, ordered by code and family

	found   []*detect.Incident         // with nothing put in
	samples map[string][]detect.Sample // of that, by country and signal, in order of time
}

// land is a country of a ground, as far as the table knows enough of it to judge.
type land struct {
	code   string
	v6     bool
	blocks []block // ordered by prefix
	count  int     // prefixes
	units  uint64
}

// block is a prefix that no other of the same origin covers, with those of its origin that it covers. A part of it that
// goes alone is still reached by the rest.
type block struct {
	origin   uint32
	prefixes []bgp.Prefix
	units    uint64
}

// realStretch says which part of a record becomes a ground.
type realStretch struct {
	folder, collector string
	deal              int // collectors to deal the sessions to; 1: as it was
	after             time.Duration
	learn, length     time.Duration
}

// realGround reads a stretch, makes the table and plays it once with nothing put in.
func (e *Eval) realGround(ctx context.Context, s realStretch) (*realGround, error) {
	a, err := e.openArchive(s.collector, "mrt", s.folder)
	if err != nil {
		return nil, err
	}
	from := bgp.Micros(a.start.Add(s.after).UnixMicro())
	g := &realGround{
		name: fmt.Sprintf("%s from %s", s.folder, from.Time().Format("2006-01-02 15:04")), from: from,
		until: from + bgp.Micros(s.length.Microseconds()), places: a.places, samples: map[string][]detect.Sample{},
	}
	m, later, err := g.read(ctx, a.files, from-bgp.Micros(s.learn.Microseconds()), s.deal)
	if err != nil {
		return nil, err
	}
	var tables [2]*whole
	for i, t := range m.Tables() {
		if tables[i], err = newWhole(t, later[i], s.deal); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(g.survey(tables), g.seed(tables)); err != nil {
		return nil, err
	}
	out, err := g.play(ctx, g.lanes, g.until, func(x detect.Sample) { g.samples[x.Entity+" "+x.Signal] = append(g.samples[x.Entity+" "+x.Signal], x) })
	if err != nil {
		return nil, err
	}
	g.found = out.incidents
	return g, nil
}

// overReal adds the part of a suite that needs recorded data, or says that there was none.
func (e *Eval) overReal(ctx context.Context, r *evalResult, part func(context.Context, *evalResult) error) error {
	if e.Data == "" {
		r.About += " Nothing was played over real background: that needs the measurement data (--data, COREWATCH_DATA)."
		return nil
	}
	return part(ctx, r)
}

// dealt gives a session its collector when the sessions of one are dealt to several, by the last octet of their addresses: the faults of a
// collector need others beside it.
func dealt(p bgp.Peer, n int) bgp.Peer {
	if b := p.Addr.AsSlice(); n > 1 && len(b) > 0 {
		p.Collector = fmt.Sprintf("%s.%d", p.Collector, 1+int(b[len(b)-1])%n)
	}
	return p
}

// read gives what a monitor knows after the records from begin on, and keeps those of the ground. Of the prefixes that these announce it says
// who was first named as their origin, for each family.
func (g *realGround) read(ctx context.Context, files []collect.File, begin bgp.Micros, deal int) (m *signal.Monitor, later [2]map[bgp.Prefix]uint32, err error) {
	var broken error
	first := sort.Search(len(files), func(i int) bool {
		at, err := firstRecord(files[i].Path)
		if err != nil {
			broken = err
		}
		return err != nil || bgp.Micros(at.UnixMicro()) > begin
	})
	if broken != nil {
		return nil, later, broken
	}
	merger := collect.NewMerger(slices.Clone(files[max(0, first-1):]), collect.Options{})
	defer merger.Close()
	m = signal.New(signal.Options{
		Config: signal.DefaultConfig(), Engine: detect.DefaultConfig(), Data: detect.Archive, Software: Software(),
		Places: g.places, Sources: sourceOf, KeepPaths: true,
	})
	f := &follower{m: m, paths: true, routes: routeReader{paths: true}}
	lane := map[string]int{}
	var (
		c mrt.Content
		u wire.Update
		x bgp.Elem
	)
	later = [2]map[bgp.Prefix]uint32{{}, {}}
	for n := 0; ; n++ {
		item, err := merger.Next()
		if errors.Is(err, io.EOF) || err == nil && item.Record.Time >= g.until {
			break
		} else if err != nil {
			return nil, later, err
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return nil, later, fmt.Errorf("interrupted: %w", ctx.Err())
		}
		switch {
		case item.Record.Time < begin:
		case item.Record.Time < g.from:
			f.record(item.Record, item.Decoder, item.Input, item.Index)
		case item.Decoder.Decode(item.Record, &c) == nil && (c.Kind == mrt.Message || c.Kind == mrt.StateChange):
			p := dealt(bgp.Peer{Collector: item.Input.Collector, AS: c.PeerAS, Addr: c.PeerAddr}, deal)
			i, ok := lane[p.Collector]
			if !ok {
				i = len(g.lanes)
				lane[p.Collector], g.lanes = i, append(g.lanes, inject.Lane{Collector: p.Collector})
			}
			g.lanes[i].Keep(item.Record, p)
			if c.Kind != mrt.Message || u.Parse(c.BGP, c.Opts) != nil {
				continue
			}
			for u.Next(&x) {
				of := later[0]
				if x.Prefix.IsV6() {
					of = later[1]
				}
				if x.Kind == bgp.Announce && x.Cause == bgp.CauseNone && of[x.Prefix] == 0 {
					of[x.Prefix] = x.Origin
				}
			}
		}
	}
	if len(g.lanes) == 0 || f.now == 0 {
		return nil, later, fmt.Errorf("the data holds nothing of %s", g.name)
	}
	slices.SortFunc(g.lanes, func(a, b inject.Lane) int { return cmp.Compare(a.Collector, b.Collector) })
	return m, later, nil
}

// whole is a table in which sessions with a full feed carry what they said nothing about.
type whole struct {
	*visibility.Table
	full  []visibility.PeerID
	later map[bgp.Prefix]uint32 // origins of prefixes that are first announced later
	names []bgp.Peer            // of the sessions, dealt
}

// newWhole adds the rows of later to the table, which must not be used to detect after that.
func newWhole(t *visibility.Table, later map[bgp.Prefix]uint32, deal int) (*whole, error) {
	w := &whole{Table: t, later: later}
	for p := range later {
		if _, err := t.Intern(p); err != nil {
			return nil, err
		}
	}
	var known []int
	for p := range t.Peers() {
		w.names = append(w.names, dealt(t.PeerName(visibility.PeerID(p)), deal))
		if n := t.Counters(visibility.PeerID(p)).Known; n > 0 {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	for p := range t.Peers() {
		if n := t.Counters(visibility.PeerID(p)).Known; n > 0 && float64(n) >= signal.DefaultConfig().FullFeedShare*float64(known[len(known)/2]) {
			w.full = append(w.full, visibility.PeerID(p))
		}
	}
	return w, nil
}

// origin is the network that a route which is presumed leads to; 0 when the prefix is not carried.
func (w *whole) origin(r visibility.RowID) uint32 {
	if o := w.Origin(r); o != 0 {
		return o
	}
	for p := range w.Peers() {
		if w.Cell(r, visibility.PeerID(p)).State != visibility.Unknown { // it was withdrawn by the last who carried it
			return 0
		}
	}
	return w.later[w.Prefix(r)]
}

// PeerName implements snapshot.Table.
func (w *whole) PeerName(p visibility.PeerID) bgp.Peer { return w.names[p] }

// Announced implements snapshot.Table. Of a route that is presumed only the origin is known.
func (w *whole) Announced(r visibility.RowID) iter.Seq[visibility.Route] {
	return func(yield func(visibility.Route) bool) {
		for route := range w.Table.Announced(r) {
			if !yield(route) {
				return
			}
		}
		origin := w.origin(r)
		if origin == 0 {
			return
		}
		for _, p := range w.full {
			if w.Cell(r, p).State == visibility.Unknown && !yield(visibility.Route{Peer: p, Origin: origin}) {
				return
			}
		}
	}
}

// seed puts the table before each lane.
func (g *realGround) seed(tables [2]*whole) error {
	for i := range g.lanes {
		l := &g.lanes[i]
		var b bytes.Buffer
		if _, err := snapshot.Write(&b, g.from, l.Collector, tables[0], tables[1]); errors.Is(err, snapshot.ErrEmpty) {
			continue
		} else if err != nil {
			return err
		}
		table, err := inject.Read(l.Collector, &b)
		if err != nil {
			return err
		}
		l.Records = append(table.Records, l.Records...)
	}
	return nil
}

// Fewer ASes than these do not tell what becomes of a prefix, in the table that the ground begins with.
const (
	knownBy  = 12
	knownBy6 = 4
)

// survey lists the countries with the prefixes that enough sessions carry.
func (g *realGround) survey(tables [2]*whole) error {
	for fam, w := range tables {
		need := knownBy
		if fam == 1 {
			need = knownBy6
		}
		of := map[string]int{}
		for r := range w.InOrder() {
			seen := map[uint32]bool{}
			for route := range w.Announced(r) {
				seen[w.PeerName(route.Peer).AS] = true
			}
			p, origin := w.Prefix(r), w.origin(r)
			code := g.places.Country(p, origin)
			if len(seen) < need || origin == 0 || code == "" {
				continue
			}
			i, ok := of[code]
			if !ok {
				i = len(g.lands)
				of[code], g.lands = i, append(g.lands, land{code: code, v6: fam == 1})
			}
			g.lands[i].add(p, origin)
		}
	}
	slices.SortFunc(g.lands, func(a, b land) int { return cmp.Or(cmp.Compare(a.code, b.code), boolCompare(a.v6, b.v6)) })
	if len(g.lands) == 0 {
		return fmt.Errorf("%s: no country is known well enough", g.name)
	}
	return nil
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// add takes the country's prefixes in order: what is covered comes after what covers it.
func (l *land) add(p bgp.Prefix, origin uint32) {
	l.count++
	for i := len(l.blocks) - 1; i >= 0; i-- {
		b := &l.blocks[i]
		if b.origin == origin && b.prefixes[0].Covers(p) {
			b.prefixes = append(b.prefixes, p)
			return
		}
		if b.prefixes[0].Shorten(8) != p.Shorten(8) { // nothing larger than a /8 is looked for
			break
		}
	}
	l.blocks = append(l.blocks, block{origin, []bgp.Prefix{p}, p.Units()})
	l.units += p.Units()
}

// key is how samples and incidents name the country.
func (l *land) key() string { return "country:" + l.code }

func (l *land) signal() string {
	if l.v6 {
		return "bgp.v6"
	}
	return "bgp.v4"
}

// play plays records of the ground to our detector.
func (g *realGround) play(ctx context.Context, lanes []inject.Lane, until bgp.Micros, sample func(detect.Sample)) (*contested, error) {
	short := make([]inject.Lane, len(lanes))
	for i, l := range lanes {
		n := sort.Search(len(l.Records), func(j int) bool { return l.Records[j].At >= until })
		short[i] = inject.Lane{Collector: l.Collector, Records: l.Records[:n]}
	}
	c := contest{files: laneFiles(short), data: detect.Synthetic, places: g.places, end: until, sample: sample}
	return c.play(ctx)
}

// at is the last sample of a country before an instant, with nothing put in; the zero sample when nothing was ever lost there.
func (g *realGround) at(l *land, when bgp.Micros) (x detect.Sample) {
	for _, s := range g.samples[l.key()+" "+l.signal()] {
		if bgp.Micros(s.At.Micros()) > when {
			break
		}
		x = s
	}
	return x
}

// judged reports that most of a country can be observed: of one of which less than half can, nothing is said (section 4).
func (g *realGround) judged(l *land, when bgp.Micros) bool {
	x := g.at(l, when)
	return x.Prefixes > 0 && float64(x.Expected) >= 0.6*float64(x.Expected+x.Unobservable)
}

// calm reports that with nothing put in the country has no incident that touches a span.
func (g *realGround) calm(l *land, from, until bgp.Micros) bool {
	return !slices.ContainsFunc(g.found, func(inc *detect.Incident) bool {
		end := until
		if inc.End != nil {
			end = bgp.Micros(inc.End.Latest.Micros())
		}
		return inc.Kind == detect.Outage && inc.Entity.Key() == l.key() && bgp.Micros(inc.Start.Earliest.Micros()) <= until && end >= from
	})
}

// additional lists the outages of entities of which nothing is reported when nothing is put in. What an entity has anyway is its own
// affair: a second incident about it is not counted.
func (g *realGround) additional(found []*detect.Incident) (out []*detect.Incident) {
	has := map[string]bool{}
	for _, inc := range g.found {
		if inc.Kind == detect.Outage {
			has[inc.Entity.Key()] = true
		}
	}
	for _, inc := range found {
		if inc.Kind == detect.Outage && !has[inc.Entity.Key()] {
			out = append(out, inc)
		}
	}
	return out
}
