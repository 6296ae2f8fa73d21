package detect

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// The stored form of the baselines, version 1: this line, then unsigned varints (a float is the 8 octets of its IEEE 754 bits, big
// endian; a text is its length and its octets), then the CRC-32 (IEEE) of all before it, 4 octets, big endian. In order:
//
//	newest hour looked at (hours since 1970), number of hours up to it, and one octet for each: minutes looked at, oldest first
//	number of signals; for each, ordered by entity type, code and signal:
//	  entity type, entity code, signal, number of bins; for each: period less that of the bin before, code, minutes
//	  CUSUM: sum (float), last minute at the reference, beginning (µs), reference (float), its hour plus one, 1 when it had
//	  enough history, level set aside (float)
const baselinesMagic = "corewatch baselines 1\n"

// Bounds of what is read.
const (
	maxBaselines = 1 << 30 // octets
	maxText      = 200
	maxSignals   = 1 << 23
)

// baseline is what is remembered of one signal of an entity when nothing is lost.
type baseline struct {
	past history
	slow slow
}

// earlier holds the restored baselines of an entity until it loses something.
type earlier struct {
	entity  Entity
	signals [numSignals]*baseline
}

// ErrBaselines is wrapped by every error of RestoreBaselines about the octets: they are of another version, cut off or damaged.
var ErrBaselines = errors.New("not usable as baselines")

// EncodeBaselines writes what the engine has learned of the usual levels: the samples of the bands and of the reference of the test for
// slow declines, with its sums. Incidents, pending crossings and the lows of the last minutes are not part of it. The same engine state
// gives the same octets. The error is the writer's.
func (e *Engine) EncodeBaselines(w io.Writer) error {
	sum := crc32.NewIEEE()
	b := bufio.NewWriter(io.MultiWriter(w, sum))
	out := encoder{b}
	b.WriteString(baselinesMagic)
	out.looked(&e.looked)
	all := e.baselines()
	out.number(uint64(len(all)))
	for _, x := range all {
		out.signal(x)
	}
	err := b.Flush()
	if err == nil {
		_, err = w.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	}
	if err != nil {
		return fmt.Errorf("writing baselines: %w", err)
	}
	return nil
}

type namedBaseline struct {
	entity Entity
	sig    SignalID
	*baseline
}

// baselines lists what is worth keeping, in the order of the stored form.
func (e *Engine) baselines() []namedBaseline {
	var all []namedBaseline
	for _, w := range e.watches {
		if w == nil {
			continue
		}
		for sig, t := range w.tracks {
			if t == nil {
				continue
			}
			b := &baseline{t.past, t.slow}
			if t.cur.LostPrefixes == 0 {
				b.slow.sum, b.slow.began, b.slow.low = 0, 0, 0
			}
			all = append(all, namedBaseline{e.entities[t.id], SignalID(sig), b})
		}
	}
	for _, x := range e.restored { // sorted below
		for sig, b := range x.signals {
			if b != nil {
				all = append(all, namedBaseline{x.entity, SignalID(sig), &baseline{b.past, b.slow}})
			}
		}
	}
	for _, x := range all {
		from := (e.looked.hour - min(e.looked.hour, e.cfg.keep(x.entity.Type))) / periodHours(x.entity.Type)
		x.past = x.past.span(from, math.MaxUint32)
	}
	all = slices.DeleteFunc(all, func(x namedBaseline) bool { return len(x.past) == 0 && x.slow == (slow{}) })
	slices.SortFunc(all, func(a, b namedBaseline) int {
		return cmp.Or(cmp.Compare(a.entity.Type, b.entity.Type), cmp.Compare(a.entity.Code, b.entity.Code), cmp.Compare(a.sig, b.sig))
	})
	return all
}

type encoder struct{ w *bufio.Writer } // its errors come out at Flush

func (e encoder) number(v uint64) {
	var b [binary.MaxVarintLen64]byte
	e.w.Write(b[:binary.PutUvarint(b[:], v)])
}

func (e encoder) float(v float64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], math.Float64bits(v))
	e.w.Write(b[:])
}

func (e encoder) text(s string) {
	e.number(uint64(len(s)))
	e.w.WriteString(s)
}

func (e encoder) looked(l *watched) {
	n := min(uint32(len(l.minutes)), l.hour+1)
	e.number(uint64(l.hour))
	e.number(uint64(n))
	for i := n; i > 0; i-- {
		e.w.WriteByte(byte(l.of(l.hour - (i - 1))))
	}
}

func (e encoder) signal(x namedBaseline) {
	e.text(x.entity.Type)
	e.text(x.entity.Code)
	e.number(uint64(x.sig))
	e.number(uint64(len(x.past)))
	period := uint32(0)
	for _, b := range x.past {
		e.number(uint64(b.period - period))
		e.number(uint64(b.code))
		e.number(uint64(b.minutes))
		period = b.period
	}
	s := &x.slow
	e.float(s.sum)
	e.number(uint64(s.low))
	e.number(uint64(s.began))
	e.float(s.ref)
	e.number(uint64(s.refHour))
	enough := uint64(0)
	if s.enough {
		enough = 1
	}
	e.number(enough)
	e.float(s.aside)
}

// RestoreBaselines reads what EncodeBaselines wrote, before the first reading. What it says of entities that are registered only later
// is kept for them. On an error, which wraps ErrBaselines or is the reader's, the engine is as it was.
func (e *Engine) RestoreBaselines(r io.Reader) error {
	if slices.ContainsFunc(e.watches, func(w *watch) bool { return w != nil }) || e.looked.hour != 0 {
		return errors.New("baselines can be restored before the first reading only")
	}
	all, err := io.ReadAll(io.LimitReader(r, maxBaselines+1))
	if err != nil {
		return fmt.Errorf("reading baselines: %w", err)
	}
	if len(all) > maxBaselines {
		return fmt.Errorf("%w: more than %d octets", ErrBaselines, maxBaselines)
	}
	body, ok := bytes.CutPrefix(all, []byte(baselinesMagic))
	if !ok || len(body) < 4 {
		return fmt.Errorf("%w: they do not begin as version 1", ErrBaselines)
	}
	if crc32.ChecksumIEEE(all[:len(all)-4]) != binary.BigEndian.Uint32(all[len(all)-4:]) {
		return fmt.Errorf("%w: the checksum is wrong", ErrBaselines)
	}
	d := decoder{rest: body[:len(body)-4]}
	looked := watched{minutes: make([]uint8, len(e.looked.minutes))}
	d.looked(&looked)
	restored := map[string]*earlier{}
	for n := d.number(maxSignals); n > 0 && d.err == nil; n-- {
		d.signal(restored)
	}
	if d.err == nil && len(d.rest) > 0 {
		d.fail("something follows the last signal")
	}
	if d.err != nil {
		return d.err
	}
	e.looked, e.restored = looked, restored
	return nil
}

// recall gives a signal that loses something for the first time in this run what was restored of it. It reports whether the signal had
// lost something then: what it reads now is no step.
func (e *Engine) recall(t *track) bool {
	ent := &e.entities[t.id]
	x := e.restored[ent.Key()]
	if x == nil || x.signals[t.sig] == nil {
		return false
	}
	b := x.signals[t.sig]
	x.signals[t.sig] = nil
	t.past, t.slow = b.past, b.slow
	if t.slow.low == 0 {
		return false
	}
	t.alive = true
	e.living = append(e.living, t)
	return true
}

type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err, d.rest = fmt.Errorf("%w: %s", ErrBaselines, why), nil
	}
}

func (d *decoder) number(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > most {
		d.fail("a number is cut off or too large")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.fail("they are cut off")
		return make([]byte, min(n, maxText))
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// share reads a float that is a share, or a sum of shares over minutes.
func (d *decoder) share() float64 {
	v := math.Float64frombits(binary.BigEndian.Uint64(d.take(8)))
	if !(v >= 0 && v <= 1e9) {
		d.fail("a share is no share")
		return 0
	}
	return v
}

func (d *decoder) text() string { return string(d.take(int(d.number(maxText)))) }

func (d *decoder) looked(l *watched) {
	newest := d.number(math.MaxInt32)
	n := d.number(min(newest+1, uint64(mostHours+24)))
	l.hour = uint32(newest)
	for i := n; i > 0 && d.err == nil; i-- {
		m := d.take(1)[0]
		if m > 60 {
			d.fail("an hour of more than 60 minutes")
		}
		if age := i - 1; age < uint64(len(l.minutes)) {
			*l.slot(l.hour - uint32(age)) = m
		}
	}
}

func (d *decoder) signal(into map[string]*earlier) {
	ent := Entity{Type: d.text(), Code: d.text()}
	sig := d.number(uint64(numSignals) - 1)
	most := 60 * uint64(periodHours(ent.Type))
	b := &baseline{}
	period := uint64(0)
	for n := d.number((mostHours + 24) * (maxCodes + 1)); n > 0 && d.err == nil; n-- {
		period += d.number(math.MaxUint32)
		code, minutes := d.number(noCode), d.number(most)
		if period > math.MaxUint32 || code > codeScale && code != noCode {
			d.fail("a level or its time is out of range")
			return
		}
		b.past = append(b.past, bin{uint32(period), uint16(code), uint16(minutes)})
	}
	s := &b.slow
	s.sum, s.low, s.began = d.share(), int64(d.number(math.MaxInt64)), int64(d.number(math.MaxInt64))
	s.ref, s.refHour, s.enough = d.share(), uint32(d.number(math.MaxUint32)), d.number(1) == 1
	s.aside = d.share()
	if d.err != nil {
		return
	}
	x := into[ent.Key()]
	if x == nil {
		x = &earlier{entity: ent}
		into[ent.Key()] = x
	}
	x.signals[sig] = b
}
