package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func trusted(m *made) Trust { return Trust{Keys: []string{Fingerprint(public(m.key))}} }

// TestWhole verifies what we write, and reads it with the standard library's zip reader.
func TestWhole(t *testing.T) {
	m := smallBag(t, Signed)
	b := m.zip(t)
	r, err := verify(b, trusted(m))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Trusted || r.Files != 17 || r.Octets != 5 || r.Log == nil || r.Log.Tree.N != 3 || len(r.Tokens) != 1 || r.Info.Identifier != "XX-20260101T0000Z-aaaaaaaa/v1" {
		t.Errorf("%+v", r)
	}
	if r, err := verify(b, Trust{}); err != nil || r.Trusted {
		t.Errorf("without a key: %+v, %v", r, err)
	}
	if !bytes.Equal(b, smallBag(t, Signed).zip(t)) {
		t.Error("the same content gives other octets")
	}
	std, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range std.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); err != nil || f.Method != zip.Store || len(f.Extra) != 0 || f.Flags != 0 || !strings.HasPrefix(f.Name, "incident-XX-20260101T0000Z-aaaaaaaa-v1/") {
			t.Errorf("%+v: %v", f.FileHeader, err)
		}
	}
	d := smallBag(t, Draft)
	r, err = verify(d.zip(t), Trust{})
	if err != nil || r.Trusted || r.Info.Form != Draft {
		t.Errorf("draft: %+v, %v", r, err)
	}
	if _, err := verify(d.zip(t), trusted(m)); err == nil || errors.Is(err, ErrIncomplete) {
		t.Errorf("a draft was taken as signed: %v", err)
	}
}

// TestEveryOctetOfTheZip changes one bit of each octet of a bundle, cuts it there, and doubles it.
func TestEveryOctetOfTheZip(t *testing.T) {
	for _, form := range []string{Signed, Draft} {
		b := smallBag(t, form).zip(t)
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 1 << (i % 8)
			if _, err := verify(c, Trust{}); err == nil {
				t.Errorf("%s: octet %d of %d can be changed", form, i, len(b))
			}
			if _, err := verify(b[:i], Trust{}); err == nil {
				t.Errorf("%s: it can be cut at %d", form, i)
			}
			if _, err := verify(slices.Insert(bytes.Clone(b), i, b[i]), Trust{}); err == nil {
				t.Errorf("%s: octet %d can be doubled", form, i)
			}
		}
	}
}

// TestEveryOctetOfEveryFile changes one bit of each octet of each file and makes the zip anew, so that only digests and signatures are
// left to find it; and appends and removes one.
func TestEveryOctetOfEveryFile(t *testing.T) {
	m := smallBag(t, Signed)
	folder, at, files := unzipped(t, m.zip(t))
	try := func(i int, data []byte, how string) {
		t.Helper()
		c := slices.Clone(files)
		c[i].Data = data
		if _, err := verify(rezipped(t, folder, at, c), Trust{}); err == nil {
			t.Errorf("%s: %s was not found", c[i].Path, how)
		}
	}
	for i, f := range files {
		for k := range f.Data {
			c := bytes.Clone(f.Data)
			c[k] ^= 1 << (k % 8)
			try(i, c, "a changed octet")
		}
		try(i, append(bytes.Clone(f.Data), '\n'), "an octet more")
		if len(f.Data) > 0 {
			try(i, f.Data[:len(f.Data)-1], "an octet less")
		}
	}
}

// TestFiles: a file that is removed, added or renamed, in any place, is found, and what is only missing is called so.
func TestFiles(t *testing.T) {
	m := smallBag(t, Signed)
	folder, at, files := unzipped(t, m.zip(t))
	for i, f := range files {
		without := slices.Delete(slices.Clone(files), i, i+1)
		if _, err := verify(rezipped(t, folder, at, without), Trust{}); !errors.Is(err, ErrIncomplete) {
			t.Errorf("without %s: %v", f.Path, err)
		}
		for _, name := range []string{f.Path + "2", "data/zz", "a"} {
			other := slices.Clone(files)
			other[i].Path = name
			if _, err := verify(rezipped(t, folder, at, other), Trust{}); err == nil {
				t.Errorf("%s can be called %s", f.Path, name)
			}
		}
	}
	for _, name := range []string{"data/new", "data/zzz", "new.txt", "keys/more", "tagmanifest-sha256.txt.other.tsr", "tagmanifest-sha256.txt.tsa.20260103.tsr", "zz"} {
		more := append(slices.Clone(files), File{name, []byte("x")})
		if _, err := verify(rezipped(t, folder, at, more), Trust{}); err == nil || errors.Is(err, ErrIncomplete) {
			t.Errorf("with %s: %v", name, err)
		}
	}
	if _, err := verify(rezipped(t, "incident-other-v1", at, files), Trust{}); err == nil {
		t.Error("the folder can be renamed")
	}
	if _, err := verify(rezipped(t, folder, at.AddDate(0, 0, 1), files), Trust{}); err == nil {
		t.Error("the time can be changed")
	}
}

// TestForgers: who makes every digest fit again is stopped by the signature, and who signs anew by the reader's key.
func TestForgers(t *testing.T) {
	m := smallBag(t, Signed)
	folder, at, files := unzipped(t, m.zip(t))
	for name, forge := range map[string]func([]File){
		"payload":  func(f []File) { set(f, "data/incident.json", "{ }\n") },
		"tag file": func(f []File) { set(f, "VERIFY.md", "just trust us\n") },
		"signer":   func(f []File) { set(f, signersName, string(AllowedSigners(public(key(9))))) },
		"token":    func(f []File) { set(f, SealName("tsa", time.Time{}), "another\n") },
	} {
		forged := slices.Clone(files)
		forge(forged)
		_, err := verify(rezipped(t, folder, at, refit(t, forged)), Trust{})
		if err == nil || !strings.Contains(err.Error(), "signature does not fit") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The signature of the one purpose is none for the other.
	swapped := slices.Clone(files)
	set(swapped, signatureName, get(files, sealsSigName))
	if _, err := verify(rezipped(t, folder, at, swapped), Trust{}); err == nil {
		t.Error("the signature over the seals was taken for that of the bundle")
	}
	// Somebody else's bundle is consistent, and not the publisher's.
	foreign := smallBag(t, Signed)
	foreign.key = key(9)
	foreign.bag.Info.Signer = Fingerprint(public(foreign.key))
	set(foreign.bag.Tags, signersName, string(AllowedSigners(public(foreign.key))))
	b := foreign.zip(t)
	if r, err := verify(b, Trust{}); err != nil || r.Trusted {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := verify(b, trusted(m)); err == nil || !strings.Contains(err.Error(), "none of the keys you gave") {
		t.Errorf("signed by another key: %v", err)
	}
	// Seals signed by somebody else than the bundle.
	_, _, theirs := unzipped(t, b)
	mixed := slices.Clone(files)
	set(mixed, sealsSigName, get(theirs, sealsSigName))
	if _, err := verify(rezipped(t, folder, at, mixed), Trust{}); err == nil {
		t.Error("the seals can be signed by another key")
	}
	// A signature that is taken away, with the form.
	if _, err := verify(smallBag(t, Draft).zip(t), trusted(m)); err == nil {
		t.Error("a draft passes for signed")
	}
}

// TestAnnounced: seals that bag-info.txt announces and that are not there make the bundle incomplete, with all else checked.
func TestAnnounced(t *testing.T) {
	m := smallBag(t, Signed)
	m.token = nil
	b := m.zip(t)
	r, err := verify(b, trusted(m))
	if !errors.Is(err, ErrIncomplete) || r == nil || !r.Trusted || !strings.Contains(err.Error(), "time stamp of tsa") {
		t.Errorf("%+v, %v", r, err)
	}
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, signature, seals, err := z.Thaw(1 << 20)
	if err != nil || len(seals) != 1 {
		t.Fatal(seals, err)
	}
	seals = append(seals, File{SealName("tsa", time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)), []byte("late")})
	var out bytes.Buffer
	if err := f.WriteSigned(&out, m.key, signature, seals); err != nil {
		t.Fatal(err)
	}
	again, err := verify(out.Bytes(), trusted(m))
	if err != nil || len(again.Tokens) != 1 || again.Tokens[0].Path != "tagmanifest-sha256.txt.tsa.20260201.tsr" || again.ID != r.ID {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestCheckpoint: a checkpoint of the reader's own decides, one of another size says that it cannot.
func TestCheckpoint(t *testing.T) {
	m := smallBag(t, Signed)
	b := m.zip(t)
	trust := trusted(m)
	trust.Checkpoint = m.log.checkpoint(t)
	if _, err := verify(b, trust); err != nil {
		t.Error(err)
	}
	m.log.add(t, []byte("later\n"))
	trust.Checkpoint = m.log.checkpoint(t)
	if _, err := verify(b, trust); !errors.Is(err, ErrIncomplete) {
		t.Errorf("a later checkpoint: %v", err)
	}
	other := newLogger(t, 2)
	for range 3 {
		other.add(t, []byte("another history\n"))
	}
	trust.Checkpoint = other.checkpoint(t)
	if _, err := verify(b, trust); err == nil || !strings.Contains(err.Error(), "another story") {
		t.Errorf("a split view: %v", err)
	}
	foreign := newLogger(t, 5)
	foreign.add(t, []byte("x\n"))
	trust.Checkpoint = foreign.checkpoint(t)
	if _, err := verify(b, trust); err == nil || errors.Is(err, ErrIncomplete) {
		t.Errorf("a checkpoint of another key: %v", err)
	}
	d := smallBag(t, Draft)
	if _, err := verify(d.zip(t), Trust{Checkpoint: trust.Checkpoint}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("a draft and a checkpoint: %v", err)
	}
}

// TestZipTricks: archives that other readers would unpack, or unpack differently.
func TestZipTricks(t *testing.T) {
	m := smallBag(t, Signed)
	b := m.zip(t)
	folder, at, files := unzipped(t, b)
	le := binary.LittleEndian
	end := len(b) - endSize
	dir := int(le.Uint32(b[end+16:]))
	patched := func(patch func(c []byte)) []byte {
		c := bytes.Clone(b)
		patch(c)
		return c
	}
	other := func(make func(w *zip.Writer)) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		make(w)
		w.Close()
		return out.Bytes()
	}
	raw := func(list []File) []byte { // in the order given
		var out bytes.Buffer
		if err := writeZip(&out, folder, at, list); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	swapped := slices.Clone(files)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	for name, c := range map[string][]byte{
		"empty":             {},
		"no zip":            []byte("this is no zip, but long enough to be one"),
		"prefix":            append([]byte("#!/bin/sh\nrm -rf /\n"), b...),
		"suffix":            append(bytes.Clone(b), "more"...),
		"comment":           patched(func(c []byte) { c[len(c)-2] = 4 }),
		"comment in full":   append(patched(func(c []byte) { c[len(c)-2] = 4 }), "more"...),
		"reordered":         raw(swapped),
		"twice":             raw(append(slices.Clone(files), files[len(files)-1])),
		"letter case":       raw(append(slices.Clone(files), File{"VERIFY.MD", nil})),
		"out of the folder": raw(append(slices.Clone(files), File{"zz/../../../etc/passwd", []byte("x")})),
		"absolute":          raw(append(slices.Clone(files), File{"zz//etc/passwd", []byte("x")})),
		"backslash":         raw(append(slices.Clone(files), File{`zz\..\x`, []byte("x")})),
		"hidden":            raw(append(slices.Clone(files), File{"zz/.profile", []byte("x")})),
		"control character": raw(append(slices.Clone(files), File{"zz\n", []byte("x")})),
		"two names":         patched(func(c []byte) { c[dir+centralSize+len(folder)+1] ^= 1 }),
		"zip64 count":       patched(func(c []byte) { le.PutUint16(c[end+8:], 0xffff); le.PutUint16(c[end+10:], 0xffff) }),
		"zip64 offset":      patched(func(c []byte) { le.PutUint32(c[end+16:], 0xffffffff) }),
		"zip64 size":        patched(func(c []byte) { le.PutUint32(c[dir+20:], 0xffffffff); le.PutUint32(c[dir+24:], 0xffffffff) }),
		"huge directory":    patched(func(c []byte) { le.PutUint32(c[end+12:], 0xfffffff0) }),
		"bomb":              patched(func(c []byte) { le.PutUint32(c[dir+20:], 0xfffffff0); le.PutUint32(c[dir+24:], 0xfffffff0) }),
		"deflated": other(func(w *zip.Writer) {
			f, _ := w.Create(folder + "/bomb")
			f.Write(make([]byte, 1<<20))
		}),
		"stored by others": other(func(w *zip.Writer) {
			for _, x := range files {
				f, _ := w.CreateHeader(&zip.FileHeader{Name: folder + "/" + x.Path, Method: zip.Store, Modified: at})
				f.Write(x.Data)
			}
		}),
		"folder entry": other(func(w *zip.Writer) { w.CreateHeader(&zip.FileHeader{Name: folder + "/"}) }),
		"one on another": patched(func(c []byte) {
			second := dir + centralSize + int(le.Uint16(c[dir+28:]))
			le.PutUint32(c[second+42:], 0)
		}),
	} {
		if _, err := verify(c, Trust{}); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

// FuzzVerify: what verifies is, octet for octet, what would be written of its files.
func FuzzVerify(f *testing.F) {
	for _, form := range []string{Signed, Draft} {
		b := smallBag(f, form).zip(f)
		f.Add(b)
		f.Add(b[30:])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := verify(in, Trust{}); err != nil {
			return
		}
		folder, at, files := unzipped(t, in)
		if !bytes.Equal(rezipped(t, folder, at, files), in) {
			t.Error("verified, and not what would be written")
		}
	})
}

func set(files []File, path, data string) {
	for i := range files {
		if files[i].Path == path {
			files[i].Data = []byte(data)
		}
	}
}

func get(files []File, path string) string {
	for _, f := range files {
		if f.Path == path {
			return string(f.Data)
		}
	}
	return ""
}

// BenchmarkVerify verifies a bundle of 100 MB. The goal is 10 s.
func BenchmarkVerify(b *testing.B) {
	m := smallBag(b, Signed)
	for n := range 10 {
		m.bag.Payload = append(m.bag.Payload, File{"data/raw/" + string(rune('0'+n)), bytes.Repeat([]byte{byte(n)}, 10_000_000)})
	}
	zip := m.zip(b)
	b.SetBytes(int64(len(zip)))
	for b.Loop() {
		if r, err := verify(zip, trusted(m)); err != nil || !r.Trusted {
			b.Fatal(err)
		}
	}
}
