package tsa

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/evidence/tsa/tsatest"
)

func roots(t testing.TB, a *tsatest.Authority) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(a.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := Roots(text)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func stamp(t testing.TB, a *tsatest.Authority, message []byte, nonce int64) []byte {
	t.Helper()
	req, err := Request(message, big.NewInt(nonce))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := a.Reply(req)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestStamp checks a response of openssl's authority as we and openssl do, and refuses it for another message, CA, or when changed.
func TestStamp(t *testing.T) {
	a, other := tsatest.New(t, "Test TSA"), tsatest.New(t, "Other TSA")
	message := []byte("what is stamped\n")
	reply := stamp(t, a, message, 77)
	tok, err := Verify(reply, message, roots(t, a))
	if err != nil {
		t.Fatal(err)
	}
	if !tok.Trusted || tok.Nonce.Int64() != 77 || tok.Policy != "1.2.3.4.1" || tok.Accuracy != time.Second || time.Since(tok.Time).Abs() > time.Hour || !strings.Contains(tok.Authority, "TSA") {
		t.Errorf("%+v", tok)
	}
	if tok, err := Verify(reply, message, nil); err != nil || tok.Trusted {
		t.Errorf("without roots: %+v, %v", tok, err)
	}
	if _, err := Verify(reply, []byte("another\n"), nil); err == nil || !strings.Contains(err.Error(), "about something else") {
		t.Errorf("another message: %v", err)
	}
	if _, err := Verify(reply, message, roots(t, other)); err == nil || !strings.Contains(err.Error(), "does not lead to a CA") {
		t.Errorf("another CA: %v", err)
	}
	if _, err := Verify(append(bytes.Clone(reply), 0), message, nil); err == nil {
		t.Error("an octet can be appended")
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"m": message, "m.tsr": reply} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("openssl", "ts", "-verify", "-data", filepath.Join(dir, "m"), "-in", filepath.Join(dir, "m.tsr"), "-CAfile", a.CA).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Verification: OK") {
		t.Errorf("openssl ts -verify: %v\n%s", err, out)
	}
	// What is under the authority's signature cannot be changed. (What is not, the bundle's own list of seals covers.)
	found := 0
	for i := range reply {
		c := bytes.Clone(reply)
		c[i] ^= 1
		if _, err := Verify(c, message, roots(t, a)); err != nil {
			found++
		}
	}
	if found < len(reply)*9/10 {
		t.Errorf("%d of %d changed octets were found", found, len(reply))
	}
}

// TestCannotRead: what is no response, or a refusal, is an error.
func TestCannotRead(t *testing.T) {
	for _, in := range []string{"", "x", "0\x80", "\x30\x05\x30\x03\x02\x01\x02", strings.Repeat("x", maxResponse+1)} {
		if _, err := Verify([]byte(in), nil, nil); err == nil {
			t.Errorf("%.20q was accepted", in)
		}
	}
	if _, err := Roots([]byte("no PEM")); err == nil {
		t.Error("CA certificates out of nothing")
	}
}

// FuzzVerify: no octets make the parser panic or take a response for one about another message.
func FuzzVerify(f *testing.F) {
	message := []byte("what is stamped\n")
	if _, err := exec.LookPath("openssl"); err == nil {
		f.Add(stamp(f, tsatest.New(f, "Fuzz TSA"), message, 1))
	}
	f.Add([]byte("\x30\x05\x30\x03\x02\x01\x02"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := Verify(in, []byte("another\n"), nil); err == nil {
			t.Error("a time stamp about something that nobody stamped")
		}
	})
}
