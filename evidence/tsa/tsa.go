// Package tsa makes requests for RFC 3161 time stamps and checks the responses. It opens no connection: who asks an authority is the
// program that freezes a bundle, and who checks needs no network.
package tsa

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/digitorus/timestamp"
)

// maxResponse bounds a response: certificates make most of it.
const maxResponse = 1 << 17

// Token is what a time stamp says.
type Token struct {
	Time      time.Time // UTC
	Accuracy  time.Duration
	Serial    *big.Int
	Policy    string // the object identifier of the authority's policy
	Authority string // the subject of the certificate that signed
	Trusted   bool   // the certificate leads to one of the roots given
	Nonce     *big.Int
}

// Request makes the DER of a TimeStampReq for the SHA-256 of message. It asks for the authority's certificate, without which a
// response could not be checked from the bundle alone.
func Request(message []byte, nonce *big.Int) ([]byte, error) {
	sum := sha256.Sum256(message)
	req, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("making a time stamp request: %w", err)
	}
	return req, nil
}

// Verify checks a DER TimeStampResp: it was granted, it is about message, and its signature fits the certificate in it. With roots, the
// certificate must lead to one of them at the time stamped, and be one for time stamping; with nil, Trusted stays false and whose
// word it is remains open.
func Verify(response, message []byte, roots *x509.CertPool) (t Token, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser is not ours, and the octets are anybody's
			t, err = Token{}, fmt.Errorf("the time stamp cannot be read: %v", p)
		}
	}()
	if len(response) > maxResponse {
		return t, fmt.Errorf("a time stamp of %d octets is longer than %d", len(response), maxResponse)
	}
	var whole struct{ Status, Token asn1.RawValue }
	if rest, err := asn1.Unmarshal(response, &whole); err != nil || len(rest) > 0 {
		return t, errors.New("it is no DER time stamp response, or more than one")
	}
	s, err := timestamp.ParseResponse(response)
	if err != nil {
		return t, fmt.Errorf("the time stamp is not valid: %w", err)
	}
	sum := sha256.Sum256(message)
	if s.HashAlgorithm != crypto.SHA256 || !bytes.Equal(s.HashedMessage, sum[:]) {
		return t, fmt.Errorf("the time stamp is about something else (%s %x)", s.HashAlgorithm, s.HashedMessage)
	}
	signer, err := signerOf(s.Certificates)
	if err != nil {
		return t, err
	}
	t = Token{Time: s.Time.UTC(), Accuracy: s.Accuracy, Serial: s.SerialNumber, Policy: s.Policy.String(), Authority: signer.Subject.String(), Nonce: s.Nonce}
	if roots == nil {
		return t, nil
	}
	if err := chain(s.Certificates, signer, roots, s.Time); err != nil {
		return t, err
	}
	t.Trusted = true
	return t, nil
}

// signerOf finds the certificate of the authority: the only one in the response that is not a CA's. The library has found the signature
// to fit a certificate of the response; that there is no second one makes it this.
func signerOf(certs []*x509.Certificate) (signer *x509.Certificate, err error) {
	for _, c := range certs {
		if c.IsCA {
			continue
		}
		if signer != nil {
			return nil, errors.New("the time stamp holds certificates of two signers")
		}
		signer = c
	}
	if signer == nil {
		return nil, errors.New("the time stamp does not hold the certificate of its signer")
	}
	// RFC 3161 section 2.3: the key is for time stamping only, and the extension says so critically.
	if !slices.Equal(signer.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) || len(signer.UnknownExtKeyUsage) > 0 {
		return nil, fmt.Errorf("the certificate of %s is not one for time stamping alone", signer.Subject)
	}
	return signer, nil
}

// chain requires that every certificate in the response leads to a root: so the one that signed does, whichever it is.
func chain(certs []*x509.Certificate, signer *x509.Certificate, roots *x509.CertPool, at time.Time) error {
	between := x509.NewCertPool()
	for _, c := range certs {
		if c.IsCA {
			between.AddCert(c)
		}
	}
	for _, c := range certs {
		usage := x509.ExtKeyUsageAny
		if c == signer {
			usage = x509.ExtKeyUsageTimeStamping
		}
		o := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := c.Verify(o); err != nil {
			return fmt.Errorf("the time stamp is by %s, which does not lead to a CA you gave: %w", c.Subject, err)
		}
	}
	return nil
}

// Roots reads CA certificates in PEM.
func Roots(text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a CA certificate cannot be read: %w", err)
		}
		pool.AddCert(c)
		found = true
	}
	if !found {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return pool, nil
}
