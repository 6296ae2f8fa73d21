package archive

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// names are those of the files, joined.
func names(files []File) string {
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(f.Name, "updates."), ".gz"), ".bz2"))
	}
	return strings.Join(out, " ")
}

// TestPlan: of each layout, the update files that reach into a period and the last table before it, over the end of a month.
func TestPlan(t *testing.T) {
	s := newServer(t)
	for _, p := range []string{
		"/rrc04/2020.12/updates.20201231.2350.gz", "/rrc04/2020.12/updates.20201231.2355.gz", "/rrc04/2020.12/bview.20201231.0800.gz", "/rrc04/2020.12/bview.20201231.1600.gz",
		"/rrc04/2021.01/updates.20210101.0000.gz", "/rrc04/2021.01/updates.20210101.0005.gz", "/rrc04/2021.01/updates.20210101.0010.gz", "/rrc04/2021.01/bview.20210101.0800.gz",
		"/bgpdata/2008.02/UPDATES/updates.20080219.1209.bz2", "/bgpdata/2008.02/UPDATES/updates.20080219.1226.bz2", "/bgpdata/2008.02/UPDATES/updates.20080219.1241.bz2",
		"/bgpdata/2008.02/UPDATES/updates.20080220.1241.bz2",
		"/bgpdata/2008.02/RIBS/rib.20080219.1000.bz2", "/bgpdata/2008.02/RIBS/rib.20080219.1201.bz2", "/bgpdata/2008.02/RIBS/rib.20080219.1400.bz2",
		"/route-views.linx/bgpdata/2024.03/UPDATES/updates.20240301.0000.bz2",
		// What an archive does not call its files, and what would lead out of the folder.
		"/rrc04/2021.01/latest-update.gz", "/rrc04/2021.01/updates.20210101.0003.gz.part", "/rrc04/2021.01/updates.20219901.0000.gz", "/rrc04/2021.01/updates.20210101.0001.gz\x00",
	} {
		s.put(p, []byte("x"))
	}
	a := s.archive(t, t.TempDir(), nil)
	for _, c := range []struct{ collector, from, until, want, table string }{
		{"rrc04", "2020-12-31 23:57", "2021-01-01 00:05", "20201231.2355 20210101.0000", "bview.20201231.1600.gz"},
		{"rrc04", "2021-01-01 00:00", "2021-01-01 00:06", "20210101.0000 20210101.0005", "bview.20201231.1600.gz"},
		{"rrc04", "2021-01-01 00:14", "2021-01-01 09:00", "20210101.0010", "bview.20201231.1600.gz"},
		{"route-views2", "2008-02-19 12:30", "2008-02-19 13:00", "20080219.1226 20080219.1241", "rib.20080219.1201.bz2"},
		{"route-views2", "2008-02-19 14:00", "2008-02-20 12:42", "20080220.1241", "rib.20080219.1400.bz2"},
		{"route-views.linx", "2024-03-01 00:00", "2024-03-01 01:00", "20240301.0000", ""},
	} {
		p, err := a.Plan(t.Context(), c.collector, at(c.from), at(c.until))
		if err != nil {
			t.Errorf("%s %s: %v", c.collector, c.from, err)
			continue
		}
		table := ""
		if p.Table != nil {
			table = p.Table.Name
		}
		if got := names(p.Updates); got != c.want || table != c.table {
			t.Errorf("%s %s: %s, table %s; want %s, %s", c.collector, c.from, got, table, c.want, c.table)
		}
		if c.from == "2008-02-19 14:00" && (p.Hole != 22*time.Hour+41*time.Minute || !p.HoleAt.Equal(at(c.from))) {
			t.Errorf("the hole is %s from %s on", p.Hole, p.HoleAt)
		}
	}
	for _, c := range []struct{ collector, from, until, want string }{
		{"rrc04", "2021-01-01 02:00", "2021-01-01 03:00", "no updates from"},
		{"rrc99", "2021-01-01 00:00", "2021-01-01 03:00", "has no folder " + s.URL + "/rrc99/2021.01/"},
		{"rrc04", "2021-01-01 03:00", "2021-01-01 03:00", "is empty"},
		{"rrc04", "2021-01-01 03:00", "2022-01-01 03:00", "longer than 92 days"},
		{"../etc", "2021-01-01 00:00", "2021-01-01 03:00", "is no collector"},
		{"a/b", "2021-01-01 00:00", "2021-01-01 03:00", "is no collector"},
		{"a..b", "2021-01-01 00:00", "2021-01-01 03:00", "is no collector"},
	} {
		if _, err := a.Plan(t.Context(), c.collector, at(c.from), at(c.until)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.collector, c.from, err, c.want)
		}
	}
}

// TestPublicLayout: the addresses of the public archives, as their users write them.
func TestPublicLayout(t *testing.T) {
	a, err := New(Options{Cache: "c"})
	if err != nil {
		t.Fatal(err)
	}
	m := at("2021-12-01 00:00")
	for want, c := range map[string]struct {
		collector string
		kind      Kind
	}{
		"https://data.ris.ripe.net/rrc00/2021.12/":                                 {"rrc00", Updates},
		"https://data.ris.ripe.net/rrc21/2021.12/":                                 {"rrc21", Table},
		"https://archive.routeviews.org/bgpdata/2021.12/UPDATES/":                  {"route-views2", Updates},
		"https://archive.routeviews.org/bgpdata/2021.12/RIBS/":                     {"route-views2", Table},
		"https://archive.routeviews.org/route-views.linx/bgpdata/2021.12/UPDATES/": {"route-views.linx", Updates},
		"https://archive.routeviews.org/route-views6/bgpdata/2021.12/RIBS/":        {"route-views6", Table},
	} {
		if _, u := a.folder(c.collector, c.kind, m); u.String() != want {
			t.Errorf("%s: %s, want %s", c.collector, u, want)
		}
	}
	for _, o := range []Options{{Cache: ""}, {Cache: "c", RIS: "ftp://x/"}, {Cache: "c", RIS: "https://user:secret@x/"}, {Cache: "c", RouteViews: "x"}, {Cache: "c", RouteViews: "https://x/?k=v"}} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestHostileListing: a page names what it likes; only files of the folder, called as the archives call them, are seen.
func TestHostileListing(t *testing.T) {
	page := `<a href="updates.20210101.0000.gz">ok</a> <A HREF='./updates.20210101.0005.gz'>ok</A> <a href=updates.20210101.0010.bz2>ok</a>
<a href="/rrc04/2021.01/updates.20210101.0015.gz">ok</a> <a href="updates.20210101.0015.gz">twice</a> <a href="&#117;pdates.20210101.0020.gz">ok</a>
<a href="../updates.20210101.0100.gz"> <a href="../../../../etc/updates.20210101.0105.gz"> <a href="..%2fupdates.20210101.0110.gz"> <a href="%2e%2e/updates.20210101.0115.gz">
<a href="/updates.20210101.0120.gz"> <a href="//evil.example/rrc04/2021.01/updates.20210101.0125.gz"> <a href="http://evil.example/rrc04/2021.01/updates.20210101.0130.gz">
<a href="https://archive.example/rrc04/2021.01/updates.20210101.0135.gz"> <a href="file:///updates.20210101.0140.gz"> <a href="sub/updates.20210101.0145.gz">
<a href="updates.20210101.0150.gz/../../x"> <a href="updates.20210101.0155.gz%00"> <a href="updates.20210101.9999.gz"> <a href="javascript:updates.20210101.0200.gz">
<a href="` + strings.Repeat("a", 2000) + `"> <a href="updates.20210101.0205.gz`
	u, err := url.Parse("http://archive.example/rrc04/2021.01/")
	if err != nil {
		t.Fatal(err)
	}
	files := parseListing([]byte(page), u)
	if got := names(files); got != "20210101.0000 20210101.0005 20210101.0010 20210101.0015 20210101.0020" {
		t.Errorf("%s", got)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.URL, u.String()+"updates.20210101.00") {
			t.Errorf("%s leads to %s", f.Name, f.URL)
		}
	}
	s := newServer(t)
	s.put("/rrc04/2021.01/updates.20210101.0000.gz", []byte("x"))
	s.set(func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		for range maxListing >> 16 {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return true
			}
		}
		_, _ = w.Write([]byte("more"))
		return true
	})
	if _, err := s.archive(t, t.TempDir(), nil).Plan(t.Context(), "rrc04", at("2021-01-01 00:00"), at("2021-01-01 01:00")); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a page without end: %v", err)
	}
}

func FuzzListing(f *testing.F) {
	f.Add("/rrc04/2021.01/", `<a href="updates.20210101.0000.gz">`)
	f.Add("/bgpdata/2008.02/RIBS/", `<A HREF='../RIBS/rib.20080219.1201.bz2'>`)
	f.Add("", `<a href=bview.20210101.0000.gz><a href="//x/%2f..">`)
	f.Fuzz(func(t *testing.T, dir, page string) {
		at := &url.URL{Scheme: "https", Host: "archive.example", Path: dir}
		for _, file := range parseListing([]byte(page), at) {
			if strings.ContainsAny(file.Name, "/\\\x00") || strings.Contains(file.Name, "..") || !strings.HasPrefix(file.URL, "https://archive.example") || file.Time.IsZero() {
				t.Errorf("%+v", file)
			}
		}
	})
}
