package app

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// receiver is an HTTP receiver that honours the idempotency key, checks every signature, and misbehaves as told.
type receiver struct {
	t      *testing.T
	secret []byte
	key    ed25519.PublicKey

	mu     sync.Mutex
	seen   map[string]string // by key: the event
	order  []string          // "type subject" of what is new
	times  int
	answer func(n int, w http.ResponseWriter) (took, hangUp bool) // nil: 204
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	id := q.Header.Get("Idempotency-Key")
	signed := []byte(q.Header.Get("Corewatch-Timestamp") + "." + id + "." + string(body))
	mac := hmac.New(sha256.New, r.secret)
	mac.Write(signed)
	first, second, _ := strings.Cut(q.Header.Get("Corewatch-Signature"), ", ")
	if first != "hmac-sha256="+hex.EncodeToString(mac.Sum(nil)) {
		r.t.Errorf("the first signature does not hold: %s", first)
	}
	if sig, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(second, "ed25519=")); err != nil || !ed25519.Verify(r.key, signed, sig) {
		r.t.Errorf("the second signature does not hold: %s", second)
	}
	took, hangUp := true, false
	if r.answer != nil {
		took, hangUp = r.answer(r.times, w)
	}
	if !took {
		return
	}
	if hangUp {
		defer panic(http.ErrAbortHandler)
	}
	if was, ok := r.seen[id]; ok {
		if was != string(body) {
			r.t.Errorf("%s came again with other octets", id)
		}
		return
	}
	var e struct {
		Type, Subject, SpecVersion string
		Data                       struct{ Line, Text string }
	}
	if err := json.Unmarshal(body, &e); err != nil || e.SpecVersion != "1.0" || e.Data.Line == "" || e.Data.Text == "" {
		r.t.Errorf("%v: %s", err, body)
	}
	r.seen[id] = string(body)
	r.order = append(r.order, strings.TrimPrefix(e.Type, "org.corewatch.incident.")+" "+e.Subject)
}

func newReceiver(t *testing.T) (*receiver, conf.Config) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret, key := filepath.Join(dir, "secret"), filepath.Join(dir, "key.pem")
	for name, text := range map[string][]byte{secret: []byte("0123456789abcdef-secret\n"), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &receiver{t: t, secret: []byte("0123456789abcdef-secret"), key: public, seen: map[string]string{}}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	c, err := conf.Parse(fmt.Appendf(nil, "alerts:\n  per_hour: 3600\n  subscriptions:\n    - receiver: desk\n      stage: suspected\n      webhook: {url: '%s/hook/token', secret_file: %s, key_file: %s}\n", srv.URL, secret, key))
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

// outage stores one revision of an incident of live data.
func storeOutage(t *testing.T, s *sqlite.Store, n, revision int, state detect.State) {
	t.Helper()
	at := detect.At(time.Date(2030, 1, 1, 0, 0, revision, 0, time.UTC))
	in := &detect.Incident{
		V: 1, ID: fmt.Sprintf("XA-%04d", n), Data: detect.Live, Kind: detect.Outage, State: state, Severity: 2, Revision: revision, PublicCore: []string{"routing"},
		Entity: detect.Entity{Type: "network", Code: fmt.Sprintf("AS%d", 64512+n)}, Start: detect.Interval{Time: at}, Coverage: detect.Coverage{Level: "full"},
		Revisions: []detect.Revision{{Revision: revision, At: at, State: state, Change: string(state)}},
	}
	if state != detect.Suspected {
		in.ConfirmedAt = at
	}
	if err := s.SaveRevision(t.Context(), in, nil); err != nil {
		t.Fatal(err)
	}
}

// TestAlertsArriveOnce: whatever a receiver does, and wherever the process dies, each revision that is news arrives, once for a receiver that
// honours the key, in order; what a receiver refuses for good is listed.
func TestAlertsArriveOnce(t *testing.T) {
	r, c := newReceiver(t)
	r.answer = func(n int, w http.ResponseWriter) (took, hangUp bool) {
		switch n % 5 {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
			return false, false
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return false, false
		case 3: // takes it, and hangs up before it says so
			return true, true
		}
		return true, false
	}
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { store.Close() }()
	open := func() *alerts.Dispatcher {
		d, err := newDispatcher(c, store, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		d.Hold = time.Nanosecond
		if _, err := d.Decide(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	now := time.Now()
	var want []string
	round := func() {
		now = now.Add(time.Hour) // past every pause
		for range 2 {
			if _, err := d.Decide(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second)
		}
		if err := d.Send(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		d.Wait()
	}
	for n := range 12 {
		for revision, state := range []detect.State{detect.Suspected, detect.Confirmed, detect.Closed} {
			storeOutage(t, store, n, revision+1, state)
			word := map[detect.State]string{detect.Suspected: "suspected", detect.Confirmed: "confirmed", detect.Closed: "over"}[state]
			want = append(want, fmt.Sprintf("%s XA-%04d", word, n))
			round()
			if n%4 == 3 && revision == 1 { // a new process, with nothing but the store
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
				if store, err = sqlite.Open(t.Context(), dir); err != nil {
					t.Fatal(err)
				}
				d = open()
			}
			for range 8 {
				if w, err := store.Waiting(t.Context(), "", 1); err != nil {
					t.Fatal(err)
				} else if len(w) == 0 {
					break
				}
				round()
			}
		}
	}
	r.mu.Lock()
	got := strings.Join(r.order, "\n")
	r.mu.Unlock()
	if got != strings.Join(want, "\n") {
		t.Errorf("arrived\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	// Refused for good.
	r.mu.Lock()
	r.answer = func(_ int, w http.ResponseWriter) (took, hangUp bool) {
		w.WriteHeader(http.StatusGone)
		return false, false
	}
	r.mu.Unlock()
	storeOutage(t, store, 99, 1, detect.Suspected)
	round()
	dead, err := store.DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Note, "410") || strings.Contains(dead[0].Note, "token") {
		t.Errorf("%+v %v", dead, err)
	}
}

// TestAlertSecrets: neither a receiver's address nor its secret is in the configuration as printed with their files, in errors or in logs.
func TestAlertSecrets(t *testing.T) {
	_, c := newReceiver(t)
	var log logText
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte("http://127.0.0.1:1/very-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Alerts.Subscriptions[0].Webhook.URL, c.Alerts.Subscriptions[0].Webhook.URLFile = "", url
	d, err := newDispatcher(c, store, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	d.Hold = time.Nanosecond
	if _, err := d.Decide(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	storeOutage(t, store, 1, 1, detect.Suspected)
	now := time.Now()
	for range 2 {
		if _, err := d.Decide(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	if err := d.Send(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	d.Wait()
	w, err := store.Waiting(t.Context(), "desk", 10)
	if err != nil || len(w) != 1 || w[0].Attempts != 1 || w[0].Note == "" {
		t.Fatalf("%+v %v", w, err)
	}
	for what, text := range map[string]string{"the note": w[0].Note, "the log": log.b.String()} {
		if strings.Contains(text, "very-secret") || strings.Contains(text, "0123456789abcdef") {
			t.Errorf("%s tells: %s", what, text)
		}
	}
	if !strings.Contains(log.b.String(), "not delivered to desk yet") {
		t.Errorf("the log does not tell of it: %s", log.b.String())
	}
}
