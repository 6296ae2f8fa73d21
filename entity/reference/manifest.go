package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/corewatch/corewatch/entity"
)

const (
	manifestName   = "manifest.json"
	manifestFormat = "corewatch-reference-1"
)

// File is one registry file that Update put into a reference folder.
type File struct {
	Name      string `json:"name"`      // in the folder
	Registry  string `json:"registry"`  // as its header names it
	Vintage   string `json:"vintage"`   // YYYY-MM-DD
	SHA256    string `json:"sha256"`    // of the stored bytes, which are those received
	Source    string `json:"source"`    // address or base name it came from
	Retrieved string `json:"retrieved"` // YYYY-MM-DDThh:mm:ssZ
}

// manifest is what Update wrote; its rename is the moment an update takes effect.
type manifest struct {
	Format string `json:"format"`
	Files  []File `json:"files"`
}

// ownName is the form of the names Update gives. A file of this form that is not in the manifest belongs to no finished update.
var ownName = regexp.MustCompile(`^delegated-[a-z0-9]{1,16}-\d{8}-[0-9a-f]{12}$`)

func (m *manifest) find(name string) *File {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

// readManifest reads and checks the manifest of a folder; a folder without one has an empty one.
func readManifest(dir string) (*manifest, error) {
	raw, err := readFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return &manifest{Format: manifestFormat}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reference folder: %w", err)
	}
	var m manifest
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: damaged; run the update again: %w", manifestName, err)
	}
	if m.Format != manifestFormat || len(m.Files) > maxFiles {
		return nil, fmt.Errorf("%s: format %q, want %q with at most %d files", manifestName, m.Format, manifestFormat, maxFiles)
	}
	for _, f := range m.Files {
		_, dayErr := entity.ParseDay(f.Vintage)
		_, timeErr := time.Parse(time.RFC3339, f.Retrieved)
		if !ownName.MatchString(f.Name) || len(f.SHA256) != 64 || dayErr != nil || timeErr != nil {
			return nil, fmt.Errorf("%s: the entry of %q is damaged; run the update again", manifestName, f.Name)
		}
	}
	return &m, nil
}

// writeFile replaces dir/name as a whole or not at all, and makes it last through a crash.
func writeFile(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
