package entity

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const delegatedHead = "2|testrir|20240718|0|00000000|20240717|00000\n"

func readAll(text string) (Delegated, []Record, error) {
	var out []Record
	d, err := ParseDelegated("f.txt", strings.NewReader(text), func(r Record) error {
		out = append(out, r)
		return nil
	})
	return d, out, err
}

func TestParseDelegated(t *testing.T) {
	text := "# comment\r\n" + delegatedHead + `testrir|*|ipv4|*|7|summary
testrir|*|ipv6|*|3|summary
testrir|*|asn|*|1|summary

testrir|pk|asn|64500|2|20070920|allocated|F36B9F4B
testrir|PK|ipv4|192.0.2.0|256|20071126|allocated|F364712F|ext
testrir|AN|ipv4|198.51.100.0|768|00000000|assigned
testrir|ZZ|ipv4|10.0.0.0|256||available|
testrir||ipv4|10.0.1.0|256||reserved|
testrir|EU|ipv4|203.0.113.0|256||assigned|x
testrir|ZZ|ipv4|203.0.114.0|256||assigned|x
testrir|XK|ipv4|203.0.115.0|256||legacy-odd|x
testrir|XK|ipv6|2001:db8::|32|20200101|assigned|x
testrir|PK|ipv6|2001:db8:1::|48|20200101|assigned|x
testrir|PK|ipv6|2001:db8:2::|65|20200101|assigned|x
`
	d, recs, err := readAll(text)
	if err != nil {
		t.Fatal(err)
	}
	if d.Registry != "testrir" || d.Day.String() != "2024-07-17" || d.Records != 7 || d.Free != 2 || d.Regional != 1 || d.NoCountry != 1 || d.Unlisted != 1 || d.OtherStatus != 1 || d.LongIPv6 != 1 {
		t.Errorf("counts: %+v", d)
	}
	var got []string
	for _, r := range recs {
		got = append(got, fmt.Sprintf("%s %s %d+%d %s %v", r.Kind, r.Country, r.AS, r.Count, r.Day, r.Prefixes()))
	}
	want := []string{
		"asn PK 64500+2 2007-09-20 []",
		"ipv4 PK 0+256 2007-11-26 [192.0.2.0/24]",
		"ipv4 AN 0+768  [198.51.100.0/23 198.51.102.0/24]",
		"ipv4  0+256  [203.0.113.0/24]",
		"ipv4  0+256  [203.0.114.0/24]",
		"ipv6  0+0 2020-01-01 [2001:db8::/32]",
		"ipv6 PK 0+0 2020-01-01 [2001:db8:1::/48]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseDelegatedErrors(t *testing.T) {
	row := func(s string) string { return delegatedHead + s + "\n" }
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "f.txt: not an RIR"},
		{"something else", "hello\n", "f.txt:1: not an RIR"},
		{"version", "3|x|20240101|0|0|20240101|0\n", "f.txt:1: not an RIR"},
		{"no date", "2|x|1|0|0|0|0\n", "f.txt:1: header has no end date"},
		{"fields", row("testrir|PK|ipv4|192.0.2.0"), "f.txt:2: 4 fields"},
		{"type", row("testrir|PK|ipv5|192.0.2.0|256|20200101|allocated"), `f.txt:2: type "ipv5"`},
		{"country", row("testrir|P1|ipv4|192.0.2.0|256|20200101|allocated"), `f.txt:2: country "P1"`},
		{"date", row("testrir|PK|ipv4|192.0.2.0|256|2020|allocated"), `f.txt:2: date "2020"`},
		{"address", row("testrir|PK|ipv4|192.0.2|256|20200101|allocated"), `f.txt:2: "192.0.2" is not an ipv4 address`},
		{"family", row("testrir|PK|ipv6|192.0.2.0|24|20200101|allocated"), `is not an ipv6 address`},
		{"zone", row("testrir|PK|ipv6|fe80::1%eth0|64|20200101|allocated"), `is not an ipv6 address`},
		{"count zero", row("testrir|PK|ipv4|192.0.2.0|0|20200101|allocated"), `outside the IPv4 space`},
		{"count beyond", row("testrir|PK|ipv4|255.255.255.0|257|20200101|allocated"), `outside the IPv4 space`},
		{"count overflow", row("testrir|PK|ipv4|255.255.255.0|18446744073709551615|20200101|allocated"), `outside the IPv4 space`},
		{"length", row("testrir|PK|ipv6|2001:db8::|129|20200101|allocated"), `IPv6 length 129`},
		{"host bits", row("testrir|PK|ipv6|2001:db8::1|32|20200101|allocated"), `bits set below`},
		{"asn", row("testrir|PK|asn|4294967295|2|20200101|allocated"), `outside 0 to`},
		{"summary", row("testrir|*|ipv4|*|x|summary"), `summary count "x"`},
		{"cut short", row("testrir|*|ipv4|*|2|summary\ntestrir|PK|ipv4|192.0.2.0|256|20200101|allocated"), "f.txt: cut short: its summary promises 2 ipv4 records, it has 1"},
		{"long line", row(strings.Repeat("x", 2000)), "f.txt:2: line is longer than 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readAll(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
	_, _, err := readAll("hello\n")
	if !errors.Is(err, ErrNotDelegated) {
		t.Error("not ErrNotDelegated")
	}
	stop := errors.New("stop")
	_, err = ParseDelegated("f", strings.NewReader(row("testrir|PK|ipv4|192.0.2.0|256|20200101|allocated")), func(Record) error { return stop })
	if !errors.Is(err, stop) {
		t.Error("the callback's error is lost")
	}
}

func TestRecordPrefixes(t *testing.T) {
	for _, c := range []struct {
		start string
		count string
		want  string
	}{
		{"0.0.0.0", "4294967296", "[0.0.0.0/0]"},
		{"192.0.2.1", "1", "[192.0.2.1/32]"},
		{"192.0.2.1", "6", "[192.0.2.1/32 192.0.2.2/31 192.0.2.4/31 192.0.2.6/32]"},
		{"41.0.0.0", "1536", "[41.0.0.0/22 41.0.4.0/23]"},
		{"255.255.255.0", "256", "[255.255.255.0/24]"},
	} {
		_, recs, err := readAll(delegatedHead + "testrir|PK|ipv4|" + c.start + "|" + c.count + "|20200101|allocated\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(recs[0].Prefixes()); got != c.want {
			t.Errorf("%s+%s: %s, want %s", c.start, c.count, got, c.want)
		}
	}
	_, recs, err := readAll(delegatedHead + "testrir|PK|ipv4|0.0.0.1|4294967294|20200101|allocated\n")
	if err != nil || len(recs[0].Prefixes()) != 62 {
		t.Errorf("the worst range gives %d prefixes, want 62", len(recs[0].Prefixes()))
	}
}

func FuzzParseDelegated(f *testing.F) {
	f.Add(delegatedHead + "testrir|PK|ipv4|192.0.2.1|6|20200101|allocated\n")
	f.Add(delegatedHead + "testrir|PK|ipv6|2001:db8::|29|20200101|assigned|x\ntestrir|*|ipv6|*|1|summary\n")
	f.Add(delegatedHead + "testrir|PK|asn|1|1|20200101|assigned|x\n")
	f.Fuzz(func(t *testing.T, text string) {
		var b TableBuilder
		var recs []Record
		_, err := ParseDelegated("f", strings.NewReader(text), func(r Record) error {
			recs = append(recs, r)
			return b.Add(r)
		})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error does not name the file: %v", err)
			}
			return
		}
		table := b.Build(Reference{})
		for _, r := range recs {
			var units uint64
			for i, p := range r.Prefixes() {
				first, last := keys(p)
				units += last - first + 1
				if i == 0 && first != r.first {
					t.Fatalf("%+v begins at %s", r, p)
				}
				if _, ok := table.Country(p); r.Country != "" && !ok && len(recs) == 1 {
					t.Fatalf("%s of %+v is not in the table", p, r)
				}
			}
			if r.Kind != KindASN && units != r.last-r.first+1 {
				t.Fatalf("%+v: the prefixes have %d units", r, units)
			}
		}
	})
}
