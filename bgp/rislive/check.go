package rislive

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// check compares the raw octets of a message with what the frame's JSON says of it.
type check struct {
	update wire.Update
	elem   bgp.Elem
	raw    []bgp.Prefix
	said   []bgp.Prefix
}

// agree reports whether both name the same prefixes, and whether the AS numbers in the octets have two octets each: the stream does not say what the session
// negotiated, and only with the right length the last AS is the one that the JSON has.
func (c *check) agree(raw []byte, m *message) (agree, as2 bool) {
	c.said = c.said[:0]
	for _, a := range m.Announcements {
		c.names(a.Prefixes)
	}
	c.names(m.Withdrawals)
	sort(&c.said)
	origin, known := lastAS(m.Path)
	if known && !c.read(raw, true, origin) && c.read(raw, false, origin) {
		as2 = true
	} else {
		c.read(raw, true, origin)
	}
	return slices.Equal(c.raw, c.said), as2
}

func (c *check) names(list []string) {
	for _, s := range list {
		if p, err := bgp.ParsePrefix(s); err == nil {
			c.said = append(c.said, p)
		}
	}
}

// read takes the prefixes of the octets, and reports whether what they announce comes from the AS given.
func (c *check) read(raw []byte, as4 bool, origin uint32) bool {
	c.raw = c.raw[:0]
	if c.update.Parse(raw, wire.Options{AS4: as4}) != nil {
		return false
	}
	same := true
	for c.update.Next(&c.elem) {
		c.raw = append(c.raw, c.elem.Prefix)
		if c.elem.Kind == bgp.Announce && c.elem.Origin != origin {
			same = false
		}
	}
	sort(&c.raw)
	return same
}

func sort(list *[]bgp.Prefix) {
	slices.SortFunc(*list, bgp.Prefix.Compare)
	*list = slices.Compact(*list)
}

// lastAS is the AS at the end of a path, where that is one AS and not a set.
func lastAS(path jsonText) (uint32, bool) {
	if text, ok := strings.CutSuffix(string(path), "]"); ok { // the usual form
		text = text[strings.LastIndexAny(text, "[,")+1:]
		if as, err := strconv.ParseUint(text, 10, 32); err == nil && text[0] != '0' && text[0] != '+' {
			return uint32(as), true
		}
	}
	var hops []json.RawMessage
	if json.Unmarshal([]byte(path), &hops) != nil || len(hops) == 0 {
		return 0, false
	}
	var as uint32
	return as, json.Unmarshal(hops[len(hops)-1], &as) == nil
}
