package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// bureau is a monitor's store and what tells its receivers, with a clock of its own. It can die.
type bureau struct {
	t     *testing.T
	dir   string
	c     conf.Config
	store *sqlite.Store
	d     *alerts.Dispatcher
	now   time.Time
}

func newBureau(t *testing.T, c conf.Config) *bureau {
	x := &bureau{t: t, dir: t.TempDir(), c: c, now: time.Now()}
	x.restart()
	t.Cleanup(func() { x.store.Close() })
	return x
}

func (x *bureau) restart() {
	x.t.Helper()
	var err error
	if x.store != nil {
		if err = x.store.Close(); err != nil {
			x.t.Fatal(err)
		}
	}
	if x.store, err = sqlite.Open(x.t.Context(), x.dir); err != nil {
		x.t.Fatal(err)
	}
	if x.d, err = newDispatcher(x.c, x.store, zerolog.Nop()); err != nil {
		x.t.Fatal(err)
	}
	x.d.Hold = time.Nanosecond
	x.decide()
}

// decide decides everything that there is.
func (x *bureau) decide() {
	x.t.Helper()
	for range 3 {
		x.now = x.now.Add(time.Second)
		if _, err := x.d.Decide(x.t.Context(), x.now); err != nil {
			x.t.Fatal(err)
		}
	}
}

// send sends everything that is due.
func (x *bureau) send() {
	x.t.Helper()
	for range 5 {
		if err := x.d.Send(x.t.Context(), x.now); err != nil {
			x.t.Fatal(err)
		}
		x.d.Wait()
	}
}

func (x *bureau) round() { x.t.Helper(); x.decide(); x.send() }

func (x *bureau) order(o alerts.Order, span time.Duration) {
	x.t.Helper()
	o.Who, o.Why = "ana", "a test"
	if err := AlertsOrder(x.t.Context(), x.dir, o, span, io.Discard); err != nil {
		x.t.Fatal(err)
	}
}

// arrived is what a receiver took since it was asked last.
func (r *receiver) arrived() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := strings.Join(r.order, "\n")
	r.order = nil
	return out
}

// TestOrdersBesideTheMonitor: what another process orders is followed by the one that runs and by the next one, is logged for good, and is shown
// by list and dry-run; what waits when a silence begins is held back, too; what still holds is said when it ends, once.
func TestOrdersBesideTheMonitor(t *testing.T) {
	r, c := newReceiver(t)
	x := newBureau(t, c)
	check := func(want string) {
		t.Helper()
		if got := r.arrived(); got != want {
			t.Fatalf("arrived %q, want %q", got, want)
		}
	}
	storeOutage(t, x.store, 1, 1, detect.Confirmed)
	x.round()
	check("confirmed XA-0001")

	storeOutage(t, x.store, 2, 1, detect.Confirmed)
	x.decide() // it waits
	x.order(alerts.Order{Kind: alerts.Silence, Receiver: "desk"}, 4*time.Hour)
	x.round()
	storeOutage(t, x.store, 3, 1, detect.Confirmed)
	x.round()
	storeOutage(t, x.store, 4, 1, detect.Confirmed)
	x.round()
	storeOutage(t, x.store, 4, 2, detect.Closed)
	x.round()
	check("")
	storeOutage(t, x.store, 1, 2, detect.Closed) // whoever was told is told the end
	x.round()
	check("over XA-0001")

	x.restart()
	x.round()
	check("")
	var list strings.Builder
	if err := AlertsWaiting(t.Context(), x.dir, &list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"waiting ", "AS64514", "held      ", "confirmed of XA-0003, revision 1, by order 1: still held back", "silence receiver desk", "ana: a test"} {
		if !strings.Contains(list.String(), want) {
			t.Errorf("the list lacks %q: %s", want, list.String())
		}
	}

	x.order(alerts.Order{Kind: alerts.EndOrder, Ends: 1}, 0)
	x.round()
	check("confirmed XA-0002\nconfirmed XA-0003")
	x.restart()
	x.round()
	check("")
	held, err := x.store.HeldLately(t.Context(), 10)
	if err != nil || len(held) != 2 {
		t.Fatalf("%+v %v", held, err)
	}
	for _, h := range held {
		if want := map[string]string{"XA-0003": "said: confirmed", "XA-0004": "over before it could be said"}[h.Incident]; h.Became != want {
			t.Errorf("%+v, want %s", h, want)
		}
	}

	x.order(alerts.Order{Kind: alerts.Ack, Incident: "XA-0003"}, time.Hour)
	storeOutage(t, x.store, 3, 2, detect.Retracted)
	x.round()
	check("retracted XA-0003")
	if err := AlertsOrder(t.Context(), x.dir, alerts.Order{Kind: alerts.Ack, Incident: "XA-0003", Who: "ana", Why: "late"}, time.Hour, io.Discard); err == nil {
		t.Error("what is over was acknowledged")
	}

	var log strings.Builder
	if err := AlertsOrders(t.Context(), x.dir, "", true, false, &log); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.String(), "ana: a test"); got != 3 || !strings.Contains(log.String(), "2  ends 1 ") {
		t.Errorf("the log has %d of 3 orders: %s", got, log.String())
	}
	if err := x.store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDryRunUnderOrders: a dry run says what orders held back at that time.
func TestDryRunUnderOrders(t *testing.T) {
	_, c := newReceiver(t)
	x := newBureau(t, c)
	x.order(alerts.Order{Kind: alerts.Silence, Entity: "network:AS64513"}, time.Hour)
	for n := 1; n <= 2; n++ {
		in := outageAt(n, time.Now().Add(5*time.Second))
		if err := x.store.SaveRevision(t.Context(), in, nil); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "corewatch.yaml")
	if err := os.WriteFile(file, []byte("alerts: {subscriptions: [{receiver: desk, webhook: {url: 'https://receiver.example', secret_file: none}}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, notes strings.Builder
	if err := AlertsDryRun(t.Context(), file, x.dir, nil, 0, false, &out, &notes); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "[CONFIRMED] AS64514") || strings.Contains(s, "[CONFIRMED] AS64513") || !strings.Contains(s, "held back: confirmed of XA-0001, revision 1, by order 1: still held back") {
		t.Error(s)
	}
	if !strings.HasPrefix(notes.String(), "1 messages of 2 revisions to 1 receivers; 1 times") {
		t.Error(notes.String())
	}
}

// outageAt is an outage that was confirmed at an instant.
func outageAt(n int, when time.Time) *detect.Incident {
	at := detect.At(when)
	return &detect.Incident{
		V: 1, ID: fmt.Sprintf("XA-%04d", n), Data: detect.Live, Kind: detect.Outage, State: detect.Confirmed, Severity: 2, Revision: 1, PublicCore: []string{"routing"},
		Entity: detect.Entity{Type: "network", Code: fmt.Sprintf("AS%d", 64512+n)}, Start: detect.Interval{Time: at}, ConfirmedAt: at, Coverage: detect.Coverage{Level: "full"},
		Revisions: []detect.Revision{{Revision: 1, At: at, State: detect.Confirmed, Change: "confirmed"}},
	}
}

// TestNewReceiver: who comes while something is open is told of that, once, and of nothing that is over; who goes is told nothing more, and what
// waits for him is given up and says why.
func TestNewReceiver(t *testing.T) {
	first, c := newReceiver(t)
	second, more := newReceiver(t)
	x := newBureau(t, c)
	storeOutage(t, x.store, 1, 1, detect.Confirmed)
	storeOutage(t, x.store, 2, 1, detect.Confirmed)
	storeOutage(t, x.store, 2, 2, detect.Closed)
	storeOutage(t, x.store, 3, 1, detect.Suspected)
	x.round()
	first.arrived()

	replace := func(c conf.Config) {
		t.Helper()
		subs, err := subscriptions(c)
		if err != nil {
			t.Fatal(err)
		}
		ch, err := channels(c)
		if err != nil {
			t.Fatal(err)
		}
		x.d.Replace(subs, ch, c.Alerts.PerHour)
	}
	added := more.Alerts.Subscriptions[0]
	added.Receiver, added.Stage = "second", "confirmed"
	both := c
	both.Alerts.Subscriptions = append(both.Alerts.Subscriptions[:1:1], added)
	for range 2 { // a second time changes nothing
		replace(both)
		x.round()
	}
	if got := second.arrived(); got != "confirmed XA-0001" {
		t.Errorf("the new one was told %q", got)
	}
	if got := first.arrived(); got != "" {
		t.Errorf("the old one was told %q again", got)
	}
	x.c = both
	x.restart()
	storeOutage(t, x.store, 3, 2, detect.Confirmed)
	x.decide()
	replace(c)
	x.round()
	if got := second.arrived(); got != "" {
		t.Errorf("who has gone was told %q", got)
	}
	dead, err := x.store.DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Note, "second is no receiver of the configuration any more") {
		t.Errorf("%+v %v", dead, err)
	}
	if got := first.arrived(); got != "confirmed XA-0003" {
		t.Errorf("the old one was told %q", got)
	}
}
