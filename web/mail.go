package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/alerts"
)

// MailList takes subscriptions by mail.
type MailList interface {
	// Offer is what people may subscribe to by themselves; open is false when they may not.
	Offer() (offer alerts.Offer, open bool)
	// Ask takes a request; errors are an *alerts.Unfit, or those of package alerts.
	Ask(ctx context.Context, client netip.Addr, r alerts.Request) error
	// Confirm and Leave do what the token of a letter is for.
	Confirm(ctx context.Context, token string) error
	Leave(ctx context.Context, token string) error
}

// mostForm bounds the body of a form.
const mostForm = 16 << 10

// tongue is a language of the pages about mail.
type tongue struct {
	cat       *catalogue
	templates *template.Template
}

// loadTongues makes the templates of each language that letters are written in.
func (s *Server) loadTongues() error {
	s.tongues = map[string]tongue{"en": {s.cat, s.templates}}
	for _, lang := range []string{"ar"} {
		cat, err := loadCatalogue(lang)
		if err != nil {
			return err
		}
		t, err := s.templates.Clone()
		if err != nil {
			return err
		}
		s.tongues[lang] = tongue{cat, t.Funcs(template.FuncMap{"t": cat.text, "h": cat.html})}
	}
	return nil
}

// mailPage is what the pages about mail need.
type mailPage struct {
	page
	What      string // form, asked, confirm, confirmed, leave, left or failed
	Other     string // address of this page in the other language
	Text      string
	Token     string
	Self      string // where the form goes
	Offer     alerts.Offer
	Countries []country
	Asked     *alerts.Request
	Typed     map[string]string
	Hours     []string
	Bad       string // what of the form cannot be used
	Field     string // in which field
}

type country struct{ Code, Name string }

func (s *Server) mailRoutes() {
	if s.deps.Mail == nil {
		return
	}
	if _, open := s.deps.Mail.Offer(); open {
		s.mux.HandleFunc("GET /mail", func(w http.ResponseWriter, r *http.Request) { s.mailForm(w, r, &alerts.Request{}, nil) })
		s.mux.HandleFunc("POST /mail", s.mailAsk)
		s.mux.HandleFunc("GET /mail/asked", func(w http.ResponseWriter, r *http.Request) { s.mailSay(w, r, http.StatusOK, "asked") })
	}
	for what, do := range map[string]func(context.Context, string) error{"confirm": s.deps.Mail.Confirm, "leave": s.deps.Mail.Leave} {
		s.mux.HandleFunc("GET /mail/"+what, func(w http.ResponseWriter, r *http.Request) { s.mailSay(w, r, http.StatusOK, what) })
		s.mux.HandleFunc("POST /mail/"+what, func(w http.ResponseWriter, r *http.Request) { s.mailDo(w, r, what, do) })
	}
}

// tongueOf is the language that a page was asked for in.
func (s *Server) tongueOf(r *http.Request) tongue {
	if t, ok := s.tongues[r.URL.Query().Get("lang")]; ok {
		return t
	}
	return s.tongues["en"]
}

// mailSay shows a page that has nothing to fill in: what happened, or a button. Opening a link does nothing by itself: programs that look for viruses open
// every link of a letter.
func (s *Server) mailSay(w http.ResponseWriter, r *http.Request, status int, what string) {
	v := s.newMailPage(r, what)
	if what == "confirm" || what == "leave" {
		v.Token = r.URL.Query().Get("t")
	}
	s.mailSend(w, r, status, v)
}

func (s *Server) newMailPage(r *http.Request, what string) mailPage {
	t := s.tongueOf(r)
	v := mailPage{page: s.newPage(site{lib: s.deps.Live}, r, t.cat.text("mail."+what+".title"), "mail"), What: what, Text: t.cat.text("mail." + what + ".text"), Self: r.URL.Path}
	v.Lang, v.Dir = t.cat.lang, t.cat.dir
	q := r.URL.Query()
	for lang := range s.tongues {
		if q.Set("lang", lang); lang != t.cat.lang && r.Method != http.MethodPost { // what was sent is not sent again
			v.Other = r.URL.Path + "?" + q.Encode()
		}
	}
	if t.cat.lang != "en" {
		v.Self += "?lang=" + t.cat.lang
	}
	return v
}

// mailSend sends a page that belongs to one reader: it is not kept by anybody on the way, and not found by search engines.
func (s *Server) mailSend(w http.ResponseWriter, r *http.Request, status int, v mailPage) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	var b strings.Builder
	if err := s.tongues[v.Lang].templates.ExecuteTemplate(&b, "mail.html", v); err != nil {
		s.fail(w, r, site{lib: s.deps.Live}, fmt.Errorf("page mail: %w", err))
		return
	}
	s.send(w, r, status, "text/html; charset=utf-8", squeeze([]byte(b.String())))
}

// mailDo does what a letter's link is for. A mail program does it with one POST and no page (RFC 8058): the token is in the address then.
func (s *Server) mailDo(w http.ResponseWriter, r *http.Request, what string, do func(context.Context, string) error) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	token := r.URL.Query().Get("t")
	if token == "" {
		token = r.PostFormValue("t")
	}
	status, said := http.StatusOK, map[string]string{"confirm": "confirmed", "leave": "left"}[what]
	var err error
	if len(token) > 200 {
		err = alerts.ErrNoLink
	} else {
		err = do(r.Context(), token)
	}
	switch {
	case errors.Is(err, alerts.ErrNoLink):
		status, said = http.StatusNotFound, "failed"
	case errors.Is(err, alerts.ErrNoRoom):
		status, said = http.StatusServiceUnavailable, "full"
	case err != nil:
		s.fail(w, r, site{lib: s.deps.Live}, fmt.Errorf("mail: %w", err))
		return
	}
	s.mailSay(w, r, status, said)
}

// mailForm shows the form, filled in as it was sent, with what is wrong.
func (s *Server) mailForm(w http.ResponseWriter, r *http.Request, asked *alerts.Request, bad error) {
	v := s.newMailPage(r, "form")
	v.Asked = asked
	v.Offer, _ = s.deps.Mail.Offer()
	cat := s.tongues[v.Lang].cat
	asked.Language = cmp.Or(asked.Language, v.Lang)
	for _, c := range v.Offer.Countries {
		v.Countries = append(v.Countries, country{c, cmp.Or(s.countryName(c), c)})
	}
	v.Typed = map[string]string{
		"countries": strings.Join(asked.Countries, " "), "networks": strings.Join(asked.Networks, " "), "timezone": cmp.Or(asked.Digest.TimeZone, "UTC"), "at": cmp.Or(asked.Digest.At, "08:00"),
	}
	for h := range 24 {
		v.Hours = append(v.Hours, fmt.Sprintf("%02d:00", h))
	}
	status := http.StatusOK
	var unfit *alerts.Unfit
	switch {
	case errors.As(bad, &unfit):
		status, v.Field, v.Bad = http.StatusBadRequest, unfit.Key, cat.text("mail.bad."+unfit.Key)
	case errors.Is(bad, alerts.ErrTooMany):
		status, v.Bad = http.StatusTooManyRequests, cat.text("mail.bad.many")
	case errors.Is(bad, alerts.ErrNoRoom):
		status, v.Bad = http.StatusServiceUnavailable, cat.text("mail.bad.full")
	}
	s.mailSend(w, r, status, v)
}

// mailAsk takes the form. It needs no secret of its own against forged requests, because all it does is to have the owner of the address asked; a browser
// that says that another site sent it is refused all the same.
func (s *Server) mailAsk(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		s.mailForm(w, r, &alerts.Request{}, &alerts.Unfit{Key: "offer"})
		return
	}
	req := readForm(r)
	err := s.deps.Mail.Ask(r.Context(), clientOf(r), *req)
	var unfit *alerts.Unfit
	switch {
	case errors.As(err, &unfit), errors.Is(err, alerts.ErrTooMany), errors.Is(err, alerts.ErrNoRoom):
		s.mailForm(w, r, req, err)
	case err != nil:
		s.fail(w, r, site{lib: s.deps.Live}, fmt.Errorf("mail: %w", err))
	default:
		to := "/mail/asked"
		if lang := s.tongueOf(r).cat.lang; lang != "en" {
			to += "?lang=" + lang
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// readForm reads what was filled in. Nothing is checked here.
func readForm(r *http.Request) *alerts.Request {
	f := r.PostForm
	words := func(key string) []string {
		return strings.FieldsFunc(strings.ToUpper(strings.Join(f[key], " ")), func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\r' })
	}
	req := &alerts.Request{Address: strings.TrimSpace(f.Get("address")), Language: f.Get("language")}
	req.Countries, req.Zones = words("countries"), slices.Clone(f["zone"])
	for _, n := range words("networks") {
		if n != "" && strings.Trim(n, "0123456789") == "" {
			n = "AS" + n
		}
		req.Networks = append(req.Networks, n)
	}
	if f.Get("stage") == "suspected" {
		req.Stage = "suspected"
	}
	if n, err := strconv.Atoi(f.Get("severity")); err == nil && n > 1 {
		req.Severity = n
	}
	if req.Digest.Every = f.Get("digest"); req.Digest.Every != "" {
		req.Digest.TimeZone = strings.TrimSpace(f.Get("timezone"))
		if req.Digest.Every == alerts.Daily {
			req.Digest.At = f.Get("at")
		}
	}
	return req
}

// clientOf is who sent a request: the other end of the connection, or, where that is a server on this machine that passes requests on, the last address in
// what it says.
func clientOf(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	client, _ := netip.ParseAddr(host)
	if client.IsLoopback() {
		list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if a, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			return a
		}
	}
	return client
}
