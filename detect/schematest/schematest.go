// Package schematest checks incident JSON against its published schema, docs/schema/incident-v1.json, and alerts against theirs. It is for tests: it reads
// the schema from the source tree. It knows the part of JSON Schema draft 2020-12 that the schema uses and refuses to load a
// schema that uses more, so that no rule is passed over.
package schematest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// File is where the schema lies, from the root of the repository.
const File = "docs/schema/incident-v1.json"

// Incident checks one line of incident JSON, without its line feed, by all of Schema.Canonical: what this program writes must pass.
func Incident(line []byte) error {
	s, err := published()
	if err != nil {
		return err
	}
	return s.Canonical(line)
}

// Published is the schema of this source tree.
func Published() (*Schema, error) { return published() }

// AlertFile is where the schema of alerts lies, from the root of the repository.
const AlertFile = "docs/schema/alert-v1.json"

// Alert checks an alert as any reader may, with the incidents in it.
func Alert(doc []byte) error {
	s, err := alert()
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

var alert = sync.OnceValues(func() (*Schema, error) {
	incident, err := published()
	if err != nil {
		return nil, err
	}
	return find(AlertFile, map[string]*Schema{filepath.Base(File): incident})
})

var published = sync.OnceValues(func() (*Schema, error) { return find(File, nil) })

// find loads a schema of this source tree.
func find(file string, others map[string]*Schema) (*Schema, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the schema: %w", err)
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err == nil {
			return load(b, others)
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return nil, fmt.Errorf("finding the schema %s above the working folder: %w", file, err)
		}
		dir = parent
	}
}
