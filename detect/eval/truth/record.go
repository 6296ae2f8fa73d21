package truth

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// The states of a cell, the low bits of its octet; and what the survey found out about it.
const (
	unknown   uint8 = 0
	up        uint8 = 1
	down      uint8 = 2
	stateBits uint8 = 3

	named      uint8 = 4 // the session ever names the prefix
	fromStart  uint8 = 8 // its first word is a withdrawal, and the session was not lost before it
	surveyBits       = named | fromStart
)

// row is a prefix.
type row struct {
	key     key
	cells   []uint8 // by session; shorter than the list of sessions when the last ones never name the prefix
	origins []originCount
	since   int64 // when it was first named; the beginning of the record when it was carried then

	// Of the second walk. carry says for each ASN: carried (up), the second in which it became down, or 0 (unknown).
	carry   []uint32
	ref     []uint64 // while dark: the ASNs that carried it in the hour before, as bits
	fell    int64    // the withdrawal with which it fell under 90 %; 0 while it is there
	dark    int64    // since when; 0 when not
	blocks  int64    // that it covers and no more specific prefix does
	members [2]membership
}

type originCount struct {
	as uint32
	n  uint32
}

// session is one peer of one collector.
type session struct {
	sessionKey
	asn  int
	lost bool // at least once, by the collector's word

	known                int // cells not unknown
	named4, named6       int
	withdrawals, repeats int
	minute               int64
	inMinute             int // withdrawals of what was not withdrawn, in minute
	heavy                []minuteCount
	untrusted            bool
	blind                []span // while its table is lost
}

type sessionKey struct {
	collector string
	as        uint32
	addr      netip.Addr
}

type minuteCount struct {
	minute int64
	n      int
}

// span is [from, until).
type span struct{ from, until int64 }

// asn groups sessions.
type asn struct {
	number         uint32
	sessions       []int
	named4, named6 int
}

// record is everything kept of the input.
type record struct {
	sessions []session
	byKey    map[sessionKey]int
	asns     []asn
	byNumber map[uint32]int
	rows     []row
	byPrefix map[key]int32

	complete bool // the first walk is over: nothing new can come
	result   Result
	elems    []elem // scratch
}

var errChanged = errors.New("the record is not the same when read again")

// handler is told of what a walk over the source finds, in order.
type handler interface {
	lost(s int, at int64)                     // the session's cells are unknown
	said(s int, row int32, e *elem, at int64) // the session's word about a prefix
}

// walk reads the source once.
func (r *record) walk(src Source, h handler) error {
	res := &r.result
	res.Updates, res.Cut, res.AddPath, res.From, res.Until = 0, 0, 0, 0, 0
	return src.Each(func(collector string, rec *mrt.Record, c *mrt.Content) error {
		at := max(int64(rec.Time), res.Until) // a clock that runs back stands still
		if res.From == 0 {
			res.From = at
		}
		res.Until = at
		switch c.Kind {
		case mrt.StateChange:
			const established = 6
			if (c.OldState == established) != (c.NewState == established) {
				s, err := r.session(collector, c.PeerAS, c.PeerAddr)
				if err != nil {
					return err
				}
				h.lost(s, at)
			}
			return nil
		case mrt.RIBEntries:
			return r.table(collector, c, at, h)
		case mrt.Message:
		default:
			return nil
		}
		if c.Local {
			return nil
		}
		if c.Opts.AddPath4 || c.Opts.AddPath6 {
			res.AddPath++
			return nil
		}
		var whole bool
		r.elems, whole = readUpdate(c.BGP, c.Opts.AS4, r.elems[:0])
		res.Updates++
		if !whole {
			res.Cut++
		}
		return r.deliver(collector, c.PeerAS, c.PeerAddr, at, h)
	})
}

// table reads the entries of one table record as announcements. AS paths in it have four octets (RFC 6396 section 4.3.4) unless
// the decoder says otherwise.
func (r *record) table(collector string, c *mrt.Content, at int64, h handler) error {
	if c.Opts.AddPath4 || c.Opts.AddPath6 {
		r.result.AddPath++
		return nil
	}
	var e mrt.RIBEntry
	for c.RIB.Next(&e) {
		a, ok := readAttributes(e.Attrs, c.Opts.AS4)
		if !ok {
			r.result.Cut++
		}
		r.elems = append(r.elems[:0], elem{key: keyOf(e.Prefix.Netip()), up: true, origin: a.origin})
		if err := r.deliver(collector, e.PeerAS, e.PeerAddr, at, h); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) deliver(collector string, as uint32, addr netip.Addr, at int64, h handler) error {
	if len(r.elems) == 0 {
		return nil
	}
	s, err := r.session(collector, as, addr)
	if err != nil {
		return err
	}
	for i := range r.elems {
		e := &r.elems[i]
		n, ok := r.byPrefix[e.key]
		if !ok {
			if r.complete {
				return errChanged
			}
			if len(r.rows) == maxPrefixes {
				return fmt.Errorf("the record names more than %d prefixes", maxPrefixes)
			}
			n = int32(len(r.rows))
			r.rows = append(r.rows, row{key: e.key})
			r.byPrefix[e.key] = n
		}
		h.said(s, n, e, at)
	}
	return nil
}

func (r *record) session(collector string, as uint32, addr netip.Addr) (int, error) {
	k := sessionKey{collector, as, addr}
	if s, ok := r.byKey[k]; ok {
		return s, nil
	}
	if r.complete {
		return 0, errChanged
	}
	if len(r.sessions) == maxSessions {
		return 0, fmt.Errorf("the record has more than %d sessions", maxSessions)
	}
	a, ok := r.byNumber[as]
	if !ok {
		a = len(r.asns)
		r.asns = append(r.asns, asn{number: as})
		r.byNumber[as] = a
	}
	s := len(r.sessions)
	r.sessions = append(r.sessions, session{sessionKey: k, asn: a})
	r.asns[a].sessions = append(r.asns[a].sessions, s)
	r.byKey[k] = s
	return s, nil
}

// cell is the cell of session s, made when the row does not reach that far yet.
func (w *row) cell(s int) *uint8 {
	if s >= len(w.cells) {
		w.cells = append(w.cells, make([]uint8, s+1-len(w.cells))...)
	}
	return &w.cells[s]
}
