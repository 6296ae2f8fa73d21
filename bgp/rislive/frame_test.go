package rislive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// elems are what a record says, as text.
func elems(t testing.TB, record []byte) (out []string) {
	t.Helper()
	var rec mrt.Record
	if err := rec.Parse(record, 0); err != nil {
		t.Fatal(err)
	}
	var d mrt.Decoder
	var c mrt.Content
	if err := d.Decode(&rec, &c); err != nil {
		t.Fatal(err)
	}
	if c.Kind == mrt.StateChange {
		return []string{fmt.Sprintf("%d %s %s>%s", c.PeerAS, c.PeerAddr, c.OldState, c.NewState)}
	}
	if typ, err := wire.MessageType(c.BGP); err != nil || typ != wire.TypeUpdate {
		return []string{fmt.Sprintf("%d %s message %d", c.PeerAS, c.PeerAddr, typ)}
	}
	var u wire.Update
	if err := u.Parse(c.BGP, c.Opts); err != nil {
		t.Fatal(err)
	}
	var e bgp.Elem
	for u.Next(&e) {
		out = append(out, fmt.Sprintf("%d %s %s %s %d", c.PeerAS, c.PeerAddr, e.Kind, e.Prefix, e.Origin))
	}
	return out
}

func TestFrames(t *testing.T) {
	for name, c := range map[string]struct {
		frame, collector string
		want             []string
		bad              string
	}{
		"announced and withdrawn, without raw": {
			`{"type":"ris_message","data":{"timestamp":1789647591.23,"peer":"196.60.9.84","peer_asn":"37697","host":"rrc19.ripe.net","type":"UPDATE","path":[37697,328810],"announcements":[{"next_hop":"196.60.10.122","prefixes":["102.221.15.0/24","102.221.16.0/24"]}],"withdrawals":["41.0.0.0/24"]}}`,
			"rrc19",
			[]string{"37697 196.60.9.84 withdraw 41.0.0.0/24 0", "37697 196.60.9.84 announce 102.221.15.0/24 328810", "37697 196.60.9.84 announce 102.221.16.0/24 328810"},
			"",
		},
		"an IPv6 prefix written in full, the AS as a number, host without its domain": {
			`{"type":"ris_message","data":{"timestamp":1,"peer":"2001:7f8:54::1:143","peer_asn":50628,"host":"rrc21","type":"UPDATE","path":[],"withdrawals":["2a01:6e00:0:0:0:0:0:0/48"]}}`,
			"rrc21",
			[]string{"50628 2001:7f8:54::1:143 withdraw 2a01:6e00::/48 0"},
			"",
		},
		"a set at the end of the path has no origin": {
			`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.7","peer_asn":"1140","host":"rrc03.ripe.net","type":"UPDATE","path":[1140,[64512,64513]],"announcements":[{"prefixes":["44.32.91.0/24"]}]}}`,
			"rrc03",
			[]string{"1140 192.0.2.7 announce 44.32.91.0/24 0"},
			"",
		},
		"two next hops of one prefix": {
			`{"type":"ris_message","data":{"timestamp":1,"peer":"2001:db8::7","peer_asn":"64500","host":"rrc10","type":"UPDATE","path":[64500,64501],"announcements":[{"next_hop":"2001:db8::7","prefixes":["2a0e:97c7::/48"]},{"next_hop":"fe80::1","prefixes":["2a0e:97c7::/48"]}]}}`,
			"rrc10",
			[]string{"64500 2001:db8::7 announce 2a0e:97c7::/48 64501"},
			"",
		},
		"session lost": {
			`{"type":"ris_message","data":{"timestamp":1568365292.84,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"RIS_PEER_STATE","state":"down"}}`,
			"rrc00",
			[]string{"64496 192.0.2.1 Established>Idle"},
			"",
		},
		"session up": {
			`{"type":"ris_message","data":{"timestamp":1568365292.84,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"RIS_PEER_STATE","state":"connected"}}`,
			"rrc00",
			[]string{"64496 192.0.2.1 OpenConfirm>Established"},
			"",
		},
		"keepalive": {
			`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"KEEPALIVE"}}`,
			"rrc00",
			[]string{"64496 192.0.2.1 message 4"},
			"",
		},
		"sent by the collector":     {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"OPEN","direction":"sent"}}`, "", nil, ""},
		"notification":              {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"NOTIFICATION"}}`, "", nil, ""},
		"pong":                      {`{"type":"pong","data":null}`, "", nil, ""},
		"the service complains":     {`{"type":"ris_error","data":{"message":"bad subscription"}}`, "", nil, "bad subscription"},
		"not an object":             {`[1,2]`, "", nil, "malformed"},
		"no JSON":                   {`{"type":`, "", nil, "malformed"},
		"raw is no message":         {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"UPDATE","raw":"00"}}`, "", nil, "malformed"},
		"raw is no hexadecimal":     {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"KEEPALIVE","raw":"{KEEPALIVE_RAW}"}}`, "", nil, "malformed"},
		"no peer":                   {`{"type":"ris_message","data":{"timestamp":1,"peer_asn":"3333","host":"rrc21.ripe.net","type":"KEEPALIVE"}}`, "", nil, "malformed"},
		"no host":                   {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","type":"UPDATE"}}`, "", nil, "malformed"},
		"a time beyond the century": {`{"type":"ris_message","data":{"timestamp":1e18,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"UPDATE"}}`, "", nil, "malformed"},
		"a prefix that is none":     {`{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"UPDATE","withdrawals":["192.0.2.0/33"]}}`, "", nil, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			var d Decoder
			collector, rec, err := d.Decode([]byte(c.frame))
			if c.bad != "" {
				if err == nil || !strings.Contains(err.Error(), c.bad) || rec != nil {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if rec != nil {
				got = elems(t, rec)
			}
			slices.Sort(got)
			got = slices.Compact(got)
			want := slices.Sorted(slices.Values(c.want))
			if collector != c.collector || !slices.Equal(got, want) {
				t.Errorf("of %s:\n%s\nwant\n%s", collector, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Every stored frame of the field gives a record or a reason; of those with raw octets, what the JSON says agrees.
func TestStoredFrames(t *testing.T) {
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(dir, "rislive", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skip("did not run: no stored frames of RIS Live (COREWATCH_DATA)")
	}
	var d Decoder
	frames, records := 0, 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			frame := bytes.Clone(s.Bytes())
			var wrapped struct{ Msg json.RawMessage }
			if json.Unmarshal(frame, &wrapped) == nil && wrapped.Msg != nil {
				frame = wrapped.Msg
			}
			frames++
			_, rec, err := d.Decode(frame)
			var service ServiceError
			if err != nil && !errors.Is(err, ErrMalformed) && !errors.As(err, &service) {
				t.Errorf("%s: %v", frame, err)
			}
			if rec != nil {
				records++
				elems(t, rec)
			}
		}
	}
	c := d.Counts
	if records < 10 || c.Disagreed > 0 || c.Messages-c.Rebuilt < 2 ||
		c.Frames != c.Messages+c.States+c.Own+c.Sent+c.Other+c.Malformed || int(c.Frames) != frames {
		t.Errorf("%d frames, %d records: %+v", frames, records, c)
	}
	t.Logf("%+v", c)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"ris_message","data":{"timestamp":1.5,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"UPDATE","path":[1,[2,3]],"announcements":[{"next_hop":"192.0.2.1","prefixes":["10.0.0.0/8","2001:db8::/32"]}],"withdrawals":["10.1.0.0/16"]}}`))
	f.Add([]byte(`{"type":"ris_message","data":{"timestamp":1.5,"peer":"192.0.2.1","peer_asn":1,"host":"rrc00","type":"KEEPALIVE","raw":"ffffffffffffffffffffffffffffffff001304"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		if _, rec, err := d.Decode(b); err == nil && rec != nil {
			var r mrt.Record
			if err := r.Parse(rec, 0); err != nil {
				t.Fatalf("a record that is none: %v", err)
			}
		}
	})
}
