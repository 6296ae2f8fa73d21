package export

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
)

// store is a Source in memory. The messages in it are real MRT records of real BGP UPDATEs, made octet by octet.
type store struct {
	inc      *detect.Incident
	revs     []*detect.Incident
	members  []detect.Member
	samples  []detect.Sample
	messages []bgp.Message
	inputs   []bgp.Input
	peers    []bgp.PeerStatus

	reads  int                             // calls of Incident
	change func(n int, i *detect.Incident) // applied to the copy that call n of Incident returns
	miss   int                             // added to the count that Messages returns
}

var errNone = errors.New("no such incident")

func (s *store) Incident(_ context.Context, id string) (*detect.Incident, error) {
	if id != s.inc.ID {
		return nil, errNone
	}
	s.reads++
	c := *s.inc
	if s.change != nil {
		s.change(s.reads, &c)
	}
	return &c, nil
}

func (s *store) Revision(_ context.Context, id string, n int) (*detect.Incident, error) {
	if id != s.inc.ID || n < 1 || n > len(s.revs) {
		return nil, errNone
	}
	return s.revs[n-1], nil
}

func (s *store) Members(context.Context, string) ([]detect.Member, error) { return s.members, nil }

func (s *store) Samples(_ context.Context, entity, signal string, from, until time.Time) ([]detect.Sample, error) {
	var out []detect.Sample
	for _, p := range s.samples {
		if p.Entity == entity && p.Signal == signal && !p.At.Before(from) && p.At.Before(until) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *store) Messages(_ context.Context, _ string, yield func(bgp.Message) error) (int, error) {
	buf := make([]byte, 0, 4096) // one buffer for all, as a real store may do
	for n, m := range s.messages {
		buf = append(buf[:0], m.Raw...)
		m.Raw = buf
		if err := yield(m); err != nil {
			return n, err
		}
	}
	return len(s.messages) + s.miss, nil
}

func (s *store) Inputs(context.Context) ([]bgp.Input, error)     { return s.inputs, nil }
func (s *store) Peers(context.Context) ([]bgp.PeerStatus, error) { return s.peers, nil }

// withdrawal is a record that withdraws.
func withdrawal(at uint32, peer bgp.Peer, prefix netip.Prefix) []byte {
	return record(at, peer, prefix.String(), true)
}

// record is a BGP4MP_MESSAGE record (RFC 6396 section 4.4.2) of an UPDATE (RFC 4271 section 4.3) that withdraws or announces one IPv4
// prefix.
func record(at uint32, peer bgp.Peer, text string, withdraw bool) []byte {
	be := binary.BigEndian
	prefix := netip.MustParsePrefix(text)
	addr, local, net := peer.Addr.As4(), [4]byte{198, 51, 100, 1}, prefix.Addr().As4()
	routes := append([]byte{byte(prefix.Bits())}, net[:(prefix.Bits()+7)/8]...)
	var fields []byte
	if withdraw {
		fields = be.AppendUint16(append(be.AppendUint16(nil, uint16(len(routes))), routes...), 0)
	} else {
		// ORIGIN IGP, AS_PATH of the peer alone, NEXT_HOP the peer.
		attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, byte(peer.AS >> 8), byte(peer.AS), 0x40, 3, 4, addr[0], addr[1], addr[2], addr[3]}
		fields = append(be.AppendUint16([]byte{0, 0}, uint16(len(attrs))), append(attrs, routes...)...)
	}
	var message []byte
	for range 16 {
		message = append(message, 0xff)
	}
	message = append(be.AppendUint16(message, uint16(16+2+1+len(fields))), 2)
	message = append(message, fields...)

	var body []byte
	body = be.AppendUint16(body, uint16(peer.AS))
	body = be.AppendUint16(body, 64511)
	body = be.AppendUint16(body, 0)
	body = be.AppendUint16(body, 1)
	body = append(append(body, addr[:]...), local[:]...)
	body = append(body, message...)

	var rec []byte
	rec = be.AppendUint32(rec, at)
	rec = be.AppendUint16(rec, 16)
	rec = be.AppendUint16(rec, 1)
	rec = be.AppendUint32(rec, uint32(len(body)))
	return append(rec, body...)
}

func at(s string) detect.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return detect.At(t)
}

func micros(s string) bgp.Micros { return bgp.MicrosOf(at(s).Time) }

// closed is a small incident in documentation address space, over, with two prefixes and two messages.
func closed() *store {
	digits := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	first := bgp.Peer{Collector: "route-views2", AS: 64501, Addr: netip.MustParseAddr("203.0.113.1")}
	second := bgp.Peer{Collector: "route-views2", AS: 64502, Addr: netip.MustParseAddr("203.0.113.2")}
	s := &store{
		inputs: []bgp.Input{
			{Name: "updates.20080221.0315.bz2", Collector: "route-views2", Project: "RouteViews", SHA256: digits, Bytes: 1234, Format: "bzip2", Elems: 10, First: micros("2008-02-21T03:15:00Z"), Last: micros("2008-02-21T03:29:59Z"), Parsed: 9, Skipped: 1},
			{Name: "=cmd.bz2", Collector: "@route-views2", SHA256: digits, Bytes: 1, Format: "plain", Malformed: 1},
		},
		peers: []bgp.PeerStatus{
			{Peer: second, State: "up", Since: micros("2008-02-21T03:00:00Z"), LastMessage: micros("2008-02-21T03:29:59Z"), Messages: 7, Withdrawals: 1, KnownV4: 250000, FullFeed: true},
			{Peer: first, State: "stale", Since: micros("2008-02-21T03:25:00Z"), LastMessage: micros("2008-02-21T03:20:02Z"), Messages: 5, Withdrawals: 1, Note: "silent,\nsaid \"nothing\""},
		},
		members: []detect.Member{
			{Prefix: "192.0.2.0/24", Origin: 64496, MovedFrom: 64497, Units: 1, FirstWithdrawal: at("2008-02-21T03:20:22Z"), FirstPeer: second.String(), LostAt: at("2008-02-21T03:21:30Z"), BackAt: at("2008-02-21T05:27:50Z"), Withdrawn: 36, Expected: 39},
			{Prefix: "192.0.0.0/23", Units: 2, Deaggregated: true, FirstWithdrawal: at("2008-02-21T03:20:02Z"), FirstPeer: first.String(), LostAt: at("2008-02-21T03:21:36Z"), Withdrawn: 39, Expected: 39},
		},
	}
	for n, m := range []struct {
		at     string
		peer   bgp.Peer
		prefix string
	}{{"2008-02-21T03:20:02Z", first, "192.0.0.0/23"}, {"2008-02-21T03:20:22Z", second, "192.0.2.0/24"}} {
		raw := withdrawal(uint32(at(m.at).Unix()), m.peer, netip.MustParsePrefix(m.prefix))
		s.messages = append(s.messages, bgp.Message{Seq: uint64(100 + n), At: micros(m.at), Peer: m.peer, Source: bgp.Source{Offset: int64(500 * n), File: 0, Length: uint32(len(raw))}, Raw: raw})
	}
	for _, t := range []string{"2008-02-21T06:27:49Z", "2008-02-21T01:20:01Z", "2008-02-21T01:20:02Z", "2008-02-21T03:21:36Z", "2008-02-21T06:27:50Z"} {
		s.samples = append(s.samples, detect.Sample{Entity: "country:PK", Signal: "bgp.v4", At: at(t), Expected: 5120, Lost: 710, Unobservable: 310, Prefixes: 1374, LostPrefixes: 153, Voting: 39, NoData: t == "2008-02-21T06:27:49Z"})
	}
	var d evidence.Digest
	for _, m := range s.messages {
		d.Add(m.Raw)
	}
	rev := []detect.Revision{
		{Revision: 1, At: at("2008-02-21T03:21:36Z"), State: detect.Suspected, Change: "opened"},
		{Revision: 2, At: at("2008-02-21T05:42:51Z"), State: detect.Closed, Change: "closed", Reason: "announced again for 15 min"},
	}
	entity := detect.Entity{Type: "country", Code: "PK", Name: "Pakistan"}
	open := &detect.Incident{
		V: 1, ID: "PK-20080221T0321Z-k3f2q2xa", Revision: 1, Data: detect.Archive, Kind: detect.Outage, State: detect.Suspected, Severity: 2,
		Entity: entity, Title: "Pakistan: 153 of 1374 prefixes", PublicCore: []string{"routing"},
		Start:       detect.Interval{Time: at("2008-02-21T03:20:22Z"), Earliest: at("2008-02-21T03:20:02Z"), Latest: at("2008-02-21T03:21:36Z")},
		SuspectedAt: at("2008-02-21T03:21:36Z"),
		Coverage:    detect.Coverage{Level: "reduced", Because: []string{"single_collector", "learning"}},
		Method:      detect.Method{Name: "expected-peers", Version: "1", ConfigSHA256: digits, Software: "corewatch test"},
		Sources:     []detect.Source{{Name: "RouteViews", Collector: "route-views2", Licence: "CC-BY-4.0", Attribution: "University of Oregon\x1b[31m RouteViews"}},
		Revisions:   rev[:1],
	}
	over := *open
	over.Revision, over.State, over.Severity, over.Revisions = 2, detect.Closed, 3, rev
	over.Peak = &detect.Moment{Time: at("2008-02-21T03:40:00Z")}
	over.End = &detect.Interval{Time: at("2008-02-21T05:27:50Z"), Earliest: at("2008-02-21T05:27:40Z"), Latest: at("2008-02-21T05:27:50Z")}
	over.ConfirmedAt, over.ClosedAt = at("2008-02-21T03:24:36Z"), at("2008-02-21T05:42:51Z")
	over.Signals = []detect.Signal{{Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: 4410, Unobservable: 310, At: at("2008-02-21T03:40:00Z"), LostShare: 0.13867, Prefixes: detect.PrefixCount{Expected: 1374, Lost: 153}, ASNs: detect.VantageCount{Expected: 40, Voting: 39, Masked: 1, Needed: 10}}}
	over.Episodes = []detect.Episode{{Start: at("2008-02-21T03:21:36Z"), PeakLostShare: 0.13867, End: at("2008-02-21T05:27:50Z")}}
	over.Evidence = &detect.Evidence{Messages: 2, SHA256: d.Sum()}
	s.inc, s.revs = &over, []*detect.Incident{open, &over}
	return s
}

// made is the same incident with messages that nobody received and that come from no file.
func made(d detect.Data) *store {
	s := closed()
	s.inc.Data, s.revs[0].Data, s.inputs = d, d, nil
	for n := range s.messages {
		s.messages[n].Source = bgp.Source{}
	}
	return s
}
