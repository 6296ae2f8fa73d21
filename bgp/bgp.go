// Package bgp holds the words of routing that the rest of corewatch speaks: who said what about which prefix, and when.
// It is a vocabulary: values and pure functions, standard library only, no input or output.
package bgp

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Micros is an instant in microseconds since 1970-01-01T00:00:00Z. The hot paths carry it instead of time.Time because it
// is eight bytes and compares in one instruction; MRT_ET (RFC 6396 section 3) has this resolution.
type Micros int64

// Seconds makes a Micros out of whole Unix seconds.
func Seconds(s int64) Micros { return Micros(s * 1e6) }

// MicrosOf converts a time.Time, dropping what is finer than a microsecond.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time converts to a time.Time in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Second is the length of one second in Micros.
const Second Micros = 1e6

// Peer names one BGP session of a collector. Two sessions of one AS are two peers; votes are counted per AS.
type Peer struct {
	Collector string     // as its project names it, for example "route-views2"
	AS        uint32     // the AS number of the neighbour
	Addr      netip.Addr // the address of the neighbour
}

// String renders the peer's public code, "<collector>/AS<n>/<address>".
func (p Peer) String() string {
	return p.Collector + "/AS" + strconv.FormatUint(uint64(p.AS), 10) + "/" + p.Addr.String()
}

// Kind says what an Elem does to its cell (peer, prefix).
type Kind uint8

// The kinds of Elem.
const (
	Announce Kind = iota + 1 // the peer says it has a route
	Withdraw                 // the peer says it no longer has one (explicitly, or by treat-as-withdraw)
	RIB                      // a table dump says the peer has a route
)

// String is the word used in JSON and text.
func (k Kind) String() string {
	switch k {
	case Announce:
		return "announce"
	case Withdraw:
		return "withdraw"
	case RIB:
		return "rib"
	}
	return "unknown"
}

// Cause says why an Elem is not simply what the message spelled out.
type Cause uint8

// The causes. All but CauseNone are counted and shown: a watchdog must be able to see that a withdrawal was inferred.
const (
	CauseNone          Cause = iota // the message said so
	CauseTreatWithdraw              // an attribute was malformed: RFC 7606 section 2, treat-as-withdraw
	CauseDiscardAttr                // an attribute was malformed and ignored: RFC 7606 section 2, attribute discard
	CauseSalvaged                   // the collector cut the record short; what precedes the cut is used
	CauseMulticast                  // SAFI other than 1: recorded, never counted as reachability
)

// String is the word used in JSON and text.
func (c Cause) String() string {
	switch c {
	case CauseNone:
		return "explicit"
	case CauseTreatWithdraw:
		return "treat-as-withdraw"
	case CauseDiscardAttr:
		return "attribute-discard"
	case CauseSalvaged:
		return "salvaged"
	case CauseMulticast:
		return "not-unicast"
	}
	return "unknown"
}

// Elem is one change of one cell (peer, prefix) out of one message. It holds no pointer, so millions cost the collector nothing.
type Elem struct {
	Prefix Prefix
	Origin uint32 // last AS of the path; 0 when unknown (withdrawal, empty path, or the path ends in an AS_SET of several)
	PathID uint32 // RFC 7911 path identifier; 0 when ADD-PATH is not in use
	Kind   Kind
	Cause  Cause
}

// State is a BGP session state as MRT writes it (RFC 6396 section 4.4.1: 1 Idle … 6 Established; Quagga adds 7 and 8).
type State uint16

// Established is the only state in which routes flow.
const Established State = 6

// String is the RFC 4271 name of the state.
func (s State) String() string {
	names := [...]string{"Unknown", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established", "Clearing", "Deleted"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint16(s))
}

// Source points at stored raw bytes: Length bytes at Offset of the decompressed content of file File (an index into the run's list).
type Source struct {
	Offset int64
	File   uint32
	Length uint32
}

// Input is one source of raw bytes that a run read: a file of an archive, or a segment that a collector wrote.
type Input struct {
	Name      string // path relative to the folder given, with forward slashes; never a path of the machine
	Collector string
	Project   string // who runs the collector, as far as known: "RouteViews", "RIPE RIS"; empty when unknown
	SHA256    string // lower-case hex over the file as stored (compressed if it is); empty for a stream
	Bytes     int64  // size of the file as stored
	Format    string // "plain", "gzip", "bzip2", "zstd"
	Elems     uint64 // elems taken from it
	First     Micros // time of its first and last record; 0 when it held none
	Last      Micros
	Parsed    uint64 // records by outcome
	Skipped   uint64
	Malformed uint64
}

// Message is one stored message as evidence: the raw MRT record (header included) exactly as it stands in its Source.
type Message struct {
	Seq    uint64 // position in the journal of the run; ascending
	At     Micros // record time
	Peer   Peer
	Source Source
	Raw    []byte
}

// PeerStatus is the last thing known about a peer: the row of a health page.
type PeerStatus struct {
	Peer        Peer
	State       string // "up", "down", "stale", "mass-withdrawing", "resync"
	Since       Micros // when the state was entered
	LastMessage Micros
	Messages    uint64
	Withdrawals uint64
	Duplicates  uint64 // withdrawals of what was already withdrawn
	KnownV4     int    // prefixes it has told us about
	KnownV6     int
	FullFeed    bool   // presumed to carry what it has said nothing about
	Faults      int    // monitor faults of this run
	Note        string // why it does not vote, in words; empty when it does
}
