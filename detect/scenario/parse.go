package scenario

import (
	"fmt"
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
	sum   int64     // changes of a cell so far
	work  int64     // members of sets looked at so far
	day   time.Time // of times without a date, when it is not the day of the start
	ended int       // line of "end"; 0 before it
	late  []func()
}

// maxWork bounds how many members of sets are looked at while a file is read, so that naming a large set often costs little.
const maxWork = 3 * MaxEvents

// maxErrors bounds how many faults of a file are named.
const maxErrors = 20

// Parse reads a scenario. name is used in messages only. The error is an Errors, each naming file, line and what to do.
func Parse(name string, text []byte) (*Scenario, error) {
	p := &parser{name: name, s: &Scenario{
		Name: name, Data: detect.Synthetic, seed: 1, blocks: map[bgp.Prefix]string{}, origins: map[uint32]string{}, regions: map[bgp.Prefix]string{}, names: map[string]string{},
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
	case "day":
		d, err := time.Parse(time.DateOnly, strings.Join(w[1:], " "))
		if err != nil {
			p.fail("day %q: write a date like 2008-02-21", strings.Join(w[1:], " "))
			return
		}
		p.day = d
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
	case "region":
		p.region(w[1:])
	case "zone":
		p.zone(w[1:])
	case "peers":
		p.peers(w[1:])
	case "prefixes":
		p.prefixes(w[1:])
	case "expect":
		p.expect(w[1:])
	default:
		p.fail("%q is no word a line begins with: reason, source, data, start, seed, protects, network, country, region, zone, peers, prefixes, expect, or a time", head)
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

func (p *parser) prefix(word string) (bgp.Prefix, bool) {
	x, err := bgp.ParsePrefix(word)
	if err != nil {
		p.fail("%v", err)
	}
	return x, err == nil
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
	case len(s.regions)+len(s.zones) > 0 && !s.HasPlaces():
		p.fail("regions and zones need a country line: without one the built-in tables decide, which know neither")
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
