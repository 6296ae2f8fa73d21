package reference

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/corewatch/corewatch/internal/outbound"
)

// Limits of one download.
const (
	fetchTimeout  = 10 * time.Minute
	headerTimeout = 30 * time.Second
	maxRedirects  = 5
)

// fetch downloads one file. Proxy settings of the environment are not used: behind a proxy the refusal of private addresses
// could not be kept; fetch with another tool there and give the file.
func fetch(ctx context.Context, from string, say func(string, ...any)) (input, error) {
	u, err := url.Parse(from)
	if err != nil {
		return input{}, fmt.Errorf("address %q: %w", from, errors.Unwrap(err))
	}
	loopback := outbound.Loopback(u.Hostname())
	if err := checkURL(u, loopback); err != nil {
		return input{}, err
	}
	shown := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path} // a query may hold a key
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return input{}, fmt.Errorf("fetch %s: %w", shown, err)
	}
	req.Header.Set("User-Agent", "corewatch")
	req.Header.Set("Accept-Encoding", "identity") // the digest is that of the file, not of a transfer form
	say("fetching %s", shown)
	client := newClient(loopback)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text repeats the whole address
			err = wrapped.Err
		}
		return input{}, fmt.Errorf("fetch %s: %w", shown, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return input{}, fmt.Errorf("fetch %s: the server answered %d", shown, resp.StatusCode)
	}
	if resp.ContentLength > maxStored {
		return input{}, fmt.Errorf("fetch %s: %w: %d bytes announced, at most %d", shown, errTooLarge, resp.ContentLength, maxStored)
	}
	raw, err := readBounded(shown.String(), resp.Body)
	if err != nil {
		return input{}, fmt.Errorf("fetch %w", err)
	}
	return input{shown.String(), raw}, nil
}

// checkURL allows https, and http only when the operator named a loopback address.
func checkURL(u *url.URL, loopback bool) error {
	switch {
	case u.Host == "":
		return fmt.Errorf("address %s has no host", u.Redacted())
	case u.User != nil:
		return errors.New("an address with a user name or password is refused")
	case u.Scheme == "https" || u.Scheme == "http" && loopback && outbound.Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s://%s: only https is fetched (http only from a loopback address)", u.Scheme, u.Host)
}

// newClient refuses, at the moment of connecting and so for every redirect and every answer of the name server, addresses that are
// not on the public internet; loopback is allowed when the operator named it.
func newClient(loopback bool) *http.Client {
	d := &net.Dialer{Timeout: headerTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := ap.Addr().Unmap(); !outbound.Public(a) && !(loopback && a.IsLoopback()) {
			return fmt.Errorf("%s is not a public address: refused", a)
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: headerTimeout, ResponseHeaderTimeout: headerTimeout, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return checkURL(req.URL, loopback)
		},
	}
}
