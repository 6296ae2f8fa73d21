package visibility

import (
	"errors"

	"github.com/corewatch/corewatch/bgp"
)

// Errors of Intern and Peer. Nothing changed in the table when one of them is returned; Stats counts each kind.
var (
	ErrRows   = errors.New("visibility: row limit reached; raise Config.MaxRows or release rows")
	ErrPeers  = errors.New("visibility: peer limit reached; raise Config.MaxPeers or drop peers")
	ErrFamily = errors.New("visibility: prefix is invalid or of the other address family; keep one table per family")
)

// The bounds that the representation itself sets.
const (
	maxRows    = 1<<24 - 2 // a hash slot keeps 24 bits of row
	maxPeers   = 1<<16 - 1 // PeerID
	maxRecords = 1<<31 - 2
	maxHops    = 1 << 30
	maxFlaps   = 62
)

// Config holds the limits and thresholds of a Table. A zero or impossible field takes its default.
type Config struct {
	// V6 chooses the address family of the table: false is IPv4 with units of /24, true is IPv6 with units of /48.
	V6 bool

	MaxRows    int // rows that are not released; default 4,000,000, at most 16,777,214
	MaxPeers   int // sessions; default 4096, at most 65,535
	MaxRecords int // cells with a sparse record, 32 bytes each; default 64,000,000
	MaxHops    int `json:"-"` // hops of AS paths of watched rows, 20 bytes each, see SetPath; they decide nothing; default 16,000,000, at most 1,073,741,824

	ExpectShare float64    // share of observed time a cell must have been announced to be expected; default 0.75
	ExpectAfter bgp.Micros // observed time below which the share is not judged, and time without pause that is enough whatever the share; default 1 h
	Window      bgp.Micros // how far back the share looks; default 7 d, at most 14 d

	FlapTransitions int        // a cell with more than this many transitions within FlapWindow is muted; default 6, at most 62
	FlapWindow      bgp.Micros // see FlapTransitions; also how long a muted cell must be quiet to vote again; default 30 min

	DuplicateShare float64 // share of duplicate withdrawals above which a peer's first-heard withdrawals prove nothing; default 0.05
	DuplicateMin   uint64  // withdrawals seen before that share is judged; default 1000

	QuietShare float64    // share at which a record may be dropped; default 0.99
	QuietAfter bgp.Micros // time without a transition after which it may be dropped; default 24 h

	// OnUnits is called whenever OwnUnits of a row changes, with the old and the new number of blocks. It must not call the table.
	OnUnits func(row RowID, old, new uint32) `json:"-"`
}

const (
	minute bgp.Micros = 60 * bgp.Second
	hour              = 60 * minute
	day               = 24 * hour
)

func or[T int | uint64 | float64 | bgp.Micros](v *T, def, limit T) {
	if !(*v > 0) {
		*v = def
	}
	*v = min(*v, limit)
}

// Defaults is the configuration that the zero Config stands for, for the digest of what decides.
func Defaults() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	or(&c.MaxRows, 4_000_000, maxRows)
	or(&c.MaxPeers, 4096, maxPeers)
	or(&c.MaxRecords, 64_000_000, maxRecords)
	or(&c.MaxHops, 16_000_000, maxHops)
	or(&c.ExpectShare, 0.75, 1)
	or(&c.Window, 7*day, 14*day)
	or(&c.ExpectAfter, hour, c.Window)
	or(&c.FlapTransitions, 6, maxFlaps)
	or(&c.FlapWindow, 30*minute, day)
	or(&c.DuplicateShare, 0.05, 1)
	or(&c.DuplicateMin, 1000, 1<<62)
	or(&c.QuietShare, 0.99, 1)
	c.QuietShare = max(c.QuietShare, c.ExpectShare)
	or(&c.QuietAfter, day, c.Window)
	return c
}
