package scenario

import (
	_ "embed" // the demonstration travels in the binary
)

//go:embed demo/pakistan-2008.txt
var pakistan []byte

// Demo is the demonstration: the outage of Pakistan on 2008-02-21, reconstructed from measured facts.
func Demo() (*Scenario, error) { return Parse("pakistan-2008.txt", pakistan) }
