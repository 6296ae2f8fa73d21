package bmp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// authority makes certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	_, a.cert, a.key = a.issue(t, "ca", true)
	return a
}

// issue makes a certificate, and files of it and its key.
func (a *authority) issue(t *testing.T, name string, ca bool) (tls.Certificate, *x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	if err := errors.Join(os.WriteFile(filepath.Join(a.dir, name+".pem"), certPEM, 0o600), os.WriteFile(filepath.Join(a.dir, name+".key"), keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, parsed, key
}

// TestTLS: with client_ca a router needs a certificate of that authority, besides its address.
func TestTLS(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	ours.issue(t, "station", false)
	file := func(name string) string { return filepath.Join(ours.dir, name) }
	config, err := LoadTLS(file("station.pem"), file("station.key"), file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, Options{Routers: list("127.0.0.1/32 rtr"), TLS: config, First: time.Second})
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	try := func(pairs ...tls.Certificate) error {
		c := tls.Client(r.dial("127.0.0.1"), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: pairs})
		defer c.Close()
		if _, err := c.Write(slices.Concat(hello, upA)); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	stranger, _, _ := others.issue(t, "router", false)
	for name, pairs := range map[string][]tls.Certificate{"no certificate": nil, "of another authority": {stranger}} {
		if err := try(pairs...); err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	plain := r.dial("127.0.0.1")
	r.send(plain, hello, upA)
	r.closed(plain)
	r.until("three are refused", func() bool { return r.Stats().Refused == 3 })
	if c := r.router("rtr").Counts; c.Messages != 0 {
		t.Errorf("%+v", c)
	}
	router, _, _ := ours.issue(t, "router", false)
	if err := try(router); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a router with a certificate: %v", err)
	}
	r.until("it is heard", func() bool { return r.router("rtr").Counts.Ups == 1 })

	for _, files := range [][3]string{{"none.pem", "station.key", ""}, {"station.pem", "ca.key", ""}, {"station.pem", "station.key", "none.pem"}, {"station.pem", "station.key", "station.key"}} {
		ca := ""
		if files[2] != "" {
			ca = file(files[2])
		}
		if _, err := LoadTLS(file(files[0]), file(files[1]), ca); err == nil {
			t.Errorf("%v were taken", files)
		}
	}
	if c, err := LoadTLS(file("station.pem"), file("station.key"), ""); err != nil || c.ClientAuth != tls.NoClientCert {
		t.Errorf("%v", err)
	}
}
