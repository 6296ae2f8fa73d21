package web

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// testLive are figures with every part, one of them with a hostile name.
func testLive() *LiveStatus {
	at := bgp.Micros(utc("21 09:00:00").Time.UnixMicro())
	return &LiveStatus{
		Notes: []string{"2 incidents are <i>no longer followed"},
		Feeds: []FeedStatus{
			{Name: "<b>rrc00", Last: at, Lag: 1_500_000, Messages: 1234567, Bytes: 99, Gaps: 2},
			{Name: "rrc01", Silent: true, Last: at},
			{Name: "rrc03"},
		},
		Peers: []PeerFigures{{Peer: bgp.Peer{Collector: "rrc00", AS: 64496, Addr: netip.MustParseAddr("192.0.2.1")}, State: "up", Messages: 5, Last: at, Lag: 7_000_000}},
		Clock: ClockStatus{State: "off", Offset: 2_500_000, From: "3 NTP servers"},
		Disk:  DiskStatus{Known: true, Low: true, Free: 1 << 30, Bound: 2 << 30}, Sessions: 1, Queues: []QueueStatus{{Source: "RIPE RIS Live", Memory: 12, Room: 100, Disk: 7, DiskMax: 1000, Spilled: 3, Lost: 4}},
		Faults: []Count{{"as-path", 11}}, Commits: 3, Entries: 4, JournalBytes: 5, SegmentBytes: 67890, Segments: 6,
	}
}

// TestLiveFigures: the page and the interface for machines tell how the watching goes, and how each session's does.
func TestLiveFigures(t *testing.T) {
	lib := pakistan("archive")
	lib.peers = append(lib.peers, bgp.PeerStatus{Peer: testLive().Peers[0].Peer, State: "up"})
	s := testServer(t, lib, nil)
	s.deps.Status = func() Status { st := testStatus(); st.Live = testLive(); return st }
	page := get(t, s.Handler(), "/health").Body.String()
	for _, want := range []string{
		"67,890 bytes of records in 6 files", "1,234,567", "&lt;b&gt;rrc00", ">silent<", ">nothing yet<", "as-path: 11", "12 of 100 bytes wait in memory and 7 of 1,000 on the disk", "<td>7\u00a0s</td>",
		"2 incidents are &lt;i&gt;no longer followed", "The clock of this machine is off by &#43;2.500",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	var got struct{ Live liveJSON }
	if err := json.Unmarshal(get(t, s.Handler(), "/healthz").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if l := got.Live; len(l.Feeds) != 3 || l.Feeds[0].Lag != 1.5 || !l.Feeds[1].Silent || l.Queues[0].Lost != 4 || l.Faults["as-path"] != 11 || l.Segments != 67890 || l.Clock.Offset != 2.5 || !l.Disk.Low || len(l.Notes) != 1 {
		t.Errorf("%+v", l)
	}
	if body := get(t, s.Handler(), "/healthz").Body.String(); !strings.Contains(page, "The disk is nearly full: 1,073,741,824 bytes are free") || !strings.Contains(body, `"reason":"the disk is nearly full"`) {
		t.Error("a disk that is nearly full is not told")
	}
	many := testLive()
	for i := range 150 {
		many.Feeds = append(many.Feeds, FeedStatus{Name: fmt.Sprint("rc", i)})
	}
	s.deps.Status = func() Status { st := testStatus(); st.Live = many; return st }
	if page := get(t, s.Handler(), "/health").Body.String(); !strings.Contains(page, "53 more are not listed here") || strings.Contains(page, "rc149") {
		t.Error("the list of feeds has no bound")
	}
}
