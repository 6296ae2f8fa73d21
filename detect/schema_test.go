package detect_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
)

// published are keys that the schema names and this version does not write yet.
var published = []string{"explanations", "assessment"}

// TestSchemaFollowsTheStruct compares names, order and presence of every key, level by level.
func TestSchemaFollowsTheStruct(t *testing.T) {
	schema, err := schematest.Published()
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		var names, always []string
		for f := range typ.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
			if options == "" {
				always = append(always, name)
			}
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[detect.Time]() {
				walk(strings.TrimPrefix(path+"."+name, "."), inner)
			}
		}
		keys, required := schema.Keys(path)
		keys = slices.DeleteFunc(keys, func(k string) bool { return path == "" && slices.Contains(published, k) && !slices.Contains(names, k) })
		if !slices.Equal(keys, names) {
			t.Errorf("keys of %q:\nschema %v\nstruct %v", path, keys, names)
		}
		if !slices.Equal(required, always) {
			t.Errorf("keys of %q that are always there:\nschema %v\nstruct %v", path, required, always)
		}
		objects++
	}
	walk("", reflect.TypeFor[detect.Incident]())
	if objects < 15 {
		t.Errorf("only %d objects compared", objects)
	}
}

// TestIncidentsKeepToTheSchema marshals incidents of every shape and reads them back.
func TestIncidentsKeepToTheSchema(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 2000 {
		inc := anyIncident(r)
		line, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := schematest.Incident(line); err != nil {
			t.Fatalf("incident %d: %v\n%s", n, err, line)
		}
		var back detect.Incident
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatal(err)
		}
		again, err := back.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(line) {
			t.Fatalf("incident %d changes when it is read and written:\n%s\n%s", n, line, again)
		}
	}
}

// anyIncident fills every field, or leaves out what may be absent, at random.
func anyIncident(r *rand.Rand) *detect.Incident {
	base := time.Date(2008, 2, 21, 3, 20, 2, 999_999_000, time.UTC)
	at := func() detect.Time { return detect.At(base.Add(time.Duration(r.Int64N(int64(90 * 24 * time.Hour))))) }
	maybe := func() bool { return r.IntN(2) == 0 }
	ent := []detect.Entity{{Type: "country", Code: "CI", Name: "Côte d'Ivoire"}, {Type: "network", Code: "AS64500"}, {Type: "peer", Code: "rrc00/AS64496/2001:db8::1"}, {Type: "prefix", Code: "192.0.2.0/24"}, {Type: "region", Code: "PK-SD", Name: "Sindh"}, {Type: "zone", Code: "a-zone", Name: "A zone"}}[r.IntN(6)]
	kind := []detect.Kind{detect.Outage, detect.MonitorFault, "a_kind_of_later"}[r.IntN(3)]
	state := []detect.State{detect.Suspected, detect.Partial, detect.Confirmed, detect.Recovering, detect.Closed, detect.Retracted}[r.IntN(6)]
	sum := strings.Repeat("0123456789abcdef", 4)
	i := &detect.Incident{
		V: detect.SchemaVersion, ID: detect.ID(ent, kind, at().Micros()), Revision: 1 + r.IntN(9), Kind: kind, State: state,
		Data:     []detect.Data{detect.Live, detect.Archive, detect.Reconstruction, detect.Synthetic}[r.IntN(4)],
		Severity: 1 + r.IntN(4), Entity: ent, PublicCore: []string{"routing"}, Start: detect.Interval{Time: at()},
		Coverage:  detect.Coverage{Level: "reduced", Because: []string{"single_collector", "learning"}},
		Method:    detect.Method{Name: "expected-peers", Version: "1", ConfigSHA256: sum, Software: "corewatch 0.1.0 (<commit> & more)"},
		Revisions: []detect.Revision{{Revision: 1, At: at(), State: detect.Suspected, Change: "opened"}, {Revision: 2, At: at(), State: state, Change: "state", Reason: "a \"reason\""}},
	}
	interval := func() detect.Interval { return detect.Interval{Time: at(), Earliest: at(), Latest: at()} }
	if maybe() {
		i.Title, i.Start, i.Coverage = "Côte d'Ivoire: 48 of 63 prefixes", interval(), detect.Coverage{Level: "full"}
	}
	if maybe() {
		end := interval()
		i.Peak, i.End = &detect.Moment{Time: at()}, &end
		i.SuspectedAt, i.ConfirmedAt, i.ClosedAt = at(), at(), at()
	}
	if maybe() {
		i.OpenAt = at()
		i.Episodes = []detect.Episode{{Start: at(), PeakLostShare: detect.Share(r.Float64()), End: at()}, {Start: at()}}
	}
	if maybe() {
		i.Signals = []detect.Signal{
			{
				Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: r.Int64N(5120), Unobservable: r.Int64N(2), At: at(), LostShare: detect.Share(r.Float64()),
				Prefixes: detect.PrefixCount{Expected: 1374, Lost: 153, Deaggregated: r.IntN(2), Unobservable: r.IntN(2)},
				ASNs:     detect.VantageCount{Expected: 40, Voting: 39, Masked: r.IntN(2), Sessions: r.IntN(2), Needed: 10}, Collectors: []string{"route-views2", "rrc00"},
			},
			{Signal: "bgp.v6", At: at(), LostShare: 1},
		}
		i.Parts = []detect.Part{{Entity: ent, Unit: "slash48", Lost: 1, Expected: r.Int64N(1 << 40), Prefixes: r.IntN(2)}}
	}
	if maybe() {
		index := r.Int64N(2)
		i.References = []detect.Reference{{Name: "nro-delegated", Vintage: "2026-06-17", SHA256: sum, Quality: "provisional", VintageGapDays: new(6690)}, {Name: "as2org", Vintage: "2008-04-02", SHA256: sum}}
		i.Sources = []detect.Source{{Name: "RouteViews", Collector: "route-views2", Licence: "CC-BY-4.0", Attribution: "see the licence"}, {Name: "RIPE RIS", Collector: "rrc00"}}
		i.Related = []detect.Related{{ID: "CI-20080220T2007Z-abcdefgh", Relation: "same_event"}}
		i.Evidence = &detect.Evidence{Messages: r.IntN(9), SHA256: sum, LedgerIndex: &index}
	}
	return i
}

// full is one incident with every field, as text to be spoiled.
func full(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	var best string
	for range 200 {
		line, err := anyIncident(r).JSON()
		if err != nil {
			t.Fatal(err)
		}
		if s := string(line); strings.Contains(s, `"kind":"outage"`) && strings.Contains(s, `"country"`) && strings.Contains(s, "deaggregated") && len(s) > len(best) {
			best = s
		}
	}
	return best
}

// TestSchemaRefuses spoils one thing at a time. Each must be found, and found where it is.
func TestSchemaRefuses(t *testing.T) {
	line := full(t)
	for _, c := range []struct{ name, from, to, want string }{
		{"version", `"v":1`, `"v":2`, "incident.v"},
		{"missing id", `"id":`, `"idd":`, `"id" is missing`},
		{"id form", `"id":"CI-2008`, `"id":"CI 2008`, "incident.id"},
		{"revision 0", `"revision":`, `"revision":0,"was":`, "incident.revision"},
		{"revision as text", `"severity":`, `"severity":"1","was":`, "incident.severity"},
		{"severity 5", `"severity":`, `"severity":5,"was":`, "incident.severity"},
		{"kind form", `"kind":"outage"`, `"kind":"Outage!"`, "incident.kind"},
		{"null", `"title":`, `"title":null,"was":`, "incident.title"},
		{"empty list", `"public_core":["routing"]`, `"public_core":[]`, "incident.public_core"},
		{"repeated", `"public_core":["routing"]`, `"public_core":["routing","routing"]`, "stands twice"},
		{"fraction of a second", `"start":{"time":"2008-`, `"start":{"time":"2008-02-21T03:20:22.5Z","was":"`, "incident.start.time"},
		{"offset", `"start":{"time":"2008-`, `"start":{"time":"2008-02-21T03:20:22+00:00","was":"`, "incident.start.time"},
		{"no such day", `"start":{"time":"2008-`, `"start":{"time":"2008-02-31T03:20:22Z","was":"`, "incident.start.time"},
		{"share above 1", `"lost_share":1`, `"lost_share":1.5`, "lost_share"},
		{"share below 0", `"lost_share":1`, `"lost_share":-1`, "lost_share"},
		{"too many decimals", `"lost_share":1`, `"lost_share":0.12345`, "decimals"},
		{"trailing zero", `"lost_share":1`, `"lost_share":0.10`, "trailing zero"},
		{"exponent", `"lost_share":1`, `"lost_share":1e0`, "exponent"},
		{"count with a point", `"needed":10`, `"needed":10.5`, "asns.needed"},
		{"digest in capitals", `"sha256":"0123456789abcdef`, `"sha256":"0123456789ABCDEF`, "sha256"},
		{"unknown key", `"title":`, `"titel":"x","title":`, `does not name key "titel"`},
		{"order", `"v":1,"id":`, `"id":`, `"v" is missing`},
		{"key twice", `"v":1,`, `"v":1,"v":1,`, "twice"},
		{"white space", `"v":1,`, `"v": 1,`, "shortest form"},
		{"needless escape", `"kind":"outage"`, `"kind":"\u006futage"`, "shortest form"},
		{"no revisions", `"revisions":[`, `"revisionen":[`, `"revisions" is missing`},
		{"cut", `}]}`, `}]`, "not JSON"},
		{"two documents", `}]}`, `}]}{}`, "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := strings.LastIndex(line, c.from)
			if c.name != "cut" && c.name != "two documents" {
				i = strings.Index(line, c.from)
			}
			if i < 0 {
				t.Fatalf("%q is not in %s", c.from, line)
			}
			err := schematest.Incident([]byte(line[:i] + c.to + line[i+len(c.from):]))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	swapped := strings.Replace(line, `"v":1,`, "", 1)
	swapped = strings.TrimSuffix(swapped, "}") + `,"v":1}`
	if err := schematest.Incident([]byte(swapped)); err == nil || !strings.Contains(err.Error(), "order of the schema") {
		t.Errorf("keys in another order: got %v", err)
	}
}

// TestReadersMayMeetLaterVersions: what version 1 may gain must not make a reader refuse a line.
func TestReadersMayMeetLaterVersions(t *testing.T) {
	schema, err := schematest.Published()
	if err != nil {
		t.Fatal(err)
	}
	line := full(t)
	for from, to := range map[string]string{
		`"kind":"outage"`:     `"kind":"something_new"`,
		`"v":1,`:              `"v":1,"a_key_of_later":{"x":[1]},`,
		`"type":"country"`:    `"type":"continent"`,
		`"unit":"slash24"`:    `"unit":"slash23"`,
		`"state":"suspected"`: `"state":"forgotten"`,
	} {
		if !strings.Contains(line, from) {
			t.Fatalf("%q is not in %s", from, line)
		}
		if err := schema.Validate([]byte(strings.Replace(line, from, to, 1))); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}
