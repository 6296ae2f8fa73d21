package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
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
	// subscribed gives the subscriptions that are in force from now on; may be nil.
	subscribed <-chan liveSubscriptions
	conf       conf.Config
	logger     zerolog.Logger
	clock      func() time.Time
	// ownClock says what is known of the machine's clock; nil: nobody is asked, and nothing is said of it.
	ownClock  func() clock.Reading
	clockTold clockState
	// freeDisk is how much room is left on the disk that everything is kept on, and how much there is; nil: nobody looks.
	freeDisk   func() (free, total int64, err error)
	diskLooked bgp.Micros
	diskLow    bool   // as the journal says
	diskFailed string // why it is not known

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
			var d diskState
			if e.Kind == order.Control && e.Name == controlDisk && json.Unmarshal([]byte(e.Text), &d) == nil {
				l.diskLow = d.Low
			}
		},
	})
	if err != nil {
		return err
	}
	became, err := l.rec.endPast(out.f.now)
	if err != nil {
		return err
	}
	if became != (retold{}) {
		l.logger.Warn().Str("software", Software()).Msg("the journal was read again by other software than had read it: " + became.String())
		l.meter.live.Notes = append(l.meter.live.Notes, "after an update of the program, "+became.String())
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

// relocate puts reference tables in force that were kept beside the journal.
func (l *live) relocate(sha string) error {
	return l.tell(controlReference, liveReference{sha, l.now()})
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
	select {
	case s := <-l.subscribed:
		if err := l.tell(controlSubscriptions, s); err != nil {
			return err
		}
	default:
	}
	if err := errors.Join(l.lookAtClock(), l.lookAtDisk()); err != nil {
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
