package app

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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

// honest is a receiver that shows each key once. Sometimes it is slow to answer, so that kills fall between what it took and its receipt.
type honest struct {
	mu    sync.Mutex
	seen  map[string]string // by key: the octets
	shown []string          // "incident revision", in the order they came
	came  []cameIn          // the same, with when
	again int               // keys that came once more
	wrong []string
	hold  func() // before the answer; may be nil
	gone  func(n int) bool
	n     int
}

func (h *honest) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the process died within its request
	}
	h.mu.Lock()
	h.n++
	if h.gone != nil && h.gone(h.n) {
		h.mu.Unlock()
		w.WriteHeader(http.StatusGone)
		return
	}
	key := q.Header.Get("Idempotency-Key")
	if was, ok := h.seen[key]; ok {
		h.again++
		if was != string(body) {
			h.wrong = append(h.wrong, key+" came again with other octets")
		}
	} else {
		var e struct {
			Data struct{ Items []alerts.Item }
		}
		if err := json.Unmarshal(body, &e); err != nil || len(e.Data.Items) == 0 {
			h.wrong = append(h.wrong, fmt.Sprintf("%v: %.200s", err, body))
		}
		h.seen[key] = string(body)
		for _, i := range e.Data.Items {
			h.came = append(h.came, cameIn{time.Since(alerts.MadeAt(&i.Incident)), i.Occasion})
			h.shown = append(h.shown, fmt.Sprintf("%s %d", i.Incident.ID, i.Incident.Revision))
		}
	}
	hold := h.hold
	h.mu.Unlock()
	if hold != nil {
		hold()
	}
	w.WriteHeader(http.StatusNoContent)
}

// cameIn is what came, and how long after its revision was made, by the clock that both go by.
type cameIn struct {
	after time.Duration
	why   alerts.Occasion
}

func (h *honest) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.came) > 0 && h.came[len(h.came)-1].why == alerts.Over
}

// lived checks what came of one incident: that it was there and that it is over, once each, and before these perhaps that it was suspected; each
// within twenty seconds of its revision: ten, and as long again for processes that were dead meanwhile.
func (h *honest) lived(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var got []string
	for _, c := range h.came {
		got = append(got, string(c.why))
		t.Logf("%s arrived %s after it was found", c.why, c.after.Round(time.Millisecond))
		if c.after > 20*time.Second {
			t.Errorf("%s arrived %s after it was found", c.why, c.after)
		}
	}
	if said := strings.Join(got, " "); strings.TrimPrefix(said, "suspected ") != "confirmed over" { // what is found within four seconds is one message
		t.Errorf("told %q", said)
	}
}

// trapAt lets the process die between what a receiver took and its receipt.
type trapAt struct{ taken, dead chan struct{} }

// ends is after how many others half of the incidents are over.
const ends = 8

// tellAlone is the process that is killed: it stores revisions, each once it knows that the one before is stored, and tells the receivers of the
// configuration in dir.
func tellAlone(t *testing.T, dir string) {
	c, err := conf.Load(filepath.Join(dir, "corewatch.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDispatcher(c, store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	d.Hold = time.Nanosecond
	if _, err := d.Decide(t.Context(), time.Now()); err != nil { // from here on
		t.Fatal(err)
	}
	var steps int
	if _, err := fmt.Sscan(os.Getenv("COREWATCH_TEST_ALERTS_STEPS"), &steps); err != nil {
		t.Fatal(err)
	}
	go func() {
		var n int
		if text, err := store.Meta(t.Context(), "step"); err == nil {
			_, _ = fmt.Sscan(text, &n)
		}
		for fmt.Println("begun"); n < steps; n++ {
			storeOutage(t, store, n, 1, detect.Confirmed)
			if n >= ends && n%2 == 0 { // half of them end
				storeOutage(t, store, n-ends, 2, detect.Closed)
			}
			if err := store.SetMeta(t.Context(), "step", fmt.Sprint(n+1)); err != nil {
				t.Error(err)
			}
			time.Sleep(150 * time.Millisecond)
		}
		for {
			waiting, err := store.Waiting(t.Context(), "", 1)
			from, err2 := store.Reached(t.Context())
			rest, err3 := store.Revisions(t.Context(), from, 1)
			if err != nil || err2 != nil || err3 != nil {
				t.Error(err, err2, err3)
			}
			if len(waiting)+len(rest) == 0 {
				fmt.Println("done")
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	t.Fatal(d.Run(t.Context())) // ends by SIGKILL only
}

// TestAlertsKilled kills the process that tells at drawn moments, and within requests: all that is told arrives or is in the list of what was given
// up, each revision is shown once by each receiver, in order. 500 alerts; 10,000 of them, killed every five seconds, when hours are given.
func TestAlertsKilled(t *testing.T) {
	if dir := os.Getenv("COREWATCH_TEST_ALERTS"); dir != "" {
		tellAlone(t, dir)
	}
	steps, receivers, soak := 42, 10, os.Getenv("COREWATCH_SEEDS") != ""
	if soak {
		steps = 900
	}
	if testing.Short() && !soak {
		t.Skip("did not run: 500 alerts of a process that is killed (short run)")
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 6)) // the moments are to differ from run to run
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "alerts:\n  per_hour: 3600\n  subscriptions:\n"
	var trap atomic.Pointer[trapAt]
	list := make([]*honest, receivers)
	for i := range list {
		h := &honest{seen: map[string]string{}}
		h.hold = func() {
			if t := trap.Swap(nil); t != nil {
				close(t.taken)
				<-t.dead
			}
			time.Sleep(5 * time.Millisecond)
		}
		if i == 0 {
			h.gone = func(n int) bool { return n%5 == 0 }
		}
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		list[i] = h
		text += fmt.Sprintf("    - {receiver: r%d, webhook: {url: '%s/', secret_file: '%s'}}\n", i, srv.URL, secret)
	}
	if err := os.WriteFile(filepath.Join(dir, "corewatch.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	began, kills, inside, done := time.Now(), 0, 0, false
	limit := began.Add(time.Minute)
	if soak {
		limit = began.Add(30 * time.Minute)
	}
	for !done && time.Now().Before(limit) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAlertsKilled$")
		cmd.Env = append(os.Environ(), "COREWATCH_TEST_ALERTS="+dir, fmt.Sprintf("COREWATCH_TEST_ALERTS_STEPS=%d", steps))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 1)
		go func() {
			var line string
			for {
				if _, err := fmt.Fscanln(out, &line); err != nil {
					close(lines)
					return
				}
				lines <- line
			}
		}()
		if line := <-lines; line != "begun" {
			_ = cmd.Process.Kill()
			t.Fatalf("the process said %q", line)
		}
		after := time.Duration(200+rng.IntN(700)) * time.Millisecond
		if soak {
			after = 5 * time.Second
		}
		timer := time.NewTimer(after)
		var set *trapAt
		var taken chan struct{}
		for running := true; running; {
			select {
			case <-timer.C:
				if running = set == nil && rng.IntN(2) == 0; running { // the next request that is taken is the moment, if one comes
					set = &trapAt{make(chan struct{}), make(chan struct{})}
					taken = set.taken
					trap.Store(set)
					timer.Reset(time.Second)
				}
			case <-taken:
				running = false
				inside++
			case line, ok := <-lines:
				done = line == "done"
				running = ok && !done
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if trap.Store(nil); set != nil {
			close(set.dead)
		}
		kills++
	}
	if !done {
		t.Fatalf("not done after %d kills", kills)
	}
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	dead, err := store.DeadLetters(t.Context(), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, o := range dead {
		for _, i := range o.Message.Items {
			given[fmt.Sprintf("%s %s %d", o.Message.Receiver, i.Incident.ID, i.Incident.Revision)] = true
		}
	}
	said, again := len(given), 0
	for i, h := range list {
		h.mu.Lock()
		shown := map[string]int{} // position, by incident and revision
		for at, s := range h.shown {
			if _, ok := shown[s]; ok {
				t.Errorf("r%d shows %s twice", i, s)
			}
			shown[s] = at
		}
		said, again = said+len(shown), again+h.again
		if h.wrong != nil {
			t.Errorf("r%d: %s", i, strings.Join(h.wrong, "; "))
		}
		for n := range steps {
			id := fmt.Sprintf("XA-%04d", n)
			told, err := store.Told(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("r%d", i)
			at := slices.IndexFunc(told, func(t alerts.Told) bool { return t.Receiver == name })
			if at < 0 {
				t.Errorf("%s was not told of %s", name, id)
				continue
			}
			last := fmt.Sprintf("%s %d", id, told[at].Revision)
			if _, ok := shown[last]; !ok && !given[name+" "+last] {
				t.Errorf("%s was told %s, which neither arrived nor is in the list of what was given up", name, last)
			}
			if first, ok := shown[id+" 1"]; ok && told[at].Revision == 2 {
				if second, ok := shown[id+" 2"]; ok && second < first {
					t.Errorf("%s shows the end of %s before its beginning", name, id)
				}
			}
			if before, ok := shown[fmt.Sprintf("XA-%04d 1", n-2)]; ok && !soak { // of a flood, what gathers is told after single news
				if now, ok := shown[id+" 1"]; ok && now < before {
					t.Errorf("%s shows %s before what was told before it", name, id)
				}
			}
		}
		h.mu.Unlock()
	}
	least := 9 // of 10: a few are replaced by their end before they leave,
	if soak {
		least = 7 // and more where what comes of a flood gathers
	}
	if want := (steps + (steps-ends)/2) * receivers * least / 10; said < want {
		t.Errorf("only %d alerts", said)
	}
	if len(given) == 0 || kills < 4 || again < inside {
		t.Errorf("%d given up, %d kills, %d of them within a request, %d came again", len(given), kills, inside, again)
	}
	t.Logf("%d alerts to %d receivers, %d of them given up; %d kills, %d of them within a request, in %s; %d came again", said, receivers, len(given), kills, inside, time.Since(began).Round(time.Millisecond), again)
}
