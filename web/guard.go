package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// policy is the Content-Security-Policy of everything: own style sheet, own script, own images, nothing in line, no other host.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard puts the security headers on every answer, bounds the work for a request and turns a panic into an error page.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		ctx := r.Context()
		if !strings.HasSuffix(r.URL.Path, "/evidence.zip") { // a large export may take longer; its writer has its own limits
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.cfg.Timeout)
			defer cancel()
		}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v) // the server's own way to cut a connection; it logs nothing
			}
			s.log.Error().Str("path", r.URL.Path).Str("panic", fmt.Sprint(v)).Msg("request failed")
			s.problem(w, r, http.StatusInternalServerError, "The server failed to answer. The error was logged.")
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// open lets other sites' scripts read an answer: the data are public and the request carries no credentials.
func open(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
}

var compressors = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return z
}}

// send writes a whole answer: with a validator (304 when the reader has it already) and compressed when the reader takes gzip.
func (s *Server) send(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Add("Vary", "Accept-Encoding")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	if status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `W/"` + hex.EncodeToString(sum[:12]) + `"` // weak: the same content may travel compressed or not
		h.Set("ETag", tag)
		if matches(r.Header.Get("If-None-Match"), tag) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if len(body) > 256 && takesGzip(r.Header.Get("Accept-Encoding")) {
		var b bytes.Buffer
		z := compressors.Get().(*gzip.Writer)
		z.Reset(&b)
		_, err := z.Write(body)
		if e := z.Close(); err == nil {
			err = e
		}
		compressors.Put(z)
		if err == nil {
			h.Set("Content-Encoding", "gzip")
			body = b.Bytes()
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(body); err != nil {
		s.log.Debug().Err(err).Str("path", r.URL.Path).Msg("reader went away")
	}
}

// matches implements If-None-Match with weak comparison (RFC 9110, section 13.1.2).
func matches(header, tag string) bool {
	for f := range strings.SplitSeq(header, ",") {
		f = strings.TrimSpace(f)
		if f == "*" || strings.TrimPrefix(f, "W/") == strings.TrimPrefix(tag, "W/") && f != "" {
			return true
		}
	}
	return false
}

// takesGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as gzip is concerned.
func takesGzip(header string) bool {
	for f := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(f), ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, isQ := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		v, err := strconv.ParseFloat(q, 64)
		return !isQ || err == nil && v > 0
	}
	return false
}
