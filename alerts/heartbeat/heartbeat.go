// Package heartbeat asks an address again and again, so that somebody outside notices when nothing asks any more: services that watch for silence want
// a GET or POST of an address of one's own.
package heartbeat

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// Options are what a heartbeat needs.
type Options struct {
	URL    string // https, or http on a loopback address; a secret
	Method string // GET or POST; empty: GET
}

// Heart asks one address.
type Heart struct {
	opt    Options
	client *http.Client
}

// New makes a heart. The error says which option cannot be used; it never holds the URL, which is a secret itself.
func New(opt Options) (*Heart, error) {
	u, err := url.Parse(opt.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("url: not an address such as https://watcher.example/ping")
	}
	if opt.Method == "" {
		opt.Method = http.MethodGet
	}
	addr, notIP := netip.ParseAddr(u.Hostname())
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || notIP != nil || !addr.IsLoopback()):
		return nil, errors.New("url: want https://, or http:// on a loopback address")
	case u.User != nil:
		return nil, errors.New("url: user and password do not belong in it")
	case opt.Method != http.MethodGet && opt.Method != http.MethodPost:
		return nil, errors.New("method: want GET or POST")
	}
	return &Heart{opt, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		},
	}}, nil
}

// Beat asks once. An answer that is not of 2xx is an error.
func (h *Heart) Beat(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, h.opt.Method, h.opt.URL, nil)
	if err != nil {
		return errors.New("the address cannot be asked")
	}
	req.Header.Set("User-Agent", "corewatch")
	res, err := h.client.Do(req)
	if err != nil {
		return alerts.Unreachable(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return errors.New("the watcher answered " + strconv.Itoa(res.StatusCode))
	}
	return nil
}
