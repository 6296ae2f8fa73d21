// Package signal turns routing elems into readings: it keeps the visibility tables, decides the health of the peers first, adds
// prefixes up to countries and networks, and answers the detection engine's questions. It is the World of package detect.
//
// It is driven by one goroutine that follows the journal; it has no clock of its own and nothing in it depends on the order of
// a Go map, so the same journal gives the same incidents, byte for byte.
package signal

import (
	"fmt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// Places says which country a prefix counts for. It is implemented over the reference tables; with Regions and Zones it says more.
type Places interface {
	// Country is the ISO 3166-1 alpha-2 code, "" when no table knows the prefix. origin is 0 when it is not known yet.
	Country(p bgp.Prefix, origin uint32) string
	CountryName(code string) string
	NetworkName(as uint32) string
	// References are the dated tables that its answers rest on, as seen from an event at the given instant (µs).
	References(at bgp.Micros) []detect.Reference
}

// Sources says whose measurements a collector's are.
type Sources func(collector string) detect.Source

// Config holds the numbers of sections 2 and 3 of the method. Durations are seconds. Its digest is in every incident.
type Config struct {
	MinVoters       int     `json:"min_voters"`         // ASes needed for a prefix to be observable
	SmallVoters     int     `json:"small_voters"`       // with fewer full feeds than MinVoters: so many are enough to suspect,
	SmallShare      float64 `json:"small_share"`        // if they are this share of those expected
	LostShare       float64 `json:"lost_share"`         // share of the voters that must have withdrawn a lost prefix
	FullFeedShare   float64 `json:"full_feed_share"`    // of the median of known prefixes, to be presumed to carry what it said nothing about
	StaleAfter      int     `json:"stale_after_s"`      // silence after which a peer may be stale, or a collector silent
	SpokeWithin     int     `json:"spoke_within_s"`     // what counts as having spoken lately; also the silence that pauses a collector
	FreshFor        int     `json:"fresh_s"`            // how old a withdrawal may be, when a voter leaves whose leaving decides, to be news
	CollectorGap    int     `json:"collector_gap_s"`    // silence of a collector after which what it said before is unknown
	MassWindow      int     `json:"mass_window_s"`      // over which its withdrawals are summed
	MassShare       float64 `json:"mass_share"`         // of its table
	MassMin         int     `json:"mass_min"`           // prefixes
	MassAlways      int     `json:"mass_always"`        // prefixes
	MassAgree       float64 `json:"mass_agree"`         // share of the others that must agree for it to be the world's doing
	MassGiveUp      int     `json:"mass_give_up_s"`     // after so long without return the smaller table is believed
	ResyncShare     float64 `json:"resync_share"`       // of the earlier table, at which a resync ends
	ResyncMax       int     `json:"resync_max_s"`       // after which it ends anyway
	RetireAfter     int     `json:"retire_after_s"`     // a prefix lost for so long leaves the table
	LearnFor        int     `json:"learn_for_s"`        // feed without a RIB before which coverage says "learning"
	SettleFor       int     `json:"settle_for_s"`       // of it, the time in which nothing opens
	UnlistedShare   float64 `json:"unlisted_share"`     // of the prefixes lost, or known, those that came without a warning: above it the table is not known whole
	FullVoters      int     `json:"full_voters"`        // ASes for full coverage
	FullCollectors  int     `json:"full_collectors"`    // collectors for full coverage
	FullProjects    int     `json:"full_projects"`      // projects for full coverage
	TraceWindow     int     `json:"trace_window_s"`     // how long raw messages are kept for incidents that open later
	SampleHeartbeat int     `json:"sample_heartbeat_s"` // a sample is written at least so often, changed or not
}

// DefaultConfig is the published method.
func DefaultConfig() Config {
	return Config{
		MinVoters: 10, SmallVoters: 3, SmallShare: 0.6, LostShare: 0.5, FullFeedShare: 0.5, StaleAfter: 60, SpokeWithin: 45, FreshFor: 180, CollectorGap: 240,
		MassWindow: 60, MassShare: 0.02, MassMin: 500, MassAlways: 5000, MassAgree: 0.20, MassGiveUp: 3600,
		ResyncShare: 0.8, ResyncMax: 600, RetireAfter: 86400, LearnFor: 12 * 3600, SettleFor: 1800,
		UnlistedShare: 0.1, FullVoters: 20, FullCollectors: 3, FullProjects: 2, TraceWindow: 660, SampleHeartbeat: 600,
	}
}

// Monitor is the state of the world as the peers tell it. Not safe for concurrent use.
type Monitor struct {
	cfg     Config
	places  Places
	sources Sources
	engine  *detect.Engine
	fams    [2]*family
	peers   []*peer            // in order of first appearance
	byID    []*peer            // by column
	byPeer  map[bgp.Peer]*peer // look-ups only
	near    [256]*peer         // of byPeer, those met last
	colls   []*collector
	byColl  map[string]*collector // look-ups only
	feeds   []*liveFeed           // none in an archive
	clock   Clock
	ases    []*asn
	byAS    map[uint32]*asn // look-ups only

	countries map[string]detect.EntityID // look-ups only
	networks  map[uint32]detect.EntityID // look-ups only
	others    map[string]detect.EntityID // regions and zones by Entity.Key; look-ups only
	kinds     []entityKind               // by EntityID
	groups    *groups
	regional  Regions    // the places, if they know regions
	zoned     Zones      // the places, if they know zones
	zonesAt   bgp.Micros // when it was last asked whether they changed

	trace   trace
	cases   map[int]*caseFile // by incident serial; look-ups only
	watched map[detect.Row]*watchedRow
	keep    bool // keep raw messages of incidents until TakeMessages
	sink    detect.Sink
	peaks   map[peakKey]*peakRows // look-ups only
	paths   bool                  // keep the AS path of every announced cell

	now         bgp.Micros // of the latest tick
	started     bgp.Micros // of the first
	described   bool       // table dumps described a collector
	describedAt bgp.Micros // since when
	settled     bool       // a collector has been described, or followed for SettleFor
	paused      bool
	dropped     bool // some session was: see dropAway
	quiet       bool // inside quietly

	medianTable int // median of what a full-feed peer knows, over both families

	cur     bgp.Message // the message being applied
	curPeer *peer
	curPath []uint32 // its AS path, when paths are kept
	traced  uint64   // its number in the trace plus one; 0 while it changed nothing
	touched []touchedRow
	dirty   []dirtyAgg
	dumpers []*peer             // of the table record being applied
	dumpIDs []visibility.PeerID // their columns
	late    bool                // that record is of a dump from before: see BeginFill
	fills   []Route             // of it, those that are applied

	OnSample func(detect.Sample) // called in a stable order; nil is fine
	stats    Stats
}

// Stats counts what the monitor did with what it was given.
type Stats struct {
	Elems, Announcements, Withdrawals, NotUnicast, Rejected uint64
	Changes                                                 uint64 // elems that changed a cell
	TreatedAsWithdraw                                       uint64
	Pauses                                                  int
}

// touchedRow is a row that messages changed and that was not judged since.
type touchedRow struct {
	fam *family
	row visibility.RowID
}

type dirtyAgg struct {
	fam *family
	id  detect.EntityID
}

// Options are what a Monitor needs beside its configuration.
type Options struct {
	Config       Config
	Engine       detect.Config
	Data         detect.Data
	Software     string // "corewatch 0.1.0 (commit)"
	Places       Places
	Sources      Sources
	Sink         detect.Sink
	KeepMessages bool // keep the raw messages of incidents for TakeMessages
	KeepPaths    bool // keep the AS path of every announced cell, given with Path, for a snapshot of the tables
}

// New makes a monitor with its engine.
func New(o Options) *Monitor {
	m := &Monitor{
		cfg: o.Config, places: o.Places, sources: o.Sources, keep: o.KeepMessages, paths: o.KeepPaths,
		byPeer: map[bgp.Peer]*peer{}, byColl: map[string]*collector{}, byAS: map[uint32]*asn{},
		countries: map[string]detect.EntityID{}, networks: map[uint32]detect.EntityID{}, others: map[string]detect.EntityID{}, groups: newGroups(),
		sink: o.Sink, peaks: map[peakKey]*peakRows{}, cases: map[int]*caseFile{}, watched: map[detect.Row]*watchedRow{},
	}
	m.trace.most = mostTrace
	m.regional, _ = o.Places.(Regions)
	m.zoned, _ = o.Places.(Zones)
	m.engine = detect.New(o.Engine, o.Data, o.Software, configDigest(o.Config, o.Engine), m, m.revised)
	if o.Sink == nil {
		m.engine.OmitMembers()
	}
	for i := range m.fams {
		m.fams[i] = newFamily(m, detect.SignalID(i))
	}
	return m
}

// Engine is the engine this monitor feeds.
func (m *Monitor) Engine() *detect.Engine { return m.engine }

// Stats are the counters so far.
func (m *Monitor) Stats() Stats { return m.stats }

// Begin starts the application of one message: at is its record time, raw its stored bytes. Elem and State may follow, then End.
// raw must stay valid until End.
func (m *Monitor) Begin(msg bgp.Message) error {
	p, err := m.peer(msg.Peer, msg.At)
	if err != nil {
		return err
	}
	m.cur, m.curPeer, m.traced, m.curPath = msg, p, 0, nil
	p.spoke(m, msg.At)
	return nil
}

// Path is the AS path of the message begun, in the words that the tables are to keep; it must stay valid until End. It is of no
// effect without Options.KeepPaths.
func (m *Monitor) Path(words []uint32) { m.curPath = words }

// Tables are the visibility tables of IPv4 and IPv6, for reading between messages: one PeerID is the same session in both.
func (m *Monitor) Tables() [2]*visibility.Table {
	return [2]*visibility.Table{m.fams[0].table, m.fams[1].table}
}

// Heard notes a message that carries no route: the peer speaks.
func (m *Monitor) Heard(msg bgp.Message) error {
	p, err := m.peer(msg.Peer, msg.At)
	if err == nil {
		p.spoke(m, msg.At)
	}
	return err
}

// Elem applies one elem of the message begun.
func (m *Monitor) Elem(e *bgp.Elem) {
	m.stats.Elems++
	if e.Cause == bgp.CauseMulticast {
		m.stats.NotUnicast++
		return
	}
	f := m.fams[0]
	if e.Prefix.IsV6() {
		f = m.fams[1]
	}
	if e.Kind == bgp.RIB && !m.late {
		m.curPeer.dumped[f.sig] = true
	}
	f.elem(m, m.curPeer, e)
}

// End finishes the message. What it changed is judged with the rest of its second, at the next Tick: the order in which a second's
// messages were written down says nothing about the world.
func (m *Monitor) End() {
	m.curPeer, m.curPath, m.cur.Raw = nil, nil, nil // the caller's memory
}

// read judges the rows that messages touched, and hands the readings that moved to the engine, in the order in which they moved first.
func (m *Monitor) read(at bgp.Micros) {
	for _, t := range m.touched {
		t.fam.rows[t.row].marks &^= touched
		t.fam.recount(m, t.row, at)
	}
	if m.touched = m.touched[:0]; cap(m.touched) > 1<<16 { // a table dump's
		m.touched = nil
	}
	for _, d := range m.dirty {
		a := d.fam.aggs[d.id]
		a.dirty = false
		m.engine.Observe(d.id, d.fam.sig, int64(at), d.fam.reading(a))
	}
	m.dirty = m.dirty[:0]
}

// Tick advances event time to a whole second: health of the peers, ageing of expectations, samples, and the engine's clock.
func (m *Monitor) Tick(now bgp.Micros) {
	if m.now == 0 {
		m.started, m.now = now, now
	}
	m.read(m.cur.At)
	before := m.now
	m.now = now
	m.ageCollectors(now)
	for _, f := range m.fams {
		f.table.SetLearning(m.learning())
	}
	m.engine.SetLearning(m.learning())
	m.tickHealth(now, before)
	for _, f := range m.fams {
		f.table.Tick(now, func(r visibility.RowID) { f.recount(m, r, now) })
	}
	m.read(now)
	minute := now%(60*bgp.Second) == 0
	if minute || m.trace.size() > m.trace.most {
		m.trace.prune(now - bgp.Micros(m.cfg.TraceWindow)*bgp.Second)
	}
	if minute {
		m.judgeFeeds(now)
		m.rezone(now)
	}
	if now%(3600*bgp.Second) == 0 {
		for _, f := range m.fams {
			f.retire(m, now)
			f.release(m, now)
		}
		m.read(now)
	}
	m.engine.Tick(int64(now), m.paused)
	if now%(3600*bgp.Second) == 0 {
		m.dropAway(now)
	}
	if minute {
		m.sample(now)
	}
}

// learning reports a feed without a RIB that is younger than LearnFor.
func (m *Monitor) learning() bool {
	return !m.described && m.now-m.started < bgp.Micros(m.cfg.LearnFor)*bgp.Second
}

// country registers a country once.
func (m *Monitor) country(code string) detect.EntityID {
	if code == "" {
		return detect.NoEntity
	}
	id, ok := m.countries[code]
	if !ok {
		id = m.register(detect.Entity{Type: "country", Code: code, Name: m.places.CountryName(code)}, kindCountry)
		m.countries[code] = id
	}
	return id
}

// network registers a network once; AS 0 is none.
func (m *Monitor) network(as uint32) detect.EntityID {
	if as == 0 {
		return detect.NoEntity
	}
	id, ok := m.networks[as]
	if !ok {
		id = m.register(detect.Entity{Type: "network", Code: fmt.Sprintf("AS%d", as), Name: m.places.NetworkName(as)}, kindNetwork)
		m.networks[as] = id
	}
	return id
}

type entityKind uint8

const (
	kindCountry entityKind = iota
	kindNetwork
	kindRegion
	kindZone
)

func (m *Monitor) register(e detect.Entity, k entityKind) detect.EntityID {
	id := m.engine.Register(e)
	m.kinds = append(m.kinds, k)
	for _, f := range m.fams {
		f.aggs = append(f.aggs, nil)
	}
	return id
}
