package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
)

// editions are the frozen versions of incidents: whole bundles, in a folder beside the store, evidence/<ID>/v<N>.zip. What was frozen is
// never made again, only given out; all that may change in it is that a time stamp or the log's proof comes later.
type editions string

// editionsFolder is where they are, in the folder of the store.
const editionsFolder = "evidence"

func editionsOf(store string) editions { return editions(filepath.Join(store, editionsFolder)) }

func (e editions) path(id string, version int) string {
	return filepath.Join(string(e), id, fmt.Sprintf("v%d.zip", version))
}

// versions are the numbers of the frozen versions of an incident, ascending.
func (e editions) versions(id string) (list []int, err error) {
	if evidence.CheckPath(id) != nil || strings.Contains(id, "/") {
		return nil, nil // no id of ours
	}
	entries, err := os.ReadDir(filepath.Join(string(e), id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("frozen versions of %s: %w", id, err)
	}
	for _, x := range entries {
		name, zip := strings.CutSuffix(x.Name(), ".zip")
		number, v := strings.CutPrefix(name, "v")
		if n, err := strconv.Atoi(number); zip && v && err == nil && n > 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// frozen is a frozen version that was opened and verified.
type frozen struct {
	file     *os.File
	bundle   *evidence.Bundle
	report   *evidence.Report
	incident detect.Incident
	lacks    error // a seal that is still to come; wraps evidence.ErrIncomplete
}

func (f *frozen) Close() error { return f.file.Close() }

// open opens a frozen version and verifies all of it: nothing that was damaged on the disk is given out.
func (e editions) open(id string, version int) (*frozen, error) {
	f, err := openBundle(e.path(id, version))
	if err != nil {
		return nil, fmt.Errorf("frozen version %d of %s: %w", version, id, err)
	}
	if want := fmt.Sprintf("%s/v%d", id, version); f.report.Info.Identifier != want {
		f.Close()
		return nil, fmt.Errorf("%s holds %s, not %s", e.path(id, version), f.report.Info.Identifier, want)
	}
	return f, nil
}

// openBundle opens and verifies a bundle. One that only lacks a seal is no error.
func openBundle(name string) (_ *frozen, err error) {
	f := &frozen{}
	if f.file, err = os.Open(name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.file.Close()
		}
	}()
	st, err := f.file.Stat()
	if err != nil {
		return nil, err
	}
	if f.bundle, err = evidence.Open(f.file, st.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.report, f.lacks = f.bundle.Verify(evidence.Trust{})
	if f.report == nil {
		return nil, fmt.Errorf("%s: %w", name, f.lacks)
	}
	text, err := f.bundle.Read("data/incident.json", 1<<26)
	if err == nil {
		err = json.Unmarshal(text, &f.incident)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// newest opens the newest frozen version, or that with a number; nil when there is none.
func (e editions) newest(id string, version int) (*frozen, error) {
	list, err := e.versions(id)
	if err != nil {
		return nil, err
	}
	if version == 0 && len(list) == 0 {
		return nil, nil
	}
	if version = cmp.Or(version, lastOf(list)); !slices.Contains(list, version) {
		return nil, fmt.Errorf("%s has no version %d; there are %d", id, version, len(list))
	}
	return e.open(id, version)
}

func lastOf(list []int) int {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1]
}

// keep puts a version in its place, whole, verified and durable; write makes its octets. A new one never takes the place of another; one
// that is sealed again replaces itself.
func (e editions) keep(id string, version int, again bool, write func(io.Writer) error) (err error) {
	to := e.path(id, version)
	dir := filepath.Dir(to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keeping version %d of %s: %w", version, id, err)
	}
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("keeping version %d of %s: %w", version, id, err)
	}
	defer os.Remove(tmp.Name())
	if err = errors.Join(write(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("keeping version %d of %s: %w", version, id, err)
	}
	made, err := openBundle(tmp.Name()) // what does not verify is not kept, and what is there is not replaced by it
	if err != nil {
		return fmt.Errorf("keeping version %d of %s: %w", version, id, err)
	}
	made.Close()
	if again {
		err = os.Rename(tmp.Name(), to)
	} else {
		err = os.Link(tmp.Name(), to) // fails when it is there
	}
	if err != nil {
		return fmt.Errorf("keeping version %d of %s: %w", version, id, err)
	}
	return syncFolder(dir)
}
