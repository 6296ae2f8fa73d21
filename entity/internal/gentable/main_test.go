package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
)

// The built-in table must be what this generator makes of the data it names, byte for byte, with the agreement it states.
func TestBuiltInTable(t *testing.T) {
	data := os.Getenv("COREWATCH_DATA")
	if data == "" {
		data = "../../../../shared/data"
	}
	if _, err := os.Stat(filepath.Join(data, sourceFile)); err != nil {
		t.Skip("TestBuiltInTable did not run: no real data (set COREWATCH_DATA)")
	}
	table, p, err := generate(data)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := entity.EncodeCompact(&b, table, p); err != nil {
		t.Fatal(err)
	}
	built, err := os.ReadFile("../../countries.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), built) {
		t.Errorf("entity/countries.bin is not what the generator makes; run go generate in entity")
	}
	stated, err := entity.DefaultProvenance()
	if err != nil {
		t.Fatal(err)
	}
	if stated != p {
		t.Errorf("the built-in table states %+v, measured %+v", stated, p)
	}
	for family, s := range map[string]entity.Shares{"IPv4": p.Agreement.V4, "IPv6": p.Agreement.V6} {
		if s.Agree < 0.99 || s.Differ > 0.01 {
			t.Errorf("%s: %+v", family, s)
		}
	}
	t.Logf("%d bytes; %+v", len(built), p.Agreement)
}

func TestLastOf(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.0/24": "192.0.2.255", "0.0.0.0/0": "255.255.255.255", "2001:db8::/47": "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "192.0.2.1/32": "192.0.2.1"} {
		p, err := bgp.ParsePrefix(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastOf(p); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
