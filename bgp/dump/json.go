package dump

import (
	"net/netip"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// jsonParts are the stretches that all lines of one message have in common, made once. The order of keys is that of the schema.
type jsonParts struct {
	head []byte // what follows the type: time, collector, peer
	path []byte // as_path, origin_as, origin
	rest []byte // from med to otc
	tail []byte // faults, originated and source, with the end of the object
}

// jsonHead fills the parts that do not depend on attributes.
func (p *Printer) jsonHead(rec *mrt.Record, c *mrt.Content, faults wire.Faults, originated bgp.Micros) {
	b := append(p.parts.head[:0], `,"time":"`...)
	b = appendTime(b, rec.Time)
	b = append(b, `","collector":`...)
	b = appendString(b, p.src.Collector)
	b = append(b, `,"peer_as":`...)
	b = appendUint(b, c.PeerAS)
	b = append(b, `,"peer_addr":"`...)
	b = append(c.PeerAddr.AppendTo(b), '"')
	if c.Local {
		b = append(b, `,"local":true`...)
	}
	p.parts.head = b

	b = p.parts.tail[:0]
	if faults != 0 {
		b = append(b, `,"faults":[`...)
		sep := ""
		for name := range faults.All {
			b = append(append(b, sep...), '"')
			b = append(append(b, name...), '"')
			sep = ","
		}
		b = append(b, ']')
	}
	if originated != 0 {
		b = append(b, `,"originated":"`...)
		b = append(originated.Time().AppendFormat(b, time.RFC3339), '"')
	}
	b = append(b, `,"source":{"file":`...)
	b = appendString(b, p.src.File)
	b = append(b, `,"offset":`...)
	b = appendInt(b, rec.Offset)
	b = append(b, `,"length":`...)
	b = appendInt(b, int64(len(rec.Raw)))
	p.parts.tail = append(b, "}}"...)
}

func (p *Printer) jsonUpdate(rec *mrt.Record, c *mrt.Content, faults wire.Faults) {
	p.jsonHead(rec, c, faults, 0)
	made := false
	var e bgp.Elem
	for p.u.Next(&e) {
		if e.Kind == bgp.Announce && !made {
			p.jsonAttributes(c.Opts.AS4, e.Origin)
			made = true
		}
		hop, linkLocal, _ := p.u.ElemNextHop()
		ids := c.Opts.AddPath4 && !e.Prefix.IsV6() || c.Opts.AddPath6 && e.Prefix.IsV6()
		p.jsonElem(&e, ids, hop, linkLocal)
	}
}

// jsonEntry prints p.entry, which p.u has read.
func (p *Printer) jsonEntry(rec *mrt.Record, c *mrt.Content, e *bgp.Elem) {
	p.jsonHead(rec, c, p.u.Faults, p.entry.Originated)
	if e.Kind == bgp.RIB {
		p.jsonAttributes(c.Opts.AS4, e.Origin)
	}
	hop, linkLocal, _ := p.u.NextHop(e.Prefix.IsV6())
	p.jsonElem(e, rec.Type == mrt.TypeTableDumpV2 && rec.Subtype >= 8, hop, linkLocal)
}

func (p *Printer) jsonElem(e *bgp.Elem, ids bool, hop, linkLocal netip.Addr) {
	b := append(p.buf, `{"type":"`...)
	b = append(b, e.Kind.String()...)
	b = append(b, '"')
	b = append(b, p.parts.head...)
	b = append(b, `,"prefix":"`...)
	b = append(e.Prefix.Netip().AppendTo(b), '"')
	if ids {
		b = append(b, `,"path_id":`...)
		b = appendUint(b, e.PathID)
	}
	if e.Kind != bgp.Withdraw {
		b = append(b, p.parts.path...)
		b = appendAddrKey(b, `,"next_hop":"`, hop)
		b = appendAddrKey(b, `,"link_local":"`, linkLocal)
		b = append(b, p.parts.rest...)
	}
	if e.Cause != bgp.CauseNone {
		b = append(b, `,"cause":"`...)
		b = append(append(b, e.Cause.String()...), '"')
	}
	p.buf = append(b, p.parts.tail...)
	p.line()
}

func appendAddrKey(b []byte, key string, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return append(a.AppendTo(append(b, key...)), '"')
}

func (p *Printer) jsonState(rec *mrt.Record, c *mrt.Content) {
	p.jsonHead(rec, c, 0, 0)
	b := append(p.buf, `{"type":"state"`...)
	b = append(b, p.parts.head...)
	b = append(b, `,"old_state":"`...)
	b = append(b, c.OldState.String()...)
	b = append(b, `","new_state":"`...)
	b = append(append(b, c.NewState.String()...), '"')
	p.buf = append(b, p.parts.tail...)
	p.line()
}

func (p *Printer) jsonControl(rec *mrt.Record, c *mrt.Content, m *control) {
	p.jsonHead(rec, c, 0, 0)
	b := append(p.buf, `{"type":"`...)
	b = append(append(b, m.typ...), '"')
	b = append(b, p.parts.head...)
	switch m.typ {
	case "open":
		b = append(b, `,"version":`...)
		b = appendUint(b, m.open.Version)
		b = append(b, `,"as":`...)
		b = appendUint(b, m.open.AS)
		b = append(b, `,"hold_time":`...)
		b = appendUint(b, m.open.HoldTime)
		b = appendAddrKey(b, `,"bgp_id":"`, m.open.ID)
		if len(m.open.Capabilities) > 0 {
			b = append(b, `,"capabilities":`...)
			b = appendCapabilities(b, m.open.Capabilities)
		}
	case "notification":
		b = append(b, `,"code":`...)
		b = appendUint(b, m.code)
		b = append(b, `,"subcode":`...)
		b = appendUint(b, m.subcode)
		b = append(b, `,"error":`...)
		b = appendString(b, wire.NotificationText(m.code, m.subcode))
		if text, ok := wire.ShutdownCommunication(m.code, m.subcode, m.data); ok && text != "" {
			b = append(b, `,"shutdown_communication":`...)
			b = appendString(b, text)
		}
	case "route_refresh":
		b = append(b, `,"afi":`...)
		b = appendUint(b, m.family.AFI)
		b = append(b, `,"safi":`...)
		b = appendUint(b, m.family.SAFI)
	}
	p.buf = append(b, p.parts.tail...)
	p.line()
}

func appendCapabilities(b []byte, list []wire.Capability) []byte {
	for i, c := range list {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = appendUint(b, c.Code)
		if len(c.Value) > 0 {
			b = append(b, `,"value":"`...)
			b = append(appendHex(b, c.Value), '"')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
