package evidence

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/vectors")

// vector is a bundle of testdata/vectors, and what a verifier that trusts the key in it must say.
type vector struct {
	name, says string // says begins the sentence: "verified", "untrusted", "incomplete: …", "failed: …"
	zip        []byte
}

// vectors makes them: a valid one, a draft, and one of each broken kind.
func vectors(t *testing.T) []vector {
	t.Helper()
	m := smallBag(t, Signed)
	b := m.zip(t)
	folder, at, files := unzipped(t, b)
	changed := func(forge func([]File) []File) []byte {
		return rezipped(t, folder, at, forge(slices.Clone(files)))
	}
	with := func(path, data string) func([]File) []File {
		return func(f []File) []File { set(f, path, data); return f }
	}
	without := func(path string) func([]File) []File {
		return func(f []File) []File { return slices.DeleteFunc(f, func(x File) bool { return x.Path == path }) }
	}
	raw := func(list []File) []byte { // in the order given
		var out bytes.Buffer
		if err := writeZip(&out, folder, at, list); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	foreign := smallBag(t, Signed)
	foreign.key = key(9)
	foreign.bag.Info.Signer = Fingerprint(public(foreign.key))
	set(foreign.bag.Tags, signersName, string(AllowedSigners(public(foreign.key))))
	unstamped := smallBag(t, Signed)
	unstamped.token = nil
	swapped := slices.Clone(files)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	proof := get(files, proofName)
	list := []vector{
		{"valid", "verified", b},
		{"draft", "failed: it is an unsigned draft", smallBag(t, Draft).zip(t)},
		{"foreign-key", "failed: it was signed by", foreign.zip(t)},
		{"payload-changed", "failed: data/incident.json has been changed", changed(with("data/incident.json", "{ }"))},
		{"payload-refit", "failed: tagmanifest-sha256.txt.sig: the signature does not fit", changed(func(f []File) []File { set(f, "data/incident.json", "{ }"); return refit(t, f) })},
		{"payload-added", "failed: data/new is not listed", changed(func(f []File) []File { return append(f, File{"data/new", nil}) })},
		{"payload-missing", "incomplete: manifest-sha256.txt lists data/raw/b.mrt", changed(without("data/raw/b.mrt"))},
		{"tag-changed", "failed: VERIFY.md has been changed", changed(with("VERIFY.md", "trust us\n"))},
		{"tag-unknown", "failed: extra.txt is no file of a bundle", changed(func(f []File) []File { return append(f, File{"extra.txt", nil}) })},
		{"signature-missing", "incomplete: tagmanifest-sha256.txt.sig", changed(without(signatureName))},
		{"signature-of-seals", "failed: tagmanifest-sha256.txt.sig: it is not the canonical", changed(with(signatureName, get(files, sealsSigName)))},
		{"signature-respelled", "failed: tagmanifest-sha256.txt.sig: it is not the canonical", changed(with(signatureName, strings.Replace(get(files, signatureName), "\n", "\n\n", 1)))},
		{"seal-missing", "incomplete: seals-sha256.txt lists tagmanifest-sha256.txt.tlog-proof", changed(without(proofName))},
		{"seal-changed", "failed: tagmanifest-sha256.txt.tsa.tsr has been changed", changed(with("tagmanifest-sha256.txt.tsa.tsr", "another\n"))},
		{"seal-added", "failed: tagmanifest-sha256.txt.other.tsr is not listed", changed(func(f []File) []File { return append(f, File{"tagmanifest-sha256.txt.other.tsr", nil}) })},
		{"stamp-to-come", "incomplete: the time stamp of tsa", unstamped.zip(t)},
		{"proof-of-another", "failed: tagmanifest-sha256.txt.tlog-proof has been changed", changed(with(proofName, strings.Replace(proof, "index 1", "index 0", 1)))},
		{"folder-renamed", "failed: the folder is called", rezipped(t, "incident-another-v1", at, files)},
		{"other-day", "failed: the zip's time is", rezipped(t, folder, at.AddDate(0, 0, 1), files)},
		{"zip-prefix", "failed: zip end record does not fit", append([]byte("#!/bin/sh\n"), b...)},
		{"zip-suffix", "failed: bundle does not end with a plain zip end record", append(bytes.Clone(b), "more"...)},
		{"zip-reordered", "failed: zip directory entry 5", raw(swapped)},
		{"zip-twice", "failed: zip directory entry 18", raw(append(slices.Clone(files), files[16]))},
		{"zip-traversal", "failed: zip directory entry 18", raw(append(slices.Clone(files), File{"zz/../../x", nil}))},
		{"zip-cut", "failed: bundle does not end with a plain zip end record", b[:len(b)/2]},
	}
	return list
}

// outcome is what a verifier says about a bundle.
func outcome(b []byte, trust Trust) string {
	switch r, err := verify(b, trust); {
	case err != nil && strings.HasPrefix(err.Error(), ErrIncomplete.Error()):
		return err.Error()
	case err != nil:
		return "failed: " + err.Error()
	case r.Trusted:
		return "verified"
	}
	return "untrusted"
}

// TestVectors makes the published vectors anew: they are what is in the repository, and each is judged as its line says.
func TestVectors(t *testing.T) {
	const dir = "testdata/vectors"
	trust := trusted(smallBag(t, Signed))
	var text strings.Builder
	fmt.Fprintf(&text, "# Each bundle with what a verifier says that trusts %s.\n# Time stamps are not looked at: the one in them is none.\n", trust.Keys[0])
	known := map[string]bool{"expect.txt": true}
	for _, v := range vectors(t) {
		says := outcome(v.zip, trust)
		if !strings.HasPrefix(says, v.says) {
			t.Errorf("%s: %q, want %q", v.name, says, v.says)
		}
		name := v.name + ".zip"
		known[name] = true
		fmt.Fprintf(&text, "%s\t%s\n", name, says)
		keep(t, filepath.Join(dir, name), v.zip)
	}
	keep(t, filepath.Join(dir, "expect.txt"), []byte(text.String()))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("%s/%s is no vector", dir, e.Name())
		}
	}
}

// keep compares a file with what it must hold, or writes it.
func keep(t *testing.T, name string, data []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, data) {
		t.Errorf("%s is not what is made now. If that is meant, the format's document changes too; then run the test with -update", name)
	}
}
