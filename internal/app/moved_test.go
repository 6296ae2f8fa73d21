package app

import (
	"archive/zip"
	"encoding/csv"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// TestMovedEndToEnd replays a network whose prefixes come back under another origin into a store: the members there, the members.csv of the
// pages and that of the evidence all say where they were lost from.
func TestMovedEndToEnd(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	list, _ := replayed(t, Replay{Files: []string{filepath.Join(scenarioFolder, "returns-elsewhere.txt")}, Store: dir, Log: zerolog.Nop()})
	if len(list) != 1 || list[0].Entity.Code != "AS65001" {
		t.Fatalf("%+v", list)
	}
	id := list[0].ID
	out := filepath.Join(t.TempDir(), "evidence.zip")
	if _, err := (Export{Store: dir, ID: id, Out: out}).Run(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	members, err := s.Members(ctx, id)
	if err != nil || len(members) != 40 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	for _, m := range members {
		if m.Origin != 65009 || m.MovedFrom != 65001 || m.BackAt.IsZero() {
			t.Errorf("%+v", m)
		}
	}
	srv, err := web.New(web.DefaultConfig(), web.Deps{Live: library{s}, Status: func() web.Status { return web.Status{} }, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	srv.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/i/"+id+"/members.csv", nil))
	z, err := zip.OpenReader(out)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	i := slices.IndexFunc(z.File, func(f *zip.File) bool { return filepath.Base(f.Name) == "members.csv" })
	if i < 0 {
		t.Fatal("the evidence has no members.csv")
	}
	evidence, err := z.File[i].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer evidence.Close()
	for what, c := range map[string]struct {
		r            io.Reader
		origin, from string
	}{"pages": {page.Body, "AS65009", "AS65001"}, "evidence": {evidence, "65009", "65001"}} {
		r := csv.NewReader(c.r)
		r.Comment = '#'
		rows, err := r.ReadAll()
		if err != nil || len(rows) != 41 {
			t.Errorf("%s: %d rows, %v", what, len(rows), err)
			continue
		}
		origin, moved := slices.Index(rows[0], "origin"), slices.Index(rows[0], "moved_from")
		for _, row := range rows[1:] {
			if origin < 0 || moved < 0 || row[origin] != c.origin || row[moved] != c.from {
				t.Errorf("%s: %v", what, row)
			}
		}
	}
}
