package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

func words(t *testing.T) *alerts.Words {
	t.Helper()
	w, err := alerts.Language("en")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func message(occasion alerts.Occasion, revision int, begin time.Time) *alerts.Message {
	in := detect.Incident{
		V: 1, ID: "PK-1", Data: detect.Live, Kind: detect.Outage, State: detect.Confirmed, Severity: revision, Revision: revision,
		Entity: detect.Entity{Type: "country", Code: "PK", Name: "Pakistan"}, Start: detect.Interval{Time: detect.At(begin)}, Coverage: detect.Coverage{Level: "full"},
	}
	if occasion == alerts.Over {
		in.State, in.End = detect.Closed, &detect.Interval{Time: detect.At(begin.Add(time.Minute))}
	}
	return &alerts.Message{ID: fmt.Sprint(revision), Receiver: "am", At: time.Now(), Items: []alerts.Item{{Incident: in, Occasion: occasion, URL: "https://monitor.example.org/i/PK-1"}}}
}

// TestRealAlertmanager: an incident is one alert there, from its suspicion to its end, whatever it is called meanwhile.
func TestRealAlertmanager(t *testing.T) {
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("did not run: prometheus-alertmanager is not installed (Debian: prometheus-alertmanager)")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(conf, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+conf, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	m, err := New(Options{URL: "http://" + addr, Words: words(t)})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = m.Send(t.Context(), message(alerts.Suspected, 1, begin)); err == nil {
			break
		} else if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
	type there struct {
		Labels      map[string]string
		Annotations map[string]string
		StartsAt    time.Time
	}
	list := func() (out []there) {
		t.Helper()
		res, err := http.Get("http://" + addr + "/api/v2/alerts")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := m.Send(t.Context(), message(alerts.Confirmed, 2, begin)); err != nil {
		t.Fatal(err)
	}
	got := list()
	if len(got) != 1 || got[0].Labels["entity"] != "PK" || got[0].Annotations["occasion"] != "confirmed" || got[0].Annotations["severity"] != "2" || !got[0].StartsAt.Equal(begin) {
		t.Errorf("%+v", got)
	}
	if _, err := m.Send(t.Context(), message(alerts.Over, 3, begin)); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 0 {
		t.Errorf("it is over, and stands there still: %+v", got)
	}
	elsewhere, err := New(Options{URL: "http://" + addr + "/elsewhere", Words: words(t)})
	if err != nil {
		t.Fatal(err)
	}
	var permanent *alerts.Permanent
	if _, err := elsewhere.Send(t.Context(), message(alerts.Confirmed, 4, begin)); !errors.As(err, &permanent) {
		t.Errorf("an address that is none of an Alertmanager: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, u := range []string{"", "alertmanager", "http://alertmanager.example", "https://user:pass@alertmanager.example"} {
		if _, err := New(Options{URL: u, Words: words(t)}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
	if _, err := New(Options{URL: "https://alertmanager.example", Token: []byte("a\r\nb"), Words: words(t)}); err == nil {
		t.Error("a token of two lines was taken")
	}
}
