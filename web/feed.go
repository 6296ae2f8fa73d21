package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// feed serves the incidents of a query to feed readers: /incidents.atom and /incidents.feed.json, with the parameters of the list.
func (s *Server) feed(w http.ResponseWriter, r *http.Request, st site) error {
	open(w)
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	list, _, err := st.lib.Incidents(r.Context(), q)
	if err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	title := s.cat.text("feed.title")
	if st.demo {
		title = s.cat.text("feed.demo", string(s.deps.Status().DemoData))
	}
	if q.Entity != "" {
		key, code, _ := strings.Cut(q.Entity, ":")
		title += ": " + s.name(detect.Entity{Type: key, Code: code})
	}
	f := alerts.Feed{Title: title, Author: s.cfg.Operator, Self: r.URL.RequestURI(), List: list, Updated: s.deps.Status().Started}
	if s.cfg.PublicURL != "" {
		f.Base = s.cfg.PublicURL + st.prefix
		f.Self = strings.TrimPrefix(f.Self, st.prefix)
	}
	kind, text := "application/atom+xml; charset=utf-8", []byte(nil)
	if strings.HasSuffix(r.URL.Path, ".json") {
		kind = "application/feed+json; charset=utf-8"
		text, err = f.JSON(s.words)
	} else {
		text, err = f.Atom(s.words)
	}
	if err != nil {
		return err
	}
	s.send(w, r, http.StatusOK, kind, text)
	return nil
}
