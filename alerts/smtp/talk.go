package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/internal/outbound"
)

// refusal is an answer that is not the one wanted. What the server wrote is left out: it often holds the address.
type refusal struct {
	step string // what was asked
	code int    // RFC 5321, section 4.2
	more string // enhanced status code (RFC 3463), or empty
}

func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the mail server answered %d %s", r.code, r.more)) + " to " + r.step
}

var enhanced = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)

// failed says what went wrong in a step, without the address and without what the server wrote.
func failed(step string, err error) error {
	var answer *textproto.Error
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &answer):
		return &refusal{step, answer.Code, enhanced.FindString(answer.Msg)}
	case errors.As(err, &certificate):
		return fmt.Errorf("the mail server's certificate: %w", certificate.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the mail server did not answer in time: %s", step)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the mail server hung up: %s", step)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("the mail server cannot be reached: %w", op.Err)
	}
	return fmt.Errorf("the mail server cannot be talked to: %s", step)
}

// Write sends a letter; the receipt is the server's answer, as a number. An *alerts.Permanent says that the server will never take this letter to this
// address. Whatever goes wrong before the address is named is not the address's fault, and may be tried again.
func (s *Server) Write(ctx context.Context, l *alerts.Letter) (receipt string, err error) {
	octets, err := s.build(l)
	if err != nil {
		return "", &alerts.Permanent{Err: err}
	}
	if wait, why := s.shut(); wait > 0 {
		return "", &alerts.Busy{Err: why, After: wait}
	}
	ctx, stop := context.WithTimeout(ctx, talkTimeout)
	defer stop()
	c, err := s.open(ctx)
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			s.shutFor(err)
		}
		return "", err
	}
	defer c.Close()
	for _, step := range []struct {
		what string
		ask  func() error
		own  bool // a refusal is of this letter or address
	}{
		{"the sender", func() error { return c.Mail("<" + s.opt.From.Address + ">") }, false},
		{"the recipient", func() error { return c.Rcpt("<" + l.To + ">") }, true},
		{"the letter", func() error { return data(c, octets) }, true},
	} {
		err := step.ask()
		if err == nil {
			continue
		}
		err = failed(step.what, err)
		var r *refusal
		switch {
		case errors.As(err, &r) && r.code == 421, errors.As(err, &r) && !step.own:
			s.shutFor(err)
		case errors.As(err, &r) && r.code >= 500:
			err = &alerts.Permanent{Err: err}
		}
		return "", err
	}
	_ = c.Quit() // it has the letter; what it says to a farewell changes nothing
	return "250", nil
}

// data sends the octets and waits for the server to take charge of them.
func data(c *smtp.Client, octets []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(octets); err != nil {
		return err // without the final dot: the connection is closed, and the server drops what it has
	}
	return w.Close()
}

// shut says how long nobody tries, and why.
func (s *Server) shut() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed.Sub(s.opt.Now()), s.why
}

func (s *Server) shutFor(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.why = s.opt.Now().Add(reopenAfter), err
}

// bounded is a connection that gives up when the server talks without end.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server talks without end")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// open connects, encrypts and authenticates.
func (s *Server) open(ctx context.Context) (c *smtp.Client, err error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	raw, err := dialer.DialContext(ctx, "tcp", s.opt.Server)
	if err != nil {
		return nil, failed("connecting", err)
	}
	if until, ok := ctx.Deadline(); ok {
		err = raw.SetDeadline(until)
	}
	ended := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // wakes whoever waits
	defer func() {
		if err != nil {
			ended()
			_ = raw.Close()
		}
	}()
	if err != nil {
		return nil, failed("connecting", err)
	}
	conn := net.Conn(&bounded{raw, mostRead})
	conf := &tls.Config{ServerName: s.host, RootCAs: s.opt.Roots, MinVersion: tls.VersionTLS12}
	if s.opt.TLS == Implicit {
		t := tls.Client(conn, conf)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, failed("TLS", err)
		}
		conn = t
	}
	if c, err = smtp.NewClient(conn, s.host); err != nil {
		return nil, failed("its greeting", err)
	}
	if err = c.Hello(domainOf(s.opt.From.Address)); err != nil {
		return nil, failed("EHLO", err)
	}
	if s.opt.TLS == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, errors.New("the mail server offers no STARTTLS; nothing is sent in the clear")
		}
		if err = c.StartTLS(conf); err != nil {
			return nil, failed("STARTTLS", err)
		}
	}
	if s.opt.User != "" {
		if err = s.login(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// login authenticates with PLAIN (RFC 4616), or LOGIN where the server knows only that.
func (s *Server) login(c *smtp.Client) error {
	ok, list := c.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(list))
	has := func(name string) bool {
		for _, m := range mechanisms {
			if m == name {
				return true
			}
		}
		return false
	}
	local := s.opt.TLS == Plain && outbound.Loopback(s.host)
	var auth smtp.Auth
	switch {
	case ok && has("PLAIN"):
		auth = smtp.PlainAuth("", s.opt.User, s.opt.Password, s.host, local)
	case ok && has("LOGIN"):
		auth = smtp.LoginAuth(s.opt.User, s.opt.Password, s.host, local)
	default:
		return errors.New("the mail server offers no authentication with a password (PLAIN or LOGIN)")
	}
	if err := c.Auth(auth); err != nil {
		return failed("authentication", err)
	}
	return nil
}
