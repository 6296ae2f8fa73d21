package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

// page is what every template needs.
type page struct {
	Lang, Dir   string
	Title       string
	Description string
	Prefix      string // "" or "/demo": every link of the page begins with it
	Demo        bool
	HasDemo     bool
	HasMail     bool   // people may subscribe by mail
	Nav         string // which entry of the navigation is current
	Banner      template.HTML
	Software    string
	Commit      string
	Made        time.Time // event time up to which the page was made; zero when nothing was processed yet
	Contact     string
	Status      int // of an error page
	ErrorText   string
}

func (s *Server) newPage(st site, _ *http.Request, title, nav string) page {
	status := s.deps.Status()
	p := page{
		Lang: s.cat.lang, Dir: s.cat.dir, Title: title, Prefix: st.prefix, Demo: st.demo, HasDemo: s.deps.Demo != nil, Nav: nav,
		Software: clean(status.Software), Commit: clean(status.Commit), Made: status.EventTime, Contact: clean(s.cfg.Contact),
	}
	if s.deps.Mail != nil {
		_, p.HasMail = s.deps.Mail.Offer()
	}
	p.setBanner(s, st, status.Data, status.Banner)
	return p
}

// setBanner says on top of the page what the figures are when they are not live measurements.
func (p *page) setBanner(s *Server, st site, data detect.Data, text string) {
	switch {
	case st.demo:
		p.Made = time.Time{} // the demonstration has its own clock
		p.Banner = s.cat.html("banner.demo", s.demoBanner())
	case text != "":
		p.Banner = s.cat.html("banner.other", text)
	case data != detect.Live && s.cat.has("banner."+string(data)):
		p.Banner = s.cat.html("banner.other", s.cat.text("banner."+string(data)))
	}
}

// demoBanner says what the demonstration is made of.
func (s *Server) demoBanner() string {
	if key := "banner." + string(s.deps.Status().DemoData); s.cat.has(key) {
		return s.cat.text(key)
	}
	return s.cat.text("banner.reconstruction")
}

// render runs a template and sends the page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, name string, data any) error {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	s.send(w, r, http.StatusOK, "text/html; charset=utf-8", squeeze(b.Bytes()))
	return nil
}

var indent = regexp.MustCompile(`\n\s+`)

// squeeze takes the indentation of the templates out of a page. No element of ours keeps white space.
func squeeze(b []byte) []byte { return indent.ReplaceAll(b, []byte("\n")) }

func (s *Server) parseTemplates() (*template.Template, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"t":     s.cat.text,
		"h":     s.cat.html,
		"asset": s.assetURL,
		"full":  full,
		"hm":    hourMinute,
		"hms":   second,
		"num":   grouped[int],
		"num64": grouped[int64],
		"clean": clean,
		"meter": func(part, whole int64) template.HTML { return template.HTML(figure.Meter(part, whole)) },
		"dict":  dict,
		"upper": strings.ToUpper,
		"iso":   func(t time.Time) string { return t.UTC().Format(instZ) },
		"day":   func(t time.Time) string { return t.UTC().Format("2" + nbsp + "Jan") },
		"share": share,
		"has":   func(list []string, x string) bool { return slices.Contains(list, x) },
		"severities": func() map[int]string {
			return map[int]string{0: "mail.severity.1", 2: "mail.severity.2", 3: "mail.severity.3", 4: "mail.severity.4"}
		},
		"length": length,
	}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return t, nil
}

// dict makes a map for a template that is called with several values.
func dict(kv ...any) (map[string]any, error) {
	if len(kv)%2 != 0 {
		return nil, fmt.Errorf("dict: odd number of arguments")
	}
	m := make(map[string]any, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		k, ok := kv[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: key %v is not a text", kv[i])
		}
		m[k] = kv[i+1]
	}
	return m, nil
}

// name is what to call an entity: the name the incident carries, that of the reference tables, or its code.
func (s *Server) name(e detect.Entity) string {
	if e.Name != "" {
		return clean(e.Name)
	}
	if n := clean(s.deps.Names(e.Key())); n != "" {
		return n
	}
	return clean(e.Code)
}

// countryName is the name of a country code for a map, or "" when it is not known.
func (s *Server) countryName(code string) string {
	if code == "-" {
		return ""
	}
	return clean(s.deps.Names("country:" + code))
}
