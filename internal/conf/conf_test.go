package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

func TestSetClickHouse(t *testing.T) {
	c, err := Parse([]byte("clickhouse:\n  address: 192.0.2.1:9440\n  password_file: /etc/p\n  tls: false\n"))
	if err != nil || c.ClickHouse.TLS == nil || *c.ClickHouse.TLS || c.ClickHouse.Database != "corewatch" || c.ClickHouse.User != "default" || c.ClickHouse.PasswordFile != "/etc/p" {
		t.Errorf("%v %+v", err, c.ClickHouse)
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

// TestBMP: a station's keys, and what an address of a router may be.
func TestBMP(t *testing.T) {
	c, err := Parse([]byte("sources:\n  - bmp:\n      listen: \":11019\"\n      tls_cert: c.pem\n      tls_key: k.pem\n      client_ca: ca.pem\n" +
		"      routers: [{address: 192.0.2.1, collector: edge1}, {address: 2001:db8::1, collector: edge2}, {address: 198.51.100.0/24, collector: lab}]\n" +
		"  - bmp: {listen: \"[::1]:0\", routers: [{address: 192.0.2.1, collector: edge3}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range c.Sources[0].BMP.Routers {
		got = append(got, r.Prefix().String()+" "+r.Collector)
	}
	want := []string{"192.0.2.1/32 edge1", "2001:db8::1/128 edge2", "198.51.100.0/24 lab"}
	if b := c.Sources[0].BMP; !slices.Equal(got, want) || b.Listen != ":11019" || b.TLSCert != "c.pem" || b.TLSKey != "k.pem" || b.ClientCA != "ca.pem" || b.Plaintext {
		t.Errorf("%+v, %v", b, got)
	}
	for _, a := range []string{"", "192.0.2.1:179", "::ffff:192.0.2.1", "fe80::1%eth0", "router.example"} {
		if _, err := routerPrefix(a); err == nil {
			t.Errorf("%q was taken for the address of a router", a)
		}
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
