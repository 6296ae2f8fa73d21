// Package smtptest runs a mail server for tests: Debian's aiosmtpd, on a loopback port, with TLS and a password.
package smtptest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed server.py
var program string

// Server is a mail server that runs. It refuses recipients by their local part: grey (451 the first time), full (452 the first time), gone (550), spam
// (554 after DATA), busy (421); hang and drop take the first letter and do not say so. What comes after DATA
// is of letters to the list only, not of those that ask for confirmation.
type Server struct {
	Address  string // host:port
	Roots    *x509.CertPool
	RootFile string // the same, as a file
	User     string
	Password string
	dir      string
}

// Letter is a letter that the server took.
type Letter struct {
	Octets []byte
	From   string
	To     []string
	TLS    bool
	User   bool // the client had authenticated
}

// Start starts a server for the time of a test. tls is implicit, starttls or none. Without the program the test is skipped, or fails where CI is true.
func Start(t testing.TB, aiosmtpd, tls, user, password string) *Server {
	t.Helper()
	if _, err := exec.LookPath(aiosmtpd); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("did not run: " + aiosmtpd + " is not installed (Debian: python3-aiosmtpd)")
	}
	s := &Server{User: user, Password: password, dir: t.TempDir()}
	cert, key := s.certificate(t)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", program, s.dir, tls, cert, key, user, password)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // killed when the test's context ended, or gone by itself
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the mail server did not start: ", err)
	}
	s.Address = "127.0.0.1:" + strings.TrimSpace(port)
	return s
}

// certificate makes one for 127.0.0.1, which vouches for itself.
func (s *Server) certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail server of a test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: privateDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(parsed)
	s.RootFile = cert
	return cert, key
}

// Taken gives the letters that the server took, in order.
func (s *Server) Taken(t testing.TB) (list []Letter) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var l Letter
		about, err := os.ReadFile(strings.TrimSuffix(name, ".eml") + ".json")
		if err == nil {
			err = json.Unmarshal(about, &l)
		}
		if err == nil {
			l.Octets, err = os.ReadFile(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// Wait gives the letters once there are n, or fails the test.
func (s *Server) Wait(t testing.TB, n int) []Letter {
	t.Helper()
	for range 400 {
		if list := s.Taken(t); len(list) >= n {
			return list
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the mail server has %d letters after 10 s, want %d", len(s.Taken(t)), n)
	return nil
}
