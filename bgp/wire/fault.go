package wire

import "strings"

// Faults is the set of things found wrong in one message, one bit each. It is a set and not a list, so that a message costs
// no allocation and every bit can be a counter's label. Which bits turn announcements into withdrawals is fixed by RFC 7606
// (see TreatAsWithdraw); all of them are worth counting.
type Faults uint32

// The faults. The section named is the one that says what is wrong or what to do about it.
const (
	FaultTruncated     Faults = 1 << iota // the collector cut the record; what precedes the cut is used (Options.Truncated)
	FaultTrailing                         // bytes follow the message inside its record; ignored
	FaultAttrLength                       // the attribute list does not end where it says: RFC 7606 section 4
	FaultFlags                            // Optional or Transitive bit wrong: RFC 7606 section 3 (c)
	FaultDuplicate                        // an attribute came twice; the first is used: RFC 7606 section 3 (g)
	FaultMissing                          // a well-known mandatory attribute is absent: RFC 7606 section 3 (d)
	FaultUnknown                          // an attribute that says it is well-known, but is not: RFC 4271 section 6.3
	FaultOrigin                           // RFC 7606 section 7.1
	FaultASPath                           // RFC 7606 section 7.2
	FaultASZero                           // AS 0 in AS_PATH: RFC 7607 section 2
	FaultNextHop                          // RFC 7606 section 7.3
	FaultMED                              // RFC 7606 section 7.4
	FaultLocalPref                        // RFC 7606 section 7.5, from an internal neighbour
	FaultExternalOnly                     // a malformed attribute that an external neighbour should not send: sections 7.5, 7.9, 7.10
	FaultAtomic                           // ATOMIC_AGGREGATE: RFC 7606 section 7.6
	FaultAggregator                       // RFC 7606 section 7.7, RFC 7607
	FaultCommunity                        // any kind of communities: RFC 7606 sections 7.8, 7.14, 7.15; RFC 8092 section 6
	FaultReflection                       // ORIGINATOR_ID, CLUSTER_LIST: RFC 7606 sections 7.9, 7.10, from an internal neighbour
	FaultMPReach                          // its prefixes cannot be located: RFC 7606 section 7.11
	FaultMPUnreach                        // its prefixes cannot be located: RFC 7606 section 7.12
	FaultAS4Path                          // RFC 6793 section 6
	FaultAS4Aggregator                    // RFC 6793 section 6
	FaultNLRI                             // a prefix longer than its family or than its field: RFC 7606 section 5.3. Found by Next.
	FaultOTC                              // Only to Customer, of a length other than 4: RFC 9234

	faultEnd
)

// treatAsWithdraw are the faults for which RFC 7606 (or the stricter session reset, which an observer cannot do) takes the
// routes of the message away; discard are those for which only an attribute is lost.
const (
	treatAsWithdraw = FaultAttrLength | FaultFlags | FaultMissing | FaultUnknown | FaultOrigin | FaultASPath | FaultASZero |
		FaultNextHop | FaultMED | FaultLocalPref | FaultCommunity | FaultReflection | FaultMPReach | FaultMPUnreach | FaultOTC
	discard = FaultDuplicate | FaultExternalOnly | FaultAtomic | FaultAggregator | FaultAS4Path | FaultAS4Aggregator
)

var faultNames = [...]string{
	"truncated", "trailing-bytes", "attribute-length", "attribute-flags", "duplicate-attribute", "missing-attribute",
	"unknown-well-known", "origin", "as-path", "as-zero", "next-hop", "med", "local-pref", "external-only", "atomic-aggregate",
	"aggregator", "community", "reflection", "mp-reach", "mp-unreach", "as4-path", "as4-aggregator", "nlri", "otc",
}

// Has reports whether every fault of g is in f.
func (f Faults) Has(g Faults) bool { return f&g == g }

// TreatAsWithdraw reports whether the faults turn the announcements of the message into withdrawals (RFC 7606 section 2).
func (f Faults) TreatAsWithdraw() bool { return f&treatAsWithdraw != 0 }

// All yields the name of each fault in a fixed order, for counters.
func (f Faults) All(yield func(name string) bool) {
	for i, name := range faultNames {
		if f&(1<<i) != 0 && !yield(name) {
			return
		}
	}
}

// String is the names, comma separated; empty when nothing is wrong.
func (f Faults) String() string {
	var s []string
	for name := range f.All {
		s = append(s, name)
	}
	return strings.Join(s, ",")
}
