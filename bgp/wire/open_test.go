package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// open builds an OPEN with the BGP identifier 192.0.2.1; parameters begin with their length octet.
func open(as, hold uint16, parameters []byte) []byte {
	b := slices.Repeat([]byte{0xff}, 16)
	n := 19 + 9 + len(parameters)
	b = append(b, byte(n>>8), byte(n), TypeOpen, 4, byte(as>>8), byte(as), byte(hold>>8), byte(hold), 192, 0, 2, 1)
	return append(b, parameters...)
}

// capabilities wraps capabilities in hex in one optional parameter.
func capabilities(s string) []byte {
	c := unhex(s)
	if len(c) == 0 {
		return []byte{0}
	}
	return append([]byte{byte(len(c) + 2), paramCapabilities, byte(len(c))}, c...)
}

// TestOpenCapabilities has well-formed and malformed cases of every capability that is read. All are kept raw, too.
func TestOpenCapabilities(t *testing.T) {
	for _, c := range []struct {
		name    string
		hex     string
		want    Supported
		ignored []byte
	}{
		{"none", "", Supported{}, nil},
		{"multiprotocol", "0104 00010001 0104 0002ff01 0104 00010001", Supported{Families: []Family{IPv4Unicast, IPv6Unicast}}, nil},
		{"multiprotocol length", "0103 000100", Supported{}, []byte{1}},
		{"route refresh", "0200", Supported{RouteRefresh: true}, nil},
		{"route refresh length", "0201 00", Supported{}, []byte{2}},
		{"extended next hop", "050c 000100010002 000100800002", Supported{NextHops: []FamilyNextHop{
			{IPv4Unicast, 2}, {Family{1, 128}, 2},
		}}, nil},
		{"extended next hop of a two-octet SAFI", "0506 000101010002", Supported{}, nil},
		{"extended next hop length", "0507 00010001000200", Supported{}, []byte{5}},
		{"extended message", "0600", Supported{LongMessages: true}, nil},
		{"extended message length", "0601 00", Supported{}, []byte{6}},
		{"role", "0901 03 0901 03", Supported{Role: RoleCustomer}, nil},
		{"role value", "0901 05", Supported{}, []byte{9}},
		{"role length", "0902 0000", Supported{}, []byte{9}},
		{"two roles", "0901 00 0901 04", Supported{Role: RoleProvider}, []byte{9}},
		{"graceful restart", "400a c078 00010180 00020100", Supported{Graceful: &GracefulRestart{
			Restarting: true, Notification: true, Time: 120,
			Families: []FamilyGraceful{{IPv4Unicast, true}, {IPv6Unicast, false}},
		}}, nil},
		{"graceful restart of no family", "4002 0fff", Supported{Graceful: &GracefulRestart{Time: 4095}}, nil},
		{"graceful restart, the last counts", "4006 0078 00010180 4002 0001", Supported{Graceful: &GracefulRestart{Time: 1}}, nil},
		{"graceful restart length", "4003 007800 4001 00", Supported{}, []byte{64, 64}},
		{"AS4", "4104 00030d40", Supported{AS4: true, longAS: 200000}, nil},
		{"AS4 length", "4102 fde8", Supported{}, []byte{65}},
		{"ADD-PATH", "450c 00010101 00020102 00010203", Supported{AddPath: []FamilyAddPath{
			{IPv4Unicast, true, false}, {IPv6Unicast, false, true}, {Family{1, 2}, true, true},
		}}, nil},
		{"ADD-PATH, the last of a family counts", "4504 00010101 4504 00010102", Supported{AddPath: []FamilyAddPath{{IPv4Unicast, false, true}}}, nil},
		{"ADD-PATH value", "4508 00010101 00020104", Supported{}, []byte{69}},
		{"ADD-PATH value 0", "4504 00010100", Supported{}, []byte{69}},
		{"ADD-PATH length", "4505 0001010100", Supported{}, []byte{69}},
		{"enhanced route refresh", "4600", Supported{EnhancedRefresh: true}, nil},
		{"enhanced route refresh length", "4601 00", Supported{}, []byte{70}},
		{"long-lived graceful restart", "470e 00010180015180 00020100ffffff", Supported{LongLived: []FamilyLongLived{
			{IPv4Unicast, true, 86400}, {IPv6Unicast, false, 16777215},
		}}, nil},
		{"long-lived graceful restart length", "4706 000101800151", Supported{}, []byte{71}},
		{"FQDN", "4909 03 727431 04 6e657431", Supported{Host: "rt1", Domain: "net1"}, nil},
		{"FQDN without domain", "4905 03 727431 00", Supported{Host: "rt1"}, nil},
		{"FQDN that is not to be printed", "4907 05 1b5b326d ff 00", Supported{Host: "\ufffd[2m\ufffd"}, nil},
		{"FQDN overruns", "4904 05 727431", Supported{}, []byte{73}},
		{"FQDN and more", "4906 03 727431 00 00", Supported{}, []byte{73}},
		{"software version", "4b05 04 42495244", Supported{Software: "BIRD"}, nil},
		{"software version overruns", "4b04 04 424952", Supported{}, []byte{75}},
		{"unknown", "8000 f002 0102", Supported{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := mustOpen(t, open(65000, 180, capabilities(c.hex)))
			if got, want := show(o.Supported), show(c.want); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			if !slices.Equal(o.Ignored, c.ignored) {
				t.Errorf("ignored %d, want %d", o.Ignored, c.ignored)
			}
			var raw []byte
			for _, c := range o.Capabilities {
				raw = append(append(raw, c.Code, byte(len(c.Value))), c.Value...)
			}
			if !slices.Equal(raw, unhex(c.hex)) {
				t.Errorf("raw capabilities are %x", raw)
			}
		})
	}
}

func show(s Supported) string {
	g := "none"
	if s.Graceful != nil {
		g = fmt.Sprintf("%+v", *s.Graceful)
	}
	s.Graceful = nil
	return fmt.Sprintf("%+v graceful %s", s, g)
}

// TestParseOpen covers the fixed fields and the forms of the optional parameters.
func TestParseOpen(t *testing.T) {
	msg := open(asTrans, 180, capabilities("4104 00030d40"))
	o := mustOpen(t, append(slices.Clone(msg), 1, 2, 3)) // bytes behind the message
	if o.Version != 4 || o.ShortAS != asTrans || o.AS != 200000 || o.HoldTime != 180 || o.ID.String() != "192.0.2.1" || o.Extended {
		t.Errorf("%+v", o)
	}
	if o := mustOpen(t, open(65000, 0, []byte{0})); o.AS != 65000 || o.HoldTime != 0 {
		t.Errorf("without capabilities %+v", o)
	}
	for _, c := range []struct {
		name       string
		parameters string
		extended   bool
		want       string // capabilities
		err        error
	}{
		{"one parameter", "06 02 04 0200 4600", false, "0200 4600", nil},
		{"a parameter for each capability", "08 02 02 0200 02 02 4600", false, "0200 4600", nil},
		{"empty parameter", "02 02 00", false, "", nil},
		{"9072", "ff ff 0007 02 0004 0200 4600", true, "0200 4600", nil},
		{"9072, whatever the first length says", "07 ff 0007 02 0004 0200 4600", true, "0200 4600", nil},
		{"9072, two parameters", "ff ff 000a 02 0002 0200 02 0002 4600", true, "0200 4600", nil},
		{"9072 without parameters", "ff ff 0000", true, "", nil},
		{"9072 cut", "ff ff 00", false, "", ErrOpenMalformed},
		{"9072 of wrong length", "ff ff 0008 02 0004 0200 4600", true, "", ErrOpenMalformed},
		{"9072 parameter cut", "ff ff 0002 02 00", true, "", ErrOpenMalformed},
		{"9072 parameter overruns", "ff ff 0007 02 0005 0200 4600", true, "", ErrOpenMalformed},
		{"unknown parameter", "07 01 01 00 02 02 0200", false, "0200", ErrOpenParameter},
		{"parameter overruns", "04 02 04 0200", false, "", ErrOpenMalformed},
		{"parameter cut", "05 02 02 0200 02", false, "0200", ErrOpenMalformed},
		{"capability overruns", "04 02 02 0201", false, "", ErrOpenMalformed},
		{"capability cut", "05 02 03 0200 02", false, "0200", ErrOpenMalformed},
		{"fewer than it says", "08 02 04 0200 4600", false, "", ErrOpenMalformed},
		{"more than it says", "04 02 02 0200 00", false, "", ErrOpenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseOpen(open(65000, 180, unhex(c.parameters)))
			if err != c.err || o.Extended != c.extended || o.AS != 65000 {
				t.Errorf("error %v, want %v; extended %v; AS%d", err, c.err, o.Extended, o.AS)
			}
			var raw []byte
			for _, c := range o.Capabilities {
				raw = append(append(raw, c.Code, byte(len(c.Value))), c.Value...)
			}
			if got, want := hex.EncodeToString(raw), hex.EncodeToString(unhex(c.want)); got != want {
				t.Errorf("capabilities %s, want %s", got, want)
			}
		})
	}
}

func TestParseOpenErrors(t *testing.T) {
	msg := open(65000, 180, capabilities("0200"))
	edit := func(at int, b ...byte) []byte {
		c := slices.Clone(msg)
		copy(c[at:], b)
		return c
	}
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"header only", msg[:19], ErrShort},
		{"shorter than it says", msg[:len(msg)-1], ErrShort},
		{"marker", edit(0, 0), ErrMarker},
		{"length 28", edit(16, 0, 28), ErrLength},
		{"update", edit(18, TypeUpdate), ErrNotOpen},
		{"version 3", edit(19, 3), ErrOpenVersion},
		{"AS 0", edit(20, 0, 0), ErrOpenAS},
		{"AS 0 in capability 65", open(asTrans, 180, capabilities("4104 00000000")), ErrOpenAS},
		{"hold time 1", edit(22, 0, 1), ErrOpenHoldTime},
		{"hold time 2", edit(22, 0, 2), ErrOpenHoldTime},
		{"hold time 3", edit(22, 0, 3), nil},
		{"identifier 0", edit(24, 0, 0, 0, 0), ErrOpenID},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseOpen(c.msg)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if (err == ErrOpenHoldTime || err == ErrOpenID) && (o.AS != 65000 || !o.RouteRefresh) {
				t.Errorf("what could be read is not there: %+v", o)
			}
		})
	}
}

func TestRoleNames(t *testing.T) {
	for r, want := range map[Role]string{RoleNone: "", RoleRouteServerClient: "RS-Client", RolePeer: "Peer", 6: "unknown"} {
		if got := r.String(); got != want {
			t.Errorf("role %d is %q, want %q", byte(r), got, want)
		}
	}
}

// FuzzOpen checks on any bytes that an OPEN is bounded by its message, that what it says of itself fits together, and that a session can
// be made of it.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		"00", "06 02 04 0200 4600", "ff ff 0007 02 0004 0200 4600", "07 01 01 00 02 02 0200", "05 02 03 0200 02",
		"5c 02 5a 0104 00010001 0200 0506 000100010002 0600 0901 03 4006 c078 00010180 4104 00030d40 4508 00010101 00020102 4600" +
			"470e 00010180015180 00020100ffffff 4909 03 727431 04 6e657431 4b05 04 42495244",
	} {
		f.Add(open(65000, 180, unhex(s)))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		o, err := ParseOpen(msg)
		if len(o.Capabilities) > len(msg)/2 || len(o.Ignored) > len(o.Capabilities) {
			t.Fatalf("%d capabilities, %d ignored, of %d octets", len(o.Capabilities), len(o.Ignored), len(msg))
		}
		size := 0
		for _, c := range o.Capabilities {
			size += 2 + len(c.Value)
		}
		items := len(o.Families) + len(o.NextHops) + len(o.AddPath) + len(o.LongLived)
		if size > len(msg) || size > maxStandard || 4*items > size || len(o.Host)+len(o.Domain)+len(o.Software) > 3*size {
			t.Fatalf("%d octets of capabilities in %d, %d items", size, len(msg), items)
		}
		if err == nil && (o.Version != 4 || o.AS == 0 || !o.ID.Is4() || o.HoldTime == 1) || o.longAS != 0 && !o.AS4 {
			t.Fatalf("%+v", o)
		}
		for _, s := range []string{o.Host, o.Domain, o.Software} {
			checkPrintable(t, s)
		}
		s := Negotiate(&o, &o)
		if s.Options.AS4 != o.AS4 || !s.Options.IBGP || err == nil && len(s.Families) == 0 {
			t.Fatalf("session with itself %+v", s)
		}
	})
}
