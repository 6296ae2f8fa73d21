package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
)

//go:embed static templates messages
var files embed.FS

// asset is one file of static/, known by its content: its address changes with it, so it can be cached for ever.
type asset struct {
	body []byte
	kind string
	tag  string
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (map[string]asset, error) {
	list, err := files.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("built-in files: %w", err)
	}
	out := make(map[string]asset, len(list))
	for _, e := range list {
		body, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("built-in files: %w", err)
		}
		kind, ok := kinds[path.Ext(e.Name())]
		if !ok {
			return nil, fmt.Errorf("built-in file %s: unknown type", e.Name())
		}
		sum := sha256.Sum256(body)
		out[e.Name()] = asset{body, kind, hex.EncodeToString(sum[:5])}
	}
	return out, nil
}

// assetURL is the address of a static file, with its digest.
func (s *Server) assetURL(name string) string { return "/static/" + name + "?v=" + s.assets[name].tag }

func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.fail(w, r, s.siteOf(r), ErrNotFound)
		return
	}
	if r.URL.Query().Get("v") == a.tag {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	s.send(w, r, http.StatusOK, a.kind, a.body)
}

func (s *Server) favicon(w http.ResponseWriter, r *http.Request) {
	a := s.assets["icon.svg"]
	w.Header().Set("Cache-Control", "public, max-age=86400")
	s.send(w, r, http.StatusOK, a.kind, a.body)
}
