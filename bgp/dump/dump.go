// Package dump renders decoded MRT records as text: one line for each elem and each session event. Three formats: the lines of
// bgpdump -m, JSON (docs/decode.md), and a line for people. Nothing is judged here; what a record says comes from bgp/mrt and bgp/wire.
package dump

import (
	"errors"
	"io"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// Format is one of the three forms of a line.
type Format uint8

// The formats.
const (
	Text    Format = iota // for people
	JSON                  // docs/decode.md, schema in docs/schema/decode-v1.json
	Bgpdump               // what bgpdump -m prints; docs/bgpdump-differences.md lists where it differs
)

// ErrMessageType says that a record holds a BGP message of a type that no line is defined for. It is not malformed.
var ErrMessageType = errors.New("bgp message of a type that is not supported")

// Source names where records come from, for the formats that show it.
type Source struct {
	Collector string
	File      string
}

// flushAt is how many bytes wait before they are written. A line may be longer; memory is bounded by it and the longest line.
const flushAt = 64 << 10

// Printer writes the lines of records. Not safe for concurrent use.
type Printer struct {
	w      io.Writer
	format Format
	src    Source
	buf    []byte
	err    error // of w

	u     wire.Update
	entry mrt.RIBEntry
	dump  bgpdumpLine
	parts jsonParts
}

// NewPrinter writes lines of a format to w.
func NewPrinter(w io.Writer, f Format) *Printer {
	return &Printer{w: w, format: f, buf: make([]byte, 0, flushAt+4<<10)}
}

// From says where the records that follow come from.
func (p *Printer) From(s Source) { p.src = s }

// Flush writes what waits. The error is the first one of the writer; after it nothing more is written.
func (p *Printer) Flush() error {
	if p.err == nil && len(p.buf) > 0 {
		_, p.err = p.w.Write(p.buf)
	}
	p.buf = p.buf[:0]
	return p.err
}

// Err is the first error of the writer.
func (p *Printer) Err() error { return p.err }

// line ends a line.
func (p *Printer) line() {
	p.buf = append(p.buf, '\n')
	if len(p.buf) >= flushAt {
		_ = p.Flush()
	}
}

// Print writes the lines of one record: none for a table of peers and for what is skipped. An error says that the record is malformed
// (an error of bgp/mrt or bgp/wire), in which case the lines of what could be read were written, or is ErrMessageType. Errors of the
// writer are those of Err.
func (p *Printer) Print(rec *mrt.Record, c *mrt.Content) error {
	switch c.Kind {
	case mrt.Message:
		return p.message(rec, c)
	case mrt.StateChange:
		switch p.format {
		case Bgpdump:
			p.bgpdumpState(rec, c)
		case JSON:
			p.jsonState(rec, c)
		default:
			p.textState(rec, c)
		}
	case mrt.RIBEntries:
		return p.table(rec, c)
	}
	return nil
}

func (p *Printer) message(rec *mrt.Record, c *mrt.Content) error {
	typ, err := wire.MessageType(c.BGP)
	if err != nil {
		return err
	}
	switch typ {
	case wire.TypeUpdate:
		return p.update(rec, c)
	case wire.TypeOpen, wire.TypeNotification, wire.TypeKeepalive, wire.TypeRouteRefresh:
		return p.control(rec, c, typ)
	}
	return ErrMessageType
}

func (p *Printer) update(rec *mrt.Record, c *mrt.Content) error {
	if err := p.u.Parse(c.BGP, c.Opts); err != nil {
		return err
	}
	if p.format == Bgpdump {
		p.bgpdumpUpdate(rec, c)
		return nil
	}
	// Only a walk to the end finds out whether a prefix is malformed; every line is to say so.
	var e bgp.Elem
	ahead := p.u
	for ahead.Next(&e) {
	}
	faults := ahead.Faults
	if p.format == JSON {
		p.jsonUpdate(rec, c, faults)
		return nil
	}
	for p.u.Next(&e) {
		hop, _, ok := p.u.ElemNextHop()
		p.textElem(rec, c, &e, hop, ok, faults)
	}
	return nil
}

// table prints the entries of a table record.
func (p *Printer) table(rec *mrt.Record, c *mrt.Content) error {
	for c.RIB.Next(&p.entry) {
		c.PeerAS, c.PeerAddr = p.entry.PeerAS, p.entry.PeerAddr
		if p.format == Bgpdump {
			p.bgpdumpEntry(rec, c)
			continue
		}
		p.u.ParseRIB(p.entry.Attrs, c.Opts)
		e := p.u.RIBElem(p.entry.Prefix, p.entry.PathID)
		if p.format == JSON {
			p.jsonEntry(rec, c, &e)
			continue
		}
		hop, _, ok := p.u.NextHop(e.Prefix.IsV6())
		p.textElem(rec, c, &e, hop, ok, p.u.Faults)
	}
	return c.RIB.Err()
}

// control prints a message that is not an UPDATE. bgpdump -m has no line for those.
func (p *Printer) control(rec *mrt.Record, c *mrt.Content, typ byte) error {
	m, err := readControl(c.BGP, typ)
	if err != nil {
		return err
	}
	switch p.format {
	case Bgpdump:
	case JSON:
		p.jsonControl(rec, c, &m)
	default:
		p.textControl(rec, c, &m)
	}
	return nil
}
