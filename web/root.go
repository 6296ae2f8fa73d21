// Package web serves the pages and the interface for machines. It reads everything through the small interfaces that it
// declares (Library, Deps), renders on the server, and needs neither scripts, cookies, fonts nor other hosts.
package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// Config is the part of the configuration that the pages need.
type Config struct {
	// PublicURL is how readers reach this server, "https://monitor.example.org", for citations and links inside exports.
	// Empty: citations hold paths only.
	PublicURL string
	// Operator publishes what this server shows. Empty: everything is marked as an unsigned draft.
	Operator string
	// Contact is where the operator answers questions about the figures; shown as text.
	Contact string
	// UnstableShare is the share of a place's weight that may be impossible to judge before it is shown as unstable.
	UnstableShare float64
	// Timeout bounds the work for one request.
	Timeout time.Duration
}

// DefaultConfig is a configuration that works on a machine of one's own.
func DefaultConfig() Config {
	return Config{Timeout: 10 * time.Second, UnstableShare: detect.DefaultConfig().UnstableShare}
}

// Deps is what the pages use.
type Deps struct {
	Live   Library // required; may be empty
	Demo   Library // nil: there is nothing below /demo
	Status func() Status
	// Names gives the name of an entity key ("country:PK", "network:AS17563"), or "" when none is known.
	Names   func(entityKey string) string
	Log     zerolog.Logger
	Metrics http.Handler // serves /metrics (promhttp.HandlerFor of the process's registry); nil: there is none
	// Evidence writes the evidence zip of an incident; nil: none is offered. Its error wraps ErrNotFound for an unknown id.
	Evidence func(ctx context.Context, demo bool, id string, w io.Writer) error
	Mail     MailList // nil: nobody is told by mail
}

// Server holds the parsed templates and the catalogue. It keeps no state between requests; all methods are safe for concurrent use.
type Server struct {
	cfg       Config
	deps      Deps
	log       zerolog.Logger
	templates *template.Template
	cat       *catalogue
	words     *alerts.Words     // of feeds
	tongues   map[string]tongue // of the pages about mail, by language
	assets    map[string]asset
	mux       *http.ServeMux
}

// New checks the configuration and parses what is built in. It opens nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Live == nil || deps.Status == nil {
		return nil, errors.New("web: Live and Status are required")
	}
	if deps.Names == nil {
		deps.Names = func(string) string { return "" }
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultConfig().Timeout
	}
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("web: public URL %q: want https://host", cfg.PublicURL)
		}
		cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	}
	s := &Server{cfg: cfg, deps: deps, log: deps.Log.With().Str("component", "web").Logger()}
	var err error
	if s.cat, err = loadCatalogue("en"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.words, err = alerts.Language("en"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.templates, err = s.parseTemplates(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if err := s.loadTongues(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.mux = http.NewServeMux()
	s.routes()
	return s, nil
}

// Handler serves everything, with the security headers on every answer.
func (s *Server) Handler() http.Handler { return s.guard(s.mux) }

// site is one of the two sides of the server: what is watched now, or the demonstration below /demo.
type site struct {
	lib    Library
	prefix string // "" or "/demo"
	demo   bool
}

func (s *Server) routes() {
	s.side(site{lib: s.deps.Live})
	if s.deps.Demo != nil {
		s.side(site{lib: s.deps.Demo, prefix: "/demo", demo: true})
		s.mux.Handle("GET /demo", http.RedirectHandler("/demo/", http.StatusPermanentRedirect))
	}
	s.mux.HandleFunc("GET /api/v1/incidents", s.apiIncidents)
	s.mux.HandleFunc("GET /api/v1/incidents/{id}", s.apiIncident)
	s.mux.HandleFunc("GET /api/", s.apiUnknown)
	s.mux.HandleFunc("OPTIONS /api/", s.apiOptions)
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /healthz/watching", s.watching)
	s.mux.HandleFunc("GET /static/{name}", s.static)
	s.mux.HandleFunc("GET /favicon.ico", s.favicon)
	s.mailRoutes()
	if s.deps.Metrics != nil {
		s.mux.Handle("GET /metrics", s.deps.Metrics)
	}
	s.mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, s.siteOf(r), ErrNotFound) })
}

// side adds the pages of one side. Both have the same pages; links stay on their side.
func (s *Server) side(st site) {
	page := func(pattern string, h func(http.ResponseWriter, *http.Request, site) error) {
		s.mux.HandleFunc("GET "+st.prefix+pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r, st); err != nil {
				s.fail(w, r, st, err)
			}
		})
	}
	page("/{$}", s.now)
	page("/incidents", s.incidents)
	page("/incidents.atom", s.feed)
	page("/incidents.feed.json", s.feed)
	page("/health", s.health)
	page("/country/{code}", s.country)
	page("/country/{code}/{file}", s.countryFile)
	page("/i/{id}", s.incident)
	page("/i/{id}/{file}", s.incidentFile)
}

// siteOf says on which side a path lies.
func (s *Server) siteOf(r *http.Request) site {
	if s.deps.Demo != nil && strings.HasPrefix(r.URL.Path, "/demo/") {
		return site{lib: s.deps.Demo, prefix: "/demo", demo: true}
	}
	return site{lib: s.deps.Live}
}
