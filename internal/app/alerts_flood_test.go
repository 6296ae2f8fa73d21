package app

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// arrival is a message as a receiver got it, at an instant of event time.
type arrival struct {
	to   string
	at   time.Time
	made time.Time // the newest revision in it
	m    alerts.Message
}

func (a arrival) String() string {
	names := ""
	if len(a.m.Items) == 1 {
		names = a.m.Items[0].Incident.Entity.Key()
	} else {
		names = fmt.Sprintf("%d+%d", len(a.m.Items), a.m.More)
	}
	return fmt.Sprintf("%s %s %s", a.to, a.m.Items[0].Occasion, names)
}

// recordedLive plays a scenario to the engine, as live data, into a store.
func recordedLive(t *testing.T, s *scenario.Scenario) *sqlite.Store {
	t.Helper()
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	j := journal{
		files: scenarioFiles(s), data: detect.Live, end: s.End, rec: recordInto(t.Context(), store, detect.Live), engine: detect.DefaultConfig(), peers: signal.DefaultConfig(),
		places: func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) },
	}
	if _, err := j.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// unfolding is a store of which only what was made until now is there yet; all of it counts as live.
type unfolding struct {
	*sqlite.Store
	all []alerts.Revision // in the order of their making
	now time.Time
}

// Revisions implements alerts.Store.
func (u *unfolding) Revisions(_ context.Context, n int64, limit int) (list []alerts.Revision, err error) {
	from, _ := slices.BinarySearchFunc(u.all, n+1, func(r alerts.Revision, n int64) int { return cmp.Compare(r.N, n) })
	for _, r := range u.all[from:min(len(u.all), from+limit)] {
		if alerts.MadeAt(&r.Incident).After(u.now) {
			break
		}
		list = append(list, r)
	}
	return list, nil
}

// Reached implements alerts.Store: everything is news.
func (u *unfolding) Reached(ctx context.Context) (int64, error) {
	text, err := u.Meta(ctx, "store.alerts_reached")
	if err != nil {
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

// arrivals lets a dispatcher tell what stands in a store at the instants of event time at which it was made: it looks twice a second, as it does, and sends over
// real HTTP. URL-name/ in the subscriptions is the address of a receiver.
func arrivals(t *testing.T, store *sqlite.Store, more, subscriptions string, receivers ...string) (out []arrival) {
	t.Helper()
	u := &unfolding{Store: store}
	var mu sync.Mutex
	for _, name := range receivers {
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			body, err := io.ReadAll(q.Body)
			if err == nil {
				err = schematest.Alert(body)
			}
			if err != nil {
				t.Error(err)
			}
			a := arrival{to: name, m: readEvent(t, bytes.NewReader(body)), at: u.now}
			for i := range a.m.Items {
				if made := alerts.MadeAt(&a.m.Items[i].Incident); made.After(a.made) {
					a.made = made
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, a)
		}))
		t.Cleanup(srv.Close)
		subscriptions = strings.ReplaceAll(subscriptions, "URL-"+name+"/", srv.URL+"/")
	}
	c, err := conf.Parse([]byte(more + "alerts:\n  per_hour: 3600\n  subscriptions:\n" + subscriptions))
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDispatcher(c, store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	d.Store = u
	for last := int64(0); ; last = u.all[len(u.all)-1].N {
		list, err := store.Revisions(t.Context(), last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i].Incident.Data = detect.Live
		}
		if u.all = append(u.all, list...); len(list) == 0 {
			break
		}
	}
	if _, err := d.Decide(t.Context(), u.now); err != nil { // it runs already when the first of them is made
		t.Fatal(err)
	}
	const quiet = 90 * time.Second // after which nothing more comes of a revision
	for i := range u.all {
		at := alerts.MadeAt(&u.all[i].Incident)
		u.now = later(u.now, at)
		end := at.Add(quiet)
		if i+1 < len(u.all) {
			if next := alerts.MadeAt(&u.all[i+1].Incident); next.Before(end) {
				end = next
			}
		}
		for ; u.now.Before(end); u.now = u.now.Add(500 * time.Millisecond) {
			if _, err := d.Decide(t.Context(), u.now); err != nil {
				t.Fatal(err)
			}
			if err := d.Send(t.Context(), u.now); err != nil {
				t.Fatal(err)
			}
			d.Wait()
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// flood is a scenario in which all of 2,000 networks of a country leave within a few seconds, and come back.
func flood(t *testing.T) *scenario.Scenario {
	t.Helper()
	var b, sets strings.Builder
	b.WriteString("corewatch scenario 1\nreason 2,000 networks of a country leave at once\nstart 2030-01-01T00:00:00Z\ncountry XA 10.0.0.0/8\ncountry XB 20.0.0.0/8\npeers all rc0 AS64601..AS64610\n")
	for k := range 40 {
		fmt.Fprintf(&b, "prefixes n%d", k)
		fmt.Fprintf(&sets, ",n%d", k)
		for i := range 50 {
			n := 50*k + i
			fmt.Fprintf(&b, " AS%d 10.%d.%d.0/24 x2", 100_001+n, n/128, n%128*2)
		}
		b.WriteString("\n")
	}
	all := sets.String()[1:]
	fmt.Fprintf(&b, "prefixes world AS65101 20.1.0.0/24 x400\n\n+0s table all %s,world via AS64700\n+0s alive all 20s\n+10m withdraw all %s over 30s lag 1s\n+30m announce all %s via AS64700 lag 10s\n+50m end\n\nexpect outage country:XA confirmed finally closed\n", all, all, all)
	s, err := scenario.Parse("flood.txt", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFloodOfNetworks: 2,000 networks of a country that fail at once, through the engine and over HTTP, are one message at each stage for a
// receiver, whether it asked for the country, the world or each of the networks; and the first of them leaves within ten seconds of the change.
func TestFloodOfNetworks(t *testing.T) {
	oneGoroutine(t)
	if testing.Short() {
		t.Skip("did not run: 2,000 networks that fail at once (short run)")
	}
	store := recordedLive(t, flood(t))
	networks := map[string]bool{}
	for cursor := ""; ; {
		list, next, err := store.Incidents(t.Context(), sqlite.Query{Limit: sqlite.MaxLimit, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if list[i].Entity.Type == "network" && !list[i].ConfirmedAt.IsZero() {
				networks[list[i].Entity.Code] = true
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(networks) != 2000 {
		t.Fatalf("%d networks have a confirmed outage", len(networks))
	}
	var each []string
	for n := range networks {
		each = append(each, n)
	}
	slices.Sort(each)
	sub := func(name, want string) string {
		return hooks(t, map[string]string{name: "URL-" + name}, "stage: suspected, "+want)
	}
	got := arrivals(t, store, "", sub("country", "countries: [XA], networks_from: 1, ")+sub("world", "")+sub("networks", "networks: ["+strings.Join(each, ", ")+"], "), "country", "world", "networks")
	var said []string
	more, told, messages := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, a := range got {
		said = append(said, a.String())
		first, _, _ := strings.Cut(a.String(), " 100+") // what comes of a flood after its first message gathers for a minute
		if late := a.at.Sub(a.made); late > 10*time.Second && !(more[first] && late < 65*time.Second) {
			t.Errorf("%s left %s after the change", a, late)
		}
		to := a.to + " " + string(a.m.Items[0].Occasion)
		more[to] = true
		if a.to == "networks" {
			told[to] += len(a.m.Items) + a.m.More
			messages[to]++
			said = said[:len(said)-1]
		}
	}
	slices.Sort(said)
	t.Logf("told as %q", said)
	want := []string{
		"country confirmed country:XA", "country over country:XA", "country suspected country:XA",
		"world confirmed country:XA", "world over country:XA", "world suspected country:XA",
	}
	for _, o := range []string{"suspected", "confirmed", "over"} { // they leave within half a minute: those of the first seconds, and the others together
		if to := "networks " + o; told[to] != 2000 || messages[to] > 2 {
			t.Errorf("%s: %d networks in %d messages", to, told[to], messages[to])
		}
	}
	if !slices.Equal(said, want) {
		t.Errorf("told %q, want %q", said, want)
	}
}

// countryOutage is the scenario of that name.
func countryOutage(t *testing.T) *scenario.Scenario {
	t.Helper()
	for _, s := range loadScenarios(t) {
		if s.Name == "country-outage.txt" {
			return s
		}
	}
	t.Fatal("there is no scenario country-outage.txt")
	return nil
}

// messageOf is a message about an incident that began.
func messageOf(in *detect.Incident) *alerts.Message {
	return &alerts.Message{ID: "1", Receiver: "desk", Items: []alerts.Item{{Incident: *in, Occasion: alerts.Suspected, First: true}}}
}
