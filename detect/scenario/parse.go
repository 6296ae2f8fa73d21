package scenario

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// parser reads one file.
type parser struct {
	s     *Scenario
	name  string
	line  int
	errs  Errors
	seen  []int32 // by prefix: the last list that named it, so that a list holds each once
	lists int32
	sum   int64 // changes of a cell so far
	work  int64 // members of sets looked at so far
	ended int   // line of "end"; 0 before it
	late  []func()
}

// maxWork bounds how many members of sets are looked at while a file is read, so that naming a large set often costs little.
const maxWork = 3 * MaxEvents

// maxErrors bounds how many faults of a file are named.
const maxErrors = 20

// Parse reads a scenario. name is used in messages only. The error is an Errors, each naming file, line and what to do.
func Parse(name string, text []byte) (*Scenario, error) {
	p := &parser{name: name, s: &Scenario{
		Name: name, Data: detect.Synthetic, seed: 1, blocks: map[bgp.Prefix]string{}, origins: map[uint32]string{},
		networks: map[uint32]string{}, cells: map[bgp.Prefix]int32{},
		peerSets: map[string][]int32{}, routeSet: map[string][]route{},
	}}
	switch {
	case len(text) > MaxFile:
		p.fail("the file has %d bytes; %d are allowed: split it", len(text), MaxFile)
	case !utf8.Valid(text):
		p.fail("the file is not UTF-8 text")
	case !IsScenario(text):
		p.line = 1
		p.fail("the first line must be %q", Magic)
	default:
		p.lines(string(text))
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return p.s, nil
}

func (p *parser) fail(format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.name, p.line, fmt.Sprintf(format, args...)))
	}
}

func (p *parser) lines(text string) {
	for text != "" && len(p.errs) < maxErrors && p.sum <= MaxEvents && p.work <= maxWork {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p.line++
		if p.line == 1 {
			continue
		}
		if len(line) > maxLine {
			p.fail("the line has %d bytes; %d are allowed: name parts of it as sets of their own", len(line), maxLine)
			continue
		}
		words, err := split(line)
		if err != nil {
			p.fail("%v", err)
			continue
		}
		if len(words) > 0 {
			p.directive(words, line)
		}
	}
	last := p.line
	p.finish()
	p.line = last
}

// split cuts a line into words; "…" holds spaces together and # begins a comment.
func split(line string) ([]string, error) {
	var out []string
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimLeft(rest, " \t\r") {
		if rest[0] == '"' {
			word, after, ok := strings.Cut(rest[1:], `"`)
			if !ok {
				return nil, fmt.Errorf("a quotation is not closed: add the second \"")
			}
			out, rest = append(out, word), after
			continue
		}
		n := strings.IndexAny(rest, " \t\r")
		if n < 0 {
			n = len(rest)
		}
		out, rest = append(out, rest[:n]), rest[n:]
	}
	return out, nil
}

// directive reads one line.
func (p *parser) directive(w []string, line string) {
	head := w[0]
	if head[0] == '+' || head[0] >= '0' && head[0] <= '9' {
		p.event(w)
		return
	}
	if (head == "start" || head == "seed" || head == "data") && len(p.s.events) > 0 {
		p.fail("%s must come before the first timed line", head)
		return
	}
	switch head {
	case "reason":
		p.s.Reason = strings.TrimSpace(p.s.Reason + " " + after(line))
	case "source":
		p.s.Sources = append(p.s.Sources, after(line))
	case "data":
		switch d := detect.Data(strings.Join(w[1:], " ")); d {
		case detect.Synthetic, detect.Reconstruction:
			p.s.Data = d
		default:
			p.fail("data %q: write synthetic (made up) or reconstruction (made of measured facts)", d)
		}
	case "start":
		t, err := time.Parse(time.RFC3339, strings.Join(w[1:], " "))
		if err != nil || t.Year() < 1980 || t.Year() > 2100 {
			p.fail("start %q: write a time of 1980 to 2100 like 2030-01-01T00:00:00Z", strings.Join(w[1:], " "))
			return
		}
		p.s.Start = bgp.MicrosOf(t)
	case "seed":
		n, err := strconv.ParseUint(strings.Join(w[1:], " "), 10, 64)
		if err != nil {
			p.fail("seed %q: write a whole number", strings.Join(w[1:], " "))
		}
		p.s.seed = n
	case "protects":
		p.s.Protects = append(p.s.Protects, w[1:]...)
	case "network":
		as, ok := p.as(at(w, 1))
		if ok {
			p.s.networks[as] = strings.Join(w[2:], " ")
		}
	case "country":
		p.country(w[1:])
	case "peers":
		p.peers(w[1:])
	case "prefixes":
		p.prefixes(w[1:])
	case "expect":
		p.expect(w[1:])
	default:
		p.fail("%q is no word a line begins with: reason, source, data, start, seed, protects, network, country, peers, prefixes, expect, or a time", head)
	}
}

// after is what follows the first word of a line.
func after(line string) string {
	line = strings.TrimSpace(line)
	if n := strings.IndexAny(line, " \t"); n >= 0 {
		return strings.TrimSpace(line[n:])
	}
	return ""
}

func at(w []string, i int) string {
	if i < len(w) {
		return w[i]
	}
	return ""
}

func (p *parser) as(word string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(word, "AS"), 10, 32)
	if err != nil || !strings.HasPrefix(word, "AS") || n == 0 {
		p.fail("%q: want an AS number like AS64500", word)
		return 0, false
	}
	return uint32(n), true
}

// asRange reads AS1 or AS1..AS9.
func (p *parser) asRange(word string) (from, to uint32, ok bool) {
	a, b, ranged := strings.Cut(word, "..")
	if from, ok = p.as(a); !ok {
		return 0, 0, false
	}
	to = from
	if ranged {
		if to, ok = p.as(b); !ok {
			return 0, 0, false
		}
	}
	if to < from || to-from >= maxPeers {
		p.fail("%q: the range must rise, and hold at most %d ASes", word, maxPeers)
		return 0, 0, false
	}
	return from, to, true
}

var (
	setName     = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

// country reads CODE ITEM..., an item being a block, an origin or a set of prefixes.
func (p *parser) country(w []string) {
	if len(w) < 2 || !countryCode.MatchString(w[0]) {
		p.fail("write country CODE ITEM..., with two capital letters and blocks (10.0.0.0/8), origins (AS64500) or prefix sets")
		return
	}
	for _, item := range w[1:] {
		switch {
		case strings.Contains(item, "/"):
			if x, ok := p.prefix(item); ok {
				p.s.blocks[x] = w[0]
			}
		case strings.HasPrefix(item, "AS"):
			if as, ok := p.as(item); ok {
				p.s.origins[as] = w[0]
			}
		default:
			for _, r := range p.routes(item) {
				p.s.blocks[p.s.prefixes[r.prefix]] = w[0]
			}
		}
	}
}

func (p *parser) prefix(word string) (bgp.Prefix, bool) {
	x, err := bgp.ParsePrefix(word)
	if err != nil {
		p.fail("%v", err)
	}
	return x, err == nil
}

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

// finish judges the file as a whole.
func (p *parser) finish() {
	for _, late := range p.late {
		late()
	}
	s := p.s
	switch {
	case len(p.errs) > 0:
		return
	case s.Reason == "":
		p.fail("there is no reason line: say in a sentence why the expectation is right")
	case s.Data == detect.Reconstruction && len(s.Sources) == 0:
		p.fail("a reconstruction needs a source line: say what it was measured from, and its licence")
	case s.Start == 0:
		p.fail("there is no start line: write start 2030-01-01T00:00:00Z")
	case p.ended == 0:
		p.fail("there is no end line: write +1h end")
	case len(s.expects) == 0 && !s.nothing:
		p.fail("there is no expect line: write what must be found, or expect nothing")
	case len(s.expects) > 0 && s.nothing:
		p.fail("expect nothing contradicts the other expect lines")
	case len(s.peers)*len(s.prefixes) > maxCells:
		p.fail("%d peers times %d prefixes are more than %d cells: use fewer", len(s.peers), len(s.prefixes), maxCells)
	}
	slices.SortStableFunc(s.events, func(a, b event) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
}
