package alerts

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Feed is a list of incidents for feed readers: each is one entry with an id that stays, and is updated by every revision, so that a reader
// shows its end and its retraction where it showed its beginning.
type Feed struct {
	Title   string
	Author  string // who publishes; empty: an unsigned draft
	Base    string // "https://monitor.example.org"; empty: entries have no links
	Self    string // path and query of the feed, below Base; of a feed that is served
	Name    string // of the file, of a feed that is a file; and
	At      string // its whole address; empty: it does not say where it is
	List    []detect.Incident
	Updated time.Time // of a feed without entries
}

// standing is the occasion that an incident's state amounts to.
func standing(in *detect.Incident) Occasion {
	switch {
	case in.State == detect.Retracted:
		return Retracted
	case in.State == detect.Closed:
		return Over
	case in.ConfirmedAt.IsZero():
		return Suspected
	}
	return Confirmed
}

// entry is what both forms say of an incident.
type entry struct {
	id, link, title, text string
	published, updated    time.Time
	tags                  []string
}

func (f *Feed) entries(w *Words) (list []entry, updated time.Time) {
	updated = f.Updated.UTC()
	for i := range f.List {
		in := &f.List[i]
		m := Message{Items: []Item{{Incident: *in, Occasion: standing(in)}}}
		e := entry{id: "urn:corewatch:incident:" + in.ID, title: w.Line(&m), updated: MadeAt(in).UTC()}
		if f.Base != "" {
			e.link = f.Base + "/i/" + in.ID
			m.Items[0].URL = e.link
		}
		e.text = w.Full(&m)
		if e.published = e.updated; len(in.Revisions) > 0 {
			e.published = in.Revisions[0].At.UTC()
		}
		e.tags = []string{string(in.Kind), string(in.State), in.Entity.Key(), string(in.Data), "coverage:" + in.Coverage.Level}
		if i == 0 || e.updated.After(updated) {
			updated = e.updated
		}
		list = append(list, e)
	}
	return list, updated
}

// id is that of the feed, which stays.
func (f *Feed) id() string {
	switch {
	case f.At != "":
		return f.At
	case f.Name != "":
		return "urn:corewatch:feed:" + f.Name
	case f.Base != "":
		return f.Base + f.Self
	}
	return "urn:corewatch:feed:" + url.QueryEscape(strings.TrimPrefix(f.Self, "/"))
}

// self is where the feed is; empty: it does not say so.
func (f *Feed) self() string {
	if f.Name != "" || f.Base == "" {
		return f.At
	}
	return f.Base + f.Self
}

type atomFeed struct {
	XMLName   xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang      string      `xml:"xml:lang,attr"`
	ID        string      `xml:"id"`
	Title     string      `xml:"title"`
	Updated   string      `xml:"updated"`
	Author    string      `xml:"author>name"`
	Generator string      `xml:"generator"`
	Links     []atomLink  `xml:"link"`
	Entries   []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID         string         `xml:"id"`
	Title      string         `xml:"title"`
	Published  string         `xml:"published"`
	Updated    string         `xml:"updated"`
	Links      []atomLink     `xml:"link"`
	Categories []atomCategory `xml:"category"`
	Content    atomContent    `xml:"content"`
}

type atomCategory struct {
	Term string `xml:"term,attr"`
}

type atomContent struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// draft is the author of a feed that nobody signs for.
const draft = "unsigned draft"

// Atom is the feed in the form of RFC 4287. The same list gives the same octets.
func (f *Feed) Atom(w *Words) ([]byte, error) {
	list, updated := f.entries(w)
	out := atomFeed{
		Lang: w.lang, ID: f.id(), Title: Plain(f.Title), Updated: updated.Format(time.RFC3339),
		Author: cmp.Or(Plain(f.Author), draft), Generator: "corewatch",
	}
	if at := f.self(); at != "" {
		out.Links = append(out.Links, atomLink{"self", at})
	}
	if f.Base != "" {
		out.Links = append(out.Links, atomLink{"alternate", f.Base + "/incidents"})
	}
	for _, e := range list {
		a := atomEntry{
			ID: e.id, Title: e.title, Published: e.published.Format(time.RFC3339), Updated: e.updated.Format(time.RFC3339), Content: atomContent{"text", e.text},
		}
		if e.link != "" {
			a.Links = []atomLink{{"alternate", e.link}}
		}
		for _, t := range e.tags {
			a.Categories = append(a.Categories, atomCategory{t})
		}
		out.Entries = append(out.Entries, a)
	}
	b, err := xml.MarshalIndent(&out, "", " ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(b, '\n')...), nil
}

// JSON is the feed in the form of JSON Feed 1.1.
func (f *Feed) JSON(w *Words) ([]byte, error) {
	type author struct {
		Name string `json:"name"`
	}
	type item struct {
		ID        string          `json:"id"`
		URL       string          `json:"url,omitempty"`
		Title     string          `json:"title"`
		Text      string          `json:"content_text"`
		Published string          `json:"date_published"`
		Modified  string          `json:"date_modified"`
		Tags      []string        `json:"tags"`
		Incident  json.RawMessage `json:"_corewatch_incident"`
	}
	out := struct {
		Version string   `json:"version"`
		Title   string   `json:"title"`
		Lang    string   `json:"language"`
		Home    string   `json:"home_page_url,omitempty"`
		Feed    string   `json:"feed_url,omitempty"`
		Authors []author `json:"authors"`
		Items   []item   `json:"items"`
	}{Version: "https://jsonfeed.org/version/1.1", Title: Plain(f.Title), Lang: w.lang, Authors: []author{{cmp.Or(Plain(f.Author), draft)}}, Items: []item{}}
	if out.Feed = f.self(); f.Base != "" {
		out.Home = f.Base + "/incidents"
	}
	list, _ := f.entries(w)
	for i, e := range list {
		raw, err := f.List[i].JSON()
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, item{
			e.id, e.link, e.title, strings.TrimRight(e.text, "\n"), e.published.Format(time.RFC3339), e.updated.Format(time.RFC3339), e.tags, raw,
		})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(&out)
	return b.Bytes(), err
}
