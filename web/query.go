package web

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

var (
	idForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	entityForm  = regexp.MustCompile(`^[a-z_]{1,20}:[A-Za-z0-9._:/-]{1,100}$`)
	wordForm    = regexp.MustCompile(`^[a-z_0-9]{1,40}$`)
	cursorForm  = regexp.MustCompile(`^[A-Za-z0-9._~:=-]{1,300}$`)
)

// longest is the longest period that one request may cover.
const longest = 400 * 24 * time.Hour

// parseTime reads an absolute instant. The zone must be written: a time without one means different things to different people.
func parseTime(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1990 || t.Year() > 2200 {
		return time.Time{}, badRequest{name + ": want a time such as 2008-02-21T03:20:00Z"}
	}
	return t.UTC(), nil
}

// parseWindow reads from and until; own is false when the reader gave neither.
func parseWindow(v url.Values) (w window, own bool, err error) {
	if w.From, err = parseTime("from", v.Get("from")); err != nil {
		return w, false, err
	}
	if w.Until, err = parseTime("until", v.Get("until")); err != nil {
		return w, false, err
	}
	if w.From.IsZero() && w.Until.IsZero() {
		return w, false, nil
	}
	if w.From.IsZero() || w.Until.IsZero() {
		return w, false, badRequest{"from and until: give both"}
	}
	if !w.Until.After(w.From) || w.Until.Sub(w.From) > longest {
		return w, false, badRequest{"until: must lie after from, by at most 400 days"}
	}
	return w, true, nil
}

// parseQuery reads the filters of a list of incidents. Unknown parameters are errors: a misspelt filter must not look like an
// answer about everything.
func parseQuery(raw string) (Query, error) {
	q := Query{Limit: 50}
	v, err := url.ParseQuery(raw)
	if err != nil || len(raw) > 4000 {
		return q, badRequest{"the query cannot be read"}
	}
	for name := range v {
		if !slices.Contains([]string{"entity", "kind", "state", "data", "from", "until", "limit", "cursor"}, name) {
			return q, badRequest{"unknown parameter; known are entity, kind, state, data, from, until, limit and cursor"}
		}
		if name != "kind" && name != "state" && len(v[name]) > 1 {
			return q, badRequest{name + ": given more than once"}
		}
	}
	if q.Entity = v.Get("entity"); q.Entity != "" && !entityForm.MatchString(q.Entity) {
		return q, badRequest{"entity: want a key such as country:PK or network:AS17563"}
	}
	if q.Kinds, err = list("kind", v["kind"]); err != nil {
		return q, err
	}
	if q.States, err = list("state", v["state"]); err != nil {
		return q, err
	}
	switch d := v.Get("data"); detect.Data(d) {
	case "", detect.Live, detect.Archive, detect.Reconstruction, detect.Synthetic:
		q.Data = d
	default:
		return q, badRequest{"data: want live, archive, reconstruction or synthetic"}
	}
	if q.From, err = parseTime("from", v.Get("from")); err != nil {
		return q, err
	}
	if q.Until, err = parseTime("until", v.Get("until")); err != nil {
		return q, err
	}
	if !q.From.IsZero() && !q.Until.IsZero() && !q.Until.After(q.From) {
		return q, badRequest{"until: must lie after from"}
	}
	if l := v.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > MaxLimit {
			return q, badRequest{"limit: want a number from 1 to " + strconv.Itoa(MaxLimit)}
		}
		q.Limit = n
	}
	if q.Cursor = v.Get("cursor"); q.Cursor != "" && !cursorForm.MatchString(q.Cursor) {
		return q, badRequest{"cursor: use the one that the previous page gave"}
	}
	return q, nil
}

// list reads a parameter that may be given several times or with commas.
func list(name string, in []string) ([]string, error) {
	var out []string
	for _, v := range in {
		for w := range strings.SplitSeq(v, ",") {
			if !wordForm.MatchString(w) || len(out) >= 20 {
				return nil, badRequest{name + ": want words such as outage, separated by commas"}
			}
			out = append(out, w)
		}
	}
	return out, nil
}

// incidentID is the id in the path; anything that cannot be one is simply not there.
func incidentID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		return "", ErrNotFound
	}
	return id, nil
}
