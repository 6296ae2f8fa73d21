package signal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"sort"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// trace keeps the raw messages of the last minutes that changed a cell, and which rows they changed: an incident that opens
// now has its evidence in the past.
type trace struct {
	msgs    []bgp.Message // Raw points into arena
	before  []uint64      // by message: octets copied before it
	copied  uint64        // octets copied so far
	first   uint64        // number of msgs[0]
	past    int           // so many of msgs are forgotten and empty
	entries []traceEntry
	base    uint64     // number of entries[0]
	oldest  uint64     // number of the first entry that is not forgotten
	arena   []byte     // the block being filled; earlier blocks live as long as a message in them
	stays   bool       // the bytes of the current message need not be copied
	most    int        // octets of memory that all this may take
	short   bgp.Micros // what is older was forgotten because of that; 0: nothing was
}

type traceEntry struct {
	at   bgp.Micros
	row  detect.Row
	msg  uint64
	prev uint64 // number of the row's previous entry plus one; 0 for none
	peer visibility.PeerID
	// withdrew: the peer took the row away; else it announced it
	withdrew bool
}

const (
	arenaBlock = 1 << 18
	// mostTrace bounds the memory of a trace: some two million messages that changed something. In a storm that exceeds it the oldest are forgotten before their time, and an
	// incident that opens then has less of its beginning.
	mostTrace = 512 << 20
	// What a message and an entry take beside the octets.
	messageSize, entrySize = 128, 40
)

// size is about how many octets of memory it takes.
func (t *trace) size() int {
	n := messageSize*(len(t.msgs)-t.past) + entrySize*int(t.base+uint64(len(t.entries))-t.oldest)
	if t.past < len(t.msgs) {
		n += int(t.copied - t.before[t.past])
	}
	return n
}

// TraceSince is the instant before which raw messages were forgotten although they were of the last TraceWindow seconds, because there were too many of them; 0 when none was.
func (m *Monitor) TraceSince() bgp.Micros {
	if m.trace.short <= m.now-bgp.Micros(m.cfg.TraceWindow)*bgp.Second {
		return 0
	}
	return m.trace.short
}

// record notes that the current message changed a cell of a row.
func (m *Monitor) record(f *family, r visibility.RowID, p *peer, withdrew bool) {
	t := &m.trace
	if m.late && !f.rows[r].watched {
		return // a whole table would fill the memory with what no incident rests on; the segments have it
	}
	if m.traced == 0 {
		t.before = append(t.before, t.copied)
		t.msgs = append(t.msgs, t.kept(m.cur))
		m.traced = t.first + uint64(len(t.msgs))
	}
	h := f.handle(r)
	t.entries = append(t.entries, traceEntry{m.cur.At, h, m.traced - 1, f.rows[r].traced, p.id, withdrew})
	f.rows[r].traced = t.base + uint64(len(t.entries))
	if f.rows[r].watched {
		w := m.watched[h]
		if withdrew {
			w.withdrew(p)
		}
		msg := t.msgs[m.traced-1-t.first]
		for _, s := range w.incidents {
			m.cases[s].add(msg)
		}
	}
}

// kept is the message with a copy of its raw bytes. The routes of one table record come as many messages with the same bytes: they
// share a copy.
func (t *trace) kept(msg bgp.Message) bgp.Message {
	if t.stays {
		return msg
	}
	if k := len(t.msgs); k > 0 && t.msgs[k-1].Seq == msg.Seq && bytes.Equal(t.msgs[k-1].Raw, msg.Raw) {
		msg.Raw = t.msgs[k-1].Raw
		return msg
	}
	if len(t.arena)+len(msg.Raw) > cap(t.arena) {
		t.arena = make([]byte, 0, max(arenaBlock, len(msg.Raw)))
	}
	n := len(t.arena)
	t.copied += uint64(len(msg.Raw))
	t.arena = append(t.arena, msg.Raw...)
	msg.Raw = t.arena[n:len(t.arena):len(t.arena)]
	return msg
}

// prune forgets what is older than cut, and the older half when all is too much.
func (t *trace) prune(cut bgp.Micros) {
	live := t.entries[t.oldest-t.base:]
	i := sort.Search(len(live), func(i int) bool { return live[i].at >= cut })
	if half := len(live) / 2; i < half && t.size() > t.most {
		i, t.short = half, live[half].at
	}
	if i == 0 {
		return
	}
	t.oldest += uint64(i)
	past := len(t.msgs)
	if i < len(live) {
		past = int(live[i].msg - t.first)
	}
	clear(t.msgs[t.past:past])
	t.past = past
	// What is left moves to the front when that is less than what is gone: so each moves once at most, on average.
	if n := int(t.oldest - t.base); 2*n >= len(t.entries) {
		t.entries = t.entries[:copy(t.entries, t.entries[n:])]
		t.base = t.oldest
	}
	if 2*past >= len(t.msgs) {
		n := copy(t.msgs, t.msgs[past:])
		clear(t.msgs[past:])
		t.before = t.before[:copy(t.before, t.before[past:])]
		t.msgs, t.first, t.past = t.msgs[:n], t.first+uint64(past), 0
	}
}

// newest is when a cell of the row changed last, given the row's newest entry; 0 when that is no longer kept.
func (t *trace) newest(last uint64) bgp.Micros {
	if last <= t.base {
		return 0
	}
	return t.entries[last-1-t.base].at
}

// since yields what changed a cell of the row at or after from, newest first.
func (t *trace) since(last uint64, from bgp.Micros, yield func(*traceEntry)) {
	for n := last; n > t.oldest; {
		e := &t.entries[n-1-t.base]
		if e.at < from {
			return
		}
		yield(e)
		n = e.prev
	}
}

// caseFile is the evidence of one incident: its messages in journal order, each once.
type caseFile struct {
	sealed  hash.Hash // over the messages that nothing can be put in front of any more
	n       int       // of them
	pending []bgp.Message
	ordered bool
	sealTo  bgp.Micros
	untaken []bgp.Message
	taken   map[uint64]bool // numbers of the pending messages that were handed over
	keep    bool
	rows    int // members that add to it
}

func (c *caseFile) add(msg bgp.Message) {
	if k := len(c.pending); k > 0 && c.ordered && c.pending[k-1].Seq == msg.Seq {
		return
	}
	if k := len(c.pending); k > 0 && msg.Seq < c.pending[k-1].Seq {
		c.ordered = false
	}
	c.pending = append(c.pending, msg)
	if len(c.pending) >= 4096 {
		c.seal()
	}
}

func (c *caseFile) sort() {
	if c.ordered {
		return
	}
	slices.SortFunc(c.pending, func(a, b bgp.Message) int {
		if a.Seq < b.Seq {
			return -1
		}
		if a.Seq > b.Seq {
			return 1
		}
		return 0
	})
	c.pending = slices.CompactFunc(c.pending, func(a, b bgp.Message) bool { return a.Seq == b.Seq })
	c.ordered = true
}

// seal moves the messages before sealTo into the running digest.
func (c *caseFile) seal() {
	c.sort()
	i := 0
	for i < len(c.pending) && c.pending[i].At < c.sealTo {
		digest(c.sealed, c.pending[i])
		i++
	}
	if i == 0 { // a revision soon after the last: what is pending stays where it is
		return
	}
	c.n += i
	if c.keep {
		c.untaken = append(c.untaken, c.fresh(c.pending[:i])...)
		for _, msg := range c.pending[:i] {
			delete(c.taken, msg.Seq)
		}
	}
	c.pending = append(c.pending[:0], c.pending[i:]...)
}

// fresh copies those messages that were not handed over yet, raw bytes included, so that a kept one does not keep its arena block.
func (c *caseFile) fresh(l []bgp.Message) []bgp.Message {
	var out []bgp.Message
	for _, msg := range l {
		if !c.taken[msg.Seq] {
			msg.Raw = slices.Clone(msg.Raw)
			out = append(out, msg)
		}
	}
	return out
}

func digest(h hash.Hash, msg bgp.Message) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(msg.Raw)))
	h.Write(n[:])
	h.Write(msg.Raw)
}

// Evidence implements detect.World.
func (m *Monitor) Evidence(incident int) *detect.Evidence {
	c := m.cases[incident]
	if c == nil {
		return nil
	}
	c.sealTo = m.now - bgp.Micros(m.cfg.TraceWindow)*bgp.Second
	c.seal()
	if c.n+len(c.pending) == 0 {
		return nil
	}
	h, err := c.sealed.(hash.Cloner).Clone()
	if err != nil { // SHA-256 of the standard library can always be cloned
		return nil
	}
	for _, msg := range c.pending {
		digest(h, msg)
	}
	return &detect.Evidence{Messages: c.n + len(c.pending), SHA256: hex.EncodeToString(h.Sum(nil))}
}

// TakeMessages hands over the incident's messages that were not handed over before. Their numbers give the order: a message can
// still be found to lie before one that was handed over.
func (m *Monitor) TakeMessages(incident int) []bgp.Message {
	c := m.cases[incident]
	if c == nil {
		return nil
	}
	c.sort()
	fresh := c.fresh(c.pending)
	for _, msg := range fresh {
		c.taken[msg.Seq] = true
	}
	out := append(c.untaken, fresh...)
	c.untaken = nil
	return out
}

func newCase(keep bool) *caseFile {
	return &caseFile{sealed: sha256.New(), ordered: true, taken: map[uint64]bool{}, keep: keep}
}
