package export

import (
	"crypto/ed25519"
	_ "embed" // the texts of VERIFY.md, verify.sh and verify.py
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
)

// Operator is who publishes.
type Operator struct {
	Name    string // required
	Contact string // how it is reached; required
	Licence string // under which terms it gives bundles away: an SPDX identifier, or words; required
	Policy  string // address of its rules for corrections
	URL     string // address of its pages
}

// Edition is what makes an export a frozen version: it is signed, and never made again.
type Edition struct {
	Version    int // from 1
	At         time.Time
	Supersedes string // bundle id of the version before; empty for the first
	Operator   Operator
	Key        ed25519.PublicKey // that will sign
	TimeStamps []string          // names of the authorities asked, ascending
	TSACA      []byte            // their CA certificates, PEM; nil: none
	LogOrigin  string            // of the transparency log; empty: none
	LogKey     string            // its verifier key
}

// ErrNotSigned is wrapped when an incident cannot be frozen at all.
var ErrNotSigned = errors.New("it cannot be signed")

// mayBeSigned refuses to freeze what nobody measured, and what nobody answers for.
func (b *builder) mayBeSigned() error {
	e := b.edition
	switch {
	case e == nil:
		return nil
	case mark(b.inc.Data) != "":
		return fmt.Errorf("%w: its data are %q, which nobody measured", ErrNotSigned, cell(string(b.inc.Data)))
	case e.Operator.Name == "" || e.Operator.Contact == "" || e.Operator.Licence == "":
		return fmt.Errorf("%w: nobody answers for it; name, contact and licence belong into the operator block of the configuration", ErrNotSigned)
	case len(e.Key) != ed25519.PublicKeySize || e.Version < 1:
		return fmt.Errorf("%w: there is no key, or no version number", ErrNotSigned)
	}
	return nil
}

// info is bag-info.txt.
func (b *builder) info() evidence.Info {
	i := evidence.Info{
		Identifier: fmt.Sprintf("%s/r%d", b.inc.ID, b.inc.Revision), Date: lastChange(b.inc).Time, Software: b.software,
		Form: evidence.Draft, Data: cell(string(b.inc.Data)), Status: evidence.Current,
	}
	if b.inc.State == detect.Retracted {
		i.Status = evidence.Retracted
	}
	if e := b.edition; e != nil {
		i.Identifier, i.Date, i.Form = fmt.Sprintf("%s/v%d", b.inc.ID, e.Version), e.At, evidence.Signed
		i.Organization, i.Contact, i.Supersedes = cell(e.Operator.Name), cell(e.Operator.Contact), e.Supersedes
		i.Signer, i.TimeStamps, i.Log = evidence.Fingerprint(e.Key), e.TimeStamps, e.LogOrigin
	}
	return i
}

//go:embed texts/verify.md.tmpl
var verifyText string

//go:embed texts/verify.sh.txt
var verifyShell []byte

//go:embed texts/verify.py.txt
var verifyPython []byte

var verifyTemplate = template.Must(template.New("VERIFY.md").Parse(verifyText))

// tags are the tag files that a bag does not make by itself.
func (b *builder) tags(info evidence.Info) ([]evidence.File, error) {
	url := ""
	if b.edition != nil {
		url = cell(b.edition.Operator.URL)
	}
	var text strings.Builder
	err := verifyTemplate.Execute(&text, map[string]any{
		"Mark": mark(b.inc.Data), "Info": info, "Signed": b.edition != nil, "Folder": evidence.FolderOf(info), "Raw": rawPath(b.inc.Data), "URL": url,
		"Data": cell(string(b.inc.Data)), "Namespace": evidence.Namespace, "SealsNamespace": evidence.SealsNamespace,
	})
	if err != nil {
		return nil, fmt.Errorf("VERIFY.md: %w", err)
	}
	tags := []evidence.File{{Path: "VERIFY.md", Data: []byte(text.String())}, {Path: "verify.sh", Data: verifyShell}, {Path: "verify.py", Data: verifyPython}}
	if e := b.edition; e != nil {
		tags = append(tags, evidence.File{Path: "keys/allowed_signers", Data: evidence.AllowedSigners(e.Key)})
		if e.LogKey != "" {
			tags = append(tags, evidence.File{Path: "keys/log.vkey", Data: []byte(strings.TrimSpace(e.LogKey) + "\n")})
		}
		if e.TSACA != nil {
			tags = append(tags, evidence.File{Path: "keys/tsa-ca.pem", Data: e.TSACA})
		}
	}
	return tags, nil
}
