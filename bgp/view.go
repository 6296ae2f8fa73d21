package bgp

import "strings"

// ViewMark stands in the name of a collector between the collector and which of its tables is meant, as in "edge1~post": a router that is
// monitored may send several tables of one session. No collector has it in its own name.
const ViewMark = "~"

// CollectorOf is the collector of a view: of "edge1~post", "edge1".
func CollectorOf(name string) string {
	base, _, _ := strings.Cut(name, ViewMark)
	return base
}
