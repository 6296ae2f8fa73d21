package evidence

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The namespaces of our signatures: one made for the one purpose is worth nothing for the other.
const (
	Namespace      = "corewatch-evidence"       // over tagmanifest-sha256.txt
	SealsNamespace = "corewatch-evidence-seals" // over seals-sha256.txt
)

const (
	sshMagic  = "SSHSIG"
	sshKey    = "ssh-ed25519"
	sshHash   = "sha512"
	armBegin  = "-----BEGIN SSH SIGNATURE-----\n"
	armEnd    = "-----END SSH SIGNATURE-----\n"
	armWidth  = 70
	maxSSHSIG = 4096
)

// SignSSH makes the armoured SSHSIG (OpenSSH PROTOCOL.sshsig, version 1) over message with an Ed25519 key.
func SignSSH(key crypto.Signer, namespace string, message []byte) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the key is not an Ed25519 key")
	}
	signature, err := key.Sign(nil, sshSigned(namespace, sha512.Sum512(message)), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return armour(sshBlob(public, namespace, signature)), nil
}

// sshSigned is what is signed: magic, namespace, reserved, hash algorithm, digest.
func sshSigned(namespace string, digest [sha512.Size]byte) []byte {
	return sshStrings([]byte(sshMagic), []byte(namespace), nil, []byte(sshHash), digest[:])
}

// sshBlob is what the armour holds: magic, version, public key, namespace, reserved, hash algorithm, signature.
func sshBlob(key ed25519.PublicKey, namespace string, signature []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(sshMagic), 1)
	return sshStrings(b, sshPublic(key), []byte(namespace), nil, []byte(sshHash), sshStrings(nil, []byte(sshKey), signature))
}

func sshPublic(key ed25519.PublicKey) []byte { return sshStrings(nil, []byte(sshKey), key) }

// sshStrings appends each string after its length (RFC 4251 section 5).
func sshStrings(b []byte, list ...[]byte) []byte {
	for _, s := range list {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

func armour(blob []byte) []byte {
	b := []byte(armBegin)
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		n := min(armWidth, len(text))
		b = append(append(b, text[:n]...), '\n')
		text = text[n:]
	}
	return append(b, armEnd...)
}

// VerifySSH checks an armoured SSHSIG over message and returns the key that made it. It refuses every encoding but the one that
// SignSSH writes: other algorithms, other lines, other spellings of the same signature. Whose key it is, is the caller's question.
func VerifySSH(sig []byte, namespace string, message []byte) (ed25519.PublicKey, error) {
	if len(sig) > maxSSHSIG {
		return nil, fmt.Errorf("a signature of %d octets is longer than %d", len(sig), maxSSHSIG)
	}
	text, begins := bytes.CutPrefix(sig, []byte(armBegin))
	text, ends := bytes.CutSuffix(text, []byte(armEnd))
	if !begins || !ends {
		return nil, errors.New("it is no armoured SSH signature")
	}
	blob, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return nil, fmt.Errorf("the signature is not base64: %w", err)
	}
	// Key and signature are the only parts that may differ: they are found by place, and the whole is compared after.
	keyAt := len(sshMagic) + 4 + 4 + 4 + len(sshKey) + 4
	if len(blob) < keyAt+ed25519.PublicKeySize+ed25519.SignatureSize {
		return nil, errors.New("the signature is too short")
	}
	key := ed25519.PublicKey(blob[keyAt : keyAt+ed25519.PublicKeySize])
	signature := blob[len(blob)-ed25519.SignatureSize:]
	if !bytes.Equal(sig, armour(sshBlob(key, namespace, signature))) {
		return nil, fmt.Errorf("it is not the canonical Ed25519 signature of namespace %s (another algorithm, hash, namespace or encoding)", namespace)
	}
	if !ed25519.Verify(key, sshSigned(namespace, sha512.Sum512(message)), signature) {
		return nil, errors.New("the signature does not fit what it is said to sign")
	}
	return key, nil
}

// Fingerprint is the key's fingerprint as `ssh-keygen -l` prints it: "SHA256:" and unpadded base64.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(sshPublic(key))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// AuthorizedKey is the key as one line of OpenSSH's public key files, without comment and line feed.
func AuthorizedKey(key ed25519.PublicKey) string {
	return sshKey + " " + base64.StdEncoding.EncodeToString(sshPublic(key))
}

// AllowedSigners is the octets of keys/allowed_signers.
func AllowedSigners(key ed25519.PublicKey) []byte {
	return []byte(Namespace + ` namespaces="` + Namespace + "," + SealsNamespace + `" ` + AuthorizedKey(key) + "\n")
}

// keyWords are how the names of key types begin in OpenSSH's files.
var keyWords = []string{"ssh-", "ecdsa-", "sk-"}

// ParseKeys finds the Ed25519 keys in a file of OpenSSH public keys or allowed signers, and returns their fingerprints. Comments,
// empty lines and keys of other kinds are passed over. A file without an Ed25519 key is an error, and so is one that holds anything
// else: a bundle given by mistake holds a key too, and would vouch for itself.
func ParseKeys(text []byte) (fingerprints []string, err error) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		i := slices.IndexFunc(words, func(w string) bool {
			return slices.ContainsFunc(keyWords, func(k string) bool { return strings.HasPrefix(w, k) })
		})
		if i < 0 || i+1 >= len(words) || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
			return nil, fmt.Errorf("the line %.40q is no public key", line)
		}
		if words[i] != sshKey {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(words[i+1])
		if err != nil || len(blob) < ed25519.PublicKeySize || !bytes.Equal(blob, sshPublic(blob[len(blob)-ed25519.PublicKeySize:])) {
			return nil, fmt.Errorf("the key %.40q is not an Ed25519 key", words[i+1])
		}
		fingerprints = append(fingerprints, Fingerprint(blob[len(blob)-ed25519.PublicKeySize:]))
	}
	if len(fingerprints) == 0 {
		return nil, errors.New("it holds no ssh-ed25519 key")
	}
	return fingerprints, nil
}
