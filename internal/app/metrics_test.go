package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// An announcement of 10.1.0.0/16 by AS64501 through AS64496, whole and with an ORIGIN of 7 (RFC 7606 section 7.1).
const (
	goodUpdate = "ffffffffffffffffffffffffffffffff00300200000014400101004002060202fbf0fbf5400304c000020110" + "0a01"
	badUpdate  = "ffffffffffffffffffffffffffffffff00300200000014400101074002060202fbf0fbf5400304c000020110" + "0a01"
)

func hexMessage(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	b[16], b[17] = 0, byte(len(b))
	return b
}

// TestLiveFigures: what the monitor receives stands in /metrics, on /health and in /healthz a moment later, not at the next checkpoint.
func TestLiveFigures(t *testing.T) {
	folder, data := t.TempDir(), t.TempDir()
	var file []byte
	recorded := bgp.Micros(time.Now().Add(-10 * time.Second).UnixMicro())
	for _, text := range []string{goodUpdate, goodUpdate, badUpdate} {
		var err error
		env := mrt.Envelope{PeerAS: 64496, LocalAS: 64499, PeerAddr: netip.MustParseAddr("192.0.2.7"), AS2: true}
		if file, err = mrt.AppendMessage(file, recorded, env, hexMessage(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(data, "corewatch.yaml")
	for name, text := range map[string]string{
		filepath.Join(folder, "updates.1"): string(file), config: "sources:\n  - collector: rc9\n    folder: " + folder + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	m := Monitor{Config: config, Listen: "127.0.0.1:0", Data: data, Out: io.Discard, Log: zerolog.Nop(), Ready: func(addr string) { ready <- addr }}
	go func() { ended <- m.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	var body string
	for end := time.Now().Add(time.Minute); !strings.Contains(body, "corewatch_live_peer_up") || !strings.Contains(body, "corewatch_ledger_checkpoint_age_seconds"); time.Sleep(100 * time.Millisecond) {
		if _, body = get(t, addr, "/metrics"); time.Now().After(end) {
			t.Fatal(body)
		}
	}
	for _, want := range []string{
		`corewatch_live_received_records_total{collector="rc9"} 3`,
		fmt.Sprintf(`corewatch_live_received_bytes_total{collector="rc9"} %d`, len(file)),
		`corewatch_live_gaps_total{collector="rc9"} 0`,
		`corewatch_live_silent{collector="rc9"} 0`,
		`corewatch_live_peer_messages_total{collector="rc9",peer="AS64496 192.0.2.7"} 3`,
		`corewatch_live_rfc7606_messages_total{cause="origin"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is not among the metrics", want)
		}
	}
	for what, within := range map[string][2]float64{
		`live_lag_seconds{collector="rc9"}`: {10, 40}, `live_last_message_age_seconds{collector="rc9"}`: {0, 60},
		`live_peer_lag_seconds{collector="rc9",peer="AS64496 192.0.2.7"}`: {10, 40},
		`ledger_writable`: {1, 1}, `ledger_waiting_records`: {0, 100}, `ledger_checkpoint_age_seconds`: {0, 60}, `ledger_records`: {2, 100},
		`live_segments_bytes`: {0, 1e6}, `live_journal_entries`: {8, 1e3}, `live_journal_commits_total`: {1, 100}, `live_journal_bytes`: {10, 1e6},
	} {
		var v float64
		found := regexp.MustCompile(`(?m)^corewatch_` + regexp.QuoteMeta(what) + ` (\S+)$`).FindStringSubmatch(body)
		if found == nil {
			t.Errorf("no %s", what)
		} else if _, err := fmt.Sscan(found[1], &v); err != nil || v < within[0] || v > within[1] {
			t.Errorf("%s is %s", what, found[1])
		}
	}
	if code, page := get(t, addr, "/healthz"); code != http.StatusOK || !strings.Contains(page, `"live":{"feeds":[{"name":"rc9"`) || !strings.Contains(page, `"rfc7606":{"origin":1}`) || !strings.Contains(page, `"ledger":{"origin":"corewatch/`) {
		t.Errorf("%d %s", code, page)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // the store is told each 10 s
		_, page := get(t, addr, "/health")
		if regexp.MustCompile(`<th scope="row">rc9 <small></small></th><td>[^<]*</td><td>1</td><td>3</td>`).MatchString(page) && strings.Contains(page, "Live feeds") && strings.Contains(page, "records under a signed checkpoint") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not on /health:\n%s", page)
		}
	}
}

// TestMetersAreBounded: who sends invented collectors and sessions gets no series for each, and no name breaks the exposition.
func TestMetersAreBounded(t *testing.T) {
	m := newMeter()
	for i := range 3 * maxPeerMeters {
		name := fmt.Sprintf("rc\xff\n\"%d", i)
		m.received(name, 10, 1, 1)
		m.heard(bgp.Peer{Collector: name, AS: uint32(i), Addr: netip.MustParseAddr("192.0.2.1")}, 1, 1)
	}
	l := m.copy()
	reg := prometheus.NewRegistry()
	reg.MustRegister(newMetrics(&demonstration{conf: conf.Default()}, func() *web.LiveStatus { return l }))
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := uint64(0)
	for _, f := range l.Feeds {
		all += f.Messages
	}
	series := 0
	for _, f := range list {
		series += len(f.Metric)
	}
	if len(l.Feeds) != maxFeedMeters+1 || len(l.Peers) != maxPeerMeters || all != 3*maxPeerMeters || series > 6*(maxFeedMeters+1)+4*maxPeerMeters+50 {
		t.Errorf("%d feeds, %d sessions, %d messages, %d series", len(l.Feeds), len(l.Peers), all, series)
	}
}
