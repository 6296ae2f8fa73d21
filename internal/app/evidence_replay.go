package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/evidence/export"
)

// EvidenceReplay makes the timeline of a bundle anew and compares the octets: out of the bundle's own messages, and, with Inputs, by
// running the whole detector over the files of the run.
type EvidenceReplay struct {
	Bundle    string
	Inputs    []string // [COLLECTOR=]FILE|DIR: full replay
	Seeds     []string // table dumps of the run
	Reference string   // folder of reference tables of the run
	Out       io.Writer
	Log       zerolog.Logger
}

// errDiffers says that a replay gave something else.
var errDiffers = errors.New("the replay gives another timeline: the bundle does not follow from its records")

// Run replays.
func (r EvidenceReplay) Run(ctx context.Context) error {
	b, err := openBundle(r.Bundle)
	if err != nil {
		return err
	}
	defer b.Close()
	var files [4][]byte
	raw := ""
	for _, p := range b.bundle.Paths() {
		if ok, _ := filepath.Match("data/raw/bgp/messages*.mrt", p); ok {
			raw = p
		}
	}
	for i, name := range []string{"data/inputs.json", "data/raw/bgp/sources.csv", raw, "data/timeline.json"} {
		if files[i], err = b.bundle.Read(name, 1<<32); err != nil {
			return err
		}
	}
	again, err := export.Timeline(files[0], files[1], files[2])
	if err != nil {
		return fmt.Errorf("slice replay of %s: %w", r.Bundle, err)
	}
	if !bytes.Equal(again, files[3]) {
		return fmt.Errorf("slice replay of %s: %w (first in line %d)", r.Bundle, errDiffers, differ(again, files[3]))
	}
	fmt.Fprintf(r.Out, "slice replay: the same timeline, %d octets, sha256 %x\n", len(again), sha256.Sum256(again))
	if len(r.Inputs) == 0 {
		return nil
	}
	var in export.Inputs
	if err := json.Unmarshal(files[0], &in); err != nil {
		return fmt.Errorf("inputs.json: %w", err)
	}
	if again, err = r.full(ctx, &in); err != nil {
		return fmt.Errorf("full replay of %s: %w", r.Bundle, err)
	}
	if !bytes.Equal(again, files[3]) {
		return fmt.Errorf("full replay of %s: %w (first in line %d)", r.Bundle, errDiffers, differ(again, files[3]))
	}
	fmt.Fprintf(r.Out, "full replay of %d inputs: the same timeline\n", len(in.Inputs))
	return nil
}

// differ is the first line in which two texts differ.
func differ(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return bytes.Count(b[:n], []byte("\n")) + 1
}

// full runs the detector over the inputs into a store that is thrown away, and exports the incident from it.
func (r EvidenceReplay) full(ctx context.Context, in *export.Inputs) ([]byte, error) {
	if !slices.Contains(in.Replay, "full") {
		return nil, errors.New("the bundle does not support it: see data/LIMITS.md")
	}
	dir, err := os.MkdirTemp("", "corewatch-replay-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// Of the configuration only what decides: a bundle is anybody's, and a whole one could name servers to copy to.
	c := configuration{detect.DefaultConfig(), signal.DefaultConfig()}
	if err := json.Unmarshal(in.Configuration, &c); err != nil {
		return nil, fmt.Errorf("inputs.json: configuration: %w", err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yaml") // JSON is YAML
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	j, err := Replay{Config: config, Files: r.Inputs, Seeds: r.Seeds, Reference: r.Reference, Store: filepath.Join(dir, "store"), Err: io.Discard, Log: r.Log}.journal(ctx)
	if err != nil {
		return nil, err
	}
	defer j.rec.close()
	var want []bgp.Input
	for _, f := range in.Inputs {
		want = append(want, bgp.Input{Name: f.Name, Collector: f.Collector, SHA256: f.SHA256})
	}
	if err := j.match(want); err != nil {
		return nil, err
	}
	if _, err := j.run(ctx); err != nil {
		return nil, err
	}
	inc, err := j.rec.store.Incident(ctx, in.Incident.ID)
	if err != nil {
		return nil, fmt.Errorf("it finds no incident %s: %w", in.Incident.ID, err)
	}
	return export.TimelineOf(ctx, j.rec.store, inc.ID)
}
