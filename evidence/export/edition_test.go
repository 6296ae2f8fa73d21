package export

import (
	"bytes"
	"crypto/ed25519"
	"time"
)

// testKey is a signing key that is the same in every run.
var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

// edition is version n of an operator of our own.
func edition(n int) *Edition {
	return &Edition{
		Version: n, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Key: testKey.Public().(ed25519.PublicKey),
		Operator: Operator{Name: "Example Watch", Contact: "mail@watch.example", Licence: "CC-BY-4.0", Policy: "https://watch.example/corrections", URL: "https://watch.example/"},
	}
}
