package clickhouse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/clickhouse/clickhousetest"
)

// certificate writes a self-signed certificate for a host and its key.
func certificate(t *testing.T, host string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		form.IPAddresses = []net.IP{ip}
	} else {
		form.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	err = errors.Join(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestTLS: a server is believed with the right authority and name only, and no error tells a password.
func TestTLS(t *testing.T) {
	cert, key := certificate(t, "clickhouse.example")
	other, _ := certificate(t, "clickhouse.example")
	srv := clickhousetest.StartTLS(t, cert, key)
	on := true
	base := Config{Address: srv.Address, Database: srv.Database, User: srv.User, PasswordFile: secret(t, srv.Password), TLS: &on, CA: cert, ServerName: "clickhouse.example"}
	connect := func(change func(*Config)) (*Store, error) {
		c := base
		change(&c)
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		_, err = s.Connect(t.Context())
		if err != nil && (strings.Contains(err.Error(), srv.Password) || strings.Contains(err.Error(), "let me in")) {
			t.Errorf("the error tells a password: %v", err)
		}
		return s, err
	}
	s, err := connect(func(*Config) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteSamples(t.Context(), "a", detect.Live, 1, samplesOf(10)); err != nil {
		t.Error(err)
	}
	off := false
	for want, change := range map[string]func(*Config){
		"certificate signed by unknown authority": func(c *Config) { c.CA = other },
		"doesn't contain any IP SANs":             func(c *Config) { c.ServerName = "" },
		"not clickhouse.elsewhere":                func(c *Config) { c.ServerName = "clickhouse.elsewhere" },
		"the server refuses (code 516)":           func(c *Config) { c.PasswordFile = secret(t, "let me in") },
		"connecting":                              func(c *Config) { c.TLS, c.CA, c.ServerName = &off, "", "" },
	} {
		if _, err := connect(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestConfig: where TLS is spoken without being told, and what is said of a configuration that cannot be.
func TestConfig(t *testing.T) {
	for address, tls := range map[string]bool{
		"127.0.0.1:9000": false, "localhost:9000": false, "[::1]:9000": false, "[::ffff:127.0.0.1]:9000": false,
		"192.0.2.1:9440": true, "clickhouse.example:9440": true, "localhost.example:9440": true,
	} {
		s, err := New(Config{Address: address, Database: "corewatch"})
		if err != nil || (s.conf.tls != nil) != tls {
			t.Errorf("%s: %v, TLS %v", address, err, s.conf.tls != nil)
		}
	}
	on, off := true, false
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t, "a")
	_, otherKey := certificate(t, "b")
	good := Config{Address: "127.0.0.1:9440", Database: "corewatch", TLS: &on}
	for want, change := range map[string]func(*Config){
		`address "127.0.0.1": want HOST:PORT`:        func(c *Config) { c.Address = "127.0.0.1" },
		`address ":9000": want HOST:PORT`:            func(c *Config) { c.Address = ":9000" },
		"database \"a`b\": want letters":             func(c *Config) { c.Database = "a`b" },
		`database "": want letters`:                  func(c *Config) { c.Database = "" },
		"password_file: open":                        func(c *Config) { c.PasswordFile = empty + "-not" },
		"password_file: " + empty + " is empty":      func(c *Config) { c.PasswordFile = empty },
		"go with tls: true":                          func(c *Config) { c.TLS, c.CA = &off, cert },
		"tls_ca: " + empty + " holds no certificate": func(c *Config) { c.CA = empty },
		"tls_key: open":                              func(c *Config) { c.Cert = cert },
		"tls_cert and tls_key":                       func(c *Config) { c.Cert, c.Key = cert, otherKey },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	good.CA, good.Cert, good.Key = cert, cert, key
	if s, err := New(good); err != nil || len(s.conf.tls.Certificates) != 1 || s.conf.tls.RootCAs == nil {
		t.Errorf("with certificates: %v", err)
	}
}
