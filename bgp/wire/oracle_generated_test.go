package wire_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

const perSeed = 600 // messages

// TestOracleGenerated decodes well-formed random messages: what comes out is what their maker put in, and gobgp witnesses it.
func TestOracleGenerated(t *testing.T) {
	var u wire.Update
	count := map[string]int{}
	for seed := range seeds(t) {
		g := newGenerator(seed)
		for i := range perSeed {
			in := g.message(t)
			a, err := ourReading(&u, in.msg, in.opts)
			_, eor := u.EndOfRIB()
			b := theirReading(in.msg, in.opts)
			d := disagreement(a, b)
			if err != nil || a.verdict != clean || !slices.Equal(a.elems, in.elems) || !slices.Equal(a.path, in.path) || eor != in.eor {
				t.Fatalf("seed %d, message %d: %x (%+v)\n%s %q, %v\nelems %v of\n      %v\npath %d of\n     %d\nEnd-of-RIB %v",
					seed, i, in.msg, in.opts, a.verdict, a.why, err, a.elems, in.elems, a.path, in.path, eor)
			}
			if b.verdict != clean || d != "" {
				t.Fatalf("seed %d, message %d: %x (%+v)\ngobgp: %s %q %s", seed, i, in.msg, in.opts, b.verdict, b.why, d)
			}
			for what, is := range map[string]bool{
				"longer than 4,096 octets": len(in.msg) > 4096, "End-of-RIB": eor, "gobgp guessed the AS width": b.guessed,
				"merged paths": !in.opts.AS4 && slices.ContainsFunc(in.path, func(asn uint32) bool { return asn > 0xffff }),
				"elems":        len(in.elems) > 0,
			} {
				if is {
					count[what]++
				}
			}
		}
	}
	if count["longer than 4,096 octets"]*count["End-of-RIB"]*count["merged paths"]*count["elems"] == 0 && seeds(t) >= 10 {
		t.Errorf("the generator leaves something out: %v", count)
	}
	t.Log(count)
}

// certain is a slow and obvious reading of what a message withdraws beyond doubt: the field of withdrawn routes, then MP_UNREACH,
// each up to the first prefix that cannot be read. refuse is set where nothing in the message may be used: RFC 4271 section 6.1
// and 6.3, RFC 7606 section 3 (g). vague is set where a collector cut a message whose attributes end before the cut and do not end
// where they say: what of the last is meant is not certain.
func certain(msg []byte, o wire.Options) (withdrawals []elem, refuse, vague bool) {
	if len(msg) < 19 || !slices.Equal(msg[:16], slices.Repeat([]byte{0xff}, 16)) || msg[18] != 2 {
		return nil, true, false
	}
	length := int(binary.BigEndian.Uint16(msg[16:]))
	cut := length > len(msg)
	if length < 23 || cut && !o.Truncated {
		return nil, true, false
	}
	body := msg[19:min(length, len(msg))]
	field := func() []byte {
		var n int
		if len(body) >= 2 {
			n, body = int(binary.BigEndian.Uint16(body)), body[2:]
		} else {
			refuse, body = refuse || !cut, nil
		}
		refuse = refuse || n > len(body) && !cut
		f := body[:min(n, len(body))]
		body = body[len(f):]
		return f
	}
	withdrawn := field()
	room := len(body) - 2
	attrs := field()
	if refuse {
		return nil, true, false
	}
	through := cut && len(attrs) >= room // the cut goes through the attributes or right behind them
	withdrawals = spelled(withdrawn, 1, 1, o)
	reaches, unreaches := 0, 0
	for len(attrs) > 0 {
		one, rest, ok := attribute(attrs)
		if !ok {
			// Of an attribute that the cut goes through, its whole prefixes still count.
			if one, rest = attrs, nil; !through || len(one) < 4 {
				vague = cut
				break
			}
		}
		attrs = rest
		typ, v := one[1], one[3:]
		if one[0]&0x10 != 0 {
			v = one[4:]
		}
		switch typ {
		case 14:
			reaches++
		case 15:
			if unreaches++; unreaches == 1 && len(v) >= 3 {
				withdrawals = append(withdrawals, spelled(v[3:], binary.BigEndian.Uint16(v), v[2], o)...)
			}
		}
		if ok && max(reaches, unreaches) > 1 {
			return nil, true, false
		}
	}
	return withdrawals, false, vague
}

// spelled reads prefixes one by one.
func spelled(b []byte, afi uint16, safi uint8, o wire.Options) (out []elem) {
	if afi != 1 && afi != 2 || safi != 1 && safi != 2 {
		return nil
	}
	for len(b) > 0 {
		e := elem{kind: bgp.Withdraw, multicast: safi == 2}
		if afi == 1 && o.AddPath4 || afi == 2 && o.AddPath6 {
			if len(b) < 5 {
				return out
			}
			e.id, b = binary.BigEndian.Uint32(b), b[4:]
		}
		bits := int(b[0])
		n := (bits + 7) / 8
		if bits > 32 && afi == 1 || bits > 128 || 1+n > len(b) {
			return out
		}
		addr := make([]byte, 4)
		if afi == 2 {
			addr = make([]byte, 16)
		}
		copy(addr, b[1:1+n])
		e.prefix = prefixOf(addr, uint8(bits))
		out, b = append(out, e), b[1+n:]
	}
	return out
}

// unhidden checks a reading of any bytes against certain: no certain withdrawal is hidden, and none is made up except where the
// routes are taken away.
func unhidden(r reading, msg []byte, o wire.Options) error {
	want, refuse, vague := certain(msg, o)
	if refuse != (r.verdict == refused) {
		return fmt.Errorf("refused: %v %q, must be %v", r.verdict == refused, r.why, refuse)
	}
	if len(r.elems) < len(want) || !slices.Equal(r.elems[:len(want)], want) {
		return fmt.Errorf("elems %v, want first the withdrawals %v", r.elems, want)
	}
	for _, e := range r.elems[len(want):] {
		if !vague && (e.kind == bgp.Withdraw) != (r.verdict == treat) {
			return fmt.Errorf("verdict %s with %v", r.verdict, e)
		}
	}
	return nil
}

// judge applies to any bytes all that holds of any bytes.
func judge(u *wire.Update, msg []byte, o wire.Options) (a, b reading, err error) {
	a, err = ourReading(u, msg, o)
	b = theirReading(msg, o)
	if err == nil {
		err = unhidden(a, msg, o)
	}
	if d := disagreement(a, b); err == nil && d != "" {
		err = errors.New(d)
	}
	if err == nil && b.why == unreadMP && a.verdict == clean && a.unsupported == 0 {
		err = errors.New("clean, and gobgp cannot read its MP attribute")
	}
	if err == nil && b.verdict != mute && (a.verdict == clean) != (b.verdict == clean) && !explained(a, b, msg, o) {
		err = errors.New("clean for one of both, for no known reason")
	}
	return a, b, err
}

// mutation damages or rearranges a message. same means that its elems stay what they were.
type mutation struct {
	name string
	make func(g *generator, in intent) (msg []byte, o wire.Options, same bool)
}

var mutations = []mutation{
	{"flip", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		b := slices.Clone(in.msg)
		for range 1 + g.IntN(3) {
			b[16+g.IntN(len(b)-16)] ^= byte(1 + g.IntN(255))
		}
		return b, in.opts, false
	}},
	{"flip among the attributes' heads", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		return rebuild(in.msg, func(list [][]byte) [][]byte {
			if len(list) > 0 {
				list[g.IntN(len(list))][g.IntN(3)] ^= byte(1 << g.IntN(8))
			}
			return list
		}), in.opts, false
	}},
	{"small number at the front of a value", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		return rebuild(in.msg, func(list [][]byte) [][]byte {
			if len(list) == 0 {
				return list
			}
			one := list[g.IntN(len(list))]
			if at := 3 + int(one[0]>>4&1); at < len(one) {
				one[at] = byte(g.IntN(6))
			}
			return list
		}), in.opts, false
	}},
	{"cut by the collector", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		in.opts.Truncated = true
		return in.msg[:19+g.IntN(len(in.msg)-18)], in.opts, false
	}},
	{"cut by the neighbour", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		b := slices.Clone(in.msg[:19+g.IntN(len(in.msg)-18)])
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
		return b, in.opts, false
	}},
	{"bytes behind", func(_ *generator, in intent) ([]byte, wire.Options, bool) {
		return append(slices.Clone(in.msg), 0, 0, 24), in.opts, true
	}},
	{"attributes reordered", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		return rebuild(in.msg, func(list [][]byte) [][]byte {
			g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			return list
		}), in.opts, true
	}},
	{"attribute twice", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		same := true
		return rebuild(in.msg, func(list [][]byte) [][]byte {
			if len(list) == 0 || len(in.msg) > 30000 {
				return list
			}
			again := slices.Clone(list[g.IntN(len(list))])
			same = again[1] != 14 && again[1] != 15
			if g.one(2) && len(again) > 4 {
				again[len(again)-1] ^= 1
			}
			return append(list, again)
		}), in.opts, same
	}},
	{"attribute left out", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		return rebuild(in.msg, func(list [][]byte) [][]byte {
			if len(list) > 0 {
				list = slices.Delete(list, 0, 1+g.IntN(len(list)))
			}
			return list
		}), in.opts, false
	}},
	{"other options", func(g *generator, in intent) ([]byte, wire.Options, bool) {
		return in.msg, wire.Options{AS4: g.one(2), AddPath4: g.one(2), AddPath6: g.one(2), IBGP: g.one(2), Truncated: g.one(2)}, false
	}},
}

// rebuild puts another list of attributes into a well-formed message.
func rebuild(msg []byte, change func(list [][]byte) [][]byte) []byte {
	withdrawn, attrs, nlri, _ := fields(msg)
	var list [][]byte
	for len(attrs) > 0 {
		var one []byte
		one, attrs, _ = attribute(attrs)
		list = append(list, slices.Clone(one))
	}
	attrs = slices.Concat(change(list)...)
	b := append(slices.Clone(msg[:19]), byte(len(withdrawn)>>8), byte(len(withdrawn)))
	b = append(append(b, withdrawn...), byte(len(attrs)>>8), byte(len(attrs)))
	b = append(append(b, attrs...), nlri...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	return b
}

// TestOracleMutated damages well-formed messages. Certain withdrawals are never hidden, damage that changes nothing changes no
// elem, and where gobgp calls a message clean that we do not, or the other way round, it is for a reason listed here.
func TestOracleMutated(t *testing.T) {
	var u wire.Update
	count := map[string]int{}
	for seed := range seeds(t) {
		g := newGenerator(seed)
		for i := range perSeed {
			in := g.message(t)
			m := mutations[i%len(mutations)]
			msg, o, same := m.make(g, in)
			a, b, err := judge(&u, msg, o)
			if same && !(slices.Equal(a.elems, in.elems) && a.verdict.stands()) {
				err = fmt.Errorf("elems %v, before %v", a.elems, in.elems)
			}
			if err != nil {
				t.Fatalf("seed %d, message %d, %s: %x (%+v)\n%s %q, gobgp %s %q\n%v", seed, i, m.name, msg, o, a.verdict, a.why, b.verdict, b.why, err)
			}
			count[a.verdict.String()+" / "+b.verdict.String()]++
			if b.verdict == mute {
				count["gobgp mute: "+b.why]++
			}
		}
	}
	for _, pair := range []string{"clean / clean", "discard / discard", "withdraw / withdraw", "refused / refused"} {
		if count[pair] == 0 && seeds(t) >= 10 {
			t.Errorf("no message is %s", pair)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%6d %s", count[k], k)
	}
}
