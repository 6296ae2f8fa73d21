package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sshKeygen runs ssh-keygen with message on its standard input. Without it the test says what did not run; on CI that is a failure.
func sshKeygen(t *testing.T, message []byte, args ...string) (string, error) {
	t.Helper()
	name, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh-keygen is not installed:", err)
		}
		t.Skip("ssh-keygen is not installed: our signatures were not compared with OpenSSH's")
	}
	c := exec.Command(name, args...)
	c.Stdin = bytes.NewReader(message)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestSSHKeygenVerifiesOurs: OpenSSH accepts what we sign, and refuses it for another message, namespace and signer.
func TestSSHKeygenVerifiesOurs(t *testing.T) {
	k, dir := key(1), t.TempDir()
	message := []byte("some octets\n")
	file := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	sig := file("m.sig", signed(t, k, message))
	ours, theirs := file("ours", AllowedSigners(public(k))), file("theirs", AllowedSigners(public(key(2))))
	check := func(message []byte, signers, namespace string) (string, error) {
		return sshKeygen(t, message, "-Y", "verify", "-f", signers, "-I", Namespace, "-n", namespace, "-s", sig)
	}
	if out, err := check(message, ours, Namespace); err != nil || !strings.Contains(out, "Good "+`"`+Namespace+`"`+" signature") || !strings.Contains(out, Fingerprint(public(k))) {
		t.Errorf("%v: %s", err, out)
	}
	for name, try := range map[string]func() (string, error){
		"another message":   func() (string, error) { return check([]byte("other octets\n"), ours, Namespace) },
		"another namespace": func() (string, error) { return check(message, ours, SealsNamespace) },
		"another signer":    func() (string, error) { return check(message, theirs, Namespace) },
	} {
		if out, err := try(); err == nil {
			t.Errorf("%s: ssh-keygen says %s", name, out)
		}
	}
}

// TestWeVerifySSHKeygens: what OpenSSH signs with an Ed25519 key is what we accept, and what it signs with another kind is not.
func TestWeVerifySSHKeygens(t *testing.T) {
	dir := t.TempDir()
	message := []byte("some octets\n")
	for kind, good := range map[string]bool{"ed25519": true, "ecdsa": false} {
		private := filepath.Join(dir, kind)
		if out, err := sshKeygen(t, nil, "-q", "-t", kind, "-N", "", "-f", private, "-C", "a comment"); err != nil {
			t.Fatal(err, out)
		}
		sig, err := sshKeygen(t, message, "-q", "-Y", "sign", "-f", private, "-n", Namespace)
		if err != nil {
			t.Fatal(err, sig)
		}
		sig = sig[strings.Index(sig, "-----BEGIN"):]
		public, err := os.ReadFile(private + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		by, err := VerifySSH([]byte(sig), Namespace, message)
		prints, perr := ParseKeys(public)
		if !good {
			if err == nil || perr == nil {
				t.Errorf("%s: accepted (%v, %v)", kind, err, perr)
			}
			continue
		}
		if err != nil || perr != nil || len(prints) != 1 || prints[0] != Fingerprint(by) || !strings.HasPrefix(string(public), AuthorizedKey(by)) {
			t.Errorf("%s: %v, %v, %v", kind, err, perr, prints)
		}
		if out, err := sshKeygen(t, nil, "-l", "-f", private+".pub"); err != nil || !strings.Contains(out, Fingerprint(by)) {
			t.Errorf("ssh-keygen -l: %s %v, ours %s", out, err, Fingerprint(by))
		}
	}
}

// TestVerifySSHRefuses: another spelling of a good signature is refused.
func TestVerifySSHRefuses(t *testing.T) {
	message := []byte("m")
	sig := signed(t, key(1), message)
	if _, err := VerifySSH(sig, Namespace, message); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(sig), "\n")
	block := pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: []byte("SSHSIG")})
	for name, other := range map[string]string{
		"empty":            "",
		"cut":              string(sig[:len(sig)-1]),
		"carriage returns": strings.ReplaceAll(string(sig), "\n", "\r\n"),
		"joined lines":     lines[0] + strings.ReplaceAll(strings.Join(lines[1:len(lines)-2], ""), "\n", "") + "\n" + armEnd,
		"a blank":          strings.Replace(string(sig), "\n", "\n ", 1),
		"text before":      "x" + string(sig),
		"short":            string(block),
		"long":             strings.Repeat(string(sig), 100),
	} {
		if _, err := VerifySSH([]byte(other), Namespace, message); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := VerifySSH(sig, SealsNamespace, message); err == nil {
		t.Error("another namespace: accepted")
	}
	if _, err := ParseKeys([]byte("# no key\nssh-rsa AAAA\n")); err == nil {
		t.Error("a file without a key is none")
	}
}

// FuzzVerifySSH: what is accepted is the one encoding.
func FuzzVerifySSH(f *testing.F) {
	message := []byte("m")
	sig := signed(f, key(1), message)
	f.Add(sig)
	f.Fuzz(func(t *testing.T, in []byte) {
		if by, err := VerifySSH(in, Namespace, message); err == nil && by.Equal(public(key(1))) && !bytes.Equal(in, sig) {
			t.Errorf("a second signature was accepted: %q", in)
		}
		ParseKeys(in)
	})
}

func signed(t testing.TB, k ed25519.PrivateKey, message []byte) []byte {
	t.Helper()
	sig, err := SignSSH(k, Namespace, message)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
