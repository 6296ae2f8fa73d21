package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// apiIncidents is GET /api/v1/incidents. Reconstructions are listed only when asked for by data=reconstruction, and monitor
// faults only by kind=monitor_fault (the Library leaves them out of an unrestricted list).
func (s *Server) apiIncidents(w http.ResponseWriter, r *http.Request) {
	open(w)
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		s.fail(w, r, site{}, err)
		return
	}
	asked := q
	lib := s.deps.Live
	if q.Data == string(detect.Reconstruction) || q.Data != "" && q.Data == string(s.deps.Status().DemoData) {
		lib = s.deps.Demo // asked for by name; never mixed with what is watched
	}
	var list []detect.Incident
	next := ""
	if lib != nil {
		if list, next, err = lib.Incidents(r.Context(), q); err != nil {
			s.fail(w, r, site{}, fmt.Errorf("incidents: %w", err))
			return
		}
	}
	var b bytes.Buffer
	b.WriteString(`{"v":1,"incidents":[`)
	n := 0
	for i := range list {
		if q.Data == "" && list[i].Data == detect.Reconstruction {
			continue
		}
		one, err := list[i].JSON()
		if err != nil {
			s.fail(w, r, site{}, err)
			return
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n")
		b.Write(one)
		n++
	}
	b.WriteString("\n]")
	if next != "" {
		b.WriteString(`,"next":` + strconv.Quote(next))
		asked.Cursor = next
		w.Header().Set("Link", `<`+r.URL.Path+`?`+encode(asked)+`>; rel="next"`)
	}
	b.WriteString("}\n")
	s.send(w, r, http.StatusOK, "application/json", b.Bytes())
}

// encode writes a query as it is read by parseQuery.
func encode(q Query) string {
	v := url.Values{}
	set := func(k, x string) {
		if x != "" {
			v.Set(k, x)
		}
	}
	set("entity", q.Entity)
	set("kind", strings.Join(q.Kinds, ","))
	set("state", strings.Join(q.States, ","))
	set("data", q.Data)
	if !q.From.IsZero() {
		set("from", q.From.UTC().Format(instZ))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.UTC().Format(instZ))
	}
	set("limit", strconv.Itoa(q.Limit))
	set("cursor", q.Cursor)
	return v.Encode()
}

// apiIncident is GET /api/v1/incidents/{id}: the last revision, in canonical form. The demonstration's is given only with
// ?data=reconstruction.
func (s *Server) apiIncident(w http.ResponseWriter, r *http.Request) {
	open(w)
	id, err := incidentID(r)
	if err != nil {
		s.fail(w, r, site{}, err)
		return
	}
	lib := s.deps.Live
	switch r.URL.Query().Get("data") {
	case string(detect.Reconstruction):
		lib = s.deps.Demo
	}
	if lib == nil {
		s.fail(w, r, site{}, ErrNotFound)
		return
	}
	in, err := lib.Incident(r.Context(), id)
	if err != nil {
		s.fail(w, r, site{}, fmt.Errorf("incident %s: %w", id, err))
		return
	}
	body, err := in.JSON()
	if err != nil {
		s.fail(w, r, site{}, err)
		return
	}
	s.send(w, r, http.StatusOK, "application/json", append(body, '\n'))
}

func (s *Server) apiUnknown(w http.ResponseWriter, r *http.Request) {
	open(w)
	s.fail(w, r, site{}, ErrNotFound)
}

// apiOptions answers a preflight: anyone may read, with no credentials.
func (s *Server) apiOptions(w http.ResponseWriter, _ *http.Request) {
	open(w)
	w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	w.Header().Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}
