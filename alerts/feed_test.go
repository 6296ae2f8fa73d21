package alerts

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
)

// TestFeeds: an incident is one entry with one id, whatever its revision; what comes from outside is text in both forms.
func TestFeeds(t *testing.T) {
	en, err := Language("en")
	if err != nil {
		t.Fatal(err)
	}
	all := life{"PK-1", "country:PK", 3, "", []string{"suspected@0", "confirmed@180", "closed@1500"}}.revisions(t)
	nasty := "</title><script>alert(1)</script> ]]> & \x01\u202e \"quoted\""
	var ids []string
	for _, r := range all {
		in := r.Incident
		in.Entity.Name = nasty
		f := Feed{Title: "Incidents", Base: "https://monitor.example.org", Self: "/incidents.atom?entity=country:PK&limit=50", List: []detect.Incident{in}}
		text, err := f.Atom(en)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			ID      string `xml:"id"`
			Updated string `xml:"updated"`
			Author  struct {
				Name string `xml:"name"`
			} `xml:"author"`
			Entry []struct {
				ID      string `xml:"id"`
				Title   string `xml:"title"`
				Updated string `xml:"updated"`
				Script  []any  `xml:"script"`
			} `xml:"entry"`
		}
		d := xml.NewDecoder(strings.NewReader(string(text)))
		if err := d.Decode(&got); err != nil || len(got.Entry) != 1 {
			t.Fatalf("%v: %s", err, text)
		}
		if _, err := d.Token(); err != io.EOF && strings.Contains(string(text), "<script") {
			t.Errorf("markup from outside: %s", text)
		}
		at := MadeAt(&in).UTC().Format("2006-01-02T15:04:05Z")
		if got.Updated != at || got.Entry[0].Updated != at || got.Author.Name != draft || !strings.Contains(got.Entry[0].Title, "alert(1)") {
			t.Errorf("%+v", got)
		}
		ids = append(ids, got.Entry[0].ID)
		text, err = f.JSON(en)
		if err != nil {
			t.Fatal(err)
		}
		var feed struct {
			Version string
			Items   []struct {
				ID       string
				URL      string
				Modified string          `json:"date_modified"`
				Incident detect.Incident `json:"_corewatch_incident"`
			}
		}
		if err := json.Unmarshal(text, &feed); err != nil || len(feed.Items) != 1 || !strings.HasSuffix(feed.Version, "1.1") {
			t.Fatalf("%v: %s", err, text)
		}
		if i := feed.Items[0]; i.ID != ids[0] || i.URL != "https://monitor.example.org/i/PK-1" || i.Modified != at || i.Incident.Revision != in.Revision {
			t.Errorf("%+v", i)
		}
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("ids %q", ids)
	}
	empty := Feed{Title: "None", Updated: t0}
	if text, err := empty.Atom(en); err != nil || !strings.Contains(string(text), "2030-01-01T00:00:00Z") {
		t.Errorf("%v %s", err, text)
	}
}
