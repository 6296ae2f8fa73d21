package dump

import (
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// textHead begins a line for people: where the record starts, when, what, and who said it.
func (p *Printer) textHead(rec *mrt.Record, c *mrt.Content, typ string) {
	b := p.buf
	start := len(b)
	b = appendInt(b, rec.Offset)
	for len(b)-start < 10 {
		b = append(b, ' ')
	}
	b = appendTime(append(b, ' '), rec.Time)
	b = append(append(b, "  "...), typ...)
	for n := len(typ); n < 15; n++ {
		b = append(b, ' ')
	}
	b = appendPrintable(b, p.src.Collector)
	b = append(b, "/AS"...)
	b = append(appendUint(b, c.PeerAS), '/')
	b = c.PeerAddr.AppendTo(b)
	if c.Local {
		b = append(b, " (sent by the collector)"...)
	}
	p.buf = b
}

func (p *Printer) word(key string) { p.buf = append(append(p.buf, "  "...), key...) }

func (p *Printer) textElem(rec *mrt.Record, c *mrt.Content, e *bgp.Elem, hop netip.Addr, hasHop bool, faults wire.Faults) {
	p.textHead(rec, c, e.Kind.String())
	p.word("")
	p.buf = e.Prefix.Netip().AppendTo(p.buf)
	if e.PathID != 0 {
		p.word("path-id ")
		p.buf = appendUint(p.buf, e.PathID)
	}
	if e.Kind != bgp.Withdraw {
		p.textAttributes(c.Opts.AS4, hop, hasHop)
	}
	if e.Cause != bgp.CauseNone {
		p.word("cause ")
		p.buf = append(p.buf, e.Cause.String()...)
	}
	if faults != 0 {
		p.word("faults ")
		sep := ""
		for name := range faults.All {
			p.buf = append(append(p.buf, sep...), name...)
			sep = ","
		}
	}
	p.line()
}

func (p *Printer) textAttributes(as4 bool, hop netip.Addr, hasHop bool) {
	a := p.u.Attributes()
	if attr, ok := a.Lookup(attrASPath); ok && len(attr.Value) > 0 {
		p.word("path ")
		p.textPath(attr.Value, a, as4)
	}
	if o, ok := a.Origin(); ok {
		p.word("origin ")
		p.buf = append(p.buf, originNames[o]...)
	}
	if hasHop {
		p.word("next-hop ")
		p.buf = hop.AppendTo(p.buf)
	}
	if n, ok := a.MED(); ok {
		p.word("med ")
		p.buf = appendUint(p.buf, n)
	}
	if n, ok := a.LocalPref(); ok {
		p.word("local-pref ")
		p.buf = appendUint(p.buf, n)
	}
	if a.AtomicAggregate() {
		p.word("atomic-aggregate")
	}
	if as, id, ok := a.Aggregator(); ok {
		p.word("aggregator AS")
		p.buf = append(appendUint(p.buf, as), '/')
		p.buf = id.AppendTo(p.buf)
	}
	key := "  communities "
	for c := range a.Communities() {
		p.buf = appendCommunity(append(p.buf, key...), c)
		key = " "
	}
	key = "  large "
	for c := range a.LargeCommunities() {
		p.buf = appendLarge(append(p.buf, key...), c)
		key = " "
	}
	key = "  extended "
	for c := range a.ExtendedCommunities() {
		p.buf = appendHex(append(p.buf, key...), c[:])
		key = " "
	}
	if as, ok := a.OTC(); ok {
		p.word("otc AS")
		p.buf = appendUint(p.buf, as)
	}
}

// textPath is the path in bgpdump's notation, which people know, merged with AS4_PATH as bgp/wire does it.
func (p *Printer) textPath(value []byte, a wire.Attributes, as4 bool) {
	if _, merged := a.Lookup(attrAS4Path); !merged || as4 {
		p.buf = appendPath(p.buf, pathValue{value, as4}, nil)
		return
	}
	first := true
	for typ, numbers := range p.u.Path().Segments() {
		if !first {
			p.buf = append(p.buf, ' ')
		}
		first = false
		d, sep := delimiters[typ], byte(' ')
		if typ == wire.ASSet || typ == wire.ConfedSet {
			sep = ','
		}
		if d != "" {
			p.buf = append(p.buf, d[0])
		}
		for as := range numbers {
			p.buf = append(appendUint(p.buf, as), sep)
		}
		p.buf = p.buf[:len(p.buf)-1]
		if d != "" {
			p.buf = append(p.buf, d[1])
		}
	}
}

func (p *Printer) textState(rec *mrt.Record, c *mrt.Content) {
	p.textHead(rec, c, "state")
	p.word(c.OldState.String())
	p.buf = append(append(p.buf, " → "...), c.NewState.String()...)
	p.line()
}

func (p *Printer) textControl(rec *mrt.Record, c *mrt.Content, m *control) {
	p.textHead(rec, c, m.typ)
	switch m.typ {
	case "open":
		p.word("AS")
		p.buf = appendUint(p.buf, m.open.AS)
		p.word("id ")
		p.buf = m.open.ID.AppendTo(p.buf)
		p.word("hold-time ")
		p.buf = appendUint(p.buf, m.open.HoldTime)
		key := "  capabilities "
		for _, c := range m.open.Capabilities {
			p.buf = appendUint(append(p.buf, key...), c.Code)
			key = " "
		}
	case "notification":
		p.word(wire.NotificationText(m.code, m.subcode))
		if text, ok := wire.ShutdownCommunication(m.code, m.subcode, m.data); ok && text != "" {
			p.word("")
			p.buf = appendString(p.buf, text)
		}
	case "route_refresh":
		p.word("afi ")
		p.buf = appendUint(p.buf, m.family.AFI)
		p.word("safi ")
		p.buf = appendUint(p.buf, m.family.SAFI)
	}
	p.line()
}

// appendPrintable is s with control characters replaced: a name must not be able to move a terminal's cursor.
func appendPrintable(b []byte, s string) []byte {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			r = '?'
		}
		b = append(b, string(r)...)
	}
	return b
}
