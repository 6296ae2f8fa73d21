package detect

import (
	"slices"
	"time"
)

// Engine turns readings into incidents. Not safe for concurrent use: one goroutine owns it, the one that follows the journal.
type Engine struct {
	cfg      Config
	method   Method
	data     Data
	world    World
	sink     Sink
	bare     bool // the sink wants no members
	entities []Entity
	watches  []*watch       // by EntityID; nil until the entity first loses something
	active   []*watch       // watches with a pending crossing or an open incident, ordered by EntityID
	open     []bool         // by EntityID: has an open incident
	bySerial map[int]*watch // of open incidents; look-ups only
	serial   int
	closed   []*Incident // ended incidents, in order of ending
	faults   []*fault    // open monitor faults, in order of opening
	now      int64
	learning bool
	settle   int64 // before this time nothing opens
	monitor  bool  // readings arrive because the monitor changed its mind, not because the world did

	looked   watched             // the minutes that gave samples
	living   []*track            // whose level is sampled each minute, in order of their first loss
	restored map[string]*earlier // what RestoreBaselines read, until the entity loses something; look-ups only
	scratch  counts
}

// New makes an engine. software is the "corewatch 0.1.0 (commit)" of the method field; configDigest covers every configuration that decides.
func New(cfg Config, data Data, software, configDigest string, w World, sink Sink) *Engine {
	return &Engine{
		cfg: cfg, data: data, world: w, sink: sink, bySerial: map[int]*watch{},
		looked: watched{minutes: make([]uint8, lookedHours(&cfg))},
		method: Method{Name: MethodName, Version: MethodVersion, ConfigSHA256: configDigest, Software: software},
	}
}

// OmitMembers has the sink told of no members, for one that has no use for them: to describe them is most of the work of a revision.
func (e *Engine) OmitMembers() { e.bare = true }

// Register makes an entity known; the handle is valid for the engine's life.
func (e *Engine) Register(ent Entity) EntityID {
	e.entities = append(e.entities, ent)
	e.watches = append(e.watches, nil)
	e.open = append(e.open, false)
	return EntityID(len(e.entities) - 1)
}

// Entity is what was registered.
func (e *Engine) Entity(id EntityID) Entity { return e.entities[id] }

// watch is what the engine remembers about an entity that has lost something.
type watch struct {
	id     EntityID
	tracks [numSignals]*track
	inc    *incident
	listed bool // in Engine.active
	// restUntil is the time (µs) before which a second that is not the first of its minute need not look at it; 0 when it must.
	restUntil int64
}

// track follows one signal of an entity.
type track struct {
	id        EntityID
	sig       SignalID
	cur       Reading
	recent    recentLow
	crossedAt int64 // t0 of a pending or joined crossing; 0 when below the floor
	held      int64 // of the time since, how long every collector was silent
	base      level // lowest recent level when it crossed; frozen while crossed
	baseLevel float64
	branch    string
	from      int64   // members are those lost since then; 0: MemberWindow before t0
	threshold float64 // level that the crossing had to exceed beside its floor; frozen while crossed
	settled   float64 // level of the settled loss: no news any more
	joined    bool    // part of the open incident
	peak      Reading
	peakAt    int64
	peakParts []Part
	peakIn    []CountryLoss // of a zone
	peakDirty bool

	alive      bool // listed in Engine.living
	past       history
	slow       slow
	band       float64
	bandPeriod uint32 // for which band was computed, plus one
}

// above reports whether the track is above its floor and its band, measured from its frozen base.
func (e *Engine) above(t *track, kind string) bool {
	ok, _ := e.crossed(t.id, t.sig, &t.cur, t.base, e.risenSince(t.crossedAt, t.from), e.factor(kind))
	return ok && t.cur.Level() > t.threshold
}

// crossed applies the floors. Of the low branch, like the prefixes, the origins are those of the rise: what has been lost for longer
// than the recent low looks back is in the base, and makes no loss of one network a country's.
func (e *Engine) crossed(id EntityID, sig SignalID, r *Reading, base level, since int64, factor float64) (bool, string) {
	ok, branch := e.cfg.crossed(e.entities[id].Type, r, base, factor)
	if ok && branch == lowBranch && e.world.Origins(id, sig, since) < e.cfg.CountryOrigins {
		ok = false
	}
	return ok, branch
}

// risenSince is the time from which on a lost prefix can be part of the rise at an instant: the beginning of the recent low, or of a
// slow decline (0: none).
func (e *Engine) risenSince(at, from int64) int64 {
	if from != 0 {
		return from
	}
	return at - int64(e.cfg.BaselineMinutes+1)*60e6
}

// since is the time from which on a lost prefix belongs to the crossing.
func (t *track) since(cfg *Config) int64 {
	if t.from != 0 {
		return t.from
	}
	return t.crossedAt - int64(cfg.MemberWindow)*1e6
}

// rise is how far the level stands above where it was when the floor was crossed.
func (t *track) rise(r *Reading) float64 { return max(0, r.Level()-t.baseLevel) }

// Observe takes the new reading of one signal of an entity, at an event time (µs). It must be called after every second, and every
// change of the monitor's own, that moves a figure of the reading; calls with nothing lost and nothing remembered cost next to nothing.
func (e *Engine) Observe(id EntityID, sig SignalID, at int64, r Reading) {
	w := e.watches[id]
	if w == nil {
		if r.LostPrefixes == 0 {
			return
		}
		w = &watch{id: id}
		e.watches[id] = w
	}
	w.wake()
	t := w.tracks[sig]
	ours, was := e.monitor || e.settling(at), 0.0
	if t == nil {
		if r.LostPrefixes == 0 {
			return
		}
		t = &track{id: id, sig: sig, recent: newRecentLow(e.cfg.BaselineMinutes)}
		w.tracks[sig] = t
		if e.recall(t) {
			was = r.Level()
		}
	} else if ours {
		was = t.cur.Level()
	}
	t.cur = r
	if !t.alive && r.LostPrefixes > 0 {
		e.live(t, at)
	}
	kind := e.entities[id].Type
	if ours { // what our own bookkeeping moved is never an onset (section 3)
		t.recent.shift(at, levelOf(&r))
		if step := r.Level() - was; step > 0 {
			t.slow.aside = t.slow.reference() + step // what is under way goes on from there
		}
		if t.crossedAt == 0 {
			return
		}
	}
	if t.crossedAt == 0 {
		base := t.recent.lowest(at)
		t.recent.update(at, levelOf(&r))
		if ok, branch := e.crossed(id, sig, &r, base, e.risenSince(at, 0), e.factor(kind)); ok && r.Level() > e.normal(t, at) {
			e.cross(w, t, at, base, branch)
		}
		return
	}
	t.recent.update(at, levelOf(&r))
	if larger(&r, &t.peak) {
		t.peak, t.peakAt, t.peakDirty = r, at, true
	}
	if !t.joined && !e.above(t, kind) {
		t.crossedAt = 0
		return
	}
	if w.inc != nil {
		w.inc.changed(e, w, at)
	}
}

// cross notes that a signal stands above its floor over base, and above what is normal.
func (e *Engine) cross(w *watch, t *track, at int64, base level, branch string) {
	t.crossedAt, t.held, t.from, t.base, t.branch = at, 0, 0, base, branch
	t.threshold, t.baseLevel = e.normal(t, at), baseLevel(&t.cur, base)
	t.peak, t.peakAt, t.peakDirty = t.cur, at, true
	e.list(w)
}

// SettleUntil holds back every onset until an event time (µs): a feed without a RIB knows at first only the prefixes that speak,
// and those that speak are those in trouble.
func (e *Engine) SettleUntil(at int64) { e.settle = at }

// SetLearning says whether the feed is still young and began without a RIB.
func (e *Engine) SetLearning(on bool) {
	if on != e.learning {
		e.wakeAll()
	}
	e.learning = on
}

// factor multiplies the shares of the floors while the denominators are still too small. A network's hardly are: its prefixes are
// heard together, the networks of a country one by one (docs/decisions/021-learning-countries.md).
func (e *Engine) factor(kind string) float64 {
	if e.learning && kind != "network" {
		return e.cfg.LearningFactor
	}
	return 1
}

func (e *Engine) settling(at int64) bool { return at < e.settle }

// larger orders readings for the peak: by what is lost, not by its share, because a young denominator still grows; of
// equals the deeper, at which more of the voters had withdrawn it.
func larger(a, b *Reading) bool {
	if a.LostPrefixes != b.LostPrefixes {
		return a.LostPrefixes > b.LostPrefixes
	}
	if a.Lost != b.Lost {
		return a.Lost > b.Lost
	}
	return a.Depth > b.Depth
}

// baseLevel is the level the entity had at its lowest recent point, in terms of today's denominators.
func baseLevel(r *Reading, b level) float64 {
	return max(ratio(float64(b.units), float64(r.Expected)), ratio(float64(b.all), float64(r.Prefixes)))
}

// BeginMonitorChange marks the readings that follow as caused by the monitor's own bookkeeping (a masked peer, a flushed
// table), until EndMonitorChange. They cannot open an incident, and can retract one.
func (e *Engine) BeginMonitorChange() {
	e.monitor = true
	for _, w := range e.active {
		if w.inc != nil {
			w.inc.wasAbove = w.inc.above(e, w)
		}
	}
}

// EndMonitorChange ends what BeginMonitorChange began; reason goes into the revision of what is retracted.
func (e *Engine) EndMonitorChange(reason string) {
	e.monitor = false
	for _, w := range slices.Clone(e.active) {
		if w.inc != nil && w.inc.retractable(e, w) {
			w.inc.retract(e, w, reason)
		}
	}
}

func (e *Engine) list(w *watch) {
	if w.listed {
		return
	}
	w.listed = true
	i, _ := slices.BinarySearchFunc(e.active, w.id, func(a *watch, id EntityID) int { return int(a.id) - int(id) })
	e.active = slices.Insert(e.active, i, w)
}

// Open reports whether the entity has an open incident; only then are its Toggles wanted.
func (e *Engine) Open(id EntityID) bool { return e.open[id] }

// Tick advances event time to a whole second (µs). paused says that no collector spoke: its clock stands, nothing is confirmed
// and nothing recovers in silence (section 3).
func (e *Engine) Tick(now int64, paused bool) {
	step := now - e.now
	if e.now == 0 {
		step = 0
	}
	e.now = now
	if now%60e6 == 0 {
		e.minute(now, paused)
	}
	if len(e.active) > 0 {
		all := paused || step != 1e6 || now%60e6 == 0
		keep := e.active[:0]
		for _, w := range e.active {
			if !all && !w.awake(now) {
				keep = append(keep, w)
				continue
			}
			e.tickWatch(w, now, step, paused)
			if w.inc != nil || w.pending() {
				keep = append(keep, w)
			} else {
				w.listed = false
			}
		}
		clear(e.active[len(keep):])
		e.active = keep
	}
	e.tickFaults(now, step, paused)
}

func (w *watch) pending() bool {
	for _, t := range w.tracks {
		if t != nil && t.crossedAt != 0 {
			return true
		}
	}
	return false
}

func (e *Engine) tickWatch(w *watch, now, step int64, paused bool) {
	for _, t := range w.tracks {
		if t == nil || t.crossedAt == 0 {
			continue
		}
		if paused && !t.joined {
			t.held += step
		}
		if t.joined || w.inc == nil {
			e.atPeak(t)
		}
		if t.joined || now-t.crossedAt-t.held < int64(e.cfg.SuspectAfter)*1e6 {
			continue
		}
		if w.inc == nil {
			if !e.fresh(w, t) { // the share rose because its denominator shrank: nothing was lost now
				t.crossedAt = 0
				t.recent.rebase(now, levelOf(&t.cur))
				t.slow.setAside(t.alertLevel(), now)
				continue
			}
			e.openIncident(w, t)
		} else {
			w.inc.join(e, w, t)
		}
	}
	w.wake()
	if w.inc != nil {
		revision := w.inc.doc.Revision
		w.inc.tick(e, w, now, step, paused)
		if !paused {
			w.restUntil = w.restsUntil(e, now, revision)
		}
	}
}

// atPeak asks what is lost when the reading is at its peak.
func (e *Engine) atPeak(t *track) {
	if !t.peakDirty {
		return
	}
	t.peakParts, t.peakDirty = e.world.Parts(t.id, t.sig), false
	if e.entities[t.id].Type == "zone" {
		t.peakIn = e.world.Countries(t.id, t.sig)
	}
}

// fresh reports whether any prefix was lost recently enough to be a member of an incident that began when t crossed its floor.
func (e *Engine) fresh(w *watch, t *track) bool {
	n, since := 0, t.since(&e.cfg)
	e.world.LostRows(w.id, t.sig, func(_ Row, lostAt int64) {
		if lostAt >= since {
			n++
		}
	})
	return n > 0
}

// ToggleMember reports that a member of an incident (the serial given to World.Watch) changed state, wherever it counts by now.
func (e *Engine) ToggleMember(serial int, r Row, at int64, st PrefixState) {
	if w := e.bySerial[serial]; w != nil {
		w.wake()
		w.inc.toggle(e, w, r, at, st)
	}
}

// Toggle reports that a prefix of an open entity changed state: one that is lost becomes a member.
func (e *Engine) Toggle(id EntityID, r Row, at int64, st PrefixState) {
	if w := e.watches[id]; w != nil && w.inc != nil {
		w.wake()
		w.inc.toggle(e, w, r, at, st)
	}
}

// inputEnded is the change of a revision made only because the input was over.
const inputEnded = "input ended"

// Finish marks what is still open at the end of input: such an incident has no end but open_at. The engine can be ticked on afterwards.
func (e *Engine) Finish(now time.Time) {
	for _, w := range e.active {
		if w.inc != nil {
			w.inc.doc.OpenAt = At(now)
			w.inc.revise(e, w, inputEnded, "the input ended while the event was open")
		}
	}
	for _, f := range e.faults {
		f.doc.OpenAt = At(now)
		f.revise(e, inputEnded, "the input ended while the fault was open")
	}
}

// Incidents lists every incident in its last state, ordered by (start, id).
func (e *Engine) Incidents() []*Incident {
	out := slices.Clone(e.closed)
	for _, w := range e.watches {
		if w != nil && w.inc != nil {
			out = append(out, &w.inc.doc)
		}
	}
	for _, f := range e.faults {
		out = append(out, &f.doc)
	}
	SortIncidents(out)
	return out
}

// OpenIncident is the id of the entity's open incident, "" when there is none.
func (e *Engine) OpenIncident(id EntityID) string {
	if w := e.watches[id]; w != nil && w.inc != nil {
		return w.inc.doc.ID
	}
	return ""
}

// SortIncidents orders by (start, id), the order of every list.
func SortIncidents(l []*Incident) {
	slices.SortFunc(l, func(a, b *Incident) int {
		if c := a.Start.Time.Compare(b.Start.Time.Time); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		if a.ID > b.ID {
			return 1
		}
		return 0
	})
}
