package reference

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUpdate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reference")
	var steps []string
	progress := func(s string) { steps = append(steps, s) }
	first := folder(t, map[string]string{"a.txt": registryFile("afrinic", "20240101", "NG"), "b": packed(t, registryFile("arin", "20240103", "US")), "c": "hello"})
	v, err := Update(context.Background(), dir, first, progress)
	if err != nil {
		t.Fatal(err)
	}
	if v.Day != "2024-01-01" || len(v.Files) != 2 || v.Files[0].Source != "a.txt" || v.SHA256 != Digest([]string{v.Files[1].SHA256, v.Files[0].SHA256}) {
		t.Errorf("%+v", v)
	}
	if len(steps) != 3 {
		t.Errorf("steps %q", steps)
	}
	// A newer file of one registry replaces that registry's only.
	second := folder(t, map[string]string{"x": registryFile("afrinic", "20240201", "ZA")})
	v, err = Update(context.Background(), dir, filepath.Join(second, "x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Vintages(); !slices.Equal(got, []string{"afrinic 2024-02-01", "arin 2024-01-03"}) || v.Day != "2024-01-03" || len(s.Notes) != 0 {
		t.Errorf("%v %+v %q", got, v, s.Notes)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v; want two files and the manifest", entries, err)
	}
	// The same again changes nothing.
	if again, err := Update(context.Background(), dir, filepath.Join(second, "x"), nil); err != nil || again.SHA256 != v.SHA256 {
		t.Errorf("%+v, %v", again, err)
	}

	// A failed update leaves everything as it was.
	bad := folder(t, map[string]string{"x": registryFile("arin", "20250101", "US") + "arin|*|ipv6|*|9|summary\n"})
	for _, from := range []string{filepath.Join(bad, "x"), filepath.Join(first, "a.txt") + "," + filepath.Join(second, "x"), filepath.Join(bad, "none"), filepath.Join(first, "c"), ""} {
		if _, err := Update(context.Background(), dir, from, nil); err == nil {
			t.Errorf("%q was accepted", from)
		}
	}
	if s, err := Load(dir); err != nil || len(s.Vintages()) != 2 {
		t.Fatalf("after failed updates: %v", err)
	}

	// One changed byte is found, and an update repairs it.
	file := filepath.Join(dir, v.Files[0].Name)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(raw), "|ZA|", "|EG|", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "changed or damaged; run the update again") {
		t.Errorf("a changed file gives %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(context.Background(), dir, first+","+filepath.Join(second, "x"), nil); err == nil {
		t.Error("two files of one registry were accepted")
	}
	if _, err := Update(context.Background(), dir, first, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

func TestUpdateFromServer(t *testing.T) {
	text := packed(t, registryFile("ripencc", "20240105", "NL"))
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			fmt.Fprint(w, text)
		case "/moved":
			http.Redirect(w, r, srv.URL+"/file", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, srv.URL+"/loop", http.StatusFound)
		case "/private":
			http.Redirect(w, r, "https://10.0.0.1/file", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://198.51.100.7/file", http.StatusFound)
		case "/large":
			w.Header().Set("Content-Length", fmt.Sprint(maxStored+1))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	for _, path := range []string{"/file", "/moved?key=secret"} {
		v, err := Update(context.Background(), t.TempDir(), srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.Files[0].Registry != "ripencc" || strings.Contains(v.Files[0].Source, "secret") {
			t.Errorf("%+v", v)
		}
	}
	for path, want := range map[string]string{
		"/loop":    "more than 5 redirects",
		"/private": "10.0.0.1 is not a public address",
		"/plain":   "only https is fetched",
		"/large":   "too large",
		"/none":    "the server answered 404",
	} {
		dir := t.TempDir()
		_, err := Update(context.Background(), dir, srv.URL+path+"?key=secret", nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s left %v", path, entries)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Update(ctx, t.TempDir(), srv.URL+"/file", nil); err == nil {
		t.Error("a cancelled update went on")
	}
	// A name that leads to this machine is refused at the moment of connecting, unless loopback was named.
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(false).Get("http://127.0.0.1:" + u.Port() + "/file"); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("connecting to loopback gives %v", err)
	}
}

func TestRefusedAddresses(t *testing.T) {
	for _, from := range []string{
		"http://example.net/x", "ftp://example.net/x", "file:///etc/passwd", "https://user:secret@example.net/x", "https:///x", "https://10.0.0.1/x",
		"https://[fe80::1]/x", "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/x", "http://%zz/",
	} {
		_, err := Update(context.Background(), t.TempDir(), from, nil)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", from, err)
		}
	}
}
