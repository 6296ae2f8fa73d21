package rislive

import (
	"encoding/json"
	"reflect"
	"testing"
)

// sameAsJSON fails when the scanner takes a text that encoding/json does not, or reads it in another way.
func sameAsJSON(t *testing.T, text string) bool {
	t.Helper()
	got := message{Announcements: []announcement{{"x", []string{"y"}}}[:0], Withdrawals: []string{"z"}[:0]} // of an earlier frame
	if !scan(text, &got) {
		return false
	}
	var e envelope
	var want message
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Type != "ris_message" {
		t.Fatalf("%s is taken; encoding/json says %v", text, err)
	}
	if err := json.Unmarshal(e.Data, &want); err != nil {
		t.Fatalf("%s is taken; encoding/json says %v", text, err)
	}
	for _, m := range []*message{&got, &want} { // an empty list is a list
		m.Announcements = append([]announcement{}, m.Announcements...)
		for i := range m.Announcements {
			m.Announcements[i].Prefixes = append([]string{}, m.Announcements[i].Prefixes...)
		}
		m.Withdrawals = append([]string{}, m.Withdrawals...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n%+v\nencoding/json\n%+v", text, got, want)
	}
	return true
}

const usual = `{"type":"ris_message","data":{"timestamp":1609476900.51,"peer":"192.0.2.1","peer_asn":"64496","id":"a-1","host":"rrc04.ripe.net","type":"UPDATE","path":[64496,[1,2],3],` +
	`"community":[[64496,1]],"origin":"IGP","med":0,"aggregator":"1:192.0.2.1","announcements":[{"next_hop":"192.0.2.1","prefixes":["10.0.0.0/8","10.1.0.0/16"]},{"prefixes":[],"next_hop":"::1"}],"withdrawals":["10.2.0.0/16"],"raw":"ff"}}`

// TestScan: the usual frame is read in one pass; what is unusual is left to encoding/json.
func TestScan(t *testing.T) {
	for text, taken := range map[string]bool{
		usual: true,
		` { "type" : "ris_message" , "data" : { "peer_asn" : 7 , "path" : [ ] } } `: true,
		`{"data":{},"type":"ris_message"}`:                                          true,
		`{"type":"ris_message","data":{"peer":"a","peer":"b"}}`:                     false,
		`{"type":"ris_message","data":{"Peer":"a"}}`:                                false,
		`{"type":"ris_message","data":{"peer":null}}`:                               false,
		`{"type":"ris_message","data":{"peer":"\u0061"}}`:                           false,
		`{"type":"ris_message","data":{"peer":"` + "\xff" + `"}}`:                   false,
		`{"type":"ris_message","data":{"timestamp":01}}`:                            false,
		`{"type":"ris_message","data":{"timestamp":-1}}`:                            false,
		`{"type":"ris_message","data":{"timestamp":1e3}}`:                           false,
		`{"type":"ris_message","data":{"timestamp":1.}}`:                            false,
		`{"type":"ris_message","data":{"path":[1,]}}`:                               false,
		`{"type":"ris_message","data":{}}x`:                                         false,
		`{"type":"ris_message","data":{}`:                                           false,
		`{"type":"pong","data":{}}`:                                                 false,
		`{"type":"ris_message"}`:                                                    false,
		`[]`:                                                                        false,
		``:                                                                          false,
	} {
		if sameAsJSON(t, text) != taken {
			t.Errorf("%s: taken %v", text, !taken)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(usual)
	f.Add(`{"type":"ris_message","data":{"timestamp":0.5,"peer_asn":12,"path":[[1],2]}}`)
	f.Fuzz(func(t *testing.T, text string) { sameAsJSON(t, text) })
}
