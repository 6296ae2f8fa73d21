package app

import (
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/evidence/tsa"
	"github.com/corewatch/corewatch/evidence/tsa/tsatest"
)

// TestAskTSA: what an authority answers is taken only when it is a time stamp over what was asked, in answer to this request.
func TestAskTSA(t *testing.T) {
	authority := tsatest.New(t, "Test TSA")
	message := []byte("what is stamped\n")
	stamp := func(message []byte, nonce *big.Int) []byte {
		req, err := tsa.Request(message, nonce)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := authority.Reply(req)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	answer := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string // "" = taken
	}{
		"good":              {authority.ServeHTTP, ""},
		"away":              {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) }, "502"},
		"nothing":           {answer(nil), "no DER time stamp response"},
		"another message":   {answer(stamp([]byte("other\n"), nil)), "about something else"},
		"an old answer":     {answer(stamp(message, big.NewInt(1))), "answers another request"},
		"without its nonce": {answer(stamp(message, nil)), "answers another request"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			io.CopyN(w, strings.NewReader(strings.Repeat("x", maxStamp+2)), maxStamp+2)
		}, "too long"},
	} {
		srv := httptest.NewServer(c.h)
		got, err := askTSA(t.Context(), srv.URL, message, nil)
		srv.Close()
		if c.want == "" && (err != nil || len(got) == 0) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := askTSA(t.Context(), "http://127.0.0.1:1/", message, nil); err == nil {
		t.Error("an authority that is not there stamped something")
	}
}
