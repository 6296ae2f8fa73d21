package app

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/evidence"
	"github.com/corewatch/corewatch/evidence/export"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/evidence/tsa"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Publish freezes an incident: a version of its evidence that is signed, time-stamped, logged, kept, and never made again. Freezing a
// revision that is frozen already makes no new version; it asks for the seals that are still to come.
type Publish struct {
	Config string // configuration file: who publishes, and whom to ask for time stamps
	Store  string
	ID     string
	Now    func() time.Time // nil: the machine's clock
	Log    zerolog.Logger
}

// Published is a frozen version.
type Published struct {
	Version  int
	Revision int
	BundleID string
	Signer   string
	New      bool  // it was made now
	Lacks    error // what is still to come; nil: nothing
}

// handOverWait is how long a running monitor is waited for to write a version into its ledger.
const handOverWait = 15 * time.Second

// errNobody says that nobody answers for what would be signed.
var errNobody = errors.New("nothing is signed before the configuration has an operator block with name, contact and licence (docs/configuration.md)")

// Run freezes, or completes, a version.
func (p Publish) Run(ctx context.Context) (Published, error) {
	if p.Now == nil {
		p.Now = time.Now
	}
	c, err := conf.Load(p.Config)
	if err != nil {
		return Published{}, err
	}
	if c.Operator.Name == "" {
		return Published{}, errNobody
	}
	s, err := sqlite.OpenReadOnly(ctx, p.Store)
	if err != nil {
		return Published{}, err
	}
	defer s.Close()
	set, err := keys.Load(keysIn(c.Ledger, p.Store), keys.Bundle, p.Now())
	if err != nil {
		return Published{}, err
	}
	f := &freezer{Publish: p, conf: c, store: s, keys: set, editions: editionsOf(p.Store)}
	version, isNew, err := f.freeze(ctx)
	if err != nil {
		return Published{}, err
	}
	out, err := f.complete(ctx, version)
	out.New = isNew
	return out, err
}

// freezer is one run of Publish.
type freezer struct {
	Publish
	conf     conf.Config
	store    *sqlite.Store
	keys     *keys.Set
	editions editions
}

// freeze makes a new version with nothing but its signatures, unless the incident's last revision is frozen already.
func (f *freezer) freeze(ctx context.Context) (version int, isNew bool, err error) {
	inc, err := f.store.Incident(ctx, f.ID)
	if err != nil {
		return 0, false, err
	}
	o := f.conf.Operator
	e := &export.Edition{
		Version: 1, At: f.Now().UTC().Truncate(time.Second),
		Operator: export.Operator{Name: o.Name, Contact: o.Contact, Licence: o.Licence, Policy: o.Policy, URL: o.URL},
	}
	before, err := f.editions.newest(f.ID, 0)
	if err != nil {
		return 0, false, err
	}
	if before != nil {
		defer before.Close()
		list, err := f.editions.versions(f.ID)
		if err != nil {
			return 0, false, err
		}
		if before.incident.Revision == inc.Revision {
			return lastOf(list), false, nil
		}
		e.Version, e.Supersedes = lastOf(list)+1, before.report.ID
	}
	public, key := f.keys.Current()
	e.Key = public.Key
	for _, s := range o.TimeStamps {
		e.TimeStamps = append(e.TimeStamps, s.Name)
		if s.CA != "" {
			text, err := os.ReadFile(s.CA)
			if err != nil {
				return 0, false, fmt.Errorf("time stamps of %s: %w", s.Name, err)
			}
			e.TSACA = append(e.TSACA, text...)
		}
	}
	slices.Sort(e.TimeStamps)
	if err := f.log(e); err != nil {
		return 0, false, err
	}
	built, _, err := export.Build(ctx, f.store, f.ID, export.Options{Software: Software(), Configuration: decided(ctx, f.store, inc, f.conf), Edition: e})
	if err != nil {
		return 0, false, err
	}
	return e.Version, true, f.editions.keep(f.ID, e.Version, false, func(w io.Writer) error { return built.WriteSigned(w, key, nil, nil) })
}

// log names the ledger of this store in the edition, when there is one.
func (f *freezer) log(e *export.Edition) error {
	origin := ledger.Origin(filepath.Join(f.Store, ledgerFolder))
	if origin == "" {
		return nil
	}
	set, err := keys.Read(keysIn(f.conf.Ledger, f.Store), keys.Ledger)
	if err != nil {
		return fmt.Errorf("the key of the ledger: %w", err)
	}
	public, _ := set.Current()
	vkey, err := keys.NoteVerifier(origin, public.Key)
	if err != nil {
		return err
	}
	e.LogOrigin, e.LogKey = origin, vkey
	return nil
}

// complete adds the seals that a version announces and lacks. What cannot be had now is not an error: it is said, and asked for again.
func (f *freezer) complete(ctx context.Context, version int) (out Published, err error) {
	have, err := f.editions.open(f.ID, version)
	if err != nil {
		return out, err
	}
	defer have.Close()
	out = Published{Version: version, Revision: have.incident.Revision, BundleID: have.report.ID, Signer: have.report.Info.Signer, Lacks: have.lacks}
	if have.lacks == nil {
		return out, nil
	}
	fixed, signature, seals, err := have.bundle.Thaw(1 << 32)
	if err != nil {
		return out, err
	}
	n := len(seals)
	for _, name := range have.report.Info.TimeStamps {
		if slices.ContainsFunc(seals, func(s evidence.File) bool { return evidence.TokenOf(s.Path) == name }) {
			continue
		}
		token, err := f.stamp(ctx, name, fixed.TagManifest())
		if err != nil {
			f.Log.Warn().Err(err).Str("authority", name).Msg("the time stamp is still to come: freeze again to ask for it")
			continue
		}
		later := f.Now().UTC()
		if later.Format(time.DateOnly) == have.report.Info.Date.UTC().Format(time.DateOnly) {
			later = time.Time{}
		}
		seals = append(seals, evidence.File{Path: evidence.SealName(name, later), Data: token})
	}
	if have.report.Info.Log != "" && have.report.Log == nil {
		proof, err := f.prove(ctx, have.report)
		if err != nil {
			f.Log.Warn().Err(err).Msg("the log's proof is still to come: freeze again to ask for it")
		} else {
			seals = append(seals, evidence.File{Path: evidence.ProofName, Data: proof})
		}
	}
	if len(seals) == n {
		return out, nil
	}
	key, err := f.keyOf(out.Signer)
	if err != nil {
		return out, err
	}
	if err := f.editions.keep(f.ID, version, true, func(w io.Writer) error { return fixed.WriteSigned(w, key, signature, seals) }); err != nil {
		return out, err
	}
	now, err := f.editions.open(f.ID, version)
	if err != nil {
		return out, err
	}
	defer now.Close()
	out.Lacks = now.lacks
	return out, nil
}

// keyOf finds the key that signed a version, which must sign its seals too.
func (f *freezer) keyOf(fingerprint string) (crypto.Signer, error) {
	for _, k := range f.keys.Active(f.Now()) {
		if public, ok := k.Public().(ed25519.PublicKey); ok && evidence.Fingerprint(public) == fingerprint {
			return k, nil
		}
	}
	return nil, fmt.Errorf("the version was signed by %s, which signs no more: nothing can be added to it", fingerprint)
}

// stamp asks an authority for a time stamp, and checks what it answers.
func (f *freezer) stamp(ctx context.Context, name string, message []byte) ([]byte, error) {
	i := slices.IndexFunc(f.conf.Operator.TimeStamps, func(s conf.TimeStamp) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s is no longer in operator.time_stamps", name)
	}
	s := f.conf.Operator.TimeStamps[i]
	var roots *x509.CertPool
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, err
		}
		if roots, err = tsa.Roots(text); err != nil {
			return nil, fmt.Errorf("%s: %w", s.CA, err)
		}
	}
	return askTSA(ctx, s.URL, message, roots)
}

// prove finds the bundle in the ledger, or writes it there, and returns the proof. A running monitor writes it for us.
func (f *freezer) prove(ctx context.Context, r *evidence.Report) ([]byte, error) {
	dir, where := filepath.Join(f.Store, ledgerFolder), keysIn(f.conf.Ledger, f.Store)
	version := 0
	if _, err := fmt.Sscanf(r.Info.Identifier[strings.LastIndexByte(r.Info.Identifier, '/'):], "/v%d", &version); err != nil {
		return nil, fmt.Errorf("%s is no version: %w", r.Info.Identifier, err)
	}
	rec := ledger.Record{Kind: ledger.Bundle, At: r.Info.Date.UTC(), Name: f.ID, Number: uint64(version), SHA256: sha256.Sum256(r.TagManifest)}
	leaf, err := rec.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(leaf, evidence.LogEntry(r.Info, r.TagManifest)) {
		return nil, fmt.Errorf("the ledger writes version %d in another way than bundles are checked", version)
	}
	set, err := keys.Read(where, keys.Ledger)
	if err != nil {
		return nil, err
	}
	known, err := set.NoteVerifiers(r.Info.Log)
	if err != nil {
		return nil, err
	}
	reader, err := ledger.Read(dir, known)
	if err != nil {
		return nil, err
	}
	at, found, err := find(reader, leaf)
	if err != nil {
		return nil, err
	}
	if found {
		return reader.Proof(at)
	}
	l, err := ledger.Open(ctx, dir, ledger.Options{Keys: where, Warn: func(line string) { f.Log.Warn().Msg(line) }})
	var used *ledger.InUseError
	if errors.As(err, &used) { // a monitor is running
		ctx, cancel := context.WithTimeout(ctx, handOverWait)
		defer cancel()
		return ledger.HandOver(ctx, dir, rec, known)
	} else if err != nil {
		return nil, err
	}
	defer l.Close()
	if at, err = l.Append(ctx, rec); err != nil {
		return nil, err
	}
	if _, err := l.Publish(ctx); err != nil {
		return nil, err
	}
	return l.Reader().Proof(at)
}

// find looks for a leaf: the very octets, not what they say.
func find(r *ledger.Reader, leaf []byte) (at int64, found bool, err error) {
	err = r.Walk(func(i int64, rec ledger.Record, bad error) error {
		if bad != nil || found || rec.Kind != ledger.Bundle {
			return nil
		}
		text, err := rec.Encode()
		if err == nil && bytes.Equal(text, leaf) {
			at, found = i, true
		}
		return err
	})
	return at, found, err
}
