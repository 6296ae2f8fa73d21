package smtp

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// Key signs letters (DKIM, RFC 6376; Ed25519 is RFC 8463). Its public half stands in the DNS at <selector>._domainkey.<domain>.
type Key struct {
	Domain   string
	Selector string
	Signer   crypto.Signer // RSA of at least 2048 bits, or Ed25519
}

// ParseKey reads a private key in PEM: PKCS #8, or PKCS #1 for RSA. The error does not hold it.
func ParseKey(text []byte) (crypto.Signer, error) {
	wrong := errors.New("want an RSA or Ed25519 private key in PEM, as openssl genpkey makes it")
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, wrong
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	switch k, err := x509.ParsePKCS8PrivateKey(block.Bytes); k := k.(type) {
	case *rsa.PrivateKey:
		return k, err
	case ed25519.PrivateKey:
		return k, err
	}
	return nil, wrong
}

func (k *Key) check(from string) error {
	if k.Selector == "" || !listForm.MatchString(k.Selector+"."+k.Domain) {
		return fmt.Errorf("domain %q and selector %q: want such as example.org and alerts", k.Domain, k.Selector)
	}
	if !strings.EqualFold(from, k.Domain) && !strings.HasSuffix(strings.ToLower(from), "."+strings.ToLower(k.Domain)) {
		return fmt.Errorf("domain %q: the address that letters come from is not in it, so that receivers give nothing for the signature", k.Domain)
	}
	switch s := k.Signer.(type) {
	case ed25519.PrivateKey:
	case *rsa.PrivateKey:
		if s.N.BitLen() < 2048 { // RFC 8301, section 3.2: signers should use at least that
			return fmt.Errorf("an RSA key of %d bits; want at least 2048", s.N.BitLen())
		}
	default:
		return errors.New("want an RSA or Ed25519 key")
	}
	return nil
}

// signed are the header fields under each signature, whether or not a letter has them: none can be added on the way. From stands twice, so that a
// second one cannot be added either (RFC 6376, section 5.4.2).
var signed = []string{
	"From", "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type", "List-Id", "List-Unsubscribe",
	"List-Unsubscribe-Post", "Auto-Submitted",
}

// sign gives a letter with the signatures of all keys in front.
func (s *Server) sign(letter []byte) ([]byte, error) {
	var head bytes.Buffer
	for _, k := range s.opt.Keys {
		signer, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: k.Domain, Selector: k.Selector, Signer: k.Signer, Hash: crypto.SHA256, HeaderKeys: signed,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		})
		if err != nil {
			return nil, err
		}
		if _, err := signer.Write(letter); err != nil {
			return nil, errors.Join(err, signer.Close())
		}
		if err := signer.Close(); err != nil {
			return nil, err
		}
		head.WriteString(signer.Signature())
	}
	return append(head.Bytes(), letter...), nil
}
