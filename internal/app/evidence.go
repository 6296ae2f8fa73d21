package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/evidence/export"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Export is the evidence of an incident, to be written to a file that did not exist before: the newest frozen version, or an unsigned
// draft of the last revision where nothing was frozen.
type Export struct {
	Store   string
	ID      string
	Out     string
	Version int  // of a frozen one; 0: the newest
	Draft   bool // an unsigned draft even where something was frozen
}

// Run exports.
func (e Export) Run(ctx context.Context) (sum export.Summary, err error) {
	s, err := sqlite.OpenReadOnly(ctx, e.Store)
	if err != nil {
		return sum, err
	}
	defer s.Close()
	if _, err := os.Lstat(e.Out); err == nil {
		return sum, fmt.Errorf("%s exists; evidence is never written over", e.Out)
	}
	tmp, err := os.CreateTemp(filepath.Dir(e.Out), ".evidence-*")
	if err != nil {
		return sum, fmt.Errorf("writing %s: %w", e.Out, err)
	}
	defer os.Remove(tmp.Name())
	if e.Draft && e.Version == 0 {
		sum, err = draft(ctx, s, e.ID, tmp)
	} else {
		sum, err = exported(ctx, s, e.Store, e.ID, e.Version, tmp)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return export.Summary{}, err
	}
	return sum, os.Rename(tmp.Name(), e.Out)
}

// exported writes a frozen version of an incident, the newest when version is 0; a draft when there is none.
func exported(ctx context.Context, s *sqlite.Store, dir, id string, version int, w io.Writer) (sum export.Summary, err error) {
	f, err := editionsOf(dir).newest(id, version)
	if err != nil {
		return sum, err
	}
	if f == nil {
		return draft(ctx, s, id, w)
	}
	defer f.Close()
	st, err := f.file.Stat()
	if err != nil {
		return sum, err
	}
	sum = export.Summary{
		ID: id, Revision: f.incident.Revision, Data: f.incident.Data, Files: f.report.Files, Bytes: st.Size(), Identifier: f.report.Info.Identifier,
		Folder: f.bundle.Folder(), BundleID: f.report.ID,
	}
	if e := f.incident.Evidence; e != nil {
		sum.Messages, sum.EvidenceSHA256 = e.Messages, e.SHA256
	}
	if f.lacks != nil {
		sum.Warnings = append(sum.Warnings, f.lacks.Error())
	}
	if now, err := s.Incident(ctx, id); err == nil && now.Revision != f.incident.Revision {
		sum.Warnings = append(sum.Warnings, fmt.Sprintf("the incident has come to revision %d since this version was frozen of revision %d", now.Revision, f.incident.Revision))
	}
	_, err = io.Copy(w, io.NewSectionReader(f.file, 0, st.Size()))
	return sum, err
}

// draft writes an unsigned draft of an incident's last revision.
func draft(ctx context.Context, s *sqlite.Store, id string, w io.Writer) (export.Summary, error) {
	inc, err := s.Incident(ctx, id)
	if err != nil {
		return export.Summary{}, err
	}
	return export.Write(ctx, s, id, export.Options{Software: Software(), Configuration: decided(ctx, s, inc, conf.Default())}, w)
}

// evidenceTo writes evidence into memory first, so that a failure is an error page and not half a file. dir is the folder of the
// store; "" has no frozen versions.
func evidenceTo(ctx context.Context, s *sqlite.Store, dir, id string, w io.Writer) error {
	var b bytes.Buffer
	var err error
	if dir == "" {
		_, err = draft(ctx, s, id, &b)
	} else {
		_, err = exported(ctx, s, dir, id, 0, &b)
	}
	if err != nil {
		return notFound(err)
	}
	_, err = b.WriteTo(w)
	return err
}

// configuration is the form in which the numbers that decided stand in a bundle.
type configuration struct {
	Detect detect.Config `json:"detect"`
	Peers  signal.Config `json:"peers"`
}

// decided finds the configuration that an incident was decided with: that of the store, a given one or the published one, whichever has
// the digest that the incident states; nil when none has.
func decided(ctx context.Context, s *sqlite.Store, inc *detect.Incident, given conf.Config) json.RawMessage {
	list := []configuration{{given.Detect, given.Peers}, {detect.DefaultConfig(), signal.DefaultConfig()}}
	if text, err := s.Meta(ctx, originKey); err == nil {
		var o origin
		if json.Unmarshal([]byte(text), &o) == nil && o.V == 1 {
			list = append(list, configuration{o.Detect, o.Peers})
		}
	}
	for _, c := range list {
		if c.Detect.Digest(c.Peers, visibility.Defaults()) != inc.Method.ConfigSHA256 {
			continue
		}
		text, err := json.Marshal(c)
		if err != nil {
			return nil
		}
		return text
	}
	return nil
}
