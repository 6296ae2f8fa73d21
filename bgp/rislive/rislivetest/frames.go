package rislivetest

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// Frames tells the updates of an MRT file as the service would have, in order: the octets as they are, and in JSON what they hold. At most so many.
func Frames(tb testing.TB, path, host string, most int) (out [][]byte) {
	tb.Helper()
	f, err := mrt.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	rd := mrt.NewReader(f)
	var dec mrt.Decoder
	var c mrt.Content
	for len(out) < most {
		rec, err := rd.Next()
		if err != nil {
			break
		}
		if dec.Decode(rec, &c) != nil || c.Kind != mrt.Message {
			continue
		}
		var u wire.Update
		if t, err := wire.MessageType(c.BGP); err != nil || t != wire.TypeUpdate || u.Parse(c.BGP, c.Opts) != nil {
			continue
		}
		out = append(out, frame(&u, &c, host, rec.Time))
	}
	if len(out) == 0 {
		tb.Fatalf("no update in %s", path)
	}
	return out
}

func frame(u *wire.Update, c *mrt.Content, host string, at bgp.Micros) []byte {
	var up, down []string
	origin := uint32(0)
	var e bgp.Elem
	for u.Next(&e) {
		if e.Kind == bgp.Announce {
			up, origin = append(up, `"`+e.Prefix.String()+`"`), e.Origin
		} else {
			down = append(down, `"`+e.Prefix.String()+`"`)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"ris_message","data":{"timestamp":%d.%02d,"peer":"%s","peer_asn":"%d","id":"%s-%d","host":"%s","type":"UPDATE",`,
		at/bgp.Second, at%bgp.Second/10_000, c.PeerAddr, c.PeerAS, c.PeerAddr, at, host)
	if up != nil {
		fmt.Fprintf(&b, `"path":[%d,%d],"community":[],"origin":"IGP","announcements":[{"next_hop":"%s","prefixes":[%s]}],`, c.PeerAS, origin, c.PeerAddr, strings.Join(up, ","))
	}
	fmt.Fprintf(&b, `"withdrawals":[%s],"raw":"%s"}}`, strings.Join(down, ","), strings.ToUpper(hex.EncodeToString(c.BGP)))
	return []byte(b.String())
}
