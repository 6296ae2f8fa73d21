package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/store/sqlite"
)

// watcherOutside counts what a heartbeat asks of it, and keeps the ends of the watchdog alert.
type watcherOutside struct {
	mu    sync.Mutex
	beats int
	ends  time.Time
}

func (o *watcherOutside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.URL.Path == "/ping/very-secret" {
		o.beats++
		return
	}
	var list []struct {
		Labels map[string]string
		EndsAt time.Time
	}
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &list) == nil && len(list) == 1 && list[0].Labels["alertname"] == "corewatch_watchdog" && r.Header.Get("Authorization") == "Bearer very-secret-token" {
		o.ends = list[0].EndsAt
	}
}

func (o *watcherOutside) said() (beats int, ends time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.beats, o.ends
}

// lockStore keeps everybody from writing the store of a folder, as a disk that hangs would: the lock of a writer, SQLite's byte 120 of the shared
// memory, is taken by an open file of ours. It gives what lets go of it.
func lockStore(t *testing.T, dir string) func() {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, sqlite.FileName+"-shm"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const ofdSetLock = 37 // F_OFD_SETLK: unlike the older kind it holds against the process that took it, too
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		err := syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: syscall.F_WRLCK, Start: 120, Len: 1})
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOperated: a running monitor beats while it watches, stops when its engine hangs, and goes on with it; a signal brings other subscriptions into force
// and the journal, a configuration that cannot be used does not, and operators and /healthz say so until one can; no secret is anywhere.
func TestOperated(t *testing.T) {
	outside := &watcherOutside{}
	srv := httptest.NewServer(outside)
	defer srv.Close()
	oncall, op := newOperator(t, "reload", "stalled")
	desk, c := newReceiver(t)
	dir, data, folder := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	record, err := mrt.AppendMessage(nil, bgp.Micros(time.Now().UnixMicro()), mrt.Envelope{PeerAS: 64496, LocalAS: 64499, PeerAddr: netip.MustParseAddr("192.0.2.7"), AS2: true}, hexMessage(t, goodUpdate))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "updates.1"), record, 0o600); err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("sources: [{collector: rc9, folder: %s}]\nclock: {chrony: false}\nheartbeat: {every_s: 1, stalled_after_s: 2, urls: [{url_file: %s, method: POST}], alertmanagers: [{url: '%s', token_file: %s}]}\n",
		folder, write("ping", srv.URL+"/ping/very-secret\n"), srv.URL, write("token", "very-secret-token\n"))
	hook := func(name string, w string) string {
		return fmt.Sprintf("    - {receiver: %s, %s}\n", name, w)
	}
	first := base + "alerts:\n  operator:\n" + hook("oncall", fmt.Sprintf("kinds: [reload, stalled], webhook: {url: '%s', secret_file: %s, key_file: %s}", op.Webhook.URL, op.Webhook.SecretFile, op.Webhook.KeyFile))
	second := first + "  subscriptions:\n" + hook("desk-of-somebody", fmt.Sprintf("kinds: [outage], webhook: {url: '%s', secret_file: %s, key_file: %s}", c.Alerts.Subscriptions[0].Webhook.URL, c.Alerts.Subscriptions[0].Webhook.SecretFile, c.Alerts.Subscriptions[0].Webhook.KeyFile))
	file := write("corewatch.yaml", first)

	log := &logText{}
	var whole logText
	again, ended, ready := make(chan os.Signal, 1), make(chan error, 1), make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	m := Monitor{Config: file, Listen: "127.0.0.1:0", Data: data, Reload: again, Out: io.Discard, Log: zerolog.New(io.MultiWriter(log, &whole)), Ready: func(a string) { ready <- a }}
	go func() { ended <- m.Run(ctx) }()
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		for limit := time.Now().Add(40 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("the monitor ended while %s: %v", what, err)
			default:
			}
			if time.Now().After(limit) {
				t.Fatalf("not in time: %s; %s", what, whole.b.String())
			}
		}
	}
	watching := func() int { code, _ := get(t, addr, "/healthz/watching"); return code }

	await("it beats", func() bool { n, ends := outside.said(); return n >= 2 && ends.After(time.Now()) })
	if code := watching(); code != 200 {
		_, body := get(t, addr, "/healthz/watching")
		t.Errorf("/healthz/watching gives %d: %s", code, body)
	}

	if _, body := get(t, addr, "/metrics"); !strings.Contains(body, "corewatch_app_watching 1") || !strings.Contains(body, `corewatch_app_troubles{kind="reload"} 0`) {
		t.Error("/metrics does not say so")
	}

	write("corewatch.yaml", second+"nonsense: 1\n")
	again <- syscall.SIGHUP
	log.await(t, "changed nothing")
	await("operators are told", func() bool { oncall.mu.Lock(); defer oncall.mu.Unlock(); return len(oncall.order) == 1 })
	if _, body := get(t, addr, "/healthz"); !strings.Contains(body, `"kind":"reload"`) {
		t.Errorf("/healthz does not say so: %s", body)
	}
	if _, body := get(t, addr, "/health"); !strings.Contains(body, "A changed configuration cannot be used") || strings.Contains(body, dir) {
		t.Error("/health does not say so, or says where")
	}
	write("corewatch.yaml", second)
	again <- syscall.SIGHUP
	log.await(t, "2 receivers from now on, before that 1")
	await("operators are told its end", func() bool { oncall.mu.Lock(); defer oncall.mu.Unlock(); return len(oncall.order) == 2 })
	if got := kinds(oncall.arrived()); got != "confirmed reload, over reload" {
		t.Errorf("operators were told %q", got)
	}

	free := lockStore(t, data)
	await("its engine hangs", func() bool { return watching() == 503 })
	before, ends := outside.said()
	time.Sleep(2500 * time.Millisecond)
	if n, later := outside.said(); n > before+1 || later.After(ends.Add(1500*time.Millisecond)) { // one may have been on its way
		t.Errorf("with a hung engine it beat %d times", n-before)
	}
	if code, _ := get(t, addr, "/healthz"); code != 200 {
		t.Errorf("/healthz gives %d: what is stored can still be read", code)
	}
	free()
	before, _ = outside.said()
	await("it beats again", func() bool { n, _ := outside.said(); return n >= before+2 })

	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := desk.arrived(); got != "" {
		t.Errorf("the desk was told %q", got)
	}
	followed, err := collect.Follow(filepath.Join(data, liveFolder))
	if err != nil {
		t.Fatal(err)
	}
	defer followed.Close()
	var texts []string
	e, err := followed.Next()
	for ; err == nil; e, err = followed.Next() {
		if e.Kind == order.Control && e.Name == controlSubscriptions {
			texts = append(texts, e.Text)
		}
	}
	if len(texts) != 2 || !strings.HasPrefix(texts[1], `{"receivers":2,"sha256":"`) {
		t.Errorf("the journal has %q", texts)
	}
	for what, text := range map[string]string{"the journal": strings.Join(texts, " "), "the log": whole.b.String()} {
		for _, secret := range []string{"very-secret", "hook/token", "0123456789abcdef-secret"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells %s: %s", what, secret, text)
			}
		}
	}
	if strings.Contains(strings.Join(texts, " "), "desk") {
		t.Errorf("the journal names receivers: %q", texts)
	}
}
