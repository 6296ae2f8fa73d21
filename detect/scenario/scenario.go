// Package scenario reads the plain-text scenario language: one phenomenon a file, told as what the peers of a collector say and
// when, with what the detector is expected to find and the reason why. A scenario becomes a stream of MRT records (RFC 6396),
// so that the decoder of live data reads it, and judges the incidents that came out. The language is docs/scenarios.md.
//
// A scenario has no clock and no chance: the same file gives the same bytes.
package scenario

import (
	"bytes"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// Magic is the first line of every scenario file.
const Magic = "corewatch scenario 1"

// Limits on what a file may ask for: it comes from outside.
const (
	MaxFile     = 1 << 20    // bytes of text
	MaxEvents   = 20_000_000 // changes of a cell that the file expands to
	maxLine     = 64 << 10   // bytes
	maxPeers    = 4096
	maxPrefixes = 200_000
	maxCells    = 20_000_000 // peers times prefixes: four bytes of state each
	maxMessages = 2_000_000  // of one line: they are laid out when the line begins
	maxLength   = 400 * 24 * 3600 * bgp.Second
)

// Scenario is a parsed file. It is read-only and safe for concurrent use; each stream has its own state.
type Scenario struct {
	Name     string      // of the file, for messages
	Reason   string      // why the verdict is right, in the author's words
	Data     detect.Data // Synthetic or Reconstruction; goes into every incident
	Sources  []string    // what a reconstruction was made from
	Start    bgp.Micros  // time of "+0s"
	End      bgp.Micros  // time of the "end" line
	Protects []string    // rules of the method that would be missed without this scenario

	seed     uint64
	blocks   map[bgp.Prefix]string // country by address block; look-ups only
	origins  map[uint32]string     // country by origin; look-ups only
	regions  map[bgp.Prefix]string // code by address block; look-ups only
	names    map[string]string     // of regions by code; look-ups only
	zones    []Zone
	networks map[uint32]string
	peers    []peer
	prefixes []bgp.Prefix
	cells    map[bgp.Prefix]int32
	peerSets map[string][]int32
	routeSet map[string][]route
	events   []event
	expects  []*expectation
	nothing  bool // "expect nothing" was said
}

// peer is one session.
type peer struct {
	name bgp.Peer
}

// route is a prefix (an index into Scenario.prefixes) with the origin its set gives it.
type route struct {
	prefix int32
	origin uint32
}

// IsScenario recognises a scenario file by its first bytes.
func IsScenario(head []byte) bool {
	rest, ok := bytes.CutPrefix(head, []byte(Magic))
	if !ok {
		return false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return len(bytes.TrimSpace(line)) == 0
}

// Collectors are the names of the collectors whose peers the scenario uses, sorted.
func (s *Scenario) Collectors() []string {
	var out []string
	for _, p := range s.peers {
		out = append(out, p.name.Collector)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Zone is what a zone line says. A route belongs to it by any one of its members.
type Zone struct {
	Slug, Name         string
	Countries, Regions []string
	Networks           []uint32
	Prefixes           []bgp.Prefix
}

// HasPlaces reports whether the file says itself where prefixes belong. If not, reference tables decide.
func (s *Scenario) HasPlaces() bool { return len(s.blocks)+len(s.origins) > 0 }

// Region is the region that the file gives a prefix of a country, with its name: by the longest block that holds it; "" for none.
func (s *Scenario) Region(p bgp.Prefix, country string) (code, name string) {
	for n := p.Len(); n >= 0 && len(s.regions) > 0; n-- {
		if code, ok := s.regions[p.Shorten(n)]; ok {
			if code[:2] != country {
				return "", ""
			}
			return code, s.names[code]
		}
	}
	return "", ""
}

// Zones are the zones of the file, in order.
func (s *Scenario) Zones() []Zone { return s.zones }

// Country is the country that the file gives a prefix: by the longest block that holds it, else by its origin; "" for none.
func (s *Scenario) Country(p bgp.Prefix, origin uint32) string {
	for n := p.Len(); n >= 0; n-- {
		if code, ok := s.blocks[p.Shorten(n)]; ok {
			return code
		}
	}
	return s.origins[origin]
}

// NetworkName is the name that the file gives an AS; "" for none.
func (s *Scenario) NetworkName(as uint32) string { return s.networks[as] }

// Errors says that a file is not a scenario, one line of text for each fault found.
type Errors []error

// Error joins the faults.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults to errors.Is and errors.As.
func (e Errors) Unwrap() []error { return e }
