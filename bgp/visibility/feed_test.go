package visibility_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
)

// The feed of the benchmarks is an hour of rrc04 made larger. Every real update of a full feed is repeated for every session of the
// larger table that plays that feed's role, so that what the table meets is what was on the wire: how much a feed sends,
// the few prefixes that flap all the time, bursts in which all feeds move together, repeated announcements, changes of origin.
// Sessions of one role differ in when they hear of a prefix, and one in four takes the history of a prefix from another role.

// update is one step of the feed, in eight bytes.
type update struct {
	row  uint32
	peer uint16
	kind uint8
}

const (
	usual uint8 = iota // an announcement with the prefix's usual origin
	other              // an announcement with another
	gone               // a withdrawal
)

// origin is the usual origin of a row in the benchmarks, or another one.
func (u update) origin() uint32 { return u.row%80_000 + 1 + 100_000*uint32(u.kind&other) }

const (
	feedSeed   = 4
	feedStart  = bgp.Micros(1_609_476_900) * bgp.Second // of the first file
	feedHour   = 3600                                   // seconds
	feedSpread = 20                                     // seconds between the first and the last session that hears of a change
	fullFeed   = 1000                                   // updates an hour that make a session a role
)

// event is an update of the real hour.
type event struct {
	second int32
	prefix int32 // in order of first appearance
	role   int16
	kind   uint8
}

// realHour reads the hour of rrc04, or skips. roles says for each role whether it is an IPv6 session.
func realHour(tb testing.TB) (events []event, roles []bool, prefixes int) {
	tb.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(dir, "mrt", "rrc04", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) == 0 {
		tb.Skip("no real data (COREWATCH_DATA): the feed is an hour of rrc04")
	}
	slices.Sort(files)
	type session struct {
		index, updates int
		v6             bool
	}
	sessions := map[netip.Addr]*session{}
	numbers, origins := map[bgp.Prefix]int32{}, []uint32(nil)
	var of []int // session of each event
	for _, name := range files {
		if !readUpdates(tb, name, func(at bgp.Micros, peer netip.Addr, e *bgp.Elem) bool {
			second := (at - feedStart) / bgp.Second
			if second < 0 || second >= feedHour {
				return second < 0
			}
			s := sessions[peer]
			if s == nil {
				s = &session{index: len(sessions), v6: peer.Is6()}
				sessions[peer] = s
			}
			s.updates++
			n, ok := numbers[e.Prefix]
			if !ok {
				n = int32(len(origins))
				numbers[e.Prefix] = n
				origins = append(origins, 0)
			}
			ev := event{second: int32(second), prefix: n}
			switch {
			case e.Kind == bgp.Withdraw:
				ev.kind = gone
			case origins[n] == 0:
				origins[n] = e.Origin
			case origins[n] != e.Origin:
				ev.kind = other
			}
			events = append(events, ev)
			of = append(of, s.index)
			return true
		}) {
			break
		}
	}
	role := make([]int16, len(sessions))
	ordered := make([]*session, len(sessions))
	for _, s := range sessions {
		ordered[s.index] = s
	}
	for i, s := range ordered {
		role[i] = -1
		if s.updates >= fullFeed {
			role[i] = int16(len(roles))
			roles = append(roles, s.v6)
		}
	}
	kept := events[:0]
	for i, ev := range events {
		if ev.role = role[of[i]]; ev.role >= 0 {
			kept = append(kept, ev)
		}
	}
	return kept, roles, len(origins)
}

// readUpdates calls each for every elem of a file's UPDATEs until it says no; false then.
func readUpdates(tb testing.TB, name string, each func(bgp.Micros, netip.Addr, *bgp.Elem) bool) bool {
	tb.Helper()
	f, err := mrt.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var (
		rd = mrt.NewReader(f)
		d  mrt.Decoder
		c  mrt.Content
		u  wire.Update
		e  bgp.Elem
	)
	for {
		rec, err := rd.Next()
		if torn := (*mrt.TornError)(nil); errors.As(err, &torn) {
			continue
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			tb.Fatal(err)
		}
		if d.Decode(rec, &c) != nil || c.Kind != mrt.Message || u.Parse(c.BGP, c.Opts) != nil {
			continue
		}
		for u.Next(&e) {
			if !each(rec.Time, c.PeerAddr, &e) {
				return false
			}
		}
	}
}

// feed is churn in order of time: the updates of each second.
type feed struct {
	seconds [][]update
	n       int
	digest  string // SHA-256 over the updates, lower-case hex
}

// newFeed makes the real hour as large as rows x peers. Every session plays one IPv4 and one IPv6 role. The same seed gives the same feed.
func newFeed(events []event, roles []bool, prefixes, rows, peers int) feed {
	rng := rand.New(rand.NewPCG(feedSeed, uint64(peers)))
	at := rng.Perm(rows)[:prefixes]
	var family [2][]int16
	for r, v6 := range roles {
		i := 0
		if v6 {
			i = 1
		}
		family[i] = append(family[i], int16(r))
	}
	plays := make([][2]int16, peers)
	var order [2][]int
	for p := range plays {
		for i, f := range family {
			if len(order[i]) == 0 {
				order[i] = rng.Perm(len(f))
			}
			plays[p][i] = f[order[i][0]]
			order[i] = order[i][1:]
		}
	}
	out := feed{seconds: make([][]update, feedHour+feedSpread)}
	for _, ev := range events {
		i := 0
		if roles[ev.role] {
			i = 1
		}
		for p := range plays {
			h := (uint64(ev.prefix)<<16 | uint64(p)) * 0x9E3779B97F4A7C15
			h ^= h >> 32
			role := plays[p][i]
			if h&3 == 0 {
				role = family[i][h>>2%uint64(len(family[i]))]
			}
			if role != ev.role {
				continue
			}
			s := ev.second + int32(h>>40%feedSpread)
			out.seconds[s] = append(out.seconds[s], update{uint32(at[ev.prefix]), uint16(p), ev.kind})
			out.n++
		}
	}
	sum := sha256.New()
	var b []byte
	for _, l := range out.seconds {
		b = b[:0]
		for _, u := range l {
			b = binary.LittleEndian.AppendUint32(b, u.row)
			b = binary.LittleEndian.AppendUint16(b, u.peer)
			b = append(b, u.kind)
		}
		sum.Write(b)
	}
	out.digest = hex.EncodeToString(sum.Sum(nil))
	return out
}

func (f *feed) bytes() (n uint64) {
	for _, l := range f.seconds {
		n += uint64(cap(l)) * 8
	}
	return n
}

// apply gives one second of the feed to a table, with a vote after each change that may move it.
func apply(t *visibility.Table, l []update, at bgp.Micros) (sum int) {
	t.Tick(at, nil)
	for i := range l {
		u := &l[i]
		var c visibility.Change
		if u.kind == gone {
			c = t.Withdraw(visibility.RowID(u.row), visibility.PeerID(u.peer), at)
		} else {
			c = t.Announce(visibility.RowID(u.row), visibility.PeerID(u.peer), u.origin(), at)
		}
		if c.VoteMayChange() {
			sum += t.Vote(visibility.RowID(u.row)).Withdrawn
		}
	}
	return sum
}

// shape is what the feed has to have in common with the wire.
type shape struct {
	withdrawn float64 // share of withdrawals
	other     float64 // share of announcements with an unusual origin
	head      float64 // share of the updates that belong to the busiest hundredth of the prefixes
	burst     float64 // updates of the busiest minute over those of the median minute
	heavy     float64 // updates of the busiest session over those of the median session
}

func measure(n int, each func(yield func(second int32, prefix, peer int, kind uint8))) (s shape) {
	prefixes, sessions, minutes := map[int]int{}, map[int]int{}, map[int]int{}
	each(func(second int32, prefix, peer int, kind uint8) {
		prefixes[prefix]++
		sessions[peer]++
		minutes[int(second)/60]++
		switch kind {
		case gone:
			s.withdrawn += 1 / float64(n)
		case other:
			s.other += 1 / float64(n)
		}
	})
	sorted := func(m map[int]int) (l []int) {
		for _, n := range m {
			l = append(l, n)
		}
		slices.Sort(l)
		return l
	}
	l := sorted(prefixes)
	for _, c := range l[len(l)-len(l)/100:] {
		s.head += float64(c) / float64(n)
	}
	l = sorted(minutes)
	s.burst = float64(l[len(l)-1]) / float64(l[len(l)/2])
	l = sorted(sessions)
	s.heavy = float64(l[len(l)-1]) / float64(l[len(l)/2])
	return s
}

// TestFeedIsLikeTheWire compares the feed with the hour it was made from.
func TestFeedIsLikeTheWire(t *testing.T) {
	events, roles, prefixes := realHour(t)
	if len(events) < 200_000 || len(roles) < 8 {
		t.Fatalf("%d updates of %d full feeds: not the hour that is meant", len(events), len(roles))
	}
	f := newFeed(events, roles, prefixes, 100_000, 40)
	again := newFeed(events, roles, prefixes, 100_000, 40)
	if f.digest != again.digest {
		t.Error("the same seed gives another feed")
	}
	want := measure(len(events), func(yield func(int32, int, int, uint8)) {
		for _, e := range events {
			yield(e.second, int(e.prefix), int(e.role), e.kind)
		}
	})
	got := measure(f.n, func(yield func(int32, int, int, uint8)) {
		for s, l := range f.seconds {
			for _, u := range l {
				yield(int32(s), int(u.row), int(u.peer), u.kind)
			}
		}
	})
	t.Logf("wire %d updates %+v", len(events), want)
	t.Logf("feed %d updates %+v", f.n, got)
	for _, x := range []struct {
		what      string
		got, want float64
		factor    float64
	}{
		{"withdrawals", got.withdrawn, want.withdrawn, 1.3},
		{"unusual origins", got.other, want.other, 1.3},
		{"the busiest prefixes", got.head, want.head, 1.3},
		{"the busiest minute", got.burst, want.burst, 1.5},
		{"the busiest session", got.heavy, want.heavy, 2},
		{"updates of a pair of sessions", float64(f.n) / 40, 2 * float64(len(events)) / float64(len(roles)), 1.3},
	} {
		if x.got > x.want*x.factor || x.got < x.want/x.factor {
			t.Errorf("%s: %.4f in the feed, %.4f on the wire", x.what, x.got, x.want)
		}
	}
}
