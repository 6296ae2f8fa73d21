// Package detect holds the words of detection (Reading, Incident, Member) and the engine that turns readings into incidents.
// The engine is a pure function of what it is given: it has no clock but Tick, no input or output, and the same calls in the
// same order give the same incidents, byte for byte. The method is docs/method.md; section numbers in comments are its.
package detect

// EntityID is the engine's handle of a registered entity: dense, from 0, in order of registration.
type EntityID int32

// NoEntity is the handle of nothing.
const NoEntity EntityID = -1

// SignalID numbers the planes the engine reads.
type SignalID uint8

// The signals. IPv4 and IPv6 are never added to each other (section 1).
const (
	BGPv4 SignalID = iota
	BGPv6
	numSignals
)

// String is the signal's public name.
func (s SignalID) String() string { return [...]string{"bgp.v4", "bgp.v6"}[s] }

// Unit is the public name of the unit in which the signal's weights are counted.
func (s SignalID) Unit() string { return [...]string{"slash24", "slash48"}[s] }

// Row is an opaque handle of a prefix, given by the World and handed back to it.
type Row uint64

// Reading is the state of one signal of one entity at an instant: everything the floors look at, each with its denominator.
type Reading struct {
	Expected             int64 // units of observable prefixes
	Lost                 int64 // of these, units of lost prefixes that no live less-specific of the same origin covers
	Unobservable         int64 // units nobody could judge
	Prefixes             int   // observable prefixes
	LostPrefixes         int   // of these, lost (deaggregated ones included)
	Deaggregated         int   // of the lost, covered by a live less-specific of the same origin
	UnobservablePrefixes int
	Origins              int // distinct origins among the lost, not deaggregated prefixes
	Votes                VantageCount
	Depth                int64 // sum over the lost prefixes of the share of voters that withdrew them, in 1/255
	SmallQuorum          bool  // too few voters for the full quorum: such a reading may suspect, and never confirms alone (section 2)
}

// UnitShare is Lost/Expected, 0 when nothing is expected.
func (r *Reading) UnitShare() float64 { return ratio(float64(r.Lost), float64(r.Expected)) }

// PrefixShare is LostPrefixes/Prefixes, 0 when nothing is expected.
func (r *Reading) PrefixShare() float64 { return ratio(float64(r.LostPrefixes), float64(r.Prefixes)) }

// Level is the larger of the two shares the floors look at; peaks, recovery and episodes are read off it (docs/decisions/003-level.md).
func (r *Reading) Level() float64 { return max(r.UnitShare(), r.PrefixShare()) }

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// PrefixState is what is known of a member prefix.
type PrefixState uint8

// The states. Unobservable is not recovered (section 5).
const (
	PrefixLost PrefixState = iota
	PrefixBack
	PrefixUnobservable
)

// Withdrawal is one withdrawal of a prefix: Peer (of AS) withdrew it at At (µs). It may have announced it again since.
type Withdrawal struct {
	At   int64
	AS   uint32
	Peer string
}

// World answers the engine's questions about the instant it is called at. It is implemented by detect/signal.
type World interface {
	// LostRows lists the rows of the entity that are lost now, with since when (µs), in a stable order; since 0 when the monitor's
	// own bookkeeping made them so.
	LostRows(e EntityID, s SignalID, yield func(r Row, lostAt int64))
	// Origins is how many distinct origins the rows of the entity have that were lost at or after from (µs), by the world's doing, are
	// lost now, and are not deaggregated.
	Origins(e EntityID, s SignalID, from int64) int
	// Withdrawals lists the withdrawals of a row at or after from (µs) by peers that vote, newest first; it looks back some minutes.
	Withdrawals(r Row, from int64, yield func(Withdrawal))
	// MeanLoss is the mean over the entity's lost rows of the share of voters that withdrew (section 5).
	MeanLoss(e EntityID, s SignalID) float64
	// Parts splits what is lost of the entity by network, largest first.
	Parts(e EntityID, s SignalID) []Part
	// Within lists the places that a network or region is in, judged by its lost rows: the country that most of them are in, then
	// region and zones with more than half of them.
	Within(e EntityID, s SignalID) []EntityID
	// Countries splits what is lost of the entity by country, largest first.
	Countries(e EntityID, s SignalID) []CountryLoss
	// Member describes a member prefix for the record.
	Member(r Row, incident int) Member
	// Watch makes the row a member of an incident (a serial number): its expectation is frozen, its toggles are
	// reported to Engine.Toggle, and messages that change its cells from `from` (µs) on become evidence.
	Watch(r Row, incident int, from int64)
	// Unwatch ends that.
	Unwatch(r Row, incident int)
	// Evidence digests the incident's messages up to now.
	Evidence(incident int) *Evidence
	// Context is what an incident about the entity rests on at this instant.
	Context(e EntityID, s SignalID) Context
}

// CountryLoss is how many lost prefixes of an entity are in a country.
type CountryLoss struct {
	Country  EntityID
	Prefixes int
}

// Context is the part of an incident that comes from outside the engine.
type Context struct {
	Coverage   Coverage
	References []Reference
	Sources    []Source
	Collectors []string
}

// Sink receives each revision as it is made. The incident and members belong to the engine: copy what must outlive the call.
// serial is the engine's number of the incident, the one World.Watch was given.
type Sink func(serial int, inc *Incident, members []Member)
