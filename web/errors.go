package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// badRequest is an error of the reader's own making; its text is shown.
type badRequest struct{ text string }

func (e badRequest) Error() string { return e.text }

// statusOf maps an error to the status of the answer and to a text that is safe to show.
func statusOf(err error) (int, string) {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest, bad.text
	case errors.Is(err, ErrCursor):
		return http.StatusBadRequest, "cursor: use the one that the previous page gave, with the same query"
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound, "There is nothing at this address."
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "The answer took too long. Try again, or ask for a shorter period."
	}
	return http.StatusInternalServerError, "The server failed to answer. The error was logged."
}

// fail answers with an error: a page to readers of pages, problem details to machines.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, st site, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the reader went away; there is nobody to answer
	}
	status, text := statusOf(err)
	if status >= 500 {
		s.log.Error().Err(err).Str("path", r.URL.Path).Msg("request failed")
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.problem(w, r, status, text)
		return
	}
	v := s.newPage(st, r, s.cat.text("error."+statusKey(status)), "")
	v.Status, v.ErrorText = status, text
	var b bytes.Buffer
	if e := s.templates.ExecuteTemplate(&b, "error.html", v); e != nil {
		s.log.Error().Err(e).Msg("error page failed")
		s.problem(w, r, status, text)
		return
	}
	s.send(w, r, status, "text/html; charset=utf-8", b.Bytes())
}

func statusKey(status int) string {
	switch status {
	case http.StatusNotFound:
		return "404"
	case http.StatusBadRequest:
		return "400"
	case http.StatusServiceUnavailable:
		return "503"
	}
	return "500"
}

// problem answers with problem details (RFC 9457).
func (s *Server) problem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
	if err != nil {
		body = []byte(`{"title":"Internal Server Error","status":500}`)
	}
	s.send(w, r, status, "application/problem+json", append(body, '\n'))
}
