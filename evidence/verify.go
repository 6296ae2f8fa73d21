package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrIncomplete is wrapped by errors about something that a bundle lists or announces and does not hold.
var ErrIncomplete = errors.New("incomplete")

// missing is an error about what is not there.
func missing(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrIncomplete, fmt.Sprintf(format, args...))
}

// Trust is what the reader brings: nothing in a bundle can take its place.
type Trust struct {
	Keys       []string // fingerprints of signers; empty: none is trusted
	Checkpoint []byte   // a signed checkpoint of the log, got elsewhere; nil: none
}

// Report is what a bundle that was verified says, and how far it was proved.
type Report struct {
	ID          string // urn:sha256:…
	Info        Info
	Files       int    // in the zip
	Octets      int64  // in the payload
	Trusted     bool   // signed by one of Trust.Keys
	TagManifest []byte // what time stamps are over
	Tokens      []File // the time stamps: checked by evidence/tsa, named by TokenOf
	Log         *Checkpoint
}

// maxManifest bounds a manifest in memory.
const maxManifest = MaxFiles * (64 + 2 + MaxPath + 1)

// maxSeal bounds a time stamp, maxStamps how many there are.
const (
	maxSeal   = 1 << 17
	maxStamps = 64
)

// Verify checks every octet of a bundle: the files against the manifests, the manifests against the signature, the seals against
// their signed list, the log's proof. It needs no network. An error is a sentence that says what is wrong; one that wraps
// ErrIncomplete says what is not there, and comes with a report when all that is there was checked. Time stamps are returned for
// evidence/tsa to check.
//
// The order matters: nothing is read as more than octets before the digest that covers it was compared.
func (b *Bundle) Verify(trust Trust) (*Report, error) {
	tags, err := b.tags()
	if err != nil {
		return nil, err
	}
	if string(tags[bagitName]) != bagitText {
		return nil, errors.New("bagit.txt is not that of BagIt 1.0")
	}
	info, err := parseInfo(tags[infoName])
	if err != nil {
		return nil, err
	}
	r := &Report{ID: bundleID(tags[tagManifestName]), Info: info, Files: len(b.members), TagManifest: tags[tagManifestName]}
	if want := FolderOf(info); b.folder != want {
		return nil, fmt.Errorf("the folder is called %s, of %s it is %s", b.folder, info.Identifier, want)
	}
	if b.at != stampOf(midnight(info.Date)) {
		return nil, fmt.Errorf("the zip's time is %s, bag-info.txt says %s", b.Time().Format(time.RFC3339), info.Date.Format(time.DateOnly))
	}
	// The signature is checked before the payload is read: most of what a forger would do ends here.
	lacking := b.seals(r, tags, trust)
	if lacking != nil && !errors.Is(lacking, ErrIncomplete) {
		return nil, lacking
	}
	files, octets, err := b.listed(tags[manifestName], manifestName, func(p string) bool { return strings.HasPrefix(p, payload) })
	if err != nil {
		return nil, err
	}
	if info.Octets != octets || info.Files != files {
		return nil, fmt.Errorf("bag-info.txt says %d octets in %d files below data/, there are %d in %d", info.Octets, info.Files, octets, files)
	}
	r.Octets = octets
	return r, lacking
}

// FolderOf is the name of the folder, and so the stem of file names, of a bundle.
func FolderOf(i Info) string {
	id, version, _ := strings.Cut(i.Identifier, "/")
	if i.Form == Signed {
		return "incident-" + id + "-" + version
	}
	return "incident-" + id + "-" + version + "-draft"
}

// tags reads the tagmanifest and all tag files, after comparing their digests with it.
func (b *Bundle) tags() (map[string][]byte, error) {
	text, err := b.Read(tagManifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	for _, m := range b.members {
		if !strings.HasPrefix(m.path, payload) && !knownTag(m.path) {
			return nil, fmt.Errorf("%s is no file of a bundle", m.path)
		}
	}
	covered := func(p string) bool {
		return !strings.HasPrefix(p, payload) && p != tagManifestName && !isSeal(p)
	}
	if _, _, err := b.listed(text, tagManifestName, covered); err != nil {
		return nil, err
	}
	tags := map[string][]byte{tagManifestName: text}
	for _, m := range b.members {
		if covered(m.path) {
			if tags[m.path], err = b.Read(m.path, maxManifest); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range []string{bagitName, infoName, manifestName, "VERIFY.md", "verify.sh", "verify.py"} {
		if _, ok := tags[name]; !ok {
			return nil, missing("%s is not there, and no manifest lists it", name)
		}
	}
	return tags, nil
}

// listed compares the files that covered picks with a manifest: the same files, each with its digest. It returns how many files and
// octets they are.
func (b *Bundle) listed(text []byte, name string, covered func(path string) bool) (files int, octets int64, err error) {
	list, err := ParseManifest(text)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	at := 0
	for _, m := range b.members {
		if !covered(m.path) {
			continue
		}
		if at < len(list) && list[at].Path < m.path {
			return 0, 0, missing("%s lists %s, which is not there", name, list[at].Path)
		}
		if at == len(list) || list[at].Path != m.path {
			return 0, 0, fmt.Errorf("%s is not listed in %s: it was added or renamed", m.path, name)
		}
		sum, err := b.digest(m)
		if err != nil {
			return 0, 0, err
		}
		if sum != list[at].SHA256 {
			return 0, 0, fmt.Errorf("%s has been changed: its SHA-256 is %x, %s says %x", m.path, sum, name, list[at].SHA256)
		}
		at++
		octets += int64(m.size)
	}
	if at < len(list) {
		return 0, 0, missing("%s lists %s, which is not there", name, list[at].Path)
	}
	return at, octets, nil
}

// seals checks the signature, the list of seals with its own signature, and the log's proof.
func (b *Bundle) seals(r *Report, tags map[string][]byte, trust Trust) error {
	if r.Info.Form == Draft {
		for _, m := range b.members {
			if isSeal(m.path) || strings.HasPrefix(m.path, "keys/") {
				return fmt.Errorf("it is an unsigned draft, and holds %s", m.path)
			}
		}
		if len(trust.Keys) > 0 {
			return errors.New("it is an unsigned draft: no key signed it")
		}
		return b.logged(r, "", trust.Checkpoint)
	}
	signature, err := b.Read(signatureName, maxSSHSIG)
	if err != nil {
		return err
	}
	key, err := VerifySSH(signature, Namespace, r.TagManifest)
	if err != nil {
		return fmt.Errorf("%s: %w", signatureName, err)
	}
	if signer := Fingerprint(key); signer != r.Info.Signer || !bytes.Equal(tags[signersName], AllowedSigners(key)) {
		return fmt.Errorf("it was signed by %s, and names another signer in bag-info.txt or %s", signer, signersName)
	}
	if r.Trusted = slices.Contains(trust.Keys, r.Info.Signer); !r.Trusted && len(trust.Keys) > 0 {
		return fmt.Errorf("it was signed by %s, which is none of the keys you gave", r.Info.Signer)
	}
	list, err := b.Read(sealsName, maxManifest)
	if err != nil {
		return err
	}
	over, err := b.Read(sealsSigName, maxSSHSIG)
	if err != nil {
		return err
	}
	if by, err := VerifySSH(over, SealsNamespace, list); err != nil {
		return fmt.Errorf("%s: %w", sealsSigName, err)
	} else if !by.Equal(key) {
		return fmt.Errorf("%s was made by %s, the bundle was signed by %s", sealsSigName, Fingerprint(by), r.Info.Signer)
	}
	if _, _, err := b.listed(list, sealsName, isListedSeal); err != nil {
		return err
	}
	stamps, logged := b.stamps(r), b.logged(r, string(tags[logKeyName]), trust.Checkpoint)
	for _, err := range []error{stamps, logged} {
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return err
		}
	}
	return errors.Join(stamps, logged)
}

// stamps collects the time stamps and compares them with what is announced.
func (b *Bundle) stamps(r *Report) error {
	var got []string
	for _, m := range b.members {
		name := TokenOf(m.path)
		if name == "" {
			continue
		}
		if !slices.Contains(r.Info.TimeStamps, name) {
			return fmt.Errorf("%s is of an authority that bag-info.txt does not announce", m.path)
		}
		if len(got) == maxStamps {
			return fmt.Errorf("it holds more than %d time stamps", maxStamps)
		}
		data, err := b.Read(m.path, maxSeal)
		if err != nil {
			return err
		}
		r.Tokens, got = append(r.Tokens, File{m.path, data}), append(got, name)
	}
	for _, name := range r.Info.TimeStamps {
		if !slices.Contains(got, name) {
			return missing("the time stamp of %s is announced and not there: ask the publisher for a later copy", name)
		}
	}
	return nil
}

// TokenOf is the name of the authority of a time stamp's file; empty for other files.
func TokenOf(path string) string {
	if m := tokenForm.FindStringSubmatch(path); m != nil {
		return m[1]
	}
	return ""
}

// logged checks the log's proof, and the checkpoint that the reader brought against the one it rests on.
func (b *Bundle) logged(r *Report, vkey string, brought []byte) error {
	_, _, proved := b.File(proofName)
	switch {
	case r.Info.Log == "" && (proved || vkey != ""):
		return fmt.Errorf("it holds %s or %s, and bag-info.txt announces no log", proofName, logKeyName)
	case r.Info.Log == "" && brought != nil:
		return missing("it stands in no log, so your checkpoint says nothing about it")
	case r.Info.Log == "":
		return nil
	case vkey == "":
		return missing("%s is not there", logKeyName)
	}
	text, err := b.Read(proofName, maxProof)
	if err != nil {
		return err
	}
	c, err := VerifyProof(text, vkey, LogEntry(r.Info, r.TagManifest))
	if err != nil {
		return fmt.Errorf("%s: %w", proofName, err)
	}
	if c.Origin != r.Info.Log {
		return fmt.Errorf("%s is of the log %s, bag-info.txt announces %s", proofName, c.Origin, r.Info.Log)
	}
	r.Log = &c
	if brought == nil {
		return nil
	}
	mine, err := OpenCheckpoint(brought, vkey)
	switch {
	case err != nil:
		return fmt.Errorf("your checkpoint: %w", err)
	case mine.Tree.N == c.Tree.N && mine.Tree.Hash != c.Tree.Hash:
		return fmt.Errorf("the log told you another story: your checkpoint and the bundle's are both of %d entries, and differ", c.Tree.N)
	case mine.Tree.N != c.Tree.N:
		return missing("your checkpoint is of %d entries, the bundle's of %d: ask the log for a proof that the one continues the other", mine.Tree.N, c.Tree.N)
	}
	return nil
}
