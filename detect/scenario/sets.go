package scenario

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

var setName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// newSet checks the name of a set.
func (p *parser) newSet(name string, taken bool) bool {
	switch {
	case !setName.MatchString(name):
		p.fail("%q: the name of a set is small letters, digits, - and _, beginning with a letter", name)
		return false
	case taken:
		p.fail("the set %q is there already: choose another name", name)
		return false
	}
	return true
}

// peers reads NAME COLLECTOR ITEM..., an item being AS[..AS] or AS@ADDRESS, which names sessions; or NAME ITEM..., an item being a
// set, or the AS of a session named before.
func (p *parser) peers(w []string) {
	if len(w) < 2 || !p.newSet(w[0], p.s.peerSets[w[0]] != nil) {
		if len(w) < 2 {
			p.fail("write peers NAME COLLECTOR AS64601..AS64640, or peers NAME SET...")
		}
		return
	}
	var set []int32
	if len(w) > 2 && strings.HasPrefix(w[2], "AS") && !strings.HasPrefix(w[1], "AS") {
		for _, item := range w[2:] {
			set = append(set, p.sessions(w[1], item)...)
		}
	} else {
		for _, item := range w[1:] {
			set = append(set, p.peerList(item)...)
		}
	}
	if len(set) == 0 && len(p.errs) == 0 {
		p.fail("the set %q is empty", w[0])
	}
	p.s.peerSets[w[0]] = set
}

// sessions finds or makes the sessions that an item names.
func (p *parser) sessions(collector, item string) (set []int32) {
	item, addr, given := strings.Cut(item, "@")
	from, to, ok := p.asRange(item)
	if !ok {
		return nil
	}
	for as := uint64(from); as <= uint64(to); as++ {
		name := bgp.Peer{Collector: collector, AS: uint32(as), Addr: ownAddress(len(p.s.peers))}
		if given {
			a, err := netip.ParseAddr(addr)
			if err != nil || !a.Is4() || from != to {
				p.fail("%q: after @ comes the IPv4 address of one session", addr)
				return nil
			}
			name.Addr = a
		}
		for i, q := range p.s.peers { // without an address an AS names its first session
			if q.name.Collector == collector && q.name.AS == name.AS && (!given || q.name.Addr == name.Addr) {
				set, ok = append(set, int32(i)), false
				break
			}
		}
		if !ok {
			ok = true
			continue
		}
		if len(p.s.peers) >= maxPeers {
			p.fail("more than %d peers: use fewer", maxPeers)
			return nil
		}
		set = append(set, int32(len(p.s.peers)))
		p.s.peers = append(p.s.peers, peer{name: name})
	}
	return set
}

// ownAddress is the address of the n-th session, from the shared address space (RFC 6598).
func ownAddress(n int) netip.Addr {
	n++
	return netip.AddrFrom4([4]byte{100, 64, byte(n >> 8), byte(n)})
}

// prefixes reads NAME AS<origin> CIDR [xN] CIDR [xN]... AS<origin> CIDR..., or NAME SET....
func (p *parser) prefixes(w []string) {
	if len(w) < 2 || !p.newSet(w[0], p.s.routeSet[w[0]] != nil) {
		if len(w) < 2 {
			p.fail("write prefixes NAME AS64500 10.0.0.0/24 x20, or prefixes NAME SET...")
		}
		return
	}
	var set []route
	if strings.HasPrefix(w[1], "AS") {
		var origin uint32
		for i, word := range w[1:] {
			n, after := 1, at(w, i+2)
			switch {
			case strings.HasPrefix(word, "AS"):
				var ok bool
				if origin, ok = p.as(word); !ok {
					return
				}
				continue
			case strings.HasPrefix(word, "x"): // read with the block before it
				continue
			case strings.HasPrefix(after, "x"):
				var err error
				if n, err = strconv.Atoi(after[1:]); err != nil || n < 1 || n > maxPrefixes {
					p.fail("%q: want x and a number from 1 to %d", after, maxPrefixes)
					return
				}
			}
			set = p.block(set, word, n, origin)
		}
	} else {
		for _, item := range w[1:] {
			set = append(set, p.routes(item)...)
			if len(set) > maxPrefixes {
				p.fail("the set %q holds more than %d prefixes: name fewer", w[0], maxPrefixes)
				return
			}
		}
	}
	if len(set) == 0 && len(p.errs) == 0 {
		p.fail("the set %q is empty", w[0])
	}
	p.s.routeSet[w[0]] = set
}

// block appends n neighbouring prefixes of one length.
func (p *parser) block(set []route, first string, n int, origin uint32) []route {
	x, ok := p.prefix(first)
	if !ok {
		return set
	}
	for i := range n {
		if i > 0 {
			if x, ok = next(x); !ok {
				p.fail("%s x%d runs over the end of the address space", first, n)
				return set
			}
		}
		id, known := p.s.cells[x]
		if !known {
			if len(p.s.prefixes) >= maxPrefixes {
				p.fail("more than %d prefixes: use fewer", maxPrefixes)
				return set
			}
			id = int32(len(p.s.prefixes))
			p.s.cells[x] = id
			p.s.prefixes = append(p.s.prefixes, x)
		}
		set = append(set, route{id, origin})
	}
	return set
}

// next is the prefix of the same length behind x.
func next(x bgp.Prefix) (bgp.Prefix, bool) {
	b := x.Netip().Addr().AsSlice()
	if x.Len() == 0 {
		return x, false
	}
	i, step := (x.Len()-1)/8, byte(1)<<(7-(x.Len()-1)%8)
	for {
		was := b[i]
		b[i] += step
		if b[i] > was {
			break
		}
		if i == 0 {
			return x, false
		}
		i, step = i-1, 1
	}
	a, _ := netip.AddrFromSlice(b)
	return bgp.PrefixOf(netip.PrefixFrom(a, x.Len())), true
}

// part cuts NAME:I or NAME:I-J (from 1) out of a set of n members.
func (p *parser) part(item string, size func(string) int) (name string, from, to int, ok bool) {
	name, cut, has := strings.Cut(item, ":")
	n := size(name)
	if n < 0 {
		p.fail("there is no set %q: define it on a line above", name)
		return "", 0, 0, false
	}
	if !has {
		return name, 0, n, p.budget(n)
	}
	a, b, ranged := strings.Cut(cut, "-")
	from, err := strconv.Atoi(a)
	to = from
	if err == nil && ranged {
		to, err = strconv.Atoi(b)
	}
	if err != nil || from < 1 || to < from || to > n {
		p.fail("%q: write %s:1 or %s:1-%d; the set has %d members", item, name, name, n, n)
		return "", 0, 0, false
	}
	return name, from - 1, to, p.budget(to - from + 1)
}

// budget says no, once, when too many members were looked at.
func (p *parser) budget(n int) bool {
	was := p.work
	p.work += int64(n)
	if p.work > maxWork && was <= maxWork {
		p.fail("the sets named so far have more than %d members in all: name smaller ones", maxWork)
	}
	return p.work <= maxWork
}

// peerList resolves SET[:I[-J]],... and AS64601[..AS64609],... into sessions, each once.
func (p *parser) peerList(list string) (out []int32) {
	seen := make([]bool, len(p.s.peers))
	add := func(id int32) {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	for item := range strings.SplitSeq(list, ",") {
		if strings.HasPrefix(item, "AS") {
			before := len(out)
			if lo, hi, ok := p.asRange(item); ok && p.budget(len(p.s.peers)) {
				for i, x := range p.s.peers {
					if x.name.AS >= lo && x.name.AS <= hi {
						add(int32(i))
					}
				}
			}
			if len(out) == before && len(p.errs) == 0 {
				p.fail("%q is no session named by a peers line above, or is named here already", item)
			}
			continue
		}
		name, from, to, ok := p.part(item, func(n string) int {
			if set, ok := p.s.peerSets[n]; ok {
				return len(set)
			}
			return -1
		})
		if !ok {
			return nil
		}
		for _, id := range p.s.peerSets[name][from:to] {
			add(id)
		}
	}
	return out
}

// routes resolves SET[:I[-J]],... into prefixes with their origins, each prefix once.
func (p *parser) routes(list string) (out []route) {
	p.lists++
	if n := len(p.s.prefixes) - len(p.seen); n > 0 {
		p.seen = append(p.seen, make([]int32, n)...)
	}
	for item := range strings.SplitSeq(list, ",") {
		name, from, to, ok := p.part(item, func(n string) int {
			if set, ok := p.s.routeSet[n]; ok {
				return len(set)
			}
			return -1
		})
		if !ok {
			return nil
		}
		for _, r := range p.s.routeSet[name][from:to] {
			if p.seen[r.prefix] != p.lists {
				p.seen[r.prefix] = p.lists
				out = append(out, r)
			}
		}
	}
	return out
}
