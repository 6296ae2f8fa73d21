package evidence

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// key is a key made from a byte: the same in every run, so that bundles are.
func key(seed byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// logger is a log of a few entries, with a key of its own.
type logger struct {
	signer note.Signer
	vkey   string
	leaves []tlog.Hash
	stored []tlog.Hash
}

func newLogger(t testing.TB, seed byte) *logger {
	t.Helper()
	origin := "log.example/corewatch"
	raw := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	vkey, err := note.NewEd25519VerifierKey(origin, raw.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(vkey, "+")[1]
	s, err := note.NewSigner("PRIVATE+KEY+" + origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, raw.Seed()...)))
	if err != nil {
		t.Fatal(err)
	}
	return &logger{signer: s, vkey: vkey}
}

func (l *logger) read(n []int64) (out []tlog.Hash, err error) {
	for _, i := range n {
		out = append(out, l.stored[i])
	}
	return out, nil
}

func (l *logger) add(t testing.TB, entry []byte) {
	t.Helper()
	more, err := tlog.StoredHashes(int64(len(l.leaves)), entry, tlog.HashReaderFunc(l.read))
	if err != nil {
		t.Fatal(err)
	}
	l.leaves, l.stored = append(l.leaves, tlog.RecordHash(entry)), append(l.stored, more...)
}

func (l *logger) checkpoint(t testing.TB) []byte {
	t.Helper()
	n := int64(len(l.leaves))
	root, err := tlog.TreeHash(n, tlog.HashReaderFunc(l.read))
	if err != nil {
		t.Fatal(err)
	}
	text, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", l.signer.Name(), n, root)}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (l *logger) prove(t testing.TB, index int64) []byte {
	t.Helper()
	hashes, err := tlog.ProveRecord(int64(len(l.leaves)), index, tlog.HashReaderFunc(l.read))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Proof{Index: index, Hashes: hashes, Checkpoint: l.checkpoint(t)}.AppendText(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// made is a small bundle and what made it.
type made struct {
	bag   Bag
	key   ed25519.PrivateKey
	token []byte // nil: none
	log   *logger
}

// smallBag is a bag with the least that a bundle holds. The time stamp in it is no time stamp: evidence does not read them.
func smallBag(t testing.TB, form string) *made {
	t.Helper()
	m := &made{key: key(1), log: newLogger(t, 2), token: []byte("a time stamp\n")}
	m.bag = Bag{
		Info: Info{
			Identifier: "XX-20260101T0000Z-aaaaaaaa/r3", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Software: "corewatch test", Form: form,
			Data: "archive", Status: Current,
		},
		Payload: []File{{"data/raw/b.mrt", []byte("\x00\x01")}, {"data/incident.json", []byte("{}\n")}, {"data/empty.csv", nil}},
		Tags:    []File{{"VERIFY.md", []byte("how\n")}, {"verify.sh", []byte("#!/bin/sh\n")}, {"verify.py", []byte("pass\n")}},
	}
	if form == Draft {
		return m
	}
	i := &m.bag.Info
	i.Identifier, i.Organization, i.Contact = "XX-20260101T0000Z-aaaaaaaa/v1", "Example Watch", "mail@watch.example"
	i.Signer, i.TimeStamps, i.Log = Fingerprint(public(m.key)), []string{"tsa"}, "log.example/corewatch"
	m.bag.Tags = append(m.bag.Tags, File{signersName, AllowedSigners(public(m.key))}, File{logKeyName, []byte(m.log.vkey + "\n")})
	return m
}

// zip writes the bundle.
func (m *made) zip(t testing.TB) []byte {
	t.Helper()
	f, err := m.bag.Fix()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if m.bag.Info.Form == Draft {
		err = f.Write(&b)
	} else {
		var seals []File
		if m.token != nil {
			seals = append(seals, File{SealName("tsa", time.Time{}), m.token})
		}
		if m.bag.Info.Log != "" {
			m.log.add(t, []byte("something else\n"))
			m.log.add(t, LogEntry(m.bag.Info, f.TagManifest()))
			m.log.add(t, []byte("another thing\n"))
			seals = append(seals, File{ProofName, m.log.prove(t, int64(len(m.log.leaves)-2))})
		}
		err = f.WriteSigned(&b, m.key, nil, seals)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verify is all that a reader does.
func verify(b []byte, trust Trust) (*Report, error) {
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return z.Verify(trust)
}

// unzipped gives the files of a bundle, and rezipped makes the canonical zip of any files: what a forger with our program can do.
func unzipped(t testing.TB, b []byte) (folder string, at time.Time, files []File) {
	t.Helper()
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range z.Paths() {
		data, err := z.Read(p, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{p, data})
	}
	return z.Folder(), z.Time(), files
}

func rezipped(t testing.TB, folder string, at time.Time, files []File) []byte {
	t.Helper()
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	if err := writeZip(&b, folder, at, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// refit makes both manifests fit the files again, and the seal list too: what a forger without our key can do.
func refit(t testing.TB, files []File) []File {
	t.Helper()
	files = slices.Clone(files)
	set := func(name string, covered func(string) bool) {
		var part []File
		at := -1
		for i, f := range files {
			if f.Path == name {
				at = i
			} else if covered(f.Path) {
				part = append(part, f)
			}
		}
		if at < 0 {
			return
		}
		text, err := listing(part)
		if err != nil {
			t.Fatal(err)
		}
		files[at].Data = text
	}
	data := func(p string) bool { return strings.HasPrefix(p, payload) }
	set(manifestName, data)
	octets, n := 0, 0
	for _, f := range files {
		if data(f.Path) {
			octets, n = octets+len(f.Data), n+1
		}
	}
	for i, f := range files {
		if f.Path == infoName {
			head, rest, _ := strings.Cut(string(f.Data), "Payload-Oxum: ")
			_, rest, _ = strings.Cut(rest, "\n")
			files[i].Data = []byte(head + "Payload-Oxum: " + strconv.Itoa(octets) + "." + strconv.Itoa(n) + "\n" + rest)
		}
	}
	set(tagManifestName, func(p string) bool { return !data(p) && !isSeal(p) })
	set(sealsName, isListedSeal)
	return files
}
