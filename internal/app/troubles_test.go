package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// newOperator is a receiver of the monitor's own troubles, of kinds.
func newOperator(t *testing.T, kinds ...string) (*receiver, conf.OperatorReceiver) {
	t.Helper()
	r, c := newReceiver(t)
	return r, conf.OperatorReceiver{Receiver: "oncall", Webhook: c.Alerts.Subscriptions[0].Webhook, Kinds: kinds}
}

// kinds shortens what arrived to the occasion and the kind of trouble.
func kinds(arrived string) string {
	var out []string
	for _, line := range strings.Split(arrived, "\n") {
		occasion, id, _ := strings.Cut(line, " MONITOR-")
		kind, _, _ := strings.Cut(id, "-")
		out = append(out, strings.TrimSpace(occasion+" "+kind))
	}
	return strings.Join(out, ", ")
}

// lookedAfter is a bureau with a lookout, whose clock is the bureau's.
type lookedAfter struct {
	*bureau
	w    *watcher
	o    *lookout
	free *int64 // octets that are said to be free; nil: the disk is asked
}

func lookAfter(t *testing.T, c conf.Config) *lookedAfter {
	x := &lookedAfter{bureau: newBureau(t, c)}
	x.again()
	return x
}

// again is a new process.
func (x *lookedAfter) again() {
	x.t.Helper()
	x.restart()
	var err error
	if x.w, err = newWatcher(x.c, "", x.dir, x.store, zerolog.Nop()); err != nil {
		x.t.Fatal(err)
	}
	x.o = newLookout(x.c, x.store, x.w, nil, x.d, x.dir, zerolog.Nop())
	x.o.begun = x.now
	if x.free != nil {
		x.o.free = func(string) (int64, int64, error) { return *x.free, 100 << 30, nil }
	}
}

// pass lets time pass, a look each minute.
func (x *lookedAfter) pass(minutes int) {
	x.t.Helper()
	for range minutes {
		x.now = x.now.Add(time.Minute - 3*time.Second) // of which round takes three
		if err := x.o.look(x.t.Context(), x.now); err != nil {
			x.t.Fatal(err)
		}
		x.round()
	}
}

// TestTroubleOnce: a disk that is nearly full is told when it stays so, once, again after a day, and once when it is over, with how long it was; a process that
// dies changes none of that, and what comes and goes is one trouble.
func TestTroubleOnce(t *testing.T) {
	r, op := newOperator(t, "disk")
	c := conf.Default()
	c.Alerts.Operator = []conf.OperatorReceiver{op}
	const little, enough = 1 << 30, 9 << 30
	x := lookAfter(t, c)
	room := func(octets int64) { *x.free = octets }
	x.free = new(int64)
	x.again()
	room(little)
	check := func(when, want string) {
		t.Helper()
		if got := kinds(r.arrived()); got != want {
			t.Fatalf("%s: %q, want %q", when, got, want)
		}
	}
	x.pass(1)
	check("at the first look", "")
	x.pass(10)
	check("when it stayed", "confirmed disk")
	x.again()
	x.pass(10)
	check("after a restart", "")
	if open := x.o.troubles(); len(open) != 1 || open[0].Kind != "disk" {
		t.Errorf("the pages say %+v", open)
	}
	x.now = x.now.Add(23 * time.Hour)
	x.pass(70)
	check("after a day", "still disk")
	for range 5 {
		room(enough)
		x.pass(3)
		room(little)
		x.pass(3)
	}
	check("while it comes and goes", "")
	room(enough)
	x.pass(12)
	check("when it stays away", "over disk")
	r.mu.Lock()
	said := ""
	for _, body := range r.seen {
		if strings.Contains(body, "incident.over") {
			said = body
		}
	}
	r.mu.Unlock()
	if !strings.Contains(said, "our own monitor, disk: over after 25 h ") {
		t.Errorf("the end says %s", said)
	}
	x.again()
	x.pass(2)
	check("after a restart", "")
	room(little)
	x.pass(5)
	check("another one", "confirmed disk")
	room(enough)
	x.pass(7)
	check("so soon after the first one", "")
	x.pass(6)
	check("later", "over disk")
	if err := x.store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTroubleKinds: a certificate that ends soon, a receiver that does not take its messages and a stuck outbox; nobody is told over the channel that fails,
// work on the monitor holds troubles back and what still holds is said then, and no file or secret is in what is told.
func TestTroubleKinds(t *testing.T) {
	broken, c := newReceiver(t)
	broken.answer = func(_ int, w http.ResponseWriter) (took, hangUp bool) {
		w.WriteHeader(http.StatusInternalServerError)
		return false, false
	}
	r, op := newOperator(t)
	cert := filepath.Join(t.TempDir(), "very-secret.pem")
	now := time.Now()
	writeCertificate(t, cert, now.AddDate(0, 0, 3))
	both := op
	both.Receiver, both.Kinds = "both", []string{"channel"}
	both.Webhook = c.Alerts.Subscriptions[0].Webhook // fails, too
	c.Alerts.Operator = []conf.OperatorReceiver{op, both}
	c.Sources = []conf.Source{{BMP: &conf.BMP{Listen: "127.0.0.1:0", Routers: []conf.BMPRouter{{Address: "127.0.0.1", Collector: "edge1"}}}}}
	c.ClickHouse.TLSCert = cert
	x := lookAfter(t, c)
	x.order(alerts.Order{Kind: alerts.Maintenance, Monitor: true}, 24*time.Hour)
	x.pass(3)
	if got := kinds(r.arrived()); got != "" {
		t.Errorf("during work on the monitor: %q", got)
	}
	x.order(alerts.Order{Kind: alerts.EndOrder, Ends: 1}, 0)
	x.pass(1)
	if got := kinds(r.arrived()); got != "confirmed certificate" {
		t.Errorf("afterwards: %q", got)
	}
	writeCertificate(t, cert, now.AddDate(1, 0, 0))
	x.pass(62)
	if got := kinds(r.arrived()); got != "over certificate" {
		t.Errorf("with another certificate: %q", got)
	}
	storeOutage(t, x.store, 1, 1, detect.Confirmed)
	x.pass(60)
	got := kinds(r.arrived())
	for _, want := range []string{"confirmed channel", "confirmed outbox"} {
		if strings.Count(got, want) != 1+strings.Count(want, "channel") { // desk, and both over which nobody can be told
			t.Errorf("with a receiver that fails: %q, want %s", got, want)
		}
	}
	waiting, err := x.store.Waiting(t.Context(), "both", 10)
	if err != nil || len(waiting) != 1 || waiting[0].Message.Items[0].Incident.Entity.Code != "channel:desk" {
		t.Errorf("%+v %v", waiting, err)
	}
	broken.mu.Lock()
	broken.answer = nil
	broken.mu.Unlock()
	x.pass(40)
	if got := kinds(r.arrived()); strings.Count(got, "over channel") != 2 || strings.Count(got, "over outbox") != 1 {
		t.Errorf("when it takes them again: %q", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, body := range r.seen {
		var e struct {
			Data struct {
				Items []struct{ Incident json.RawMessage }
			}
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || len(e.Data.Items) == 0 {
			t.Errorf("%v: %s", err, body)
		}
		for _, item := range e.Data.Items {
			if err := schematest.Incident(item.Incident); err != nil {
				t.Errorf("%v: %s", err, item.Incident)
			}
		}
		if strings.Contains(body, "very-secret") || strings.Contains(body, "0123456789abcdef") || strings.Contains(body, "hook/token") {
			t.Errorf("it tells: %s", body)
		}
	}
}

func writeCertificate(t *testing.T, name string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: until}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTroubleFigures: late collectors, a clock that is off, a detector that does not move and a copy that is behind are found in what the monitor says of itself, and
// nothing is while all is well or the journal is followed after a start.
func TestTroubleFigures(t *testing.T) {
	x := lookAfter(t, conf.Default())
	x.o.free = func(string) (free, size int64, err error) { return 1 << 40, 1 << 41, nil }
	find := func(after time.Duration) string {
		t.Helper()
		found, err := x.o.find(t.Context(), time.Now().Add(after))
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, f := range found {
			keys = append(keys, f.Key)
		}
		return strings.Join(keys, " ")
	}
	well := web.LiveStatus{Feeds: []web.FeedStatus{{Name: "rc0", Last: 1, Lag: 599e6}, {Name: "rc1", Silent: true, Last: 1, Lag: 9999e6}, {Name: "rc2"}}, Clock: web.ClockStatus{State: "right"}}
	ill := well
	ill.Feeds = append(ill.Feeds[:2:2], web.FeedStatus{Name: "rc3", Last: 1, Lag: 601e6})
	ill.Clock = web.ClockStatus{State: "off", Offset: 5e6, From: "chrony"}
	unknown := well
	unknown.Clock = web.ClockStatus{State: "unknown", Why: "nobody answers"}
	x.w.set("replaying", 0, &ill)
	if got := find(time.Hour); got != "outbox" { // nobody decides here
		t.Errorf("after a start: %q", got)
	}
	for want, s := range map[string]*web.LiveStatus{"": &well, "lag:rc3 clock": &ill, "clock": &unknown} {
		x.w.set("watching", 1, s)
		if got := find(0); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	x.w.set("watching", 1, &well)
	if got := find(31 * time.Second); got != "stalled" {
		t.Errorf("a second is not applied for 31 s: %q", got)
	}
	now := time.Now()
	for want, s := range map[string]copyStatus{
		"":     {connected: true, behind: sqlite.Behind{Head: now, Until: now.Add(-time.Hour)}},
		"copy": {connected: true, behind: sqlite.Behind{Head: now, Until: now.Add(-63 * time.Minute)}},
	} {
		if x.o.copy = (&copier{st: s}); find(0) != want {
			t.Errorf("%+v: %q, want %q", s.behind, find(0), want)
		}
	}
	x.o.copy = nil
	x.w.notary.say(errors.New("no room"))
	if got := find(0); got != "ledger" {
		t.Errorf("a ledger that cannot be written: %q", got)
	}
	x.w.notary.say(nil)
	x.o.copy = &copier{st: copyStatus{public: "it is away"}}
	if got := find(0); got != "copy" {
		t.Errorf("a copy that is away: %q", got)
	}
}
