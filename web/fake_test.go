package web

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// memory is a Library in memory, for tests only.
type memory struct {
	list    []detect.Incident
	old     map[string][]detect.Incident
	members map[string][]detect.Member
	samples []detect.Sample
	peers   []bgp.PeerStatus
	inputs  []bgp.Input
	err     error
}

func (m *memory) Incidents(_ context.Context, q Query) ([]detect.Incident, string, error) {
	if m.err != nil {
		return nil, "", m.err
	}
	var out []detect.Incident
	for _, in := range m.list {
		if q.Entity != "" && in.Entity.Key() != q.Entity || len(q.Kinds) > 0 && !slices.Contains(q.Kinds, string(in.Kind)) ||
			len(q.States) > 0 && !slices.Contains(q.States, string(in.State)) || q.Data != "" && string(in.Data) != q.Data ||
			len(q.Kinds) == 0 && in.Kind == detect.MonitorFault || !q.From.IsZero() && in.Start.Time.Before(q.From) || !q.Until.IsZero() && !in.Start.Time.Before(q.Until) {
			continue
		}
		out = append(out, in)
	}
	skip := 0
	if q.Cursor != "" {
		if _, err := fmt.Sscanf(q.Cursor, "c%d", &skip); err != nil || skip > len(out) || skip < 0 {
			return nil, "", ErrCursor
		}
	}
	out = out[skip:]
	if q.Limit > 0 && len(out) > q.Limit {
		return out[:q.Limit], fmt.Sprintf("c%d", skip+q.Limit), nil
	}
	return out, "", nil
}

func (m *memory) Incident(_ context.Context, id string) (*detect.Incident, error) {
	for i := range m.list {
		if m.list[i].ID == id {
			return &m.list[i], nil
		}
	}
	return nil, fmt.Errorf("incident %q: %w", id, ErrNotFound)
}

func (m *memory) Revision(_ context.Context, id string, n int) (*detect.Incident, error) {
	for i := range m.old[id] {
		if m.old[id][i].Revision == n {
			return &m.old[id][i], nil
		}
	}
	return nil, fmt.Errorf("version %d: %w", n, ErrNotFound)
}

func (m *memory) Members(_ context.Context, id string) ([]detect.Member, error) {
	return m.members[id], nil
}

func (m *memory) Samples(_ context.Context, entity, signal string, from, until time.Time) ([]detect.Sample, error) {
	var out []detect.Sample
	for _, p := range m.samples {
		if p.Entity == entity && p.Signal == signal && !p.At.Before(from) && p.At.Before(until) {
			out = append(out, p)
		}
	}
	return out, m.err
}

func (m *memory) Latest(_ context.Context, signal string) ([]detect.Sample, error) {
	last := map[string]detect.Sample{}
	for _, p := range m.samples {
		if p.Signal == signal && !p.At.Before(last[p.Entity].At.Time) {
			last[p.Entity] = p
		}
	}
	var out []detect.Sample
	for _, p := range last {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b detect.Sample) int { return strings.Compare(a.Entity, b.Entity) })
	return out, m.err
}

func (m *memory) Peers(context.Context) ([]bgp.PeerStatus, error) { return m.peers, m.err }
func (m *memory) Inputs(context.Context) ([]bgp.Input, error)     { return m.inputs, m.err }

func utc(s string) detect.Time {
	t, err := time.Parse(time.DateTime, "2008-02-"+s)
	if err != nil {
		panic(err)
	}
	return detect.At(t)
}

const pakistanID = "PK-20080221T0321Z-k3f9q2xa"

// sizes are prefixes lost and known of the networks of the test's event. Counts are those that were measured over the
// route-views2 files of 2008-02-21; the prefixes themselves are of a range for tests (RFC 2544).
var sizes = []struct {
	as          uint32
	lost, known int
}{
	{17563, 39, 39}, {9940, 33, 41}, {17911, 28, 29}, {7590, 21, 26}, {38710, 12, 20}, {23966, 8, 14}, {23674, 6, 13}, {9260, 2, 9}, {9557, 1, 31}, {9387, 1, 18}, {24499, 1, 4}, {38547, 1, 3},
}

// pakistan is a library that holds one closed national outage with everything that hangs off it.
func pakistan(data detect.Data) *memory {
	m := &memory{old: map[string][]detect.Incident{}, members: map[string][]detect.Member{}}
	var voters []string
	for i := range 46 {
		as := uint32(3000 + 37*(i%40))
		p := bgp.Peer{Collector: "route-views2", AS: as, Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})}
		st := bgp.PeerStatus{Peer: p, State: "up", Since: bgp.MicrosOf(utc("19 12:09:00").Time), LastMessage: bgp.MicrosOf(utc("21 06:04:58").Time), Messages: 90000 + uint64(i)*811, Withdrawals: 20000, Duplicates: uint64(i * 7), KnownV4: 239000 + i*13, FullFeed: true}
		if i == 7 {
			st.State, st.Note, st.Faults = "mass-withdrawing", "172,468 prefixes withdrawn in a minute while the others agreed on 0.1 %", 2
		}
		m.peers = append(m.peers, st)
		if i%40 != 7 {
			voters = append(voters, p.String())
		}
	}
	n := 0
	var parts []detect.Part
	for _, z := range sizes {
		parts = append(parts, detect.Part{Entity: detect.Entity{Type: "network", Code: fmt.Sprintf("AS%d", z.as)}, Unit: "slash24", Lost: int64(z.lost * 5), Expected: int64(z.known * 5), Prefixes: z.lost})
		for k := range z.lost {
			at := utc("21 03:21:00").Add(time.Duration(n*2/3) * time.Second)
			first := at.Add(-time.Duration(20+n%31) * time.Second)
			if n == 0 {
				first = utc("21 03:20:02").Time
			}
			withdrawn := 39 - k%9
			if k == 0 {
				withdrawn = 39
			}
			back := utc("21 05:27:00").Add(time.Duration(n%50) * time.Second)
			mem := detect.Member{
				Prefix: fmt.Sprintf("198.%d.%d.0/%d", 18+n/128, n%128*2, 22+n%3), Origin: z.as, Units: int64(4 >> (n % 3)), Deaggregated: n%11 == 10,
				FirstWithdrawal: detect.At(first), FirstPeer: voters[n%7], LostAt: detect.At(at), BackAt: detect.At(back), Withdrawn: withdrawn, Expected: 39,
				History: []detect.Point{{At: utc("21 01:00:00"), Carried: 39, Expected: 39}, {At: detect.At(first), Carried: 38, Expected: 39}, {At: detect.At(at), Carried: 19, Expected: 39}, {At: detect.At(at.Add(40 * time.Second)), Carried: 39 - withdrawn, Expected: 39}, {At: detect.At(back.Add(-20 * time.Second)), Carried: 17, Expected: 39}, {At: detect.At(back), Carried: 39, Expected: 39}},
			}
			mem.Peers = append(mem.Peers, voters[:withdrawn+n%5]...)
			m.members[pakistanID] = append(m.members[pakistanID], mem)
			n++
		}
	}
	in := detect.Incident{
		V: 1, ID: pakistanID, Revision: 4, Data: data, Kind: detect.Outage, State: detect.Closed, Severity: 2, Entity: detect.Entity{Type: "country", Code: "PK", Name: "Pakistan"},
		Title: "Pakistan: 11 % of its observable IPv4 prefixes left the global routing table", PublicCore: []string{"routing"},
		Start: detect.Interval{Time: utc("21 03:20:22"), Earliest: utc("21 03:20:02"), Latest: utc("21 03:21:36")}, Peak: &detect.Moment{Time: utc("21 03:28:00")},
		End:         &detect.Interval{Time: utc("21 05:27:50"), Earliest: utc("21 05:27:02"), Latest: utc("21 05:28:10")},
		SuspectedAt: utc("21 03:21:51"), ConfirmedAt: utc("21 03:24:36"), ClosedAt: utc("21 05:42:50"),
		Signals:    []detect.Signal{{Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: 4410, Unobservable: 310, At: utc("21 03:28:00"), LostShare: 0.1387, Prefixes: detect.PrefixCount{Expected: 1374, Lost: 153, Deaggregated: 13, Unobservable: 22}, ASNs: detect.VantageCount{Expected: 40, Voting: 39, Masked: 1, Sessions: 46, Needed: 10}, Collectors: []string{"route-views2"}}},
		Parts:      parts,
		Coverage:   detect.Coverage{Level: "reduced", Because: []string{"single_collector", "learning"}},
		Method:     detect.Method{Name: "expected-peers", Version: "1", ConfigSHA256: strings.Repeat("5e", 32), Software: "corewatch 0.1.0"},
		References: []detect.Reference{{Name: "nro-delegated", Vintage: "2026-06-17", SHA256: strings.Repeat("a1", 32), Quality: "provisional", VintageGapDays: new(6690)}},
		Sources:    []detect.Source{{Name: "RouteViews", Collector: "route-views2", Licence: "CC-BY-4.0", Attribution: "University of Oregon RouteViews"}},
		Evidence:   &detect.Evidence{Messages: 8412, SHA256: strings.Repeat("9f2c41d8", 8)},
		Revisions:  []detect.Revision{{Revision: 1, At: utc("21 03:21:51"), State: detect.Suspected, Change: "opened", Reason: "loss of 3.4 % above the floor of 3 % for 15 s"}, {Revision: 2, At: utc("21 03:24:36"), State: detect.Confirmed, Change: "confirmed", Reason: "above the floor for 180 s, mean loss of the lost prefixes 0.97"}, {Revision: 3, At: utc("21 05:27:50"), State: detect.Recovering, Change: "recovering", Reason: "90 % of the members announced again"}, {Revision: 4, At: utc("21 05:42:50"), State: detect.Closed, Change: "closed", Reason: "announced again for 15 min"}},
	}
	for r := 1; r <= 4; r++ {
		o := in
		o.Revision, o.State, o.Revisions = r, in.Revisions[r-1].State, in.Revisions[:r]
		if r < 3 {
			o.End = nil
		}
		m.old[pakistanID] = append(m.old[pakistanID], o)
	}
	m.list = []detect.Incident{in}
	m.series("country:PK", 1374, 5120, 153, 710)
	for _, c := range []struct {
		code        string
		known, lost int32
	}{{"IN", 9120, 12}, {"AF", 61, 0}, {"IR", 880, 1}, {"CN", 5400, 9}, {"TM", 14, 0}, {"UZ", 120, 0}, {"TJ", 44, 3}, {"OM", 60, 0}, {"AE", 130, 0}, {"NP", 90, 0}, {"SA", 410, 2}} {
		m.series("country:"+c.code, c.known, int64(c.known)*4, c.lost, int64(c.lost)*4)
	}
	for t := utc("19 12:00:00").Time; t.Before(utc("21 06:00:00").Time); t = t.Add(15 * time.Minute) {
		m.inputs = append(m.inputs, bgp.Input{Name: t.Format("rv2008/updates.20060102.1504.bz2"), Collector: "route-views2", Project: "RouteViews", SHA256: strings.Repeat("0123456789abcdef", 4), Bytes: 1 << 20, Format: "bzip2", Elems: 120000, First: bgp.MicrosOf(t), Last: bgp.MicrosOf(t.Add(899 * time.Second)), Parsed: 60000})
	}
	return m
}

// series adds a day of samples with the test's event in it and a silence of the feed before.
func (m *memory) series(entity string, prefixes int32, units int64, lost int32, lostUnits int64) {
	from, until := utc("20 06:05:00").Time, utc("21 06:05:00").Time
	for t := from; t.Before(until); t = t.Add(time.Minute) {
		p := detect.Sample{Entity: entity, Signal: "bgp.v4", At: detect.At(t), Prefixes: prefixes, Expected: units, Voting: 39, Unobservable: 310}
		min := int(t.Sub(utc("21 03:20:00").Time) / time.Minute)
		f := 0.0
		switch {
		case min < 0:
		case min < 8:
			f = []float64{0.02, 0.5, 0.83, 0.9, 0.95, 0.97, 0.99, 0.99}[min]
		case min < 107:
			f = 1 - float64(min-8)*0.0011
		case min < 128:
			f = 0.81 - float64(min-107)*0.006
		case min < 130:
			f = 0.06
		default:
			f = 0.012
		}
		p.LostPrefixes, p.Lost = int32(f*float64(lost)), int64(f*float64(lostUnits))
		if t.Sub(utc("21 02:24:00").Time).Abs() <= 5*time.Minute {
			p.NoData, p.Voting = true, 0
		}
		if d := t.Sub(utc("21 04:40:00").Time); d >= 0 && d < 6*time.Minute {
			p.Voting = 37
		}
		m.samples = append(m.samples, p)
	}
}

var names = map[string]string{
	"country:PK": "Pakistan", "country:IN": "India", "country:AF": "Afghanistan", "country:IR": "Iran", "country:CN": "China", "country:TM": "Turkmenistan", "country:UZ": "Uzbekistan",
	"country:TJ": "Tajikistan", "country:OM": "Oman", "country:AE": "United Arab Emirates", "country:NP": "Nepal", "country:SA": "Saudi Arabia", "country:MT": "Malta", "country:SD": "Sudan",
	"country:KG": "Kyrgyzstan", "country:KZ": "Kazakhstan", "network:AS17563": "Nexlinx", "network:AS9940": "Cyber Internet Services", "network:AS17911": "Brain Telecommunication", "network:AS7590": "COMSATS", "network:AS38710": "Worldcall",
}

func testStatus() Status {
	return Status{
		Software: "corewatch 0.1.0", Commit: "09553ef", Started: utc("21 06:00:00").Time, Data: detect.Live, Phase: "watching",
		Sources: []SourceStatus{{Name: "RIPE RIS Live", State: "unreachable", Detail: "name lookup failed: no such host; trying again every 60 s"}, {Name: "BMP listener", State: "off", Detail: "not configured"}},
	}
}

func testServer(t testing.TB, live, demo Library) *Server {
	t.Helper()
	s, err := New(DefaultConfig(), Deps{Live: live, Demo: demo, Status: testStatus, Names: func(k string) string { return names[k] }, Log: zerolog.New(zerolog.NewTestWriter(t)), Evidence: func(_ context.Context, demo bool, id string, w io.Writer) error {
		_, err := fmt.Fprintf(w, "PK %v %s", demo, id)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
