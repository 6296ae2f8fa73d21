// Command corewatch-verify checks an evidence bundle, without network and without the rest of corewatch: this file, package evidence and
// package evidence/tsa are all there is to read (docs/evidence-format.md).
package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/corewatch/corewatch/evidence"
	"github.com/corewatch/corewatch/evidence/tsa"
)

// Exit codes of the machine interface.
const (
	exitVerified   = 0
	exitFailed     = 1
	exitUsage      = 2
	exitIncomplete = 3
	exitUntrusted  = 4
)

const usage = `usage: corewatch-verify [--key FILE|FINGERPRINT]... [--checkpoint FILE] [--tsa-ca FILE] BUNDLE

Checks an evidence bundle without network. Nothing in a bundle can prove who made it:
get the publisher's key or its fingerprint from elsewhere and give it with --key.

  --key FILE|FINGERPRINT  a key you trust: a file of OpenSSH public keys, or SHA256:…
  --checkpoint FILE       a checkpoint of the publisher's log that you got elsewhere
  --tsa-ca FILE           CA certificates (PEM) of time stamp authorities you trust

Exit codes: 0 verified against a key you gave; 4 consistent, but you gave no key;
3 incomplete; 1 verification failed; 2 usage.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func run(args []string, out, errs io.Writer) int {
	var keys list
	flags := flag.NewFlagSet("corewatch-verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&keys, "key", "")
	checkpoint := flags.String("checkpoint", "", "")
	ca := flags.String("tsa-ca", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			return exitVerified
		}
		if err != nil {
			fmt.Fprintf(errs, "corewatch-verify: %v\n", err)
		}
		fmt.Fprint(errs, usage)
		return exitUsage
	}
	trust, roots, err := trusted(keys, *checkpoint, *ca)
	if err != nil {
		fmt.Fprintf(errs, "corewatch-verify: %v\n", err)
		return exitUsage
	}
	out = printable{out}
	report, err := check(flags.Arg(0), trust, roots, out)
	switch {
	case errors.Is(err, evidence.ErrIncomplete):
		fmt.Fprintf(out, "INCOMPLETE: %v\n", err)
		return exitIncomplete
	case err != nil:
		fmt.Fprintf(out, "FAILED: %v\n", err)
		return exitFailed
	case report.Trusted:
		fmt.Fprintf(out, "VERIFIED: nothing was changed since %s signed it with a key that you gave.\n", report.Info.Organization)
		return exitVerified
	case report.Info.Form == evidence.Draft:
		fmt.Fprintln(out, "CONSISTENT, NOT SIGNED: the files fit each other, but anybody can have made them.")
	default:
		fmt.Fprintf(out, "CONSISTENT: the files fit each other and the signature of %s. Whose key that is, the bundle cannot prove: compare it with what the publisher says elsewhere, and give it with --key.\n", report.Info.Signer)
	}
	return exitUntrusted
}

// printable lets nothing through that a terminal would act on: certificates and checkpoints hold anybody's text.
type printable struct{ w io.Writer }

func (p printable) Write(b []byte) (int, error) {
	text := strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, string(b))
	if _, err := io.WriteString(p.w, text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// fingerprint is a key's fingerprint as ssh-keygen prints it.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// maxGiven bounds the files that the reader gives.
const maxGiven = 1 << 20

// trusted reads what the reader gives.
func trusted(keys []string, checkpoint, ca string) (t evidence.Trust, roots *x509.CertPool, err error) {
	for _, k := range keys {
		if fingerprint.MatchString(k) {
			t.Keys = append(t.Keys, k)
			continue
		}
		text, err := read(k)
		if err != nil {
			return t, nil, fmt.Errorf("--key: %w (a fingerprint is SHA256: and 43 characters)", err)
		}
		prints, err := evidence.ParseKeys(text)
		if err != nil {
			return t, nil, fmt.Errorf("--key %s: %w", k, err)
		}
		t.Keys = append(t.Keys, prints...)
	}
	if checkpoint != "" {
		if t.Checkpoint, err = read(checkpoint); err != nil {
			return t, nil, fmt.Errorf("--checkpoint: %w", err)
		}
	}
	if ca != "" {
		text, err := read(ca)
		if err != nil {
			return t, nil, fmt.Errorf("--tsa-ca: %w", err)
		}
		if roots, err = tsa.Roots(text); err != nil {
			return t, nil, fmt.Errorf("--tsa-ca %s: %w", ca, err)
		}
	}
	return t, roots, nil
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxGiven+1))
	if err == nil && len(b) > maxGiven {
		err = fmt.Errorf("%s is larger than %d octets", name, maxGiven)
	}
	return b, err
}

// check verifies a bundle and prints what is proved, line by line.
func check(name string, trust evidence.Trust, roots *x509.CertPool, out io.Writer) (*evidence.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := evidence.Open(f, st.Size())
	if err != nil {
		return nil, err
	}
	r, err := b.Verify(trust)
	if r == nil {
		return nil, err
	}
	i := r.Info
	fmt.Fprintf(out, "bundle      %s\nabout       %s, %s, data: %s\nfiles       %d, none added, removed or changed; %d octets of payload\n", r.ID, i.Identifier, i.Status, i.Data, r.Files, r.Octets)
	if i.Supersedes != "" {
		fmt.Fprintf(out, "supersedes  %s\n", i.Supersedes)
	}
	if i.Status == evidence.Retracted {
		fmt.Fprintln(out, "RETRACTED   the publisher has withdrawn what it said about this")
	}
	if i.Form == evidence.Signed {
		fmt.Fprintf(out, "publisher   %s, %s (by its own word)\nsigned by   %s\n", i.Organization, i.Contact, i.Signer)
	}
	if r.Log != nil {
		fmt.Fprintf(out, "logged      in %s, by a checkpoint of %d entries; its key is the bundle's own\n", r.Log.Origin, r.Log.Tree.N)
	}
	stamped, terr := stamps(r, roots, out)
	switch {
	case terr != nil:
		return r, terr
	case err == nil && roots != nil && !stamped:
		err = fmt.Errorf("%w: it holds no time stamp that --tsa-ca could be held against", evidence.ErrIncomplete)
	}
	return r, err
}

// stamps checks every time stamp. With CA certificates, one that leads to them must be there, and none may be broken.
func stamps(r *evidence.Report, roots *x509.CertPool, out io.Writer) (trusted bool, err error) {
	var untrusted error
	for _, f := range r.Tokens {
		t, err := tsa.Verify(f.Data, r.TagManifest, nil)
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.Path, err)
		}
		word := "no CA of yours was given to check that"
		if roots != nil {
			if t, err = tsa.Verify(f.Data, r.TagManifest, roots); err != nil {
				untrusted = fmt.Errorf("%s: %w", f.Path, err)
				word = "leads to no CA that you gave"
			} else {
				trusted, word = true, "leads to a CA that you gave"
			}
		}
		fmt.Fprintf(out, "existed at  %s, says %s (%s)\n", t.Time.Format("2006-01-02T15:04:05Z"), t.Authority, word)
	}
	if trusted {
		return true, nil
	}
	return false, untrusted
}
