// Package inject puts faults of a monitor into records of BGP: lost collectors and peers, cut tables, gaps, resets, stuck routes, a
// peer that lies, duplicates. None of them is an event of the network, so a detector that reports one has mistaken its own
// instruments for the world.
//
// Input and output are records as they are stored (MRT, RFC 6396), so that what is tested is the whole way from octets to
// incidents. The same records, fault, span and seed give the same records.
package inject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// Lane is what one collector recorded, in order of time.
type Lane struct {
	Collector string
	Records   []Record
}

// Record is one MRT record.
type Record struct {
	At   bgp.Micros
	Peer bgp.Peer // whose message or state it is; zero for tables
	Raw  []byte

	read mrt.Record // as it was read; zero of a record that was put in
}

// record is the record as a decoder takes it.
func (r *Record) record() (*mrt.Record, error) {
	if r.read.Raw != nil {
		return &r.read, nil
	}
	return mrt.NewBytesReader(r.Raw).Next()
}

// Span is the time of a fault: [From, Until).
type Span struct{ From, Until bgp.Micros }

func (s Span) holds(at bgp.Micros) bool { return at >= s.From && at < s.Until }

// maxLane bounds the records of a lane: they are kept in memory, several times.
const maxLane = 5_000_000

// Read keeps a collector's records. Records that cannot be decoded are kept as they are; a stream that is torn is an error.
func Read(collector string, in io.Reader) (Lane, error) {
	l := Lane{Collector: collector}
	r := mrt.NewReader(in)
	var (
		d mrt.Decoder
		c mrt.Content
	)
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return l, nil
		case err != nil:
			return l, fmt.Errorf("records of %s to inject into: %w", collector, err)
		case len(l.Records) == maxLane:
			return l, fmt.Errorf("more than %d records of %s: take a shorter stretch", maxLane, collector)
		}
		raw := bytes.Clone(rec.Raw)
		kept := *rec
		kept.Body, kept.Raw = raw[len(raw)-len(rec.Body):], raw
		x := Record{At: rec.Time, Raw: raw, read: kept}
		if d.Decode(rec, &c) == nil && (c.Kind == mrt.Message || c.Kind == mrt.StateChange) {
			x.Peer = bgp.Peer{Collector: collector, AS: c.PeerAS, Addr: c.PeerAddr}
		}
		l.Records = append(l.Records, x)
	}
}

// Reader gives the lane's octets.
func (l *Lane) Reader() io.Reader {
	parts := make([]io.Reader, len(l.Records))
	for i := range l.Records {
		parts[i] = bytes.NewReader(l.Records[i].Raw)
	}
	return io.MultiReader(parts...)
}

// Fault is a kind of fault.
type Fault string

// The faults.
const (
	CollectorLost Fault = "collector-lost" // one collector falls silent: with its sessions lost and sent again, without a word, or for good
	PeersLost     Fault = "peers-lost"     // 30 % of all sessions: recorded, silent, or withdrawing all they carry
	SeedCut       Fault = "seed-cut"       // the table dump of one collector, or of all, ends early
	FeedGap       Fault = "feed-gap"       // nothing of any collector is stored for a while
	Resets        Fault = "resets"         // sessions are lost, come back, and send their tables again
	StuckRoutes   Fault = "stuck-routes"   // some peers never pass on some withdrawals
	LyingPeer     Fault = "lying-peer"     // one peer withdraws, flaps or claims what it likes
	Duplicates    Fault = "duplicates"     // messages come twice, those of different peers out of order, and clocks step back
)

// Faults are all of them, in the order of the reports.
var Faults = []Fault{CollectorLost, PeersLost, SeedCut, FeedGap, Resets, StuckRoutes, LyingPeer, Duplicates}

// Inject gives the records with the fault in them, and says in words what was drawn. The lanes given stay as they are.
func Inject(lanes []Lane, f Fault, s Span, seed uint64) ([]Lane, string, error) {
	x := &injection{span: s, chance: rand.New(rand.NewPCG(seed, uint64(len(f))<<32|uint64(f[0])))}
	for _, l := range lanes {
		x.lanes = append(x.lanes, Lane{Collector: l.Collector, Records: slices.Clone(l.Records)})
	}
	x.sessions = x.list()
	if len(x.lanes) == 0 || len(x.sessions) == 0 || s.Until <= s.From {
		return nil, "", fmt.Errorf("fault %s: no session, or no time, to inject it into", f)
	}
	do := map[Fault]func() string{
		CollectorLost: x.collectorLost, PeersLost: x.peersLost, SeedCut: x.seedCut, FeedGap: x.feedGap,
		Resets: x.resets, StuckRoutes: x.stuckRoutes, LyingPeer: x.lyingPeer, Duplicates: x.duplicates,
	}[f]
	if do == nil {
		return nil, "", fmt.Errorf("there is no fault %q", f)
	}
	what := do()
	for i := range x.lanes {
		slices.SortStableFunc(x.lanes[i].Records, func(a, b Record) int {
			return int(min(max(a.At-b.At, -1), 1))
		})
	}
	if f == Duplicates { // clocks step back: after sorting
		x.skew()
	}
	return x.lanes, what, x.err
}

// injection is one draw.
type injection struct {
	lanes    []Lane
	sessions []bgp.Peer // in order of first record, collector by collector
	span     Span
	chance   *rand.Rand
	err      error // the first record that could not be written
}

// list finds the sessions that say anything.
func (x *injection) list() (out []bgp.Peer) {
	seen := map[bgp.Peer]bool{}
	for i := range x.lanes {
		for j := range x.lanes[i].Records {
			if p := x.lanes[i].Records[j].Peer; p.Addr.IsValid() && !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// between is a duration from lo to hi seconds.
func (x *injection) between(lo, hi int) bgp.Micros {
	return bgp.Seconds(int64(lo)) + bgp.Micros(x.chance.Int64N(int64(hi-lo)*int64(bgp.Second)+1))
}

// some draws n sessions, each once.
func (x *injection) some(n int) []bgp.Peer {
	out := slices.Clone(x.sessions)
	x.chance.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(max(n, 1), len(out))]
}

// lane is where a collector's records are.
func (x *injection) lane(collector string) *Lane {
	for i := range x.lanes {
		if x.lanes[i].Collector == collector {
			return &x.lanes[i]
		}
	}
	return nil
}

// drop takes out the records that match.
func (x *injection) drop(match func(l *Lane, r *Record) bool) {
	for i := range x.lanes {
		l := &x.lanes[i]
		l.Records = slices.DeleteFunc(l.Records, func(r Record) bool { return match(l, &r) })
	}
}
