package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestNegotiate has a case for each rule by which two OPENs make a session. Capabilities are in hex.
func TestNegotiate(t *testing.T) {
	const (
		v4, v6  = "0104 00010001 ", "0104 00020001 "
		as4     = "4104 0000fde8 "
		send    = "4508 00010102 00020102 "
		receive = "4508 00010101 00020101 "
		both    = "4504 00020103 "
		long    = "0600 "
	)
	for _, c := range []struct {
		name          string
		local, remote string
		want          Session
	}{
		{"nothing", "", "", Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"AS4 of both", as4, as4, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}, Options: Options{AS4: true}}},
		{"AS4 of the local side", as4, "", Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"AS4 of the remote side", "", as4, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"families of both", v6 + v4, v4 + v6, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast, IPv6Unicast}}},
		{"IPv6 only", v6, v4 + v6, Session{MaxMessage: 4096, Families: []Family{IPv6Unicast}}},
		{"IPv4 needs no capability", v6 + v4, "", Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"no family in common", v6, "", Session{MaxMessage: 4096}},
		{"remote sends, local receives", receive, send, Session{
			MaxMessage: 4096, Families: []Family{IPv4Unicast}, Options: Options{AddPath4: true, AddPath6: true},
		}},
		{"remote receives, local sends", send, receive, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"both send", send, send, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
		{"one family", receive, both, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}, Options: Options{AddPath6: true}}},
		{"8654 of the local side", long, "", Session{MaxMessage: 65535, Families: []Family{IPv4Unicast}}},
		{"8654 of the remote side", "", long, Session{MaxMessage: 4096, Families: []Family{IPv4Unicast}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			local, remote := mustOpen(t, open(65000, 180, capabilities(c.local))), mustOpen(t, open(65001, 90, capabilities(c.remote)))
			c.want.HoldTime = 90
			c.want.Options.IBGP = strings.Contains(c.remote, as4) // which says 65000
			if got := Negotiate(&local, &remote); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func mustOpen(t *testing.T, msg []byte) Open {
	t.Helper()
	o, err := ParseOpen(msg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestExtendedMessages: messages of up to 65,535 octets are read (RFC 8654), whatever was agreed on, and OPEN is not among them.
func TestExtendedMessages(t *testing.T) {
	fill := strings.Repeat("18 c63364", (65535-19-4-20)/4)
	msg := update("", good, fill)
	if len(msg) < 65530 {
		t.Fatalf("test message has %d octets", len(msg))
	}
	var u Update
	if err := u.Parse(msg, Options{}); err != nil {
		t.Fatal(err)
	}
	n := 0
	var e bgp.Elem
	for u.Next(&e) {
		n++
	}
	if want := (len(msg) - 19 - 4 - 20) / 4; n != want || u.Faults != 0 {
		t.Errorf("%d elems of %d, faults %q", n, want, u.Faults)
	}
	attrs := good + "d008 ffb4" + strings.Repeat("fde80001", 0xffb4/4)
	if err := u.Parse(update("", attrs, nlri), Options{}); err != nil {
		t.Fatal(err)
	}
	if n := count(u.Attributes().Communities()); n != 0xffb4/4 {
		t.Errorf("%d communities", n)
	}

	long := func(typ byte, body []byte) []byte {
		n := 19 + len(body)
		return append(append(bytes.Repeat([]byte{0xff}, 16), byte(n>>8), byte(n), typ), body...)
	}
	data := bytes.Repeat([]byte{7}, 60000)
	code, subcode, got, err := ParseNotification(long(TypeNotification, append([]byte{3, 1}, data...)))
	if err != nil || code != 3 || subcode != 1 || !slices.Equal(got, data) {
		t.Errorf("notification %d/%d with %d octets: %v", code, subcode, len(got), err)
	}
	for size, want := range map[int]error{4096: nil, 4097: ErrLength} {
		n := size - 19 - 10 - 3 - 3
		body := append(unhex("04 fde8 00b4 c0000201 ff ff"), byte((n+3)>>8), byte(n+3), paramCapabilities, byte(n>>8), byte(n))
		for n > 0 {
			v := min(n-2, 255)
			if n-2-v == 1 {
				v-- // no room for the head of another
			}
			body = append(append(body, 200, byte(v)), make([]byte, v)...)
			n -= 2 + v
		}
		if o, err := ParseOpen(long(TypeOpen, body)); err != want || want == nil && len(o.Capabilities) < 15 {
			t.Errorf("open of %d octets: %v, %d capabilities", len(body)+19, err, len(o.Capabilities))
		}
	}
}
