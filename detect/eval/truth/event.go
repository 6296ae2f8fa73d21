package truth

import (
	"net/netip"
	"strconv"
)

// Event is one run of an entity with enough dark prefixes, by the definition in the package comment. Times are microseconds since
// 1970 UTC; 0 is not known.
type Event struct {
	Kind   string // "country" or "network"
	Code   string // as the country function gave it; "AS<number>"
	Family int    // 4 or 6

	First     int64 // earliest start of a prefix, at most 300 s before Start
	Start     int64 // as many prefixes as the floor asks for had begun to fall
	Begin     int64 // as many were dark
	Peak      int64 // most were dark
	End       int64 // fewer than the floor were dark; the end of the record when Ending is EndedRecord
	Recovered int64 // 90 % of Prefixes were back
	Ending    Ending

	Dark     int           // prefixes dark at Peak
	Total    int           // prefixes of the entity in the whole record
	Need     int           // dark prefixes that the floor asks for
	Covered  int           // of Dark, under a less specific prefix of the same origin that most of its known carriers still carry
	Young    int           // of Dark and not Covered: first named less than an hour before they were dark
	Units    int64         // blocks (/24, /48) of the entity in the whole record
	Gone     int64         // of Units, of prefixes dark at Peak that are not Covered
	Origins  []OriginCount // of Dark, by origin AS; most first, then ascending
	Reached  Floors        // at any moment of it
	Held     Floors        // for 3 minutes without a break
	Prefixes []Prefix      // all that were dark in the run, in order of Start, then of prefix
}

// Ending is how an event ended.
type Ending string

// The endings.
const (
	EndedBack     Ending = "back"     // prefixes were announced again
	EndedUnjudged Ending = "unjudged" // too few sessions were left to tell, or the rest were gone for an hour
	EndedRecord   Ending = "record"   // the record ended first
)

// OriginCount is how many prefixes of one origin AS are dark.
type OriginCount struct {
	AS   uint32
	Dark int
}

// Prefix is one prefix's part in an event.
type Prefix struct {
	Prefix netip.Prefix
	Origin uint32 // 0 when unknown
	Start  int64  // it fell under 90 %
	Dark   int64  // it was first dark in the run
	Back   int64  // it was last back; 0 when not seen back
}

// Share is the share of the entity's prefixes that was dark at the peak.
func (e *Event) Share() float64 { return float64(e.Dark) / float64(e.Total) }

// Loss is a session that lost its table without its collector saying so: it withdrew that many prefixes within one minute.
type Loss struct {
	Collector string
	AS        uint32
	Addr      netip.Addr
	Minute    int64 // its beginning, microseconds
	Prefixes  int
}

// Result is what a record holds.
type Result struct {
	Events []Event // by Begin, kind, code, family

	From, Until        int64 // times of the first and last record
	Updates            int   // messages read
	Cut                int   // of these, cut short or with lengths that do not add up: read as far as possible
	AddPath            int   // records with path identifiers, not read
	Sessions, ASNs     int
	Prefixes4          int // named, by family
	Prefixes6          int
	Carriers4          int // known carriers that a prefix needs to be judged
	Carriers6          int
	SessionLosses      int    // recorded by the collector, of sessions that had said something
	TableLosses        []Loss // found in the record
	UntrustedSessions  int    // whose first-word withdrawals prove nothing
	LearnedByWithdrawn int    // cells known from the beginning of the record by a first-word withdrawal
}

func networkCode(as uint32) string { return "AS" + strconv.FormatUint(uint64(as), 10) }
