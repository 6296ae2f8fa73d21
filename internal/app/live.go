package app

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/clock"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/internal/freeze"
	"github.com/corewatch/corewatch/web"
)

// live watches what the sources give: it keeps each record and its place in the journal first, and makes something of it once both are on
// the disk. One goroutine owns it.
type live struct {
	log     *collect.Log
	f       *follower
	rec     *recorder
	sources []source
	tables  tableFolder
	refresh <-chan string // names of reference tables that were kept and are to be in force; may be nil
	conf    conf.Config
	logger  zerolog.Logger
	clock   func() time.Time
	// ownClock says what is known of the machine's clock; nil: nobody is asked, and nothing is said of it.
	ownClock  func() clock.Reading
	clockTold clockState

	notary   *notary                                       // told of what is on the disk; may be nil
	onSecond func(now bgp.Micros, figures *web.LiveStatus) // after each second; may be nil
	meter    *meter

	at         bgp.Micros // newest time of an entry; the clock of the machine may go back, the journal's does not
	batch      []collect.Event
	records    []*mrt.Record // of the batch, and free ones behind them
	used       int           // how many are of the batch
	arena      []byte        // the octets of records of the batch
	bytes      int
	inputs     []*bgp.Input            // the segments, as messages number them,
	base       int                     // from this number on
	anchors    []anchor                // from which the journal can be followed, oldest first
	origin     bgp.Micros              // when the journal began
	weightThen int64                   // of the log, at the last anchor
	start      liveStart               // of the present run
	decoder    map[string]*mrt.Decoder // by collector
	kept       string                  // path of the checkpoint
	codec      *freeze.Codec[state]
	began      bgp.Micros        // when this run began
	saved      bgp.Micros        // time of the checkpoint
	listed     bgp.Micros        // when the store was told last what was read
	dirty      int               // from this input on it must be told again
	second     bgp.Micros        // the clock's last tick in the journal
	told       map[string]string // by source: the position noted last
	again      map[string]bool   // collectors of which a source will give again what came meanwhile
	feeds      map[string]bool   // that the journal of this run names
	said       map[string]string // by source: why it gave nothing, as logged
	heldSaid   bgp.Micros        // since when a hold keeps what would be given up, as logged
}

// source is where records come from. It never loses one: what take refuses to go on with comes again.
type source interface {
	name() string // its own, among the sources
	// poll gives what is there, in order, and stops when take says false.
	poll(now time.Time, take func(received) bool) error
	// position is what resume needs to go on behind the last record given; empty for a stream, of which nothing can be read again.
	position() string
	resume(position string)
	// feed is what must speak as long as the source lives: a collector, or the stream that its collectors come with; no name: only they.
	feed() signal.Feed
	status() web.SourceStatus
}

// received is one thing that a source gives.
type received struct {
	collector string
	raw       []byte // an MRT record, valid during the call; nil:
	gap       string // records of the collector are being missed, and why; or:
	table     *collectorTable
}

const (
	// Of one source, so much is read at once; then it is committed and applied. A burst waits in its source. A batch and the position behind it
	// stand in one block of the journal: after a stop both are there, or neither.
	batchBytes   = 32 << 20
	batchRecords = 8192
	batchRoom    = (batchRecords+16)*order.EntrySize + roomLeft
	// arenaSize is how much is asked for at once for the octets of a batch.
	arenaSize = 1 << 20
	// roomLeft is what a batch leaves of a block for the position behind it.
	roomLeft = 16 << 10
	// feedsAtOnce fit into one text of the journal.
	feedsAtOnce = 400
	maxFeeds    = 4000
	// pollEvery is how often the sources are asked. What they give is applied when the second is over.
	pollEvery = 200 * time.Millisecond
)

// open opens the log in dir, follows what stands in it, and lets the sources go on where they were.
func (l *live) open(ctx context.Context, dir string) (err error) {
	if l.clock == nil {
		l.clock = time.Now
	}
	l.meter, l.began = newMeter(), bgp.Micros(l.clock().UnixMicro())
	l.told, l.kept = map[string]string{}, filepath.Join(dir, checkpointName)
	if l.codec, err = freeze.New[state](stateGiven()); err != nil {
		return err
	}
	if l.log, err = collect.OpenLog(dir, collect.LogOptions{Ended: l.notary.segment}); err != nil {
		return err
	}
	if n := l.log.Journal().Cut(); n > 0 {
		l.logger.Warn().Int64("octets", n).Msg("the journal ended in an unfinished block; what it named was never used and is read again")
	}
	l.at = l.log.Journal().Last()
	sha, err := l.tables.keep(l.conf.Reference)
	if err == nil {
		err = l.catchUp(ctx, dir, sha)
	}
	if err == nil && l.f.inForce.SHA256 != sha {
		err = l.relocate(sha)
	}
	if err != nil {
		return errors.Join(err, l.log.Close())
	}
	for _, s := range l.sources {
		if p, ok := l.told[s.name()]; ok {
			s.resume(p)
		}
	}
	if err := l.declare(); err != nil {
		return err
	}
	return l.missed()
}

// catchUp notes that the monitor starts, and applies what the journal holds. sha names the reference tables of a journal that begins.
func (l *live) catchUp(ctx context.Context, dir, sha string) error {
	l.start = liveStart{Software: Software(), Detect: l.conf.Detect, Peers: l.conf.Peers}
	if l.at == 0 {
		l.start.Reference = &liveReference{sha, l.now()}
	}
	if _, err := l.note(controlStart, l.start); err != nil {
		return err
	}
	if err := l.log.Commit(); err != nil {
		return err
	}
	out, err := followLog(ctx, dir, logRun{
		tables: l.tables, rec: l.rec, keep: l.kept, codec: l.codec, log: l.logger,
		from: func(p *position) { maps.Copy(l.told, p.Told); l.anchors = p.Anchors },
		each: func(e *order.Entry) {
			var p sourcePosition
			if e.Kind == order.Control && e.Name == controlSource && json.Unmarshal([]byte(e.Text), &p) == nil {
				l.told[p.Source] = p.Position
			}
		},
	})
	if err != nil {
		return err
	}
	known, err := l.rec.known()
	if err != nil {
		return err
	}
	l.base, l.origin = out.base, out.first
	out.f.meter, l.dirty = l.meter, max(l.base, min(out.from, known))
	if err := l.dropAnchors(); err != nil {
		return err
	}
	l.f, l.decoder, l.saved, l.second = out.f, out.decoders, out.f.now, out.f.now
	for i := range out.files {
		l.inputs = append(l.inputs, &out.files[i].Input)
	}
	return l.weigh()
}

const (
	// listEvery is how often the store is told how far each segment was read, and sessionsEvery how often sessions are looked at.
	listEvery     = 10 * second
	sessionsEvery = 5 * second
)

// tellOthers tells the store and the pages how far it is, after a second.
func (l *live) tellOthers() error {
	if l.second-l.listed >= listEvery {
		if err := l.list(); err != nil {
			return err
		}
	}
	if l.onSecond == nil {
		return nil
	}
	l.meter.look(l.f.m, l.second%sessionsEvery == 0)
	l.meter.live.Entries = l.log.Journal().Entries()
	l.meter.live.Queues = l.meter.live.Queues[:0:0]
	for _, s := range l.sources {
		if q, ok := s.(queued); ok {
			l.meter.live.Queues = append(l.meter.live.Queues, q.queue())
		}
	}
	l.onSecond(l.second, l.meter.copy())
	return nil
}

// list tells the store how far each segment was read.
func (l *live) list() error {
	files := make([]collect.File, l.base+len(l.inputs)-l.dirty)
	for i := range files {
		files[i].Input = *l.inputs[l.dirty-l.base+i]
	}
	l.listed = l.second
	if err := l.rec.inputs(l.dirty, files); err != nil {
		return err
	}
	l.dirty = l.log.Oldest()
	return nil
}

// queued is a source that receives while the monitor is at work.
type queued interface{ queue() web.QueueStatus }

// keepEveryLive is how much event time passes between two checkpoints of a live monitor: what is done again at most after a stop.
const keepEveryLive = 600 * second

// relocate puts reference tables in force that were kept beside the journal.
func (l *live) relocate(sha string) error {
	return l.tell(controlReference, liveReference{sha, l.now()})
}

// save writes a checkpoint, between two seconds, when everything up to now is on the disk and in the store.
func (l *live) save() error {
	if err := errors.Join(l.rec.settle(nil), l.list()); err != nil {
		return err
	}
	w := l.log.Journal()
	anchors, fixed := l.anchors, l.anchorDue()
	if fixed {
		b, err := l.log.Rotate()
		if err != nil {
			return err
		}
		anchors = append(slices.Clone(anchors), anchor{l.f.now, b})
	}
	head := w.Head()
	at := position{
		Software: Software(), Run: identity{Data: detect.Live}, At: l.f.now, Seq: l.f.seq, Count: l.f.count, Entries: w.Entries(), Head: hex.EncodeToString(head[:]),
		First: l.origin, Inputs: l.base + len(l.inputs), Growing: map[int]bgp.Input{}, Start: &l.start, Told: l.told, Anchors: anchors, Reference: &l.f.inForce,
	}
	for i := l.log.Oldest(); i < l.base+len(l.inputs); i++ {
		at.Growing[i] = *l.inputs[i-l.base]
	}
	if err := writeCheckpoint(l.kept, l.codec, &at, &state{l.f.m, l.rec.refs, l.decoder}); err != nil {
		return err
	}
	l.saved, l.anchors = l.f.now, anchors
	if err := l.weigh(); err != nil {
		return err
	}
	if fixed {
		if err := l.anchored(anchors[len(anchors)-1].Base); err != nil {
			return err
		}
		l.weightThen = l.weight()
	}
	return l.retain()
}

// weigh looks how much is kept on the disk.
func (l *live) weigh() (err error) {
	m := &l.meter.live
	m.SegmentBytes, m.Segments, m.JournalBytes, err = l.log.Usage()
	return err
}

// declare tells which feeds there are from now on.
func (l *live) declare() error {
	l.feeds = map[string]bool{}
	list := []signal.Feed{}
	for _, s := range l.sources {
		if f := s.feed(); f.Name != "" {
			list, l.feeds[f.Name] = append(list, f), true
		}
	}
	if err := l.tell(controlFeeds, list[:min(len(list), feedsAtOnce)]); err != nil {
		return err
	}
	for i := feedsAtOnce; i < len(list); i++ {
		if err := l.tell(controlFeed, list[i]); err != nil {
			return err
		}
	}
	return nil
}

// missed tells of the collectors that were heard by a stream before this run: nobody knows what they said meanwhile.
func (l *live) missed() error {
	for _, name := range slices.Sorted(maps.Keys(l.decoder)) {
		if l.again[name] {
			continue
		}
		if err := l.gap(name, "the monitor was not running"); err != nil {
			return err
		}
	}
	return nil
}

func (l *live) now() bgp.Micros {
	return max(l.at, bgp.Micros(l.clock().UnixMicro()))
}

// run watches until ctx ends.
func (l *live) run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := l.step(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step asks every source once, and ends the second when it is over.
func (l *live) step() error {
	if err := l.advance(l.now()); err != nil {
		return err
	}
	select {
	case sha := <-l.refresh: // nil never gives
		if sha != l.f.inForce.SHA256 {
			if err := l.relocate(sha); err != nil {
				return err
			}
		}
	default:
	}
	if err := l.lookAtClock(); err != nil {
		return err
	}
	for _, s := range l.sources {
		if err := l.drain(s); err != nil {
			return err
		}
	}
	if l.second <= l.f.now {
		return nil
	}
	if err := l.apply(); err != nil {
		return err
	}
	if err := l.tellOthers(); err != nil {
		return err
	}
	if l.second-l.saved >= keepEveryLive {
		return l.save()
	}
	return nil
}

// advance lets the clock come to the second that an instant lies in, before anything of that second: as in an archive.
func (l *live) advance(at bgp.Micros) error {
	sec := at - at%second
	if sec <= l.second {
		return nil
	}
	if err := l.log.Tick(sec); err != nil {
		return err
	}
	l.at, l.second = max(l.at, sec), sec
	l.batch = append(l.batch, collect.Event{Entry: order.Entry{Kind: order.Tick, At: sec}})
	return nil
}

// drain takes what one source has, in bounded batches.
func (l *live) drain(s source) error {
	for full := true; full; {
		if l.log.Room() < batchRoom {
			if err := l.apply(); err != nil {
				return err
			}
		}
		full = false
		n := 0
		var failed error
		err := s.poll(l.clock(), func(r received) bool {
			switch {
			case r.table != nil:
				failed = l.tell(controlTable, *r.table)
			case r.raw == nil:
				failed = l.gap(r.collector, r.gap)
			default:
				if failed = l.met(s, r.collector); failed != nil {
					break
				}
				failed = l.accept(r.collector, r.raw)
			}
			n++
			full = l.bytes >= batchBytes || n >= batchRecords || l.log.Room() < roomLeft
			return failed == nil && !full
		})
		if failed != nil {
			return failed
		}
		l.say(s.name(), err)
		if p := s.position(); p != l.told[s.name()] {
			if _, err := l.note(controlSource, sourcePosition{s.name(), p}); err != nil {
				return err
			}
			l.told[s.name()] = p
		}
		if full {
			if err := l.apply(); err != nil {
				return err
			}
		}
	}
	return nil
}

// say logs what became of a source, once: it is asked five times a second. The pages show it, too.
func (l *live) say(name string, err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	if was := l.said[name]; now == was {
		return
	}
	if l.said == nil {
		l.said = map[string]string{}
	}
	if l.said[name] = now; err != nil {
		l.logger.Warn().Err(err).Str("source", name).Msg("a source gives nothing; it is asked again")
		return
	}
	l.logger.Info().Str("source", name).Msg("the source is back")
}

// gap notes that records of a collector are being missed.
func (l *live) gap(collector, why string) error {
	l.meter.feed(collector).Gaps++
	return l.tell(controlGap, collectorGap{collector, why})
}

// met tells of a collector that a source has not named before in this run.
func (l *live) met(s source, collector string) error {
	if l.feeds[collector] || len(l.feeds) >= maxFeeds {
		return nil
	}
	l.feeds[collector] = true
	return l.tell(controlFeed, signal.Feed{Name: collector, Of: s.feed().Name, Tables: s.feed().Tables})
}

// tell notes what happened beside the records, which is applied with them.
func (l *live) tell(kind string, v any) error {
	if err := l.advance(l.now()); err != nil {
		return err
	}
	text, err := l.note(kind, v)
	if err != nil {
		return err
	}
	l.batch = append(l.batch, collect.Event{Entry: order.Entry{Kind: order.Control, At: l.at, Name: kind, Text: text}})
	return nil
}

// accept keeps one record.
func (l *live) accept(collector string, raw []byte) error {
	at := l.now()
	if err := l.advance(at); err != nil {
		return err
	}
	p, err := l.log.Append(collector, raw, at)
	if err != nil {
		return err
	}
	l.at = at
	if p.Input == l.base+len(l.inputs) {
		l.inputs = append(l.inputs, &bgp.Input{Name: p.Name, Collector: collector})
	}
	in := l.inputs[p.Input-l.base]
	dec := l.decoder[collector]
	if dec == nil {
		dec = &mrt.Decoder{}
		l.decoder[collector] = dec
	}
	if cap(l.arena)-len(l.arena) < len(raw) { // the records before it stay in the old one
		l.arena = make([]byte, 0, max(arenaSize, len(raw)))
	}
	from := len(l.arena)
	l.arena = append(l.arena, raw...)
	if l.used == len(l.records) {
		l.records = append(l.records, &mrt.Record{})
	}
	rec := l.records[l.used]
	if err := rec.Parse(l.arena[from:], p.Offset); err != nil {
		return err
	}
	l.used++
	if in.First == 0 {
		in.First = rec.Time
	}
	in.Last, in.Bytes = max(in.Last, rec.Time), p.Offset+int64(len(raw))
	l.meter.received(collector, len(raw), at, rec.Time)
	l.bytes += len(raw)
	l.batch = append(l.batch, collect.Event{
		Entry: order.Entry{Kind: order.Message, At: at, Input: p.Input, Offset: p.Offset, Length: int64(len(raw))},
		Item:  collect.Item{Index: p.Input, Input: in, Record: rec, Decoder: dec},
	})
	return nil
}

// note writes a control event, and gives its text.
func (l *live) note(kind string, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	l.at = l.now()
	return string(text), l.log.Control(l.at, kind, string(text))
}

// apply makes what was received durable, and only then something of it.
func (l *live) apply() error {
	began := time.Now()
	if err := l.log.Commit(); err != nil {
		return err
	}
	l.meter.live.Commits++
	l.meter.live.CommitTime += since(began)
	began = time.Now()
	for i := range l.batch {
		l.f.event(&l.batch[i])
	}
	l.meter.live.ApplyTime += since(began)
	l.batch, l.bytes, l.used, l.arena = l.batch[:0], 0, 0, l.arena[:0]
	l.vouch()
	return cmp.Or(l.rec.err, l.f.err)
}

// vouch tells the ledger how far the journal is on the disk.
func (l *live) vouch() {
	l.notary.committed(l.log.Journal(), l.f.m.Engine().Method().ConfigSHA256, l.f.inForce.SHA256)
}

// close applies what was received, writes a checkpoint and closes the log.
func (l *live) close() error {
	err := l.apply()
	if err == nil && l.f.now != 0 {
		err = l.save()
	}
	if err = errors.Join(err, l.log.Close()); err == nil {
		l.vouch()
	}
	return err
}
