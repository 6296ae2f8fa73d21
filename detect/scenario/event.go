package scenario

import (
	"math"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// verb is what a timed line makes peers do.
type verb uint8

const (
	announce verb = iota
	withdraw
	table  // a table dump of the collector
	flush  // the peer withdraws all it carries
	resend // the peer announces all it carries, and what flush took
	down
	up
	churn
	alive
	quiet
)

var verbs = map[string]verb{
	"announce": announce, "withdraw": withdraw, "table": table, "flush": flush, "resend": resend,
	"down": down, "up": up, "churn": churn, "alive": alive, "quiet": quiet,
}

// event is one timed line.
type event struct {
	at     bgp.Micros
	line   int
	verb   verb
	peers  []int32 // indexes into Scenario.peers
	routes []route
	via    []uint32   // ASes between peer and origin
	over   bgp.Micros // the prefixes go one after another
	lag    bgp.Micros // the peers follow one after another
	every  bgp.Micros // churn: time between two changes; alive: between two announcements of one peer
	length bgp.Micros // churn and alive: for so long
}

// step is the grain of "over": prefixes of one step go in one message.
const step = bgp.Second

// event reads TIME VERB PEERS [PREFIXES] OPTIONS.
func (p *parser) event(w []string) {
	t, ok := p.instant(w[0])
	if !ok {
		return
	}
	if p.ended != 0 {
		p.fail("nothing may follow the end line")
		return
	}
	if at(w, 1) == "end" {
		if len(w) > 2 {
			p.fail("nothing may follow the word end")
		}
		for _, e := range p.s.events {
			if e.at+e.over+e.lag > t {
				p.fail("the end comes before line %d is over: move it", e.line)
				return
			}
		}
		p.s.End, p.ended = t, p.line
		p.late = append(p.late, p.endless)
		return
	}
	v, ok := verbs[at(w, 1)]
	if !ok {
		p.fail("%q is no verb: announce, withdraw, table, flush, resend, down, up, churn, alive, quiet or end", at(w, 1))
		return
	}
	e := event{at: t, line: p.line, verb: v, length: maxLength, peers: p.peerList(at(w, 2))}
	rest := w[min(len(w), 3):]
	if v == announce || v == withdraw || v == table || v == churn && len(rest) > 1 {
		e.routes = p.routes(at(rest, 0))
		rest = rest[min(len(rest), 1):]
	}
	if (v == churn || v == alive) && len(rest) > 0 {
		p.rhythm(&e, rest[0])
		rest = rest[1:]
	} else if v == churn || v == alive {
		p.fail("write churn PEERS [PREFIXES] 5/s, or alive PEERS 20s")
	}
	p.options(&e, rest)
	p.add(e)
}

// options reads via AS..., origin AS, over TIME, lag TIME, for TIME.
func (p *parser) options(e *event, w []string) {
	spreads := e.verb == announce || e.verb == withdraw || e.verb == flush || e.verb == resend
	for len(w) > 0 {
		word := w[0]
		w = w[1:]
		switch {
		case word == "via" && (e.verb == announce || e.verb == table):
			for len(w) > 0 && strings.HasPrefix(w[0], "AS") {
				if as, ok := p.as(w[0]); ok {
					e.via = append(e.via, as)
				}
				w = w[1:]
			}
			if len(e.via) == 0 || len(e.via) > 30 {
				p.fail("after via come 1 to 30 ASes, as in via AS64700 AS64701")
				return
			}
		case word == "origin" && (e.verb == announce || e.verb == table) && len(w) > 0:
			as, ok := p.as(w[0])
			if !ok {
				return
			}
			for i := range e.routes {
				e.routes[i].origin = as
			}
			w = w[1:]
		case (word == "over" || word == "lag") && spreads && len(w) > 0:
			d, ok := p.duration(w[0], word)
			if !ok {
				return
			}
			if word == "over" {
				e.over = d
			} else {
				e.lag = d
			}
			w = w[1:]
		case word == "for" && e.every > 0 && len(w) > 0:
			d, ok := p.duration(w[0], word)
			if !ok {
				return
			}
			e.length = d
			w = w[1:]
		default:
			p.fail("%q is not understood here: announce and table take via and origin; announce, withdraw, flush and resend take over and lag; churn and alive take for", word)
			return
		}
	}
}

// rhythm reads 5/s or 3/m of churn, 20s of alive.
func (p *parser) rhythm(e *event, word string) {
	if e.verb == alive {
		e.every, _ = p.duration(word, "alive")
		return
	}
	num, unit, ok := strings.Cut(word, "/")
	n, err := strconv.ParseFloat(num, 64)
	length := map[string]float64{"s": 1e6, "m": 60e6, "h": 3600e6}[unit]
	if !ok || err != nil || !(n > 0) || n > 1e6 || length == 0 || length/n > float64(maxLength) {
		p.fail("churn %q: want changes for all these peers together, like 5/s, 30/m or 2/h", word)
		return
	}
	e.every = bgp.Micros(max(1, math.Round(length/n)))
}

// add keeps an event within the limits.
func (p *parser) add(e event) {
	if len(p.errs) > 0 {
		return
	}
	if len(e.peers) == 0 {
		p.fail("there is no peer")
		return
	}
	routes := int64(len(e.routes))
	if e.verb == flush || e.verb == resend {
		routes = int64(len(p.s.prefixes))
	}
	messages := int64(len(e.peers)) * int64(min(bgp.Micros(max(1, routes)), e.over/step+1))
	if messages > maxMessages {
		p.fail("the line makes %d messages at once; %d are allowed: split it in time", messages, maxMessages)
		return
	}
	p.expand(int64(len(e.peers)) * max(1, routes))
	if len(p.s.events) >= 100_000 {
		p.fail("more than 100,000 timed lines: use fewer")
		return
	}
	p.s.events = append(p.s.events, e)
}

func (p *parser) expand(n int64) {
	if was := p.sum; n > MaxEvents || was+n > MaxEvents {
		if was <= MaxEvents {
			p.fail("the file expands to more than %d changes: use fewer peers, prefixes, or a slower churn", MaxEvents)
		}
		p.sum = MaxEvents + 1
		return
	}
	p.sum += n
}

// endless counts what churn and alive make until the end.
func (p *parser) endless() {
	line := p.line
	for _, e := range p.s.events {
		if e.every > 0 {
			p.line = e.line
			n := int64(min(p.s.End-e.at, e.length)/e.every) + 1
			if e.verb == alive {
				if n > MaxEvents {
					n = MaxEvents + 1
				}
				n *= int64(len(e.peers))
			}
			p.expand(n)
		}
	}
	p.line = line
}
