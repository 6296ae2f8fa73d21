package evidence

import (
	"bytes"
	"strings"
	"testing"
)

// TestProof proves each entry of logs of all small sizes, and refuses every other entry and every changed octet.
func TestProof(t *testing.T) {
	l := newLogger(t, 3)
	entries := [][]byte{}
	for n := range 9 {
		e := LogEntry(Info{Identifier: "x/v1"}, []byte{byte(n)})
		l.add(t, e)
		entries = append(entries, e)
		for i := range entries {
			text := l.prove(t, int64(i))
			c, err := VerifyProof(text, l.vkey, entries[i])
			if err != nil || c.Tree.N != int64(n+1) || c.Origin != "log.example/corewatch" {
				t.Errorf("%d of %d: %+v, %v", i, n+1, c, err)
			}
			if _, err := VerifyProof(text, l.vkey, []byte("something else\n")); err == nil {
				t.Errorf("%d of %d: another entry passes", i, n+1)
			}
		}
	}
	text := l.prove(t, 4)
	for i := range text {
		c := bytes.Clone(text)
		c[i] ^= 1 << (i % 8)
		if _, err := VerifyProof(c, l.vkey, entries[4]); err == nil {
			t.Errorf("octet %d of the proof can be changed", i)
		}
	}
	extra := strings.Replace(string(text), "\nindex", "\nextra YQ==\nindex", 1)
	if _, err := VerifyProof([]byte(extra), l.vkey, entries[4]); err == nil {
		t.Error("extra data was accepted")
	}
	if _, err := VerifyProof(text, newLogger(t, 4).vkey, entries[4]); err == nil {
		t.Error("another log's key was accepted")
	}
	if _, err := VerifyProof(text, "no key", entries[4]); err == nil {
		t.Error("a key that is none was accepted")
	}
}

// FuzzProof: a proof has one encoding.
func FuzzProof(f *testing.F) {
	l := newLogger(f, 3)
	l.add(f, []byte("a"))
	l.add(f, []byte("b"))
	f.Add(l.prove(f, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParseProof(in)
		if err != nil {
			return
		}
		if again, _ := p.AppendText(nil); !bytes.Equal(again, in) {
			t.Errorf("%q is written as %q", in, again)
		}
		OpenCheckpoint(p.Checkpoint, l.vkey)
	})
}
