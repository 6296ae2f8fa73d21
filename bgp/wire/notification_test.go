package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// notification builds a NOTIFICATION; body is code, subcode and data.
func notification(body ...byte) []byte {
	n := 19 + len(body)
	return append(append(slices.Repeat([]byte{0xff}, 16), byte(n>>8), byte(n), TypeNotification), body...)
}

func TestParseNotification(t *testing.T) {
	msg := notification(6, 2, 2, 'h', 'i')
	code, subcode, data, err := ParseNotification(append(slices.Clone(msg), 9))
	if err != nil || code != 6 || subcode != 2 || !slices.Equal(data, []byte{2, 'h', 'i'}) {
		t.Errorf("%d/%d %v: %v", code, subcode, data, err)
	}
	if _, _, data, err := ParseNotification(notification(4, 0)); err != nil || len(data) != 0 {
		t.Errorf("without data: %v, %v", data, err)
	}
	short, other, marker := notification(6), notification(6, 2), notification(6, 2)
	other[18], marker[5] = TypeKeepalive, 0
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"no subcode", short, ErrLength},
		{"shorter than it says", msg[:len(msg)-1], ErrShort},
		{"another type", other, ErrNotNotification},
		{"marker", marker, ErrMarker},
	} {
		if _, _, data, err := ParseNotification(c.msg); !errors.Is(err, c.want) || data != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestNotificationText(t *testing.T) {
	for _, c := range []struct {
		code, subcode byte
		want          string
	}{
		{1, 2, "Message Header Error/Bad Message Length"},
		{2, 11, "OPEN Message Error/Role Mismatch"},
		{2, 5, "OPEN Message Error/Authentication Failure"},
		{2, 8, "OPEN Message Error/subcode 8"},
		{3, 11, "UPDATE Message Error/Malformed AS_PATH"},
		{3, 12, "UPDATE Message Error/subcode 12"},
		{4, 0, "Hold Timer Expired"},
		{5, 3, "Finite State Machine Error/Receive Unexpected Message in Established State"},
		{6, 2, "Cease/Administrative Shutdown"},
		{6, 10, "Cease/BFD Down"},
		{7, 1, "ROUTE-REFRESH Message Error/Invalid Message Length"},
		{8, 0, "Send Hold Timer Expired"},
		{0, 0, "code 0/subcode 0"},
		{9, 255, "code 9/subcode 255"},
	} {
		if got := NotificationText(c.code, c.subcode); got != c.want {
			t.Errorf("%d/%d is %q, want %q", c.code, c.subcode, got, c.want)
		}
	}
}

func TestShutdownCommunication(t *testing.T) {
	text := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	for _, c := range []struct {
		name          string
		code, subcode byte
		data          []byte
		want          string
		ok            bool
	}{
		{"shutdown", 6, 2, text("upgrade, back at 04:00 UTC"), "upgrade, back at 04:00 UTC", true},
		{"reset", 6, 4, text("neues Gerät"), "neues Gerät", true},
		{"255 octets", 6, 2, text(strings.Repeat("a", 255)), strings.Repeat("a", 255), true},
		{"hard reset", 6, 9, append([]byte{6, 2}, text("maintenance")...), "maintenance", true},
		{"hard reset for another reason", 6, 9, append([]byte{4, 0}, text("maintenance")...), "", false},
		{"hard reset in hard reset", 6, 9, append([]byte{6, 9, 6, 2}, text("maintenance")...), "", false},
		{"hard reset without a reason", 6, 9, []byte{6}, "", false},
		{"another subcode", 6, 3, text("maintenance"), "", false},
		{"another code", 5, 2, text("maintenance"), "", false},
		{"no data", 6, 2, nil, "", false},
		{"empty", 6, 2, []byte{0}, "", false},
		{"longer than its data", 6, 2, []byte{3, 'a', 'b'}, "", false},
		{"shorter than its data", 6, 2, []byte{1, 'a', 'b'}, "", false},
		{"not UTF-8", 6, 2, text("a\xff\xc3b"), "a\ufffd\ufffdb", true},
		{"control characters", 6, 2, text("a\r\n\x1b[31m\x00\x7f\u0085b"), "a\ufffd\ufffd\ufffd[31m\ufffd\ufffd\ufffdb", true},
		{"direction and invisible characters", 6, 2, text("a\u202eb\u2066c\u200bd\ufeff\u2028"), "a\ufffdb\ufffdc\ufffdd\ufffd\ufffd", true},
		{"spaces", 6, 2, text("a\u00a0b\u3000c"), "a b c", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := ShutdownCommunication(c.code, c.subcode, c.data)
			if got != c.want || ok != c.ok {
				t.Errorf("%q %v, want %q %v", got, ok, c.want, c.ok)
			}
		})
	}
}

// checkPrintable checks that a text from outside can be shown: valid UTF-8, one line, nothing that steers a terminal.
func checkPrintable(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) && r != ' '
	}) {
		t.Fatalf("text %q", s)
	}
}

// FuzzNotification checks on any bytes that a notification refers to its message only and that its text is bounded and can be shown.
func FuzzNotification(f *testing.F) {
	f.Add(notification(6, 2, 2, 'h', 'i'))
	f.Add(notification(6, 9, 6, 4, 3, 0xff, 0x1b, 'i'))
	f.Add(notification(3, 5, 0x40, 1, 2, 0, 0))
	f.Add(notification(2, 1, 0, 4))
	f.Add(notification(6))
	f.Fuzz(func(t *testing.T, msg []byte) {
		code, subcode, data, err := ParseNotification(msg)
		if err != nil && (code != 0 || subcode != 0 || data != nil) || err == nil && len(data) > len(msg)-21 {
			t.Fatalf("%d/%d with %d octets of %d: %v", code, subcode, len(data), len(msg), err)
		}
		if name := NotificationText(code, subcode); name == "" || strings.HasSuffix(name, "/") {
			t.Fatalf("%d/%d is named %q", code, subcode, name)
		}
		text, ok := ShutdownCommunication(code, subcode, data)
		if ok != (text != "") || len(text) > 3*255 {
			t.Fatalf("text %q, %v", text, ok)
		}
		checkPrintable(t, text)
	})
}
