package app

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// element is any element of XML.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Below   []element  `xml:",any"`
}

func (e *element) all(name string) (list []element) {
	for _, b := range e.Below {
		if b.XMLName.Local == name {
			list = append(list, b)
		}
	}
	return list
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// soundAtom checks a document by the rules of RFC 4287: what must be there, once; ids and links that are IRIs; dates; an alternate for who has no
// content; nothing that is not of Atom. It gives the ids of the entries.
func soundAtom(t *testing.T, text []byte) (ids []string) {
	t.Helper()
	var feed element
	d := xml.NewDecoder(strings.NewReader(string(text)))
	if err := d.Decode(&feed); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	const ns = "http://www.w3.org/2005/Atom"
	known := map[string]string{ // section 4.1.1 and 4.1.2: children, with * of those that may be more or less than one
		"feed":  "id title updated author* generator* link* entry* category*",
		"entry": "id title updated published* link* category* content*",
	}
	check := func(e *element, of string) {
		if e.XMLName.Space != ns {
			t.Errorf("%s is not of Atom", e.XMLName.Local)
		}
		rules := strings.Fields(known[of])
		for _, r := range rules {
			if name, many := strings.CutSuffix(r, "*"); !many && len(e.all(name)) != 1 {
				t.Errorf("%s has %d %s", of, len(e.all(name)), name)
			}
		}
		for _, b := range e.Below {
			if !strings.Contains(" "+strings.ReplaceAll(known[of], "*", "")+" ", " "+b.XMLName.Local+" ") {
				t.Errorf("%s has %s", of, b.XMLName.Local)
			}
			switch b.XMLName.Local {
			case "id", "link":
				address := b.Text + b.attr("href")
				if u, err := url.Parse(address); err != nil || !u.IsAbs() || strings.ContainsAny(address, " <>\"{}|\\^`") {
					t.Errorf("%s %q is no address", b.XMLName.Local, address)
				}
			case "updated", "published":
				if _, err := time.Parse(time.RFC3339, b.Text); err != nil { // section 3.3
					t.Error(err)
				}
			case "category":
				if b.attr("term") == "" {
					t.Error("a category without a term")
				}
			case "title":
				if b.Text == "" || len(b.Below) > 0 {
					t.Errorf("title %+v", b)
				}
			case "content":
				if b.attr("type") != "text" || len(b.Below) > 0 || b.Text == "" { // section 4.1.3.3
					t.Errorf("content %+v", b)
				}
			}
		}
	}
	check(&feed, "feed")
	if a := feed.all("author"); len(a) != 1 || len(a[0].all("name")) != 1 || a[0].all("name")[0].Text == "" {
		t.Error("entries without an author need one of the feed") // section 4.1.1
	}
	seen := map[string]bool{}
	for _, e := range feed.all("entry") {
		check(&e, "entry")
		id := e.all("id")[0].Text
		if seen[id] {
			t.Errorf("%s stands twice", id)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	if rest := strings.TrimSpace(string(text[d.InputOffset():])); rest != "" {
		t.Errorf("behind the feed: %q", rest)
	}
	return ids
}

// TestFeedFiles: the files follow the store while the monitor runs, whole at every instant, with ids that stay; and the command writes the same.
func TestFeedFiles(t *testing.T) {
	dir, folder := t.TempDir(), filepath.Join(t.TempDir(), "feeds")
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	text := fmt.Sprintf("pages: {public_url: 'https://monitor.example.org', operator: 'Some people'}\nalerts:\n  feeds:\n    folder: %s\n    url: https://feeds.example.org/core/\n    list:\n      - {name: world}\n      - {name: as64513, entity: 'network:AS64513', limit: 1}\n", folder)
	c, err := conf.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFeedFiles(c, store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	f.data = detect.Live
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func() {
		t.Helper()
		if err := f.write(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	write()
	began := read("world.atom")
	if ids := soundAtom(t, began); len(ids) != 0 {
		t.Errorf("%q", ids)
	}
	time.Sleep(1100 * time.Millisecond) // the date of an empty feed is that of its first writing
	if write(); string(read("world.atom")) != string(began) {
		t.Error("an empty feed changes")
	}
	storeOutage(t, store, 1, 1, detect.Suspected)
	storeOutage(t, store, 2, 1, detect.Suspected)
	write()
	first := soundAtom(t, read("world.atom"))
	storeOutage(t, store, 1, 2, detect.Retracted)
	write()
	second := soundAtom(t, read("world.atom"))
	if len(first) != 2 || len(second) != 2 || strings.Join(first, " ") != strings.Join(second, " ") {
		t.Errorf("ids %q, then %q", first, second)
	}
	atom := string(read("as64513.atom"))
	for _, want := range []string{"TAKEN BACK", `rel="self" href="https://feeds.example.org/core/as64513.atom"`, `href="https://monitor.example.org/i/XA-0001"`, "<name>Some people</name>", "<id>https://feeds.example.org/core/as64513.atom</id>"} {
		if !strings.Contains(atom, want) {
			t.Errorf("the feed of one network lacks %s:\n%s", want, atom)
		}
	}
	if ids := soundAtom(t, []byte(atom)); len(ids) != 1 {
		t.Errorf("%q", ids)
	}
	var feed struct {
		Version, Title, Language string
		FeedURL                  string `json:"feed_url"`
		Items                    []struct {
			ID       string
			Incident detect.Incident `json:"_corewatch_incident"`
		}
	}
	if err := json.Unmarshal(read("world.feed.json"), &feed); err != nil || feed.Version != "https://jsonfeed.org/version/1.1" || feed.FeedURL != "https://feeds.example.org/core/world.feed.json" || len(feed.Items) != 2 || feed.Items[0].ID != second[0] {
		t.Errorf("%v %+v", err, feed)
	}
	var list struct {
		V         int
		Incidents []json.RawMessage
	}
	if err := json.Unmarshal(read("world.incidents.json"), &list); err != nil || list.V != 1 || len(list.Incidents) != 2 {
		t.Errorf("%v %+v", err, list)
	}
	names, err := os.ReadDir(folder)
	if err != nil || len(names) != 6 {
		t.Errorf("%v %v", names, err)
	}
	// The command, of the store as it is, without a configuration.
	out := t.TempDir()
	if err := AlertsFeeds(t.Context(), "", dir, out, io.Discard); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "incidents.atom"))
	if err != nil {
		t.Fatal(err)
	}
	if ids := soundAtom(t, b); strings.Join(ids, " ") != strings.Join(second, " ") || !strings.Contains(string(b), "<id>urn:corewatch:feed:incidents.atom</id>") {
		t.Errorf("%q: %s", ids, b)
	}
	if err := AlertsFeeds(t.Context(), "", dir, "", io.Discard); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Error(err)
	}
	// A folder that cannot be written into is told, and mended.
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.write(t.Context(), time.Now()); err == nil {
		t.Error("a file in the place of the folder")
	}
}

// TestStaticIncidents: every incident of the list is in the published form.
func TestStaticIncidents(t *testing.T) {
	store := recordedLive(t, countryOutage(t))
	list, _, err := store.Incidents(t.Context(), sqlite.Query{})
	if err != nil || len(list) == 0 {
		t.Fatal(err, len(list))
	}
	text, err := incidentsJSON(list)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Incidents []json.RawMessage }
	if err := json.Unmarshal(text, &doc); err != nil || len(doc.Incidents) != len(list) {
		t.Fatal(err)
	}
	for _, one := range doc.Incidents {
		if err := schematest.Incident(one); err != nil {
			t.Error(err)
		}
	}
	// Each stage of it is told within ten seconds of event time, in the published form.
	got := arrivals(t, store, "", hooks(t, map[string]string{"desk": "URL-desk"}, "stage: suspected, "), "desk")
	var said []string
	for _, a := range got {
		said = append(said, a.String())
		if late := a.at.Sub(a.made); late < 0 || late > 10*time.Second {
			t.Errorf("%s left %s after the change", a, late)
		}
	}
	if want := "desk suspected country:XA, desk confirmed country:XA, desk over country:XA"; strings.Join(said, ", ") != want {
		t.Errorf("told %q, want %q", said, want)
	}
}

// TestTemplatesOfTheConfiguration: config check finds what is wrong with them, a receiver is told in their words, and a failure stands on /health.
func TestTemplatesOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("short.en.tmpl", "{{range .Items}}{{.Secret}}{{end}}")
	file := write("corewatch.yaml", "sources: []\nalerts: {templates: "+dir+"}\n")
	if err := CheckConfig(file, io.Discard); err == nil || !strings.Contains(err.Error(), "short.en.tmpl") {
		t.Errorf("%v", err)
	}
	write("short.en.tmpl", "{{range .Items}}{{if eq .Code \"AS64513\"}}{{index .Parts 1}}{{end}}Look: {{.Place}}{{end}}")
	if err := CheckConfig(file, io.Discard); err != nil {
		t.Error(err)
	}
	c, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	c.Alerts.Subscriptions = append(c.Alerts.Subscriptions, conf.Subscriber{Receiver: "desk"})
	if _, err := c.Alerts.LoadTemplates(); err != nil {
		t.Fatal(err)
	}
	words, err := c.Alerts.Subscriptions[0].Words()
	if err != nil {
		t.Fatal(err)
	}
	st := status{live: &watcher{alerts: c.Alerts}}
	for n, want := range map[int]string{2: "Look: AS64514", 1: "[SUSPECTED] AS64513"} {
		store, err := sqlite.OpenMemory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		storeOutage(t, store, n, 1, detect.Suspected)
		all, err := inStore(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		if got := words.Short(messageOf(&all[0].Incident)); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		_ = store.Close()
	}
	if list := st.alerts(); len(list) != 1 || list[0].State != "failed" || !strings.Contains(list[0].Detail, "short.en.tmpl") || strings.Contains(list[0].Detail, dir) {
		t.Errorf("%+v", list)
	}
}

// TestWhereNetworksAre: a network is where the table of organisations has it registered, and where more than half of what it lost is.
func TestWhereNetworksAre(t *testing.T) {
	dir := t.TempDir()
	table := "# format:aut|changed|aut_name|org_id|opaque_id|source\n64513|20300101|ONE|O-1||X\n# format:org_id|changed|org_name|country|source\nO-1|20300101|One|SG|X\n"
	if err := os.WriteFile(filepath.Join(dir, "20300101.as-org2info.txt"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	lost := []detect.Member{{Prefix: "1.1.1.0/24"}, {Prefix: "39.33.0.0/16"}, {Prefix: "39.40.0.0/16"}}
	where, err := newNetworkCountries(t.Context(), conf.Config{Reference: dir}, time.Now(), func(context.Context, string) ([]detect.Member, error) { return lost, nil })
	if err != nil {
		t.Fatal(err)
	}
	in := detect.Incident{ID: "a", Revision: 1, Entity: detect.Entity{Type: "network", Code: "AS64513"}}
	if got := strings.Join(where.of(&in), " "); got != "SG PK" {
		t.Errorf("%q", got)
	}
	lost = lost[:2] // half is not more than half
	if in.Revision = 2; strings.Join(where.of(&in), " ") != "SG" {
		t.Errorf("%q", where.of(&in))
	}
	in.ID, in.Entity.Code, lost = "b", "AS64999", nil
	if got := where.of(&in); got != nil {
		t.Errorf("%q", got)
	}
}
