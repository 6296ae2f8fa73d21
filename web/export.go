package web

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

// countryFile serves the series of a country's page as CSV, JSON and SVG.
func (s *Server) countryFile(w http.ResponseWriter, r *http.Request, st site) error {
	code := r.PathValue("code")
	if !countryForm.MatchString(code) {
		return ErrNotFound
	}
	file := r.PathValue("file")
	if file != "series.csv" && file != "series.json" && file != "series.svg" {
		return ErrNotFound
	}
	asked, own, err := parseWindow(r.URL.Query())
	if err != nil {
		return err
	}
	ctx := r.Context()
	key := "country:" + code
	list, _, err := st.lib.Incidents(ctx, Query{Entity: key, Kinds: []string{string(detect.Outage)}, Limit: 50})
	if err != nil {
		return fmt.Errorf("incidents of %s: %w", code, err)
	}
	if !own {
		last, err := newest(ctx, st.lib, key, sigV4)
		if err != nil {
			return err
		}
		asked = s.windowOf(foremost(list), last)
	}
	var samples []detect.Sample
	for _, signal := range []string{sigV4, sigV6} {
		part, err := held(ctx, st.lib, key, signal, asked)
		if err != nil {
			return err
		}
		samples = append(samples, part...)
	}
	entity := detect.Entity{Type: "country", Code: code}
	if len(list) > 0 {
		entity.Name = list[0].Entity.Name
	}
	if s.name(entity) == code && len(samples) == 0 {
		return ErrNotFound
	}
	open(w)
	data := s.dataOf(st, list)
	switch file {
	case "series.csv":
		body, err := seriesCSV(samples, data)
		if err != nil {
			return err
		}
		attach(w, code+"-series.csv")
		s.send(w, r, http.StatusOK, "text/csv; charset=utf-8", body)
	case "series.json":
		body, err := seriesJSON(key, asked, samples, data)
		if err != nil {
			return err
		}
		s.send(w, r, http.StatusOK, "application/json", body)
	case "series.svg":
		attach(w, code+"-series.svg")
		s.send(w, r, http.StatusOK, "image/svg+xml", []byte(s.seriesSVG(st, entity, asked, samples, within(list, asked), data)))
	}
	return nil
}

// dataOf says what the series of a side are made of; it goes into every file.
func (s *Server) dataOf(st site, list []detect.Incident) detect.Data {
	switch {
	case len(list) > 0:
		return list[0].Data
	case st.demo:
		return detect.Reconstruction
	}
	return s.deps.Status().Data
}

// attach names a download. It stays viewable in the browser.
func attach(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Disposition", `inline; filename="`+name+`"`)
}

func seriesCSV(list []detect.Sample, data detect.Data) ([]byte, error) {
	var b bytes.Buffer
	c := csv.NewWriter(&b)
	rows := [][]string{{"time_utc", "signal", "prefixes_observable", "prefixes_lost", "units_observable", "units_lost", "units_unobservable", "networks_voting", "no_data", "data"}}
	for _, p := range list {
		row := []string{p.At.String(), p.Signal, "", "", "", "", "", strconv.Itoa(int(p.Voting)), strconv.FormatBool(p.NoData), string(data)}
		if !p.NoData { // unknown is empty, never zero
			for i, n := range []int64{int64(p.Prefixes), int64(p.LostPrefixes), p.Expected, p.Lost, p.Unobservable} {
				row[2+i] = strconv.FormatInt(n, 10)
			}
		}
		rows = append(rows, row)
	}
	if err := c.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("CSV: %w", err)
	}
	return b.Bytes(), nil
}

// seriesJSON holds the samples by signal, in columns; null is unknown.
func seriesJSON(entity string, w window, list []detect.Sample, data detect.Data) ([]byte, error) {
	type columns struct {
		Signal   string   `json:"signal"`
		Unit     string   `json:"unit"`
		Time     []int64  `json:"t"`
		Prefixes []*int64 `json:"prefixes_visible"`
		Of       []*int64 `json:"prefixes_observable"`
		Units    []*int64 `json:"units_visible"`
		UnitsOf  []*int64 `json:"units_observable"`
		Voting   []int32  `json:"networks_voting"`
	}
	out := struct {
		V      int         `json:"v"`
		Entity string      `json:"entity"`
		Data   detect.Data `json:"data"`
		From   detect.Time `json:"from,omitzero"`
		Until  detect.Time `json:"until,omitzero"`
		Series []*columns  `json:"series"`
	}{V: 1, Entity: entity, Data: data, From: instant(w.From), Until: instant(w.Until), Series: []*columns{}}
	var c *columns
	for _, p := range list {
		if c == nil || c.Signal != p.Signal {
			unit := "slash24"
			if p.Signal == sigV6 {
				unit = "slash48"
			}
			c = &columns{Signal: p.Signal, Unit: unit}
			out.Series = append(out.Series, c)
		}
		val := func(n int64) *int64 {
			if p.NoData {
				return nil
			}
			return &n
		}
		c.Time = append(c.Time, p.At.Unix())
		c.Prefixes, c.Of = append(c.Prefixes, val(int64(p.Prefixes-p.LostPrefixes))), append(c.Of, val(int64(p.Prefixes)))
		c.Units, c.UnitsOf = append(c.Units, val(p.Expected-p.Lost)), append(c.UnitsOf, val(p.Expected))
		c.Voting = append(c.Voting, p.Voting)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	return append(body, '\n'), nil
}

// seriesSVG is the figure of the page as a file that carries its own title, place, period, source, licence, link and digest.
func (s *Server) seriesSVG(st site, entity detect.Entity, w window, list []detect.Sample, incidents []detect.Incident, data detect.Data) string {
	f := figure.File{
		Title: s.cat.text("svg.title", s.name(entity)), Subtitle: s.cat.text("svg.period", period(w.From, w.Until)),
		From: w.From, Until: w.Until, NoData: s.cat.text("nodata"),
		Notice: s.cat.text("svg.data", s.word("data", string(data))),
		Link:   s.cfg.PublicURL + st.prefix + "/country/" + entity.Code + string(query(w)),
	}
	for sig := range strings.SplitSeq(sigV4+" "+sigV6, " ") {
		var part []detect.Sample
		for _, p := range list {
			if p.Signal == sig {
				part = append(part, p)
			}
		}
		if len(part) == 0 {
			continue
		}
		part, step := thinned(part, w)
		ts := tracks(sig)
		if len(f.Panels) == 0 {
			ts = append(ts, votes)
		}
		for _, t := range ts {
			row, text := s.row(part, step, w, t, spans(incidents))
			f.Panels = append(f.Panels, figure.FilePanel{
				Panel: figure.Panel{Class: t.class, From: w.From, Until: w.Until, Values: values(part, step, w, t), Incidents: spans(incidents)},
				Head:  row.Head, Unit: row.Of, Levels: [3]string{row.High, row.Mid, row.Low}, Lowest: row.Lowest,
			})
			f.Text = strings.TrimSpace(f.Text + " " + text)
		}
	}
	for _, in := range incidents {
		f.Flags = append(f.Flags, s.flag(in))
		for _, src := range in.Sources {
			line := s.cat.text("svg.source", src.Name, src.Collector, s.licence(src))
			if !strings.Contains(f.Source, line) {
				f.Source = strings.TrimSpace(f.Source + " " + line)
			}
		}
		if in.Evidence != nil {
			f.Digest = s.cat.text("svg.digest", in.ID, in.Revision, in.Evidence.SHA256)
		}
	}
	if f.Source == "" {
		f.Source = s.cat.text("svg.nosource")
	}
	if f.Digest == "" {
		f.Digest = s.cat.text("svg.nodigest")
	}
	return f.SVG()
}

func (s *Server) licence(src detect.Source) string {
	if src.Licence == "" {
		return s.cat.text("licence.unknown")
	}
	return src.Licence
}

// timelineFile is the timeline of evidence as CSV or JSON.
func (s *Server) timelineFile(w http.ResponseWriter, r *http.Request, st site, id, file string) error {
	in, err := st.lib.Incident(r.Context(), id)
	if err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	members, err := st.lib.Members(r.Context(), id)
	if err != nil {
		return fmt.Errorf("members of %s: %w", id, err)
	}
	log := s.timeline(in, members)
	open(w)
	attach(w, in.ID+"-"+file)
	if strings.HasSuffix(file, ".csv") {
		rows := [][]string{{"time_utc", "event", "kind", "text", "reference", "incident", "revision", "data"}}
		for _, e := range log {
			rows = append(rows, []string{detect.At(e.At).String(), e.Code, e.Kind, cell(e.Plain), cell(e.Ref), in.ID, strconv.Itoa(in.Revision), string(in.Data)})
		}
		var b bytes.Buffer
		if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
			return fmt.Errorf("CSV: %w", err)
		}
		s.send(w, r, http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
		return nil
	}
	type event struct {
		At   detect.Time `json:"time"`
		Code string      `json:"event"`
		Kind string      `json:"kind"`
		Text string      `json:"text"`
		Ref  string      `json:"reference,omitempty"`
	}
	out := struct {
		V        int         `json:"v"`
		Incident string      `json:"incident"`
		Revision int         `json:"revision"`
		Data     detect.Data `json:"data"`
		Events   []event     `json:"events"`
	}{1, in.ID, in.Revision, in.Data, make([]event, len(log))}
	for i, e := range log {
		out.Events[i] = event{detect.At(e.At), e.Code, e.Kind, e.Plain, e.Ref}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("JSON: %w", err)
	}
	s.send(w, r, http.StatusOK, "application/json", append(body, '\n'))
	return nil
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(t string) string {
	if t != "" && strings.ContainsRune("=+-@\t\r", rune(t[0])) {
		return "'" + t
	}
	return t
}

func (s *Server) membersFile(w http.ResponseWriter, r *http.Request, st site, id string) error {
	in, err := st.lib.Incident(r.Context(), id)
	if err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	members, err := st.lib.Members(r.Context(), id)
	if err != nil {
		return fmt.Errorf("members of %s: %w", id, err)
	}
	rows := [][]string{{"prefix", "origin", "units", "deaggregated", "first_withdrawal_utc", "first_peer", "lost_at_utc", "back_at_utc", "networks_withdrawn", "networks_expected", "peers", "incident", "revision", "data", "moved_from"}}
	for _, m := range members {
		origin, moved := "", ""
		if m.Origin != 0 {
			origin = asn(m.Origin)
		}
		if m.MovedFrom != 0 {
			moved = asn(m.MovedFrom)
		}
		rows = append(rows, []string{
			cell(clean(m.Prefix)), origin, strconv.FormatInt(m.Units, 10), strconv.FormatBool(m.Deaggregated), m.FirstWithdrawal.String(), cell(clean(m.FirstPeer)),
			m.LostAt.String(), m.BackAt.String(), strconv.Itoa(m.Withdrawn), strconv.Itoa(m.Expected), cell(strings.Join(m.Peers, " ")), in.ID, strconv.Itoa(in.Revision), string(in.Data), moved,
		})
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		return fmt.Errorf("CSV: %w", err)
	}
	open(w)
	attach(w, in.ID+"-members.csv")
	s.send(w, r, http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
	return nil
}

// evidenceFile streams the evidence. Once the first byte is out an error can only be told by cutting the connection: a reader
// must never take half an archive for a whole one.
func (s *Server) evidenceFile(w http.ResponseWriter, r *http.Request, st site, id string) error {
	if s.deps.Evidence == nil {
		return ErrNotFound
	}
	if _, err := st.lib.Incident(r.Context(), id); err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	out := &late{w: w, name: id + "-evidence.zip"}
	if r.Method == http.MethodHead {
		out.begin()
		return nil
	}
	err := s.deps.Evidence(r.Context(), st.demo, id, out)
	switch {
	case err == nil && out.started:
		return nil
	case err == nil:
		err = errors.New("no bytes were written")
	case out.started:
		s.log.Error().Err(err).Str("incident", id).Msg("evidence export broke off")
		panic(http.ErrAbortHandler)
	}
	return fmt.Errorf("evidence of %s: %w", id, err)
}

// late sets the headers of a download with the first byte, so that an error before it can still be an error page.
type late struct {
	w       http.ResponseWriter
	name    string
	started bool
}

func (l *late) begin() {
	if !l.started {
		l.started = true
		open(l.w)
		h := l.w.Header()
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
		h.Set("Cache-Control", "no-cache")
	}
}

func (l *late) Write(b []byte) (int, error) {
	l.begin()
	return l.w.Write(b)
}

var _ io.Writer = (*late)(nil)
