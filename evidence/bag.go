package evidence

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The files of a bundle that its form demands.
const (
	bagitName       = "bagit.txt"
	infoName        = "bag-info.txt"
	manifestName    = "manifest-sha256.txt"
	tagManifestName = "tagmanifest-sha256.txt"
	signatureName   = tagManifestName + ".sig"
	proofName       = tagManifestName + ".tlog-proof"
	sealsName       = "seals-sha256.txt"
	sealsSigName    = "seals-sha256.txt.sig"
	signersName     = "keys/allowed_signers"
	logKeyName      = "keys/log.vkey"
	tsaCAName       = "keys/tsa-ca.pem"
	payload         = "data/"
)

// tokenForm is the name of a time stamp: the authority's name, and the day when it came later than the version was frozen.
var tokenForm = regexp.MustCompile(`^tagmanifest-sha256\.txt\.([a-z0-9-]{1,32})(\.[0-9]{8})?\.tsr$`)

// Bag is what a bundle is made of. Fix computes the rest.
type Bag struct {
	Info    Info   // Octets and Files are filled in
	Payload []File // paths below data/
	Tags    []File // VERIFY.md, verify.sh, verify.py, keys/…
}

// Fixed is a bag whose octets are settled; only seals may be added.
type Fixed struct {
	folder      string
	at          time.Time
	files       []File
	tagManifest []byte
}

// Fix makes bagit.txt, bag-info.txt and both manifests.
func (b Bag) Fix() (*Fixed, error) {
	info := b.Info
	info.Octets, info.Files = 0, len(b.Payload)
	for _, f := range b.Payload {
		if !strings.HasPrefix(f.Path, payload) {
			return nil, fmt.Errorf("%s is not below data/", f.Path)
		}
		info.Octets += int64(len(f.Data))
	}
	text, err := info.appendText(nil)
	if err != nil {
		return nil, err
	}
	list, err := listing(b.Payload)
	if err != nil {
		return nil, err
	}
	tags := append(slices.Clone(b.Tags), File{bagitName, []byte(bagitText)}, File{infoName, text}, File{manifestName, list})
	for _, f := range tags {
		if strings.HasPrefix(f.Path, payload) || isSeal(f.Path) || !knownTag(f.Path) {
			return nil, fmt.Errorf("%s is no tag file", f.Path)
		}
	}
	tagList, err := listing(tags)
	if err != nil {
		return nil, err
	}
	files := append(append(slices.Clone(b.Payload), tags...), File{tagManifestName, tagList})
	folder := FolderOf(info)
	for _, f := range files {
		if err := CheckPath(folder + "/" + f.Path); err != nil {
			return nil, err
		}
	}
	return &Fixed{folder, midnight(info.Date), files, tagList}, nil
}

func listing(files []File) ([]byte, error) {
	m, err := NewManifest(files)
	if err != nil {
		return nil, err
	}
	return m.AppendText(nil)
}

// midnight is the beginning of a day, UTC: the one time that a bundle's files carry.
func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// knownTag reports whether a path outside data/ is one that the format knows.
func knownTag(path string) bool {
	switch path {
	case bagitName, infoName, manifestName, tagManifestName, signersName, logKeyName, tsaCAName, "VERIFY.md", "verify.sh", "verify.py":
		return true
	}
	return isSeal(path)
}

// isSeal reports whether a path is outside the tagmanifest: made after it, about it.
func isSeal(path string) bool { return isListedSeal(path) || path == sealsName || path == sealsSigName }

func isListedSeal(path string) bool {
	return path == signatureName || path == proofName || tokenForm.MatchString(path)
}

// TagManifest is what is signed, time-stamped and logged.
func (f *Fixed) TagManifest() []byte { return f.tagManifest }

// ID names the bundle: urn:sha256 and the SHA-256 of the tagmanifest.
func (f *Fixed) ID() string { return bundleID(f.tagManifest) }

// Files is how many files there are, seals aside.
func (f *Fixed) Files() int { return len(f.files) }

// Size is how many octets the files have together.
func (f *Fixed) Size() (n int64) {
	for _, x := range f.files {
		n += int64(len(x.Data))
	}
	return n
}

func bundleID(tagManifest []byte) string {
	sum := sha256.Sum256(tagManifest)
	return "urn:sha256:" + hex.EncodeToString(sum[:])
}

// Write writes the zip of an unsigned draft.
func (f *Fixed) Write(w io.Writer) error { return f.write(w, nil) }

// SealName is the path of a time stamp by the named authority; later is the day it came when that was after the freezing, else zero.
func SealName(authority string, later time.Time) string {
	day := ""
	if !later.IsZero() {
		day = later.UTC().Format(".20060102")
	}
	return tagManifestName + "." + authority + day + ".tsr"
}

// ProofName is the path of the proof that the bundle stands in a log.
const ProofName = proofName

// WriteSigned signs the tagmanifest, lists and signs the seals, and writes the zip. seals are time stamps and a log proof made over
// TagManifest; signature is nil, or the one made at freezing.
func (f *Fixed) WriteSigned(w io.Writer, key crypto.Signer, signature []byte, seals []File) error {
	var err error
	if signature == nil {
		if signature, err = SignSSH(key, Namespace, f.tagManifest); err != nil {
			return fmt.Errorf("signing the bundle: %w", err)
		}
	}
	seals = append(slices.Clone(seals), File{signatureName, signature})
	for _, x := range seals {
		if !isListedSeal(x.Path) {
			return fmt.Errorf("%s is no seal", x.Path)
		}
	}
	list, err := listing(seals)
	if err != nil {
		return err
	}
	over, err := SignSSH(key, SealsNamespace, list)
	if err != nil {
		return fmt.Errorf("signing the seals: %w", err)
	}
	return f.write(w, append(seals, File{sealsName, list}, File{sealsSigName, over}))
}

func (f *Fixed) write(w io.Writer, seals []File) error {
	all := append(slices.Clone(f.files), seals...)
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	if len(all) > MaxFiles {
		return fmt.Errorf("the bundle would hold %d files, more than %d", len(all), MaxFiles)
	}
	return writeZip(w, f.folder, f.at, all)
}

// Thaw reads a signed bundle back, so that seals which came later can be added to it: the settled part, the signature made at
// freezing, and the other seals. The whole is held in memory, so limit bounds its octets. It checks nothing: Verify first.
func (b *Bundle) Thaw(limit int64) (f *Fixed, signature []byte, seals []File, err error) {
	f = &Fixed{folder: b.folder, at: b.at.time()}
	for _, m := range b.members {
		if limit -= int64(m.size); limit < 0 {
			return nil, nil, nil, fmt.Errorf("the bundle is too large to be sealed again")
		}
		data, err := b.Read(m.path, int64(m.size))
		if err != nil {
			return nil, nil, nil, err
		}
		switch {
		case m.path == sealsName || m.path == sealsSigName:
		case m.path == signatureName:
			signature = data
		case isSeal(m.path):
			seals = append(seals, File{m.path, data})
		default:
			if m.path == tagManifestName {
				f.tagManifest = data
			}
			f.files = append(f.files, File{m.path, data})
		}
	}
	return f, signature, seals, nil
}
