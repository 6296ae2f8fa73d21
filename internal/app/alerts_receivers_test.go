package app

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// teller is a dispatcher of a configuration whose subscriptions are given, on a store of its own, with a clock that the test moves.
type teller struct {
	t     *testing.T
	store *sqlite.Store
	d     *alerts.Dispatcher
	now   time.Time
}

func newTeller(t *testing.T, more, subscriptions string) *teller {
	t.Helper()
	c, err := conf.Parse([]byte("alerts:\n" + more + "  subscriptions:\n" + subscriptions))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d, err := newDispatcher(c, store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	d.Hold = time.Nanosecond
	x := &teller{t, store, d, time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}
	x.decide()
	return x
}

func (x *teller) decide() {
	x.t.Helper()
	for range 2 {
		if _, err := x.d.Decide(x.t.Context(), x.now); err != nil {
			x.t.Fatal(err)
		}
		x.now = x.now.Add(time.Second)
	}
}

// send looks into the outbox once and waits for what came of it.
func (x *teller) send() {
	x.t.Helper()
	if err := x.d.Send(x.t.Context(), x.now); err != nil {
		x.t.Fatal(err)
	}
	x.d.Wait()
	x.now = x.now.Add(3 * time.Second)
}

// waiting says "occasion incident+..." of each message that waits.
func (x *teller) waiting() (out []string) {
	x.t.Helper()
	list, err := x.store.Waiting(x.t.Context(), "", 1000)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, o := range list {
		out = append(out, saidIn(&o.Message))
	}
	return out
}

func saidIn(m *alerts.Message) string {
	var ids []string
	for _, i := range m.Items {
		ids = append(ids, i.Incident.ID)
	}
	return string(m.Items[0].Occasion) + " " + strings.Join(ids, "+")
}

// hooks are webhook subscriptions, in the form of a configuration file, to URLs by receiver.
func hooks(t *testing.T, url map[string]string, more string) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for name, u := range url {
		fmt.Fprintf(&b, "    - {receiver: %s, %swebhook: {url: '%s/', secret_file: '%s'}}\n", name, more, u, secret)
	}
	return b.String()
}

// TestReceiversThatMisbehave: whatever a receiver does, it holds up nobody else and costs little; each message is delivered in the end, or in the list of what was given up.
func TestReceiversThatMisbehave(t *testing.T) {
	done := make(chan struct{})
	var poured atomic.Int64
	pour := func(w io.Writer, chunk string) {
		for range 1 << 14 { // 1 GiB if nobody stops it
			n, err := io.WriteString(w, chunk)
			if poured.Add(int64(n)); err != nil {
				return
			}
		}
	}
	raw := func(h func(c net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			h(c)
		}
	}
	chunk := strings.Repeat("x", 64<<10)
	ok := func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	var mu sync.Mutex
	asked, times := map[string]int{}, map[string]time.Time{}
	first := func(name string) bool { // its first message fails once
		mu.Lock()
		defer mu.Unlock()
		asked[name]++
		return asked[name] == 1
	}
	behaviour := map[string]http.HandlerFunc{
		"good":    func(w http.ResponseWriter, _ *http.Request) { first("good"); ok(w) },
		"hangs":   func(_ http.ResponseWriter, q *http.Request) { _, _ = io.Copy(io.Discard, q.Body); <-done },
		"busy":    nil,
		"fails":   nil,
		"hangsup": nil,
		"redirect": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); pour(w, chunk) },
		"headers": raw(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			pour(c, "X: "+chunk+"\r\n")
		}),
		"loris": raw(func(c net.Conn) {
			for {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if _, err := io.WriteString(c, "H"); err != nil {
					return
				}
			}
		}),
		"garbage": raw(func(c net.Conn) { _, _ = io.WriteString(c, "\x00\x01\x02 no HTTP\r\n\r\n") }),
	}
	behaviour["busy"] = func(w http.ResponseWriter, _ *http.Request) {
		if first("busy") {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		ok(w)
	}
	behaviour["fails"] = func(w http.ResponseWriter, _ *http.Request) {
		if first("fails") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		ok(w)
	}
	behaviour["hangsup"] = func(w http.ResponseWriter, _ *http.Request) {
		if first("hangsup") {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half of it")
			panic(http.ErrAbortHandler)
		}
		ok(w)
	}
	url := map[string]string{}
	for name, h := range behaviour {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = quietLog
		srv.Start()
		t.Cleanup(srv.Close)
		url[name] = srv.URL
	}
	odd := httptest.NewUnstartedServer(behaviour["good"]) // its certificate is nobody's
	odd.Config.ErrorLog = quietLog
	odd.StartTLS()
	t.Cleanup(odd.Close)
	url["tls"] = odd.URL
	for i := range 70 { // more than are sent to at once, and none of them answers
		url[fmt.Sprintf("hangs%d", i)] = url["hangs"]
	}
	t.Cleanup(func() { close(done) })
	x := newTeller(t, "", hooks(t, url, ""))
	x.d.Timeout = 250 * time.Millisecond
	x.d.Note = func(err error, what string) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(what, "sent to "), ":"); err == nil {
			mu.Lock()
			times[name] = time.Now()
			mu.Unlock()
		}
	}
	storeOutage(t, x.store, 1, 1, detect.Confirmed)
	x.decide()
	x.send()
	x.send()                                        // those that found no place before
	storeOutage(t, x.store, 2, 1, detect.Confirmed) // while 70 receivers do not answer, who does is told at once
	x.decide()
	began := time.Now()
	x.now = x.now.Add(time.Minute) // and all are due again
	x.d.Timeout = time.Second
	x.send()
	mu.Lock()
	if d := times["good"].Sub(began); d < 0 || d > 900*time.Millisecond {
		t.Errorf("who answers was told after %s, behind who does not", d)
	}
	mu.Unlock()
	for range 400 { // until nothing waits: those that cannot be reached are given up after a day
		if len(x.waiting()) == 0 {
			break
		}
		x.now = x.now.Add(2 * time.Hour)
		x.d.Timeout = 30 * time.Millisecond
		x.send()
	}
	if w := x.waiting(); len(w) > 0 {
		t.Errorf("still waiting: %q", w)
	}
	dead, err := x.store.DeadLetters(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, o := range dead {
		got[o.Message.Receiver]++
		if strings.Contains(o.Note, "127.0.0.1:") && !strings.Contains(o.Note, "cannot be reached") {
			t.Errorf("the note tells the address: %s", o.Note)
		}
	}
	for name := range url {
		want := 0
		if slices.Contains([]string{"redirect", "headers", "loris", "garbage", "tls"}, name) || strings.HasPrefix(name, "hangs") && name != "hangsup" {
			want = 2
		}
		if got[name] != want {
			t.Errorf("%s: %d messages were given up, want %d", name, got[name], want)
		}
	}
	if n := poured.Load(); n > 64<<20 {
		t.Errorf("%d MiB of answers were taken", n>>20)
	}
}

// TestLimit: a receiver that had its messages of the hour gets a retraction all the same, after what it takes back and before everything else; a
// restart does not begin the hour anew.
func TestLimit(t *testing.T) {
	var mu sync.Mutex
	var got []string
	fail := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		m := eventIn(t, q.Body)
		mu.Lock()
		defer mu.Unlock()
		if fail {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		got = append(got, m)
	}))
	t.Cleanup(srv.Close)
	x := newTeller(t, "  per_hour: 2\n", hooks(t, map[string]string{"desk": srv.URL}, "stage: suspected, "))
	tell := func(n, revision int, s detect.State) {
		t.Helper()
		storeOutage(t, x.store, n, revision, s)
		x.decide()
	}
	expect := func(want ...string) {
		t.Helper()
		for range 4 {
			x.send()
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("arrived %q, want %q", got, want)
		}
		got = nil
	}
	tell(1, 1, detect.Suspected)
	expect("suspected XA-0001")
	fail = true
	tell(2, 1, detect.Suspected)
	x.send() // it may have arrived: nobody knows
	fail = false
	for n := 3; n < 8; n++ {
		tell(n, 1, detect.Suspected)
	}
	tell(2, 2, detect.Retracted)
	tell(1, 2, detect.Retracted)
	tell(3, 2, detect.Retracted) // never left
	// A new process, with what the store has.
	x.d = &alerts.Dispatcher{Store: x.store, Subs: x.d.Subs, Channels: x.d.Channels, URL: x.d.URL, PerHour: x.d.PerHour, Hold: x.d.Hold}
	// One was sent within this hour, so one more may leave; then the limit holds but for what takes back.
	x.now = x.now.Add(10 * time.Second)
	expect("suspected XA-0002", "retracted XA-0002", "retracted XA-0001")
	expect()
	x.now = x.now.Add(time.Hour)
	expect("suspected XA-0004", "suspected XA-0005")
}

// eventIn says "occasion incident+..." of an event.
func eventIn(t *testing.T, body io.Reader) string {
	m := readEvent(t, body)
	return saidIn(&m)
}

// TestHeldBack: of what waits for the end of quiet hours, only what is out of date is taken out.
func TestHeldBack(t *testing.T) {
	x := newTeller(t, "", hooks(t, map[string]string{"desk": "http://127.0.0.1:1"}, "stage: suspected, quiet_hours: {from: '00:00', until: '23:59'}, "))
	for n := 1; n < 6; n++ {
		storeOutage(t, x.store, n, 1, detect.Suspected)
	}
	x.decide()
	if w := x.waiting(); !slices.Equal(w, []string{"suspected XA-0001+XA-0002+XA-0003+XA-0004+XA-0005"}) {
		t.Fatalf("%q", w)
	}
	storeOutage(t, x.store, 2, 2, detect.Retracted)
	storeOutage(t, x.store, 4, 2, detect.Confirmed)
	x.decide()
	want := []string{"confirmed XA-0004", "suspected XA-0001+XA-0003+XA-0005"}
	if w := x.waiting(); !slices.Equal(w, want) {
		t.Errorf("%q, want %q", w, want)
	}
	list, err := x.store.Waiting(t.Context(), "desk", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		for _, i := range o.Message.Items {
			if !i.First || o.NotUntil.Before(x.now) {
				t.Errorf("%s: first %v, not until %s", i.Incident.ID, i.First, o.NotUntil)
			}
		}
	}
}

// quietLog is for servers that are made to fail.
var quietLog = log.New(io.Discard, "", 0)

// readEvent reads what an event tells.
func readEvent(t *testing.T, body io.Reader) alerts.Message {
	var e struct {
		ID   string
		Data struct {
			Items []alerts.Item
			More  int
		}
	}
	if err := json.NewDecoder(body).Decode(&e); err != nil || len(e.Data.Items) == 0 {
		t.Errorf("%v: %+v", err, e)
		e.Data.Items = make([]alerts.Item, 1)
	}
	return alerts.Message{ID: e.ID, Items: e.Data.Items, More: e.Data.More}
}
