// Package schematest checks incident JSON against its published schema, docs/schema/incident-v1.json. It is for tests: it reads
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

var published = sync.OnceValues(func() (*Schema, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the schema: %w", err)
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(File)))
		if err == nil {
			return Load(b)
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return nil, fmt.Errorf("finding the schema %s above the working folder: %w", File, err)
		}
		dir = parent
	}
})
