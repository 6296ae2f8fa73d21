package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/internal/conf"
)

// TestReceiverOfTheDocs runs the receiver that docs/alerts.md shows on requests of the program: it takes what is ours, also while secrets and keys
// change, and refuses what is old, changed, or signed by others.
func TestReceiverOfTheDocs(t *testing.T) {
	for _, name := range []string{"openssl", "bash"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("did not run: " + name + " is not installed (Debian: openssl)")
		}
	}
	text, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```sh\n(# verify.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/alerts.md shows no receiver")
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v %s", name, args, err, out)
		}
		return string(out)
	}
	script := file("verify.sh", string(found[1]))
	secret, before := file("secret", "0123456789abcdef-new"), file("before", "0123456789abcdef-old")
	var keys, public []string
	for _, name := range []string{"key", "key-before", "key-of-others"} {
		private := filepath.Join(dir, name+".pem")
		run("openssl", "genpkey", "-algorithm", "ed25519", "-out", private)
		keys = append(keys, private)
		public = append(public, filepath.Join(dir, name+".pub"))
		run("openssl", "pkey", "-in", private, "-pubout", "-out", public[len(public)-1])
	}
	var header http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		header = q.Header.Clone()
		body, _ = io.ReadAll(q.Body)
	}))
	t.Cleanup(srv.Close)
	s := conf.Subscriber{Receiver: "desk", Webhook: &conf.Webhook{URL: srv.URL, SecretFile: secret, PreviousSecretFile: before, KeyFile: keys[0], PreviousKeyFile: keys[1]}}
	ch, err := channel(&s, "urn:corewatch")
	if err != nil {
		t.Fatal(err)
	}
	in := detect.Incident{
		V: 1, ID: "PK-20300101T0000Z-abcdefgh", Revision: 1, Data: detect.Live, Kind: detect.Outage, State: detect.Suspected, Severity: 1, PublicCore: []string{"routing"},
		Entity: detect.Entity{Type: "country", Code: "PK", Name: "Pakistan"}, Start: detect.Interval{Time: detect.At(time.Unix(1893456000, 0))}, Coverage: detect.Coverage{Level: "full"},
		Method:    detect.Method{Name: "expected-peers", Version: "1", ConfigSHA256: strings.Repeat("0", 64), Software: "corewatch"},
		Revisions: []detect.Revision{{Revision: 1, At: detect.At(time.Unix(1893456000, 0)), State: detect.Suspected, Change: "opened"}},
	}
	m := alerts.Message{ID: "0123456789abcdef0123456789abcdef", Receiver: "desk", At: time.Unix(1893456000, 0), Items: []alerts.Item{{Incident: in, Occasion: alerts.Suspected, First: true}}}
	if _, err := ch.Send(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	if err := schematest.Alert(body); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	if n := strings.Count(header.Get("Corewatch-Signature"), "="); n < 4 {
		t.Errorf("not every secret and key signed: %s", header.Get("Corewatch-Signature"))
	}
	verify := func(stamp, id, signature, body, secret, public string) error {
		c := exec.Command("bash", script, stamp, id, signature, secret, public)
		c.Stdin = strings.NewReader(body)
		c.Dir = dir
		out, err := c.CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	stamp, id, signature := header.Get("Corewatch-Timestamp"), header.Get("Idempotency-Key"), header.Get("Corewatch-Signature")
	for i := range 2 {
		if err := verify(stamp, id, signature, string(body), []string{secret, before}[i], public[i]); err != nil {
			t.Errorf("what is ours was refused, with secret and key %d", i)
		}
	}
	others := file("others", "0123456789abcdef-others")
	for what, err := range map[string]error{
		"another body":    verify(stamp, id, signature, string(body)+" ", secret, public[0]),
		"another id":      verify(stamp, "f"+id[1:], signature, string(body), secret, public[0]),
		"another time":    verify("1893456000", id, signature, string(body), secret, public[0]),
		"others' secret":  verify(stamp, id, signature, string(body), others, public[0]),
		"others' key":     verify(stamp, id, signature, string(body), secret, public[2]),
		"an old request":  verify(oldStamp(t, stamp), id, signature, string(body), secret, public[0]),
		"no signature":    verify(stamp, id, "", string(body), secret, public[0]),
		"only one of two": verify(stamp, id, strings.Split(signature, ", ed25519")[0], string(body), secret, public[0]),
	} {
		if err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

func oldStamp(t *testing.T, stamp string) string {
	t.Helper()
	return stamp[:len(stamp)-4] + "0000"
}
