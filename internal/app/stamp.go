package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/corewatch/corewatch/evidence/tsa"
)

// Bounds of asking a time stamp authority.
const (
	stampWait = 20 * time.Second
	maxStamp  = 1 << 17
)

// askTSA asks for a time stamp over message (RFC 3161 section 3.4) and checks the answer: its signature, what it is about, that it is
// an answer to this request, and, with roots, whose it is.
func askTSA(ctx context.Context, url string, message []byte, roots *x509.CertPool) ([]byte, error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	query, err := tsa.Request(message, nonce)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, stampWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	req.Header.Set("Accept", "application/timestamp-reply")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxStamp+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking for a time stamp: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("asking for a time stamp: the authority answered %s", resp.Status)
	case len(reply) > maxStamp:
		return nil, errors.New("asking for a time stamp: the answer is too long")
	}
	t, err := tsa.Verify(reply, message, roots)
	if err != nil {
		return nil, err
	}
	if t.Nonce == nil || t.Nonce.Cmp(nonce) != 0 {
		return nil, errors.New("the time stamp answers another request")
	}
	return reply, nil
}
