package web

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

type incidentPage struct {
	page
	In          *detect.Incident
	Story       *story
	Chart       *chart
	Strip       *strip
	Peers       []peerRow
	PeerSum     string
	Country     string // path of the page of the country that it is or is in; empty for other entities
	CountryName string
	Versions    []link
	Related     []link
	Evidence    bool
	Members     int
}

// peerRow says how many of the members one session withdrew.
type peerRow struct {
	AS, Name, Collector, Addr string
	Withdrew, Of              int64
	State, Note               string
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request, st site) error {
	id, err := incidentID(r)
	if err != nil {
		return err
	}
	in, err := st.lib.Incident(r.Context(), id)
	if err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	return s.showIncident(w, r, st, in, in.Revision)
}

// revision shows a frozen version.
func (s *Server) revision(w http.ResponseWriter, r *http.Request, st site, id string, n int) error {
	last, err := st.lib.Incident(r.Context(), id)
	if err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	in, err := st.lib.Revision(r.Context(), id, n)
	if err != nil {
		return fmt.Errorf("incident %s, version %d: %w", id, n, err)
	}
	return s.showIncident(w, r, st, in, last.Revision)
}

func (s *Server) showIncident(w http.ResponseWriter, r *http.Request, st site, in *detect.Incident, latest int) error {
	ctx := r.Context()
	asked, own, err := parseWindow(r.URL.Query())
	if err != nil {
		return err
	}
	place := s.name(in.Entity)
	v := &incidentPage{
		page: s.newPage(st, r, s.cat.text("incident.title", place, s.word("kind", string(in.Kind)), in.Start.Time.UTC().Format("2 Jan 2006"), in.Revision), "incidents"),
		In:   in, Evidence: s.deps.Evidence != nil && in.Revision == latest,
	}
	if v.Banner == "" {
		v.setBanner(s, st, in.Data, "")
	}
	v.Country, v.CountryName = st.country(in.Entity), place
	if in.Entity.Type == "region" {
		code, _, _ := strings.Cut(in.Entity.Code, "-")
		v.CountryName = s.name(detect.Entity{Type: "country", Code: code})
	}
	var members []detect.Member
	if in.Revision == latest { // the rows behind the figures are kept for the last version; the evidence of each is in its export
		if members, err = st.lib.Members(ctx, in.ID); err != nil {
			return fmt.Errorf("members of %s: %w", in.ID, err)
		}
	}
	v.Members = len(members)
	v.Story = s.tell(st, in, members, latest)
	if err := s.v6Tile(ctx, st.lib, in, v.Story); err != nil {
		return err
	}
	last, err := newest(ctx, st.lib, in.Entity.Key(), sigV4)
	if err != nil {
		return err
	}
	if n := len(in.Revisions); v.Story.Frozen && n > 0 {
		last.At = in.Revisions[n-1].At // a frozen version shows what was known when it was made
	}
	win := asked
	if !own {
		win = s.windowOf(in, last)
	}
	if v.Story.Frozen && win.Until.After(last.At.Time) {
		win.Until = last.At.Add(time.Second)
		if !win.From.Before(win.Until) {
			win.From = win.Until.Add(-time.Hour)
		}
	}
	base := st.incident(in.ID)
	if v.Chart, err = s.newChart(ctx, st, in.Entity.Key(), base, win, []detect.Incident{*in}, last.At.Time, own); err != nil {
		return err
	}
	v.Chart.Series = ""
	if in.Entity.Type == "country" && v.Country != "" {
		v.Chart.Series = v.Country + "/series"
	}
	v.Strip = s.newStrip(members, win, 24)
	if len(members) > 0 {
		if v.Peers, v.PeerSum, err = s.peers(ctx, st, members); err != nil {
			return err
		}
	}
	for n := latest; n >= 1 && latest-n < 50; n-- {
		v.Versions = append(v.Versions, link{"v" + strconv.Itoa(n), base + "/v" + strconv.Itoa(n), n == in.Revision})
	}
	for _, rel := range in.Related {
		v.Related = append(v.Related, link{Text: s.word("relation", rel.Relation) + ": " + clean(rel.ID), Href: st.incident(rel.ID)})
	}
	return s.render(w, r, "incident.html", v)
}

// peers counts, for every session that the store knows, how many of the members it withdrew: who saw it and who did not.
func (s *Server) peers(ctx context.Context, st site, members []detect.Member) ([]peerRow, string, error) {
	known, err := st.lib.Peers(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("peers: %w", err)
	}
	count := map[string]int{}
	for _, m := range members {
		for _, p := range m.Peers {
			count[p]++
		}
	}
	status := make(map[string]bgp.PeerStatus, len(known))
	codes := make([]string, 0, len(known))
	for _, p := range known {
		code := p.Peer.String()
		status[code] = p
		codes = append(codes, code)
	}
	for code := range count {
		if _, ok := status[code]; !ok {
			codes = append(codes, code)
		}
	}
	sort.Slice(codes, func(i, k int) bool {
		if a, b := count[codes[i]], count[codes[k]]; a != b {
			return a > b
		}
		return codes[i] < codes[k]
	})
	rows := make([]peerRow, 0, len(codes))
	saw, networks := 0, map[string]bool{}
	for _, code := range codes {
		collector, as, addr := peerParts(code)
		p, ok := status[code]
		row := peerRow{
			AS: as, Collector: collector, Addr: addr, Withdrew: int64(count[code]), Of: int64(len(members)),
			Name: clean(s.deps.Names("network:" + as)), State: s.cat.text("peer.unknown"),
		}
		if ok {
			row.State, row.Note = s.word("peerstate", p.State), clean(p.Note)
		}
		if row.Withdrew > 0 {
			saw++
			networks[as] = true
		}
		rows = append(rows, row)
	}
	sum := s.cat.text("peers.sum", grouped(saw), grouped(len(rows)), grouped(len(networks)))
	switch none := rows[saw:]; { // rows are ordered by count: those with none stand at the end
	case len(none) > 8:
		sum += " " + s.cat.text("peers.none.many", grouped(len(none)))
	case len(none) > 0:
		who := make([]string, len(none))
		for i, r := range none {
			who[i] = r.AS + " (" + r.Addr + ")"
		}
		sum += " " + s.cat.text(s.cat.count("peers.none", len(none)), strings.Join(who, ", "))
	}
	return rows, sum, nil
}

// incidentFile serves what hangs below an incident: versions and downloads.
func (s *Server) incidentFile(w http.ResponseWriter, r *http.Request, st site) error {
	id, err := incidentID(r)
	if err != nil {
		return err
	}
	file := r.PathValue("file")
	if n, ok := strings.CutPrefix(file, "v"); ok {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 || strconv.Itoa(v) != n {
			return ErrNotFound
		}
		return s.revision(w, r, st, id, v)
	}
	switch file {
	case "timeline.csv", "timeline.json":
		return s.timelineFile(w, r, st, id, file)
	case "members.csv":
		return s.membersFile(w, r, st, id)
	case "evidence.zip":
		return s.evidenceFile(w, r, st, id)
	}
	return ErrNotFound
}
