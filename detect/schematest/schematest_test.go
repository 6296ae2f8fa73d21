package schematest

import (
	"strings"
	"testing"
)

// TestLoadRefusesWhatItWouldPassOver: a rule that this package does not check must not look as if it were.
func TestLoadRefusesWhatItWouldPassOver(t *testing.T) {
	const head = `{"$schema":"https://json-schema.org/draft/2020-12/schema",`
	for body, want := range map[string]string{
		`"properties":{"a":{"multipleOf":2}}}`: `keyword "multipleOf"`,
		`"items":{"anyOf":[{"not":{}}]}}`:      `keyword "not"`,
		`"$ref":"#/$defs/none"}`:               "leads nowhere",
		`"pattern":"("}`:                       "missing closing",
		`"format":"uri"}`:                      `format "uri"`,
		`"properties":{"a":true}}`:             "must be an object",
	} {
		if _, err := Load([]byte(head + body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", body, err, want)
		}
	}
	if _, err := Load([]byte(`{"type":"object"}`)); err == nil {
		t.Error("a schema without its draft was loaded")
	}
}

// FuzzCanonical: no document makes the validator panic, and what is canonical is valid.
func FuzzCanonical(f *testing.F) {
	f.Add(`{"v":1,"id":"PK-20080221T0321Z-k3f2q2xa","revision":1,"data":"archive","kind":"outage","state":"closed","severity":3,` +
		`"entity":{"type":"country","code":"PK"},"public_core":["routing"],"start":{"time":"2008-02-21T03:20:22Z"},"coverage":{"level":"full"},` +
		`"method":{"name":"m","version":"1","config_sha256":"` + strings.Repeat("0", 64) + `","software":"s"},` +
		`"revisions":[{"revision":1,"at":"2008-02-21T03:21:36Z","state":"suspected","change":"opened"}]}`)
	f.Add(`{"v":1e999999999}`)
	f.Add(strings.Repeat("[", 1000))
	f.Add(`[null,{"a":""},1.50,true,"\ud800"]`)
	f.Fuzz(func(t *testing.T, doc string) {
		s, err := Published()
		if err != nil {
			t.Fatal(err)
		}
		if s.Canonical([]byte(doc)) == nil {
			if err := s.Validate([]byte(doc)); err != nil {
				t.Errorf("canonical but not valid: %v", err)
			}
		}
	})
}
