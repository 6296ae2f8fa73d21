package reference

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Vintage says what a reference folder holds after an update.
type Vintage struct {
	Day    string // oldest of the files, YYYY-MM-DD
	SHA256 string // of all files together: see Digest
	Files  []File // all registry files now in use, ascending by registry
}

// Update puts registry statistics into dir, which is made if need be. from is a file, a folder (its delegated files are taken), an
// https address, or several of these separated by commas. Everything is read and checked before anything is changed; then the
// files are written, synced, and take effect at once with the manifest. A registry's earlier file is replaced, other
// registries' stay. progress may be nil; it gets one sentence a step.
//
// http is refused except from a loopback address; an address that leads to a private network is refused, also by redirect.
// Two updates of the same folder must not run at the same time.
func Update(ctx context.Context, dir, from string, progress func(string)) (Vintage, error) {
	say := func(format string, args ...any) {
		if progress != nil {
			progress(fmt.Sprintf(format, args...))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Vintage{}, fmt.Errorf("make reference folder: %w", err)
	}
	old, err := readManifest(dir)
	if err != nil {
		say("%v; starting a new one", err) // what is there cannot be trusted, and this is how to replace it
		old = &manifest{Format: manifestFormat}
	}
	inputs, err := gather(ctx, from, say)
	if err != nil {
		return Vintage{}, fmt.Errorf("update reference tables: %w", err)
	}
	added, err := check(inputs, say)
	if err != nil {
		return Vintage{}, fmt.Errorf("update reference tables: %w", err)
	}
	m := merge(old, added)
	for _, a := range added {
		if err := writeFile(dir, a.Name, a.raw); err != nil {
			return Vintage{}, fmt.Errorf("write %s: %w", a.Name, err)
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Vintage{}, fmt.Errorf("write %s: %w", manifestName, err)
	}
	if err := writeFile(dir, manifestName, append(text, '\n')); err != nil {
		return Vintage{}, fmt.Errorf("write %s: %w", manifestName, err)
	}
	for _, f := range old.Files {
		if m.find(f.Name) == nil {
			if err := os.Remove(filepath.Join(dir, f.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				say("%s is replaced but could not be removed: %v", f.Name, err)
			}
		}
	}
	return vintage(m), nil
}

// input is bytes as received and where from.
type input struct {
	source string
	raw    []byte
}

// gather reads all parts of from.
func gather(ctx context.Context, from string, say func(string, ...any)) ([]input, error) {
	parts := strings.Split(from, ",")
	if _, err := os.Stat(from); err == nil {
		parts = []string{from}
	}
	if len(parts) > maxFiles {
		return nil, fmt.Errorf("more than %d sources", maxFiles)
	}
	var out []input
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := gatherOne(ctx, part, say)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

func gatherOne(ctx context.Context, from string, say func(string, ...any)) ([]input, error) {
	if strings.Contains(from, "://") {
		in, err := fetch(ctx, from, say)
		return []input{in}, err
	}
	st, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		raw, err := readFile(from)
		return []input{{filepath.Base(from), raw}}, err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("%s: more than %d files", from, maxFiles)
	}
	var out []input
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		raw, err := readFile(filepath.Join(from, e.Name()))
		if err != nil {
			return nil, err
		}
		r, err := open(e.Name(), raw)
		if err != nil || recognise(r) != kindDelegated {
			say("%s: not a delegated statistics file, left out", e.Name())
			continue
		}
		out = append(out, input{e.Name(), raw})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no delegated statistics file in this folder", from)
	}
	return out, nil
}

// checked is a file that may be stored.
type checked struct {
	File
	raw []byte
}

// check parses every input and refuses two of one registry.
func check(inputs []input, say func(string, ...any)) ([]checked, error) {
	now := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	byRegistry := map[string]string{}
	var out []checked
	for _, in := range inputs {
		d, err := parseDelegated(in.source, in.raw)
		if err != nil {
			return nil, err
		}
		registry, day := d.info.Registry, d.info.Day.String()
		if before, twice := byRegistry[registry]; twice {
			return nil, fmt.Errorf("%s and %s are both of %s; give one", before, in.source, registry)
		}
		byRegistry[registry] = in.source
		f := File{Registry: registry, Vintage: day, SHA256: d.sha256, Source: in.source, Retrieved: now}
		f.Name = fmt.Sprintf("delegated-%s-%s-%s", registry, strings.ReplaceAll(day, "-", ""), d.sha256[:12])
		if !ownName.MatchString(f.Name) {
			return nil, fmt.Errorf("%s: registry name %q is not one word of a-z and 0-9", in.source, registry)
		}
		say("%s: %s of %s, %d delegations", in.source, registry, day, d.info.Records)
		out = append(out, checked{f, in.raw})
	}
	return out, nil
}

// merge is the manifest after added replaced the files of its registries.
func merge(old *manifest, added []checked) *manifest {
	m := &manifest{Format: manifestFormat}
	replaced := map[string]bool{}
	for _, a := range added {
		m.Files = append(m.Files, a.File)
		replaced[a.Registry] = true
	}
	for _, f := range old.Files {
		if !replaced[f.Registry] {
			m.Files = append(m.Files, f)
		}
	}
	slices.SortFunc(m.Files, func(a, b File) int { return cmp.Compare(a.Registry, b.Registry) })
	return m
}

func vintage(m *manifest) Vintage {
	v := Vintage{Files: m.Files}
	var digests []string
	for _, f := range m.Files {
		digests = append(digests, f.SHA256)
		if v.Day == "" || f.Vintage < v.Day {
			v.Day = f.Vintage
		}
	}
	v.SHA256 = Digest(digests)
	return v
}
