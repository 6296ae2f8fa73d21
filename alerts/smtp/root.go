// Package smtp sends mail: one letter to one address, as plain text first and HTML second, DKIM-signed, over TLS. docs/alerts.md says what stands in it.
package smtp

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/corewatch/corewatch/internal/outbound"
)

// How the connection to the server is encrypted.
const (
	Implicit = "implicit" // TLS from the first octet (port 465)
	StartTLS = "starttls" // the server is asked to begin TLS (ports 587 and 25); nothing is said before it has
	Plain    = "none"     // no TLS: only to a server on this machine
)

// Options are what a server needs.
type Options struct {
	Server   string          // host:port of the operator's mail server
	TLS      string          // Implicit, StartTLS or Plain; empty: Implicit on port 465, else StartTLS
	Roots    *x509.CertPool  // that the server's certificate must lead to; nil: those of the system
	User     string          // empty: no authentication
	Password string          // of User
	From     netmail.Address // who writes; answers and bounces go there
	List     string          // List-Id, such as alerts.example.org
	Name     string          // of the list, for readers
	Keys     []Key           // DKIM signatures; empty: none, the mail server signs
	Now      func() time.Time
}

// Server is the operator's mail server. It is safe for concurrent use.
type Server struct {
	opt  Options
	host string // of Options.Server

	mu     sync.Mutex
	closed time.Time // until then nobody tries: the server was not reached, or took nobody
	why    error
}

const (
	dialTimeout = 10 * time.Second
	talkTimeout = 25 * time.Second // for a whole conversation; shorter than what the outbox gives a channel
	reopenAfter = 15 * time.Second
	mostRead    = 256 << 10 // octets of a conversation that are read from the server, TLS included
	mostLetter  = 512 << 10
)

// listForm is a List-Id (RFC 2919, section 2): labels joined by dots.
var listForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}$`)

// nameForm is what a list may be called. It stands in a header and in the texts.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$`)

// New checks the options. Nothing is connected.
func New(opt Options) (*Server, error) {
	host, port, err := net.SplitHostPort(opt.Server)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("server: %q; want host:port", opt.Server)
	}
	if opt.TLS == "" {
		opt.TLS = StartTLS
		if port == "465" {
			opt.TLS = Implicit
		}
	}
	switch {
	case opt.TLS != Implicit && opt.TLS != StartTLS && opt.TLS != Plain:
		return nil, fmt.Errorf("tls: %q; want implicit, starttls or none", opt.TLS)
	case opt.TLS == Plain && !outbound.Loopback(host):
		return nil, errors.New("tls: none is for a server on this machine; elsewhere everybody on the way could read who is told")
	case (opt.User == "") != (opt.Password == ""):
		return nil, errors.New("user and password: want both, or none")
	case !listForm.MatchString(opt.List):
		return nil, fmt.Errorf("list: %q; want a List-Id such as alerts.example.org", opt.List)
	case !nameForm.MatchString(opt.Name):
		return nil, fmt.Errorf("name: %q; want 1 to 60 letters, digits, blanks, full stops and hyphens", opt.Name)
	}
	if err := CheckAddress(opt.From.Address); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	for _, k := range opt.Keys {
		if err := k.check(domainOf(opt.From.Address)); err != nil {
			return nil, fmt.Errorf("dkim: %w", err)
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Server{opt: opt, host: host}, nil
}

// addressForm is a plain address: a dot-atom (RFC 5322, section 3.4.1) at a domain of at least two labels. Quoted local parts, comments, address literals
// and other scripts than ASCII (RFC 6531) are not taken.
var addressForm = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$`)

// CheckAddress says why an address cannot be written to, without naming it.
func CheckAddress(address string) error {
	local, _, _ := strings.Cut(address, "@")
	if len(address) > 254 || len(local) > 64 || !addressForm.MatchString(address) { // RFC 5321, section 4.5.3.1
		return errors.New("want one plain address such as name@example.org")
	}
	return nil
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
