package signal

import (
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// Where Options.Share is given, the messages of a second are gathered, and their cells are brought up to date at its end, or before anything that
// depends on them: processors share that work when there is enough of it. What follows does not depend on whether they do. Nobody
// asks about a prefix within a second (docs/decisions/032-read-once-a-second.md), with one exception: withdrawals so many that
// the session itself must be doubted. From the first that could raise that question on, the rest of the second goes message by message.

// gathering is what was heard in this second and not applied yet. It holds nothing between two seconds.
type gathering struct {
	on      bool
	direct  bool // until the end of the second, elems are applied at once
	msgs    []heldMessage
	raw     []byte // of them
	elems   []heldElem
	lists   [2][]visibility.Update // by signal
	changes [2][]visibility.Change // what each of them did, if it matters
	results [2][tableParts][]result
	current int // in msgs, the message begun; -1 when it is not there
}

type heldMessage struct {
	msg  bgp.Message // without Raw
	from int         // its raw bytes
	to   int
	peer *peer
}

// heldElem says which of the updates of a family comes next.
type heldElem struct {
	msg     int32
	sig     uint8
	treated bool // a withdrawal by RFC 7606
}

type result struct {
	i int
	c visibility.Change
}

const (
	tableParts = 2 // of a table, to be shared; see decision 16
	// shareFrom is how many elems are worth waking somebody for.
	shareFrom = 256
	// Beyond one of these the gathered messages are applied before the second is over.
	holdElems = 1 << 15
	holdRaw   = 8 << 20
)

// hold keeps an elem of the message begun for later; false when it is to be applied at once.
func (m *Monitor) hold(f *family, e *bgp.Elem) bool {
	g, p := &m.gather, m.curPeer
	if !g.on || g.direct {
		return false
	}
	if e.Kind == bgp.RIB || e.Kind == bgp.Withdraw && p.as.mayTest(m) {
		m.Settle()
		g.direct = true
		return false
	}
	if g.current < 0 {
		g.current = len(g.msgs)
		h := heldMessage{msg: m.cur, from: len(g.raw), peer: p}
		g.raw = append(g.raw, m.cur.Raw...)
		h.msg.Raw, h.to = nil, len(g.raw)
		g.msgs = append(g.msgs, h)
	}
	if e.Kind == bgp.Withdraw {
		p.as.coming++
	}
	p.speaksOf(f)
	at := m.cur.At
	list := g.lists[f.sig]
	if n := len(list); n > 0 {
		at = max(at, list[n-1].At) // as the table would take it
	}
	g.lists[f.sig] = append(list, visibility.Update{Prefix: e.Prefix, At: at, Origin: e.Origin, Peer: p.id, Withdrawn: e.Kind == bgp.Withdraw})
	g.elems = append(g.elems, heldElem{int32(g.current), uint8(f.sig), e.Cause == bgp.CauseTreatWithdraw})
	return true
}

// mayTest reports that one withdrawal more, after those that are gathered, could test for mass withdrawal: see withdrew.
func (a *asn) mayTest(m *Monitor) bool {
	n := a.sum + a.coming + 1
	return n >= m.cfg.MassMin && n >= a.checkedAt+a.checkedAt/4 && a.votes()
}

// Settle applies what was gathered. Between two calls it changes nothing of what will follow: it is for who looks at the state.
func (m *Monitor) Settle() {
	g := &m.gather
	if len(g.elems) == 0 {
		return
	}
	cur, traced := m.cur, m.traced
	shared := len(g.elems) >= shareFrom
	if shared {
		for _, f := range m.fams {
			m.applyTogether(f)
		}
	}
	begun, next := -1, [2]int{}
	for _, e := range g.elems {
		f, i := m.fams[e.sig], next[e.sig]
		next[e.sig]++
		u := &g.lists[e.sig][i]
		if shared {
			if u.Row != visibility.NoRow {
				m.stats.count(u, e.treated)
			}
			if g.changes[e.sig][i] == 0 {
				continue
			}
		}
		h := &g.msgs[e.msg]
		if begun != int(e.msg) {
			begun = int(e.msg)
			m.cur, m.traced = h.msg, 0
			m.cur.Raw = g.raw[h.from:h.to:h.to]
		}
		if shared {
			f.changed(m, h.peer, u.Row, g.changes[e.sig][i], u.Withdrawn)
		} else {
			f.apply(m, h.peer, u, e.treated)
		}
	}
	m.cur = cur
	if begun < 0 || begun != g.current {
		m.traced = traced // else the message begun is in the trace already
	}
	for i := range g.msgs {
		g.msgs[i].peer.as.coming = 0
	}
	g.msgs, g.raw, g.elems = g.msgs[:0], g.raw[:0], g.elems[:0]
	for sig := range g.lists {
		g.lists[sig] = g.lists[sig][:0]
	}
	g.current = -1
}

// applyTogether applies the updates of a family and notes what they did.
func (m *Monitor) applyTogether(f *family) {
	g, list := &m.gather, m.gather.lists[f.sig]
	results := &g.results[f.sig]
	for k := range results {
		results[k] = results[k][:0]
	}
	f.table.Apply(list, func(i int) visibility.RowID {
		r, ok := f.enter(m, list[i].Prefix, !list[i].Withdrawn, list[i].At)
		if !ok {
			return visibility.NoRow
		}
		return r
	}, func(part, i int, c visibility.Change) {
		if matters(c) {
			results[part] = append(results[part], result{i, c})
		}
	})
	changes := g.changes[f.sig]
	if cap(changes) < len(list) {
		changes = make([]visibility.Change, cap(list))
	}
	changes = changes[:len(list)]
	clear(changes)
	for _, l := range results {
		for _, x := range l {
			changes[x.i] = x.c
		}
	}
	g.changes[f.sig] = changes
}
