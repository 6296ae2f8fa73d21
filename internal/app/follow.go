package app

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/snapshot"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect/signal"
)

// follower applies the records of a journal to a monitor: one code path for archives, the demonstration and live segments. It
// ticks at each second of record time; the monitor has no other clock.
type follower struct {
	m       *signal.Monitor
	now     bgp.Micros // last tick
	seq     uint64
	content mrt.Content
	update  wire.Update
	elem    bgp.Elem
	count   recordCounts
	onTick  func(now bgp.Micros) // after each tick; may be nil
	routes  routeReader          // of the table record being applied
	paths   bool                 // tell the monitor the AS paths
	words   []uint32             // of the path being told

	// Of a live monitor's journal.
	tables  tableFolder
	inForce liveReference
	err     error  // the tables that the journal names cannot be opened: nothing more can be applied
	meter   *meter // counts for a live monitor; may be nil
}

// recordCounts is what became of the records, for the summary.
type recordCounts struct {
	Parsed, Skipped, Malformed uint64
	Kinds                      map[string]uint64 // why records were skipped or malformed
}

const second = bgp.Second

// A silence longer than quietAfter is ticked by the minute, and one longer than gapAfter is jumped over: folders with
// files of several years would otherwise spend their time on empty seconds.
const (
	quietAfter = 2 * 3600 * second
	gapAfter   = 40 * 24 * 3600 * second
)

// tickTo brings the clock to the second that the next record lies in.
func (f *follower) tickTo(at bgp.Micros) {
	to := at - at%second
	if f.now == 0 {
		f.tick(to)
		return
	}
	if to-f.now > gapAfter {
		f.tickTo(f.now + quietAfter)
		f.now = to - quietAfter
		f.now -= f.now % (60 * second)
	}
	from := f.now
	for f.now < to {
		step := second
		if f.now-from >= quietAfter && f.now%(60*second) == 0 && to-f.now > 60*second {
			step = 60 * second
		}
		f.tick(f.now + step)
	}
}

func (f *follower) tick(now bgp.Micros) {
	f.now = now
	f.m.Tick(now)
	if f.onTick != nil {
		f.onTick(now)
	}
}

// record applies one record at its own time. file is the index of its input.
func (f *follower) record(rec *mrt.Record, dec *mrt.Decoder, in *bgp.Input, file int) {
	f.tickTo(rec.Time)
	f.apply(rec, max(rec.Time, f.now), dec, in, file) // a record whose time went back is applied when it is read
}

// apply applies one record at an instant that the clock has reached.
func (f *follower) apply(rec *mrt.Record, at bgp.Micros, dec *mrt.Decoder, in *bgp.Input, file int) {
	c := &f.content
	if err := dec.Decode(rec, c); err != nil {
		f.bad(in, err)
		return
	}
	f.seq++
	msg := bgp.Message{
		Seq: f.seq, At: at, Peer: bgp.Peer{Collector: in.Collector, AS: c.PeerAS, Addr: c.PeerAddr}, Raw: rec.Raw,
		Source: bgp.Source{File: uint32(file), Offset: rec.Offset, Length: uint32(len(rec.Raw))},
	}
	if f.meter != nil && c.PeerAddr.IsValid() {
		f.meter.heard(msg.Peer, at, rec.Time)
	}
	switch c.Kind {
	case mrt.Message:
		f.message(msg, in)
	case mrt.StateChange:
		if err := f.m.State(msg, c.OldState, c.NewState); err != nil {
			f.bad(in, err)
			return
		}
		f.parsed(in)
	case mrt.RIBEntries:
		f.routes.reset()
		err := f.routes.read(c)
		f.table(msg, f.routes.list, false, err, in)
	case mrt.PeerIndex:
		f.parsed(in)
	default:
		f.skipped(in, c.Reason)
	}
}

func (f *follower) message(msg bgp.Message, in *bgp.Input) {
	c := &f.content
	if c.Local {
		f.skipped(in, "sent by the collector")
		return
	}
	if t, err := wire.MessageType(c.BGP); err != nil {
		f.bad(in, err)
		return
	} else if t != wire.TypeUpdate {
		if err := f.m.Heard(msg); err != nil { // a KEEPALIVE says that the session lives
			f.bad(in, err)
			return
		}
		f.skipped(in, "not an update")
		return
	}
	if err := f.update.Parse(c.BGP, c.Opts); err != nil {
		f.bad(in, err)
		return
	}
	if err := f.m.Begin(msg); err != nil {
		f.bad(in, err)
		return
	}
	f.tellPath()
	for f.update.Next(&f.elem) {
		f.m.Elem(&f.elem)
		in.Elems++
	}
	if fam, ok := f.update.EndOfRIB(); ok && (fam == wire.IPv4Unicast || fam == wire.IPv6Unicast) {
		f.m.EndOfRIB(fam == wire.IPv6Unicast)
	}
	f.m.End()
	f.parsed(in)
	if f.meter != nil && f.update.Faults != 0 {
		f.meter.wrong(f.update.Faults)
	}
}

func (f *follower) tellPath() {
	if f.paths {
		f.words = snapshot.EncodePath(f.words, f.update.Path())
		f.m.Path(f.words)
	}
}

// table applies the routes of one table record. err is what is wrong with the record behind them. stays: see Monitor.Dump.
func (f *follower) table(msg bgp.Message, routes []signal.Route, stays bool, err error, in *bgp.Input) {
	n, stopped := f.m.Dump(msg, routes, stays)
	in.Elems += uint64(n)
	if err = cmp.Or(stopped, err); err != nil {
		f.bad(in, err)
		return
	}
	f.parsed(in)
}

func (f *follower) parsed(in *bgp.Input) {
	f.count.Parsed++
	in.Parsed++
}

func (f *follower) skipped(in *bgp.Input, why string) {
	f.count.Skipped++
	in.Skipped++
	f.note(why)
}

func (f *follower) bad(in *bgp.Input, err error) {
	f.count.Malformed++
	in.Malformed++
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	f.note(err.Error())
}

func (f *follower) note(kind string) {
	if f.count.Kinds == nil {
		f.count.Kinds = map[string]uint64{}
	}
	if _, ok := f.count.Kinds[kind]; !ok && len(f.count.Kinds) >= 64 { // bounded whatever the input says
		kind = "other"
	}
	f.count.Kinds[kind]++
}

// String is the line of the summary.
func (c recordCounts) String() string {
	return fmt.Sprintf("records: %d parsed, %d skipped, %d malformed", c.Parsed, c.Skipped, c.Malformed)
}
