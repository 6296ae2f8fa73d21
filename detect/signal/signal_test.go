package signal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

func TestVotesAndReadings(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	if r := f.reading("PK", detect.BGPv4); r.Prefixes != 100 || r.Expected != 100 || r.Lost != 0 || r.UnobservablePrefixes != 0 || r.SmallQuorum ||
		r.Votes != (detect.VantageCount{Expected: 20, Voting: 20, Sessions: 20, Needed: 10}) {
		t.Fatalf("%+v", r)
	}
	f.all(61, ps[:9], bgp.Withdraw, blocks(0, 3)...)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 {
		t.Errorf("9 of 20 withdrew: %+v", r)
	}
	f.say(62, ps[9], bgp.Withdraw, blocks(0, 3)...)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 3 || r.Lost != 3 || r.Prefixes != 100 || r.Origins < 1 || r.Origins > 3 {
		t.Errorf("10 of 20 withdrew: %+v", r)
	}
	f.say(63, ps[0], bgp.Announce, block(0))
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 || r.Lost != 2 {
		t.Errorf("one took one back: %+v", r)
	}
	// A second session of an AS that still carries it keeps the vote of that AS.
	twin := ps[1]
	twin.Addr = netip.AddrFrom4([4]byte{192, 0, 3, 1})
	f.say(64, twin, bgp.RIB, block(1))
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 1 {
		t.Errorf("a twin carries it: %+v", r)
	}
	// Multicast changes nothing; a treat-as-withdraw is a withdrawal and counted as such.
	before := f.m.Stats()
	f.seq++
	if err := f.m.Begin(bgp.Message{Seq: f.seq, At: at(65), Peer: ps[10], Raw: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	f.m.Elem(&bgp.Elem{Prefix: block(1), Kind: bgp.Withdraw, Cause: bgp.CauseMulticast})
	f.m.Elem(&bgp.Elem{Prefix: block(1), Kind: bgp.Withdraw, Cause: bgp.CauseTreatWithdraw})
	f.m.Elem(&bgp.Elem{Kind: bgp.Withdraw})
	f.m.End()
	s := f.m.Stats()
	if s.Elems-before.Elems != 3 || s.NotUnicast-before.NotUnicast != 1 || s.TreatedAsWithdraw-before.TreatedAsWithdraw != 1 ||
		s.Withdrawals-before.Withdrawals != 1 || s.Rejected-before.Rejected != 1 || s.Changes-before.Changes != 1 {
		t.Errorf("%+v, before %+v", s, before)
	}
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 {
		t.Errorf("after a treat-as-withdraw: %+v", r)
	}
}

func TestUnobservable(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	f.all(0.5, ps, bgp.RIB, blocks(0, 50)...)
	f.all(0.6, ps[:10], bgp.RIB, block(60))
	f.all(0.7, ps[:9], bgp.RIB, block(61))
	f.speak = ps
	f.run(60)
	if r := f.reading("PK", detect.BGPv4); r.Prefixes != 51 || r.UnobservablePrefixes != 1 || r.Unobservable != 1 || r.Expected != 51 {
		t.Errorf("%+v", r)
	}
	f.all(61, ps[:9], bgp.Withdraw, block(60), block(61))
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 1 || r.UnobservablePrefixes != 1 {
		t.Errorf("nobody can say that the ninth is lost: %+v", r)
	}
}

func TestCountriesAndFamiliesApart(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	six := bgp.PrefixFrom6(0x20010db8_00010000, 0, 47)
	f.all(0.5, ps, bgp.RIB, block(1), bgp.PrefixFrom4(20<<24, 22), bgp.PrefixFrom4(30<<24, 24), six)
	f.run(1)
	f.all(2, ps, bgp.Withdraw, six, bgp.PrefixFrom4(20<<24, 22))
	if r := f.reading("PK", detect.BGPv4); r.Prefixes != 1 || r.LostPrefixes != 0 {
		t.Errorf("PK, IPv4: %+v", r)
	}
	if r := f.reading("PK", detect.BGPv6); r.Prefixes != 1 || r.Lost != 2 || r.Expected != 2 {
		t.Errorf("PK, IPv6: %+v", r)
	}
	if r := f.reading("LK", detect.BGPv4); r.Prefixes != 1 || r.Lost != 4 || r.Expected != 4 {
		t.Errorf("LK: %+v", r)
	}
	if len(f.m.countries) != 2 {
		t.Errorf("%d countries", len(f.m.countries))
	}
}

// TestDeaggregated: a lost row under a live less specific of its origin counts as a lost prefix and for no unit, until that goes too.
func TestDeaggregated(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	wide := bgp.PrefixFrom4(10<<24|1<<16, 22)
	own, foreign := bgp.PrefixFrom4(10<<24|1<<16, 24), bgp.PrefixFrom4(10<<24|1<<16|1<<8, 24)
	if origin(own) != origin(wide) || origin(foreign) == origin(wide) {
		t.Fatal("the choice of origins does not serve")
	}
	f.all(0.5, ps, bgp.RIB, wide, own, foreign)
	f.run(1)
	if r := f.reading("PK", detect.BGPv4); r.Expected != 4 {
		t.Errorf("units are counted twice: %+v", r)
	}
	f.all(2, ps, bgp.Withdraw, own, foreign)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 || r.Deaggregated != 1 || r.Lost != 1 || r.Origins != 1 {
		t.Errorf("under a live one: %+v", r)
	}
	f.all(3, ps, bgp.Withdraw, wide)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 3 || r.Deaggregated != 0 || r.Lost != 4 || r.Origins != 2 {
		t.Errorf("which went: %+v", r)
	}
	f.all(4, ps, bgp.Announce, wide)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 || r.Deaggregated != 1 || r.Lost != 1 {
		t.Errorf("and came back: %+v", r)
	}
}

func TestMassWithdrawal(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 600)
	for i := range 600 { // one AS of 20 withdraws its table, one prefix a message
		f.say(61+float64(i)/1000, ps[3], bgp.Withdraw, block(i))
	}
	f.run(100)
	f.want(fmt.Sprintf("61 %s opened", ps[3]))
	if s := f.state(ps[3]); s.State != "mass-withdrawing" || s.Faults != 1 || s.Note == "" {
		t.Errorf("%+v", s)
	}
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 || r.Prefixes != 600 || r.Votes.Voting != 19 || r.Votes.Masked != 1 {
		t.Errorf("%+v", r)
	}
	f.say(101, ps[3], bgp.Announce, blocks(0, 479)...)
	f.run(120)
	f.want() // 479 of 600 are not four fifths
	f.say(121, ps[3], bgp.Announce, block(479))
	f.run(130)
	f.want(fmt.Sprintf("%d %s recovering", 124, ps[3]))
	if s := f.state(ps[3]); s.State != "up" || s.Note != "" {
		t.Errorf("%+v", s)
	}
	// What it withdrew and did not announce again is not known to be down.
	if c := f.m.fams[0].table.Cell(599, 3); c.State != visibility.Unknown {
		t.Errorf("a cell from its mass withdrawal: %+v", c)
	}
	f.run(1100)
	f.want(fmt.Sprintf("1025 %s closed", ps[3]))
	if l := f.m.Engine().Incidents(); len(l) != 1 || l[0].Kind != detect.MonitorFault {
		t.Errorf("%d incidents", len(l))
	}
}

// TestMassGivenUp: a table that does not come back within the hour is believed to be smaller; nobody takes it for a loss.
func TestMassGivenUp(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 600)
	f.speak = slices.Delete(slices.Clone(ps), 3, 4)
	f.say(61, ps[3], bgp.Withdraw, blocks(0, 590)...)
	f.run(3660)
	f.want(fmt.Sprintf("61 %s opened", ps[3]))
	f.run(3661)
	f.want(fmt.Sprintf("3660 %s recovering", ps[3]))
	if s := f.state(ps[3]); s.State != "up" {
		t.Errorf("%+v", s)
	}
	if v := f.m.fams[0].table.Vote(0); v.Expected != 19 || v.Withdrawn != 0 {
		t.Errorf("a prefix it gave up: %+v", v)
	}
	if v := f.m.fams[0].table.Vote(599); v.Expected != 20 || v.Withdrawn != 0 {
		t.Errorf("one it kept: %+v", v)
	}
}

// TestMassAgreed: when others come to withdraw the same, it was the first to tell, and its withdrawals count.
func TestMassAgreed(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 600)
	f.speak = slices.Delete(slices.Clone(ps), 3, 4)
	f.say(61, ps[3], bgp.Withdraw, blocks(0, 590)...)
	f.run(80)
	if s := f.state(ps[3]); s.State != "mass-withdrawing" {
		t.Fatalf("%+v", s)
	}
	f.all(81, ps[4:8], bgp.Withdraw, blocks(0, 490)...) // 4 of 19 others, of 490 of the 590: 17.5 %
	f.run(90)
	if s := f.state(ps[3]); s.State != "mass-withdrawing" {
		t.Errorf("17.5 %% agree: %+v", s)
	}
	f.all(91, ps[8:12], bgp.Withdraw, blocks(0, 590)...)
	f.run(95)
	if s := f.state(ps[3]); s.State != "up" {
		t.Errorf("over a third agree: %+v", s)
	}
	if v := f.m.fams[0].table.Vote(580); !v.Unstable && (v.Expected < 16 || v.Withdrawn < 5) {
		t.Errorf("%+v", v)
	}
}

// TestWorldWithdraws: the same from all of them is the world, and nobody's fault.
func TestWorldWithdraws(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 600)
	for i := range 600 {
		f.all(61, ps, bgp.Withdraw, block(i))
	}
	f.run(300)
	for _, l := range f.log {
		if strings.Contains(l, "rrc00") {
			t.Errorf("fault: %s", l)
		}
	}
	if !slices.Contains(f.log, "76 PK opened") || !slices.Contains(f.log, "241 PK confirmed") {
		t.Errorf("%q", f.log)
	}
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 600 || r.Votes.Voting != 20 {
		t.Errorf("%+v", r)
	}
}

func TestSessionLoss(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.speak = slices.Delete(slices.Clone(ps), 4, 5)
	f.session(61.5, ps[4], bgp.Established, 1)
	if s := f.state(ps[4]); s.State != "down" || s.KnownV4 != 0 || s.Note == "" {
		t.Errorf("%+v", s)
	}
	if v := f.m.fams[0].table.Vote(0); v.Expected != 19 || v.Withdrawn != 0 || v.ExpectedTotal != 20 {
		t.Errorf("%+v", v)
	}
	f.all(62, ps[:9], bgp.Withdraw, block(0)) // 8 of the 19 that vote: ps[4] starts to speak again
	f.run(63)
	if s := f.state(ps[4]); s.State != "resync" {
		t.Errorf("an update brings the session up: %+v", s)
	}
	f.say(64, ps[4], bgp.Announce, blocks(1, 80)...)
	f.run(70)
	if s := f.state(ps[4]); s.State != "resync" {
		t.Errorf("with 79 of 100: %+v", s)
	}
	f.say(71, ps[4], bgp.Announce, block(80))
	f.run(72)
	if s := f.state(ps[4]); s.State != "up" {
		t.Errorf("with 80 of 100: %+v", s)
	}
	if c := f.m.fams[0].table.Cell(0, 4); c.State != visibility.Unknown {
		t.Errorf("what it withdrew while it sent its table: %+v", c)
	}
	f.run(1100)
	f.want(fmt.Sprintf("61 %s opened", ps[4]), fmt.Sprintf("62 %s recovering", ps[4]), fmt.Sprintf("962 %s closed", ps[4]))
	if f.session(1100, ps[4], 1, 2); f.state(ps[4]).State != "up" {
		t.Error("a change that is neither up nor down did something")
	}
}

func TestResyncEnds(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.speak = ps[2:]
	down := func(sec float64, p bgp.Peer) {
		f.session(sec, p, bgp.Established, 1)
		f.session(sec+0.5, p, 5, bgp.Established)
	}
	down(61, ps[0])
	down(61, ps[1])
	f.run(70)
	if a, b := f.state(ps[0]).State, f.state(ps[1]).State; a != "resync" || b != "resync" {
		t.Fatalf("%s, %s", a, b)
	}
	f.say(71, ps[0], bgp.Announce, block(0))
	if err := f.m.Begin(bgp.Message{At: at(72), Peer: ps[0]}); err != nil {
		t.Fatal(err)
	}
	f.m.EndOfRIB(false)
	f.m.End()
	if s := f.state(ps[0]).State; s != "up" {
		t.Errorf("after its End-of-RIB: %s", s)
	}
	f.run(661)
	if s := f.state(ps[1]).State; s != "resync" {
		t.Errorf("before 10 min: %s", s)
	}
	f.run(663)
	if s := f.state(ps[1]).State; s != "up" {
		t.Errorf("after 10 min: %s", s)
	}
}

func TestStalePeer(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 20)
	for i := range 1001 {
		f.say(61+float64(i)/1000, ps[0], bgp.Announce)
	}
	f.speak = ps[1:]
	f.run(122)
	if s := f.state(ps[0]); s.State != "up" {
		t.Errorf("silent for 60 s: %+v", s)
	}
	f.run(123)
	if s := f.state(ps[0]); s.State != "stale" || s.Note == "" {
		t.Errorf("silent for 61 s: %+v", s)
	}
	if v := f.m.fams[0].table.Vote(0); v.Expected != 19 {
		t.Errorf("it votes: %+v", v)
	}
	f.run(200)
	if s := f.state(ps[1]); s.State != "up" {
		t.Errorf("a peer whose silences are not known yet: %+v", s)
	}
	f.say(200.5, ps[0], bgp.Announce)
	if s, v := f.state(ps[0]), f.m.fams[0].table.Vote(0); s.State != "up" || v.Expected != 20 {
		t.Errorf("it spoke: %+v, %+v", s, v)
	}
	f.want()
}

// TestSilenceIsNotStale: when all are silent it is the collector, and nobody is blamed.
func TestSilenceIsNotStale(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 20)
	for i := range 1001 {
		f.all(61+float64(i)/1000, ps[:2], bgp.Announce)
	}
	f.speak = nil
	f.run(107)
	if f.m.paused {
		t.Error("paused after 45 s")
	}
	f.run(108)
	if !f.m.paused || f.m.Stats().Pauses != 1 {
		t.Errorf("after 46 s of silence: paused %v, %d pauses", f.m.paused, f.m.Stats().Pauses)
	}
	f.run(240)
	if s := f.state(ps[0]); s.State != "up" {
		t.Errorf("%+v", s)
	}
	if last := f.samples[len(f.samples)-1]; !last.NoData || last.At.UnixMicro() != int64(at(120)) {
		t.Errorf("%+v", last)
	}
	f.say(240.5, ps[5], bgp.Announce)
	f.run(241)
	if f.m.paused || f.m.Stats().Pauses != 1 {
		t.Error("still paused")
	}
}

func TestFullFeeds(t *testing.T) {
	ps := peers(21)
	f := newFeed(t)
	f.all(1, ps[:11], bgp.Announce, blocks(0, 100)...)
	f.say(2, ps[11], bgp.Announce, blocks(0, 50)...)
	f.say(3, ps[12], bgp.Announce, blocks(0, 49)...)
	f.speak = ps[:13]
	f.run(59)
	if f.state(ps[0]).FullFeed {
		t.Error("judged before the minute")
	}
	f.run(60)
	for i, want := range []bool{0: true, 10: true, 11: true, 12: false} {
		if i < 1 || i > 9 {
			if got := f.state(ps[i]).FullFeed; got != want {
				t.Errorf("peer %d with %d prefixes: full feed %v", i, f.state(ps[i]).KnownV4, got)
			}
		}
	}
	if f.m.fams[0].small {
		t.Error("12 full feeds are a small quorum")
	}
	// Silence of a full feed means that it carries a prefix: twelve voters where only one spoke, and six of them take it away.
	f.say(61, ps[0], bgp.Announce, block(200))
	f.all(62, ps[:6], bgp.Withdraw, block(200))
	if v := f.m.fams[0].table.Vote(100); v.Expected != 12 || v.Withdrawn != 6 {
		t.Errorf("%+v", v)
	}
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 1 {
		t.Errorf("%+v", r)
	}

	f.all(63, ps[:9], bgp.Announce, blocks(300, 400)...) // the median grows: 51 of 201 are a partial feed now
	f.run(120)
	if a, b := f.state(ps[0]).FullFeed, f.state(ps[11]).FullFeed; !a || b {
		t.Errorf("after the median grew: %v, %v", a, b)
	}

	f = newFeed(t)
	f.all(1, ps[:9], bgp.Announce, blocks(0, 100)...)
	f.speak = ps[:9]
	f.run(3700) // an hour: what they announced is expected of them
	r := f.reading("PK", detect.BGPv4)
	if !f.m.fams[0].small || !r.SmallQuorum || r.Prefixes != 100 {
		t.Errorf("nine full feeds: %+v", r)
	}
	if r := f.reading("PK", detect.BGPv4); r.Votes.Needed != 3 {
		t.Errorf("%+v", r.Votes)
	}
}

// digestOf is the evidence digest written anew from docs/evidence-format.md: SHA-256 over 4-byte length and bytes of each message.
func digestOf(msgs []bgp.Message) string {
	var b []byte
	for _, m := range msgs {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.Raw)))
		b = append(b, m.Raw...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestEvidence: each message that changed a cell of a member, once and in order, also those from before there was an incident,
// and no other; and all of them are handed over once.
func TestEvidence(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.speak = nil
	var want []bgp.Message
	f.say(70, ps[0], bgp.Withdraw, block(0)) // 331 s before its prefix is lost: too old
	f.run(100)
	f.speak = ps[19:]
	want = append(want, f.say(101.5, ps[1], bgp.Withdraw, block(0), block(1), block(50))) // two members and one that stays
	f.say(102, ps[1], bgp.Withdraw, block(0))                                             // a repetition
	f.say(103, ps[2], bgp.Withdraw, block(50))                                            // of no member
	f.say(104, ps[3], bgp.Announce, block(0))                                             // says what it said
	want = append(want, f.say(105, ps[4], bgp.Withdraw, block(1)), f.say(105, ps[4], bgp.Announce, block(1)))
	f.run(400)
	want = append(want, f.say(400.5, ps[1], bgp.Withdraw, block(40)))
	want = append(want, f.all(401, ps[5:19], bgp.Withdraw, blocks(0, 30)...)...)
	f.run(420)
	if !slices.Contains(f.log, "416 PK opened") {
		t.Fatalf("%q", f.log)
	}
	want = append(want, f.say(421, ps[2], bgp.Withdraw, block(3)))
	f.say(422, ps[2], bgp.Withdraw, block(3))
	f.run(440)
	// A prefix that joins the open incident brings the message that changed it before, though others were digested since.
	late := f.all(445, ps[5:19], bgp.Withdraw, block(40))
	want = append(want, late...)
	f.run(1500) // older messages are sealed, the trace has forgotten them
	want = append(want, f.all(1501, ps, bgp.Announce, blocks(0, 60)...)...)
	f.run(1600)
	f.run(2600)
	l := f.m.Engine().Incidents()
	i := slices.IndexFunc(l, func(i *detect.Incident) bool { return i.Entity.Code == "PK" })
	inc := l[i]
	if inc.State != detect.Closed {
		t.Fatalf("%s: %+v", inc.State, inc.Revisions)
	}
	// The repetition of the announcement by those who had not withdrawn anything of the members changes nothing.
	want = slices.DeleteFunc(want, func(m bgp.Message) bool {
		return m.At == at(1501) && (m.Peer == ps[3] || m.Peer == ps[4] || m.Peer == ps[19])
	})
	if inc.Evidence == nil || inc.Evidence.Messages != len(want) || inc.Evidence.SHA256 != digestOf(want) {
		t.Errorf("evidence %+v, want %d messages, %s", inc.Evidence, len(want), digestOf(want))
	}
	taken := f.taken[inc.ID]
	slices.SortStableFunc(taken, func(a, b bgp.Message) int { return int(a.Seq) - int(b.Seq) })
	if len(taken) != len(want) || digestOf(taken) != digestOf(want) {
		t.Errorf("%d messages were handed over, want %d", len(taken), len(want))
	}
	for i := range taken {
		if i > 0 && taken[i].Seq == taken[i-1].Seq {
			t.Errorf("message %d was handed over twice", taken[i].Seq)
		}
	}
	if len(f.m.cases) != 0 || len(f.m.watched) != 0 {
		t.Errorf("%d cases and %d rows are kept after the end", len(f.m.cases), len(f.m.watched))
	}
}

// TestTracePruning: what is older goes, what is newer stays reachable, and a chain of a row ends at the cut.
func TestTracePruning(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 10)
	f.m.trace.prune(at(60))
	if n := len(f.m.trace.entries) + len(f.m.trace.msgs); n != 0 {
		t.Fatalf("%d things remain", n)
	}
	for i := range 10 {
		f.say(61+float64(i), ps[i], bgp.Withdraw, block(0), block(i))
	}
	seen := func(r int, from float64) (out []int) {
		f.m.trace.since(f.m.fams[0].rows[r].traced, at(from), func(e *traceEntry) {
			msg := f.m.trace.msgs[e.msg-f.m.trace.first]
			if msg.At != e.at || !strings.HasPrefix(string(msg.Raw), "message ") || !e.withdrew {
				t.Errorf("entry %+v with message %+v", e, msg)
			}
			out = append(out, int((e.at-start)/bgp.Second))
		})
		return out
	}
	if got := seen(0, 0); !slices.Equal(got, []int{70, 69, 68, 67, 66, 65, 64, 63, 62, 61}) {
		t.Errorf("newest first: %v", got)
	}
	if got := seen(0, 68); !slices.Equal(got, []int{70, 69, 68}) {
		t.Errorf("from 68: %v", got)
	}
	f.m.trace.prune(at(63)) // less than half of it: what is left does not move yet
	if got := seen(0, 0); !slices.Equal(got, []int{70, 69, 68, 67, 66, 65, 64, 63}) || f.m.trace.msgs[0].Raw != nil || f.m.trace.msgs[1].Raw != nil {
		t.Errorf("after a small cut: %v, %+v", got, f.m.trace.msgs[:2])
	}
	if got := seen(0, 0); seen(1, 0) != nil || len(got) != 8 {
		t.Errorf("a row of which the first is gone: %v", got)
	}
	f.m.trace.prune(at(66))
	if got := seen(0, 0); !slices.Equal(got, []int{70, 69, 68, 67, 66}) || len(f.m.trace.msgs) != 5 {
		t.Errorf("after the cut: %v, %d messages", got, len(f.m.trace.msgs))
	}
	if got := seen(3, 0); got != nil {
		t.Errorf("a row of which all is gone: %v", got)
	}
	f.say(80, ps[11], bgp.Withdraw, block(0))
	if got := seen(0, 70); !slices.Equal(got, []int{80, 70}) {
		t.Errorf("going on: %v", got)
	}
	f.run(120 + 660) // the minute prunes: 80 is 700 s old
	if n := len(f.m.trace.entries); n != 0 {
		t.Errorf("%d entries remain", n)
	}
}

func TestWithdrawals(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.say(61, ps[0], bgp.Withdraw, block(0))
	f.say(62, ps[0], bgp.Announce, block(0))
	f.say(63, ps[1], bgp.Withdraw, block(0))
	f.say(64, ps[2], bgp.Withdraw, block(0))
	f.session(65, ps[2], bgp.Established, 1)
	var got []detect.Withdrawal
	f.m.Withdrawals(f.m.fams[0].handle(0), int64(at(60)), func(w detect.Withdrawal) { got = append(got, w) })
	want := []detect.Withdrawal{{At: int64(at(63)), AS: 101, Peer: ps[1].String()}, {At: int64(at(61)), AS: 100, Peer: ps[0].String()}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v: by voting peers, newest first", got, want)
	}
}

// TestRetire: what is lost for a day and in no incident leaves the count; its return is counted again.
func TestRetire(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	const days = 86400
	f.now, f.step = at(120), 60*bgp.Second
	f.run(5 * days) // long enough that a day away does not end what is expected
	f.all(5*days+1, ps, bgp.Withdraw, block(7), block(8))
	f.run(6 * days)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 || r.Prefixes != 100 {
		t.Errorf("before a day is full: %+v", r)
	}
	f.run(6*days + 3600)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 || r.Prefixes != 98 || r.Origins != 0 || r.UnobservablePrefixes != 0 {
		t.Errorf("after a day: %+v", r)
	}
	f.all(6*days+3601, ps, bgp.RIB, block(7))
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 || r.Prefixes != 99 {
		t.Errorf("one came back: %+v", r)
	}
}

func TestGaps(t *testing.T) {
	var g gaps
	add := func(n int, d bgp.Micros) {
		for range n {
			g.add(d)
		}
	}
	if g.longest(1000) != 0 {
		t.Error("a silence where none is known")
	}
	add(998, bgp.Second)
	if add(1, 100*bgp.Second); g.longest(1000) != 6<<24 { // the bucket of 100 s ends at 100.663296 s
		t.Errorf("of 999 silences the longest counts: %d", g.longest(1000))
	}
	if add(1, bgp.Second); g.longest(1000) != 1<<20 { // the bucket of 1 s ends at 1.048576 s
		t.Errorf("one long silence of 1,000: %d", g.longest(1000))
	}
	if add(1, 100*bgp.Second); g.longest(1000) != 6<<24 {
		t.Errorf("two of 1,001: %d", g.longest(1000))
	}
	for _, d := range []bgp.Micros{-5, 0, 1, 2, 4, 5, 7, 8, 1000, 12345678, 1 << 38} {
		g = gaps{}
		add(1000, d)
		if p := g.longest(1000); p < max(d, 1) || p > max(d, 1)*2 {
			t.Errorf("all silences are %d: p99.9 is %d", d, p)
		}
	}
	g = gaps{}
	add(1000, 1<<60)
	if g.longest(1000) < 1<<40 {
		t.Errorf("a silence beyond the last bucket: %d", g.longest(1000))
	}
}

// TestSamples: a point when the value moved, with its foot a minute before, and a heartbeat when it did not.
func TestSamples(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	of := func() (out []string) {
		for _, s := range f.samples {
			if s.Entity != "country:PK" || s.Signal != "bgp.v4" || s.Expected != 100 || s.Prefixes != 100 || s.Voting != 20 || s.NoData {
				t.Errorf("%+v", s)
			}
			out = append(out, fmt.Sprintf("%d:%d", (bgp.Micros(s.At.UnixMicro())-start)/bgp.Second, s.LostPrefixes))
		}
		f.samples = nil
		return out
	}
	f.run(1300)
	if got := of(); !slices.Equal(got, []string{"60:0", "660:0", "1260:0"}) {
		t.Errorf("quiet: %v", got)
	}
	f.run(1500)
	f.all(1501, ps, bgp.Withdraw, block(0))
	f.run(1600)
	if got := of(); !slices.Equal(got, []string{"1500:0", "1560:1"}) {
		t.Errorf("a step, with its foot: %v", got)
	}
	f.all(1601, ps, bgp.Withdraw, block(1))
	f.run(1620)
	if got := of(); !slices.Equal(got, []string{"1620:2"}) {
		t.Errorf("the next minute: %v", got)
	}
}

func TestPartsParentAndContext(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.all(61, ps, bgp.Withdraw, blocks(0, 40)...)
	f.run(62)
	pk := f.m.countries["PK"]
	parts := f.m.Parts(pk, detect.BGPv4)
	count := map[uint32]int{}
	whole := map[uint32]int64{}
	for i := range 100 {
		whole[origin(block(i))]++
		if i < 40 {
			count[origin(block(i))]++
		}
	}
	sum := 0
	for i, p := range parts {
		var as uint32
		if _, err := fmt.Sscanf(p.Entity.Code, "AS%d", &as); err != nil {
			t.Fatal(err)
		}
		if p.Prefixes != count[as] || p.Lost != int64(count[as]) || p.Expected != whole[as] || p.Unit != "slash24" || p.Entity.Type != "network" {
			t.Errorf("%+v, want %d of %d", p, count[as], whole[as])
		}
		if i > 0 && p.Prefixes > parts[i-1].Prefixes {
			t.Error("not the largest first")
		}
		sum += p.Prefixes
		if got := f.m.Within(f.m.networks[as], detect.BGPv4); !slices.Equal(got, []detect.EntityID{pk}) {
			t.Errorf("%s lies in %v", p.Entity.Code, got)
		}
	}
	if sum != 40 || f.m.Within(pk, detect.BGPv4) != nil {
		t.Errorf("%d prefixes in parts", sum)
	}
	ctx := f.m.Context(pk, detect.BGPv4)
	if !slices.Equal(ctx.Collectors, []string{"rrc00"}) || len(ctx.References) != 1 || len(ctx.Sources) != 1 || ctx.Sources[0].Name != "project of rrc00" ||
		ctx.Coverage.Level != "reduced" || !slices.Equal(ctx.Coverage.Because, []string{"single_collector", "single_project"}) {
		t.Errorf("%+v", ctx)
	}
	if got := f.m.MeanLoss(pk, detect.BGPv4); got != 1 {
		t.Errorf("mean loss %v", got)
	}
}

// TestMonitorRepeats: the same journal gives the same revisions, byte for byte.
func TestMonitorRepeats(t *testing.T) {
	story := func() []string {
		ps := peers(20)
		f := seeded(t, ps, 200)
		f.all(61, ps, bgp.Withdraw, blocks(0, 80)...)
		f.run(150)
		f.session(151, ps[7], bgp.Established, 1)
		f.all(200, ps[:15], bgp.Withdraw, blocks(80, 120)...)
		f.run(400)
		f.all(401, ps, bgp.Announce, blocks(0, 120)...)
		f.run(1500)
		return f.json
	}
	a, b := story(), story()
	if len(a) < 10 || !slices.Equal(a, b) {
		t.Errorf("%d and %d revisions", len(a), len(b))
	}
}

// TestTraceIsBounded: in a storm the messages kept for incidents that open later keep to their memory; the oldest are forgotten first, it is said since when, and an outage
// that begins behind it is found with its evidence.
func TestTraceIsBounded(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	const most = 300_000
	f.m.trace.most = most
	if f.m.TraceSince() != 0 {
		t.Error("too much from the beginning")
	}
	for i := range 100 { // each message changes a cell
		sec := 100 + float64(i)
		f.all(sec, ps[:5], bgp.Withdraw, blocks(50, 100)...)
		f.all(sec+0.5, ps[:5], bgp.Announce, blocks(50, 100)...)
		f.run(int64(sec) + 1)
		if n := f.m.trace.size(); n > most {
			t.Fatalf("%d octets after %d s", n, i)
		}
	}
	if s := f.m.TraceSince(); s < at(105) || s > at(200) {
		t.Errorf("kept since %s", s.Time())
	}
	f.speak = ps
	f.all(210, ps, bgp.Withdraw, blocks(0, 40)...)
	f.run(300)
	found := false
	for _, inc := range f.m.Engine().Incidents() {
		found = found || inc.Kind == detect.Outage && inc.Evidence != nil && inc.Evidence.Messages > 0
	}
	if !found {
		t.Errorf("no outage with evidence: %q", f.log)
	}
	f.run(1000)
	if f.m.TraceSince() != 0 {
		t.Error("it never ends")
	}
}

// TestMassOfTheWorld: a country of 6,000 prefixes goes within four seconds, each session withdrawing them in an order of its own, so that each crosses the limit of
// a mass withdrawal before others withdrew the same. It is the world's doing as soon as enough of them have said the same.
func TestMassOfTheWorld(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	const all, gone = 16_000, 6_000
	for _, p := range ps {
		f.say(0.5, p, bgp.RIB, blocks(0, all)...)
	}
	f.speak = ps
	f.run(120)
	r := rand.New(rand.NewPCG(1, 2))
	orders := make([][]int, len(ps))
	for i := range orders {
		orders[i] = r.Perm(gone)
	}
	for s := range 4 {
		for i, p := range ps {
			var list []bgp.Prefix
			for _, b := range orders[i][s*gone/4 : (s+1)*gone/4] {
				list = append(list, block(b))
			}
			f.say(float64(121+s)+0.5, p, bgp.Withdraw, list...)
		}
	}
	f.run(150)
	if v := f.reading("PK", detect.BGPv4); v.Lost != gone {
		t.Errorf("%+v", v)
	}
	f.run(400)
	opened := false
	for _, in := range f.m.Engine().Incidents() {
		if in.Entity.Code == "PK" {
			opened = in.State == detect.Confirmed && in.SuspectedAt.UnixMicro() <= int64(at(155))
			t.Logf("%s from %s, suspected %s", in.State, in.Start.Time, in.SuspectedAt)
		}
	}
	if !opened {
		t.Error("the outage was not told in time")
	}
	for _, s := range f.m.Peers() {
		if s.State != "up" {
			t.Errorf("%s is %s: %s", s.Peer, s.State, s.Note)
		}
	}
}

// TestMassOfACollector: every session loses nearly all of its table at once. That is how a collector that lost its own sessions looks, and no news of the world.
func TestMassOfACollector(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	for _, p := range ps {
		f.say(0.5, p, bgp.RIB, blocks(0, 2000)...)
	}
	f.speak = ps
	f.run(120)
	for i, p := range ps {
		list := blocks(0, 1900)
		slices.Reverse(list[:95*(i+1)])
		for s := range 4 {
			f.apply(121.5+float64(s), p, bgp.Withdraw, list[s*475:(s+1)*475]...)
		}
	}
	f.run(400)
	for _, in := range f.m.Engine().Incidents() {
		if in.Kind == detect.Outage {
			t.Errorf("%s: %s", in.Entity.Code, in.State)
		}
	}
}
