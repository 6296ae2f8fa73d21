package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/corewatch/corewatch/internal/outbound"
)

const (
	maxRedirects = 5
	maxPause     = time.Minute // that a server may ask for
)

// refusal is what we do not do, whoever asks: no further attempt helps.
type refusal string

func (r refusal) Error() string { return string(r) }

// answer is a status that is not what was asked for.
type answer struct {
	code  int
	pause time.Duration // that the server asks for
}

func (a *answer) Error() string { return fmt.Sprintf("the server answered %d", a.code) }

// lasting reports an error that will be the same next time.
func lasting(err error) bool {
	var no refusal
	var a *answer
	if errors.As(err, &a) {
		return a.code < 500 && a.code != http.StatusRequestTimeout && a.code != http.StatusTooManyRequests
	}
	return errors.As(err, &no)
}

// newClient makes a client for files below base, the address that the operator named: it goes to the host of base, wherever that is, and from
// there by few redirects of the same scheme or https to public addresses, asked at the moment of connecting and so for every answer of a name
// server. A base that is itself a loopback or private address opens the others of its kind. Proxy settings of the environment are not used:
// behind a proxy none of this could be kept.
func newClient(base *url.URL, wait time.Duration) *http.Client {
	g := guard{scheme: base.Scheme, host: base.Hostname(), loopback: outbound.Loopback(base.Hostname())}
	if a, err := netip.ParseAddr(g.host); err == nil {
		g.private = a.Unmap().IsPrivate()
	}
	named, other := &net.Dialer{Timeout: wait}, &net.Dialer{Timeout: wait, Control: g.control}
	return &http.Client{
		CheckRedirect: g.redirect,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if host, _, err := net.SplitHostPort(address); err == nil && host == g.host {
					return named.DialContext(ctx, network, address)
				}
				return other.DialContext(ctx, network, address)
			},
			TLSHandshakeTimeout: wait, ResponseHeaderTimeout: wait, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: wait,
			DisableCompression: true, // length and digest are those of the file
		},
	}
}

// guard is where a client may go.
type guard struct {
	scheme, host      string // of the base address
	loopback, private bool   // the base address is one
}

func (g *guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := ap.Addr().Unmap(); !outbound.Public(a) && !(g.loopback && a.IsLoopback()) && !(g.private && a.IsPrivate()) {
		return refusal(a.String() + " is not a public address: refused")
	}
	return nil
}

func (g *guard) redirect(req *http.Request, via []*http.Request) error {
	switch u := req.URL; {
	case len(via) > maxRedirects:
		return refusal(fmt.Sprintf("more than %d redirects", maxRedirects))
	case u.User != nil:
		return refusal("a redirect to an address with a user name is refused")
	case u.Scheme != "https" && u.Scheme != g.scheme:
		return refusal(fmt.Sprintf("a redirect to %s://%s is refused: want https", u.Scheme, u.Host))
	}
	return nil
}

// get asks for a file, or for the rest of it. The caller closes the body; cancelling ctx ends it.
func (s *site) get(ctx context.Context, address string, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "corewatch")
	req.Header.Set("Accept-Encoding", "identity")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := s.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text repeats the address
			err = wrapped.Err
		}
		return nil, err
	}
	return res, nil
}

// refused is the error of an answer that is not what was asked for.
func refused(res *http.Response) error {
	a := &answer{code: res.StatusCode}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		a.pause = min(time.Duration(n)*time.Second, maxPause)
	}
	return a
}

// retry calls f until it succeeds, fails for good, or has failed too often. gained tells whether the last attempt brought anything.
func (a *Archive) retry(ctx context.Context, what string, f func() (gained bool, err error)) error {
	const (
		inVain = 6  // attempts in a row that brought nothing
		most   = 60 // attempts
	)
	pause, vain := a.opt.Pause, 0
	for n := 1; ; n++ {
		gained, err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case lasting(err):
			return fmt.Errorf("%s: %w", what, err)
		}
		if gained {
			pause, vain = a.opt.Pause, 0
		}
		if vain++; vain == inVain || n == most {
			return fmt.Errorf("%s: %w, after %d attempts; the same command goes on where this one stopped", what, err, n)
		}
		wait := pause
		var asked *answer
		if errors.As(err, &asked) {
			wait = max(wait, asked.pause)
		}
		a.say("%s: %v; again in %s", what, err, wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause = min(2*pause, 32*a.opt.Pause)
	}
}

// idle ends a transfer in which nothing moves.
type idle struct {
	r     io.Reader
	timer *time.Timer
	limit time.Duration
}

// watched gives a context that ends when the reader that body makes has given nothing for so long, and before that when nothing begins to come.
func (a *Archive) watched(ctx context.Context) (limited context.Context, body func(io.Reader) io.Reader, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(a.opt.Stall+a.opt.Wait, func() { cancel(fmt.Errorf("nothing came for %s", a.opt.Stall)) })
	return limited, func(r io.Reader) io.Reader { return &idle{r, timer, a.opt.Stall} }, func() { timer.Stop(); cancel(nil) }
}

// why is the error of a request, or why it was given up.
func why(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (i *idle) Read(b []byte) (int, error) {
	n, err := i.r.Read(b)
	if n > 0 {
		i.timer.Reset(i.limit)
	}
	return n, err
}
