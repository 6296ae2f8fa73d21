package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "detect: {}\n"} {
		if c, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(c, Default()) {
			t.Errorf("%q: %v, not the defaults", text, err)
		}
	}
}

func TestSet(t *testing.T) {
	c, err := Parse([]byte("detect:\n  country_share: 0.05\n  confirm_after_s: 60\npeers:\n  min_voters: 5\nlisten: 127.0.0.1:9\npages:\n  operator: Example Watch\n"))
	want := Default()
	want.Detect.CountryShare, want.Detect.ConfirmAfter, want.Peers.MinVoters = 0.05, 60, 5
	want.Listen, want.Pages.Operator = "127.0.0.1:9", "Example Watch"
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%v\n%+v\n%+v", err, c, want)
	}
}

// TestDocumented: the example of the documentation is a configuration.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	c, err := Parse([]byte(example))
	if err != nil || !ok {
		t.Fatal(err)
	}
	for _, s := range c.Sources {
		if p := s.Peering; p != nil {
			if n := p.Neighbours; len(n) != 2 || *n[0].Hold != DefaultHold || !n[0].AddPath || n[0].MaxRoutes != 4_000_000 || n[1].Range == "" || p.ConnectRetry != Duration(2*time.Minute) {
				t.Errorf("%+v", p)
			}
			return
		}
	}
	t.Error("no sessions in it")
}

// TestInvalid: each testdata/invalid-*.yaml says in its first line what its error must hold.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# error: "), "\n")
		if _, err := Load(f); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(f)) {
			t.Errorf("%s: %v, want %q", f, err, want)
		}
	}
	if _, err := Load("testdata/none.yaml"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestEveryNumberHasBounds: a whole number without an entry could only be 0, an entry without a number is left over, and each edge holds.
func TestEveryNumberHasBounds(t *testing.T) {
	known := map[string]bool{}
	for section, config := range map[string]any{"detect": detect.Config{}, "peers": signal.Config{}} {
		for f := range reflect.TypeOf(config).Fields() {
			name := f.Tag.Get("json")
			key := section + "." + name
			known[key] = true
			if f.Type.Kind() == reflect.Float64 {
				continue
			}
			if most[key] <= 0 {
				t.Errorf("%s has no bound", key)
			}
			for x, valid := range map[int64]bool{0: true, most[key]: true, most[key] + 1: false, -1: false} {
				_, err := Parse(fmt.Appendf(nil, "%s:\n  %s: %d\n", section, name, x))
				if (err == nil) != valid || err != nil && !strings.Contains(err.Error(), key+": ") {
					t.Errorf("%s: %d gives %v", key, x, err)
				}
			}
		}
	}
	for key := range most {
		if !known[key] {
			t.Errorf("%s is no number of the configuration", key)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("detect:\n  country_share: 0.05\n")
	f.Add("detect: [1, 2\n")
	f.Add("a: &x {b: *x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 { // the YAML reader is slower than linear
			return
		}
		if c, err := Parse([]byte(text)); err == nil && (c.Detect.CountryShare > 1 || c.Detect.BaselineMinutes > 240) {
			t.Errorf("a share of %v and a baseline of %d minutes were taken", c.Detect.CountryShare, c.Detect.BaselineMinutes)
		}
	})
}
