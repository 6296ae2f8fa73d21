package conf

import (
	"fmt"
	"strings"
)

// Ledger is the log that is only added to, of digests of what is received and said live (docs/ledger.md).
type Ledger struct {
	Enabled     bool   `json:"enabled"`      // keep it, as soon as something is watched
	Origin      string `json:"origin"`       // its name, such as ledger.example.org/corewatch, for ever; empty: one made of its first key
	CheckpointS int    `json:"checkpoint_s"` // seconds after which, at most, a signed checkpoint holds what came: 10 to 3,600
	Keys        string `json:"keys"`         // folder of the private keys, also those that sign bundles; empty: keys in the folder of the store
}

func (l Ledger) check() error {
	if l.CheckpointS < 10 || l.CheckpointS > 3600 {
		return fmt.Errorf("ledger.checkpoint_s: %d; want 10 to 3,600", l.CheckpointS)
	}
	if len(l.Origin) > 128 || strings.ContainsFunc(l.Origin, func(c rune) bool { return c <= ' ' || c == '+' || c >= 0x7f }) {
		return fmt.Errorf("ledger.origin: %.140q; want a name of at most 128 ASCII characters without blanks and +, such as ledger.example.org/corewatch", l.Origin)
	}
	if len(l.Keys) > maxText {
		return fmt.Errorf("ledger.keys: longer than %d octets", maxText)
	}
	return nil
}
