// Package tsatest runs a time stamp authority for tests: openssl's, with a CA of its own, offline.
package tsatest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Authority answers time stamp requests. It is safe for concurrent use.
type Authority struct {
	CA  string // file of the CA's certificate, PEM
	dir string
	mu  sync.Mutex // openssl counts serial numbers in a file
}

const config = `
[req]
distinguished_name = dn
prompt = no
[dn]
CN = %[2]s
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[tsa_cert]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = conf
[conf]
dir = %[1]s
serial = %[1]s/serial
signer_cert = %[1]s/tsa.crt
signer_key = %[1]s/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`

// Openssl finds the program. Without it the test says what did not run; on CI that is a failure.
func Openssl(t testing.TB) string {
	t.Helper()
	name, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed:", err)
		}
		t.Skip("openssl is not installed: time stamps were not checked")
	}
	return name
}

// New makes an authority with this name and a CA. Keys are of the P-256 curve: they are made in no time.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	openssl := Openssl(t)
	a := &Authority{dir: t.TempDir()}
	a.CA = filepath.Join(a.dir, "ca.crt")
	for file, text := range map[string]string{"ca.cnf": fmt.Sprintf(config, a.dir, name+" CA"), "tsa.cnf": fmt.Sprintf(config, a.dir, name), "serial": "01\n"} {
		if err := os.WriteFile(filepath.Join(a.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-config", "ca.cnf", "-extensions", "ca"},
		{"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-config", "tsa.cnf"},
		{"x509", "-req", "-in", "tsa.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tsa.crt", "-days", "3650", "-extfile", "tsa.cnf", "-extensions", "tsa_cert"},
	} {
		c := exec.Command(openssl, args...)
		c.Dir = a.dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	return a
}

// Reply answers a DER TimeStampReq.
func (a *Authority) Reply(req []byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	query := filepath.Join(a.dir, "query.tsq")
	if err := os.WriteFile(query, req, 0o600); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	c := exec.Command("openssl", "ts", "-reply", "-queryfile", query, "-config", filepath.Join(a.dir, "tsa.cnf"))
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("openssl ts -reply: %w: %s", err, errs.Bytes())
	}
	return out.Bytes(), nil
}

// ServeHTTP answers as RFC 3161 section 3.4 says.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err == nil && r.Header.Get("Content-Type") != "application/timestamp-query" {
		err = fmt.Errorf("content type %q", r.Header.Get("Content-Type"))
	}
	var reply []byte
	if err == nil {
		reply, err = a.Reply(req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Write(reply)
}
