package clickhouse

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
)

// Config says which server is written to, and how.
type Config struct {
	Address      string // host:port of the native protocol; 9440 is usual with TLS, 9000 without
	Database     string // made when it is missing, if the user may
	User         string
	PasswordFile string // empty: no password
	TLS          *bool  // nil: everywhere but on loopback
	CA           string // file of the authorities that are believed (PEM); empty: the system's
	Cert, Key    string // files of a certificate of our own (PEM), for servers that ask for one
	ServerName   string // that the server's certificate must have; empty: the host of the address

	password string      // set by complete
	tls      *tls.Config // likewise; nil: without TLS
}

// maxSecret bounds files of secrets and certificates.
const maxSecret = 1 << 20

// namePattern is what a database may be called here: it stands in statements.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// complete checks the configuration and reads its files.
func (c *Config) complete() error {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("address %q: want HOST:PORT", c.Address)
	}
	if !namePattern.MatchString(c.Database) {
		return fmt.Errorf("database %q: want letters, digits and _, at most 63, not a digit first", c.Database)
	}
	if c.PasswordFile != "" {
		text, err := readFile(c.PasswordFile)
		if err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
		c.password = strings.TrimRight(string(text), "\r\n")
		if c.password == "" {
			return fmt.Errorf("password_file: %s is empty", c.PasswordFile)
		}
	}
	if c.TLS != nil && !*c.TLS || c.TLS == nil && loopback(host) {
		if c.CA != "" || c.Cert != "" || c.Key != "" || c.ServerName != "" {
			return errors.New("tls_ca, tls_cert, tls_key and tls_name go with tls: true")
		}
		return nil
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.ServerName != "" {
		c.tls.ServerName = c.ServerName
	}
	if c.CA != "" {
		text, err := readFile(c.CA)
		if err != nil {
			return fmt.Errorf("tls_ca: %w", err)
		}
		c.tls.RootCAs = x509.NewCertPool()
		if !c.tls.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("tls_ca: %s holds no certificate in PEM", c.CA)
		}
	}
	if c.Cert == "" && c.Key == "" {
		return nil
	}
	cert, err := readFile(c.Cert)
	if err != nil {
		return fmt.Errorf("tls_cert: %w", err)
	}
	key, err := readFile(c.Key)
	if err != nil {
		return fmt.Errorf("tls_key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("tls_cert and tls_key: %w", err)
	}
	c.tls.Certificates = []tls.Certificate{pair}
	return nil
}

// loopback reports whether a host is this machine for certain.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, maxSecret+1)); err != nil {
		return nil, err
	} else if n > maxSecret {
		return nil, fmt.Errorf("%s is larger than %d octets", name, maxSecret)
	}
	return b.Bytes(), nil
}
