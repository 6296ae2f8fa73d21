package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// origin is what a replay notes in its store so that it can be done again: where everything was, and what decided. It is the store's own
// fact: paths of the machine are in no incident and no evidence.
type origin struct {
	V         int                `json:"v"`
	Files     []string           `json:"files"` // [COLLECTOR=]PATH, absolute
	Seeds     []string           `json:"seeds,omitempty"`
	Scenario  string             `json:"scenario_sha256,omitempty"` // when the only file is a scenario
	Reference string             `json:"reference,omitempty"`
	Tables    []detect.Reference `json:"tables,omitempty"` // that were chosen, as seen from the first record
	From      time.Time          `json:"from,omitzero"`
	Until     time.Time          `json:"until,omitzero"`
	Detect    detect.Config      `json:"detect"`
	Peers     signal.Config      `json:"peers"`
}

// originKey is the fact of a store that holds its origin.
const originKey = "origin"

// newOrigin describes a replay that is about to begin.
func newOrigin(r Replay, j *journal) (*origin, error) {
	o := &origin{V: 1, From: r.From, Until: r.Until, Detect: j.engine, Peers: j.peers}
	var err error
	if o.Files, err = absolute(r.Files); err != nil {
		return nil, err
	}
	if o.Seeds, err = absolute(r.Seeds); err != nil {
		return nil, err
	}
	if r.Reference != "" {
		if o.Reference, err = filepath.Abs(r.Reference); err != nil {
			return nil, fmt.Errorf("folder of reference tables: %w", err)
		}
	}
	if s, _, _ := scenarioIn(r.Files); s != nil {
		o.Scenario, err = collect.File{Path: r.Files[0], Input: bgp.Input{Name: r.Files[0]}}.Digest()
	}
	return o, err
}

// absolute makes the paths of [COLLECTOR=]PATH arguments absolute; "-" stays.
func absolute(args []string) (out []string, err error) {
	for _, arg := range args {
		name, path := collect.Split(arg)
		if path != "-" {
			if path, err = filepath.Abs(path); err != nil {
				return nil, fmt.Errorf("reading %s: %w", arg, err)
			}
		}
		if name != "" {
			path = name + "=" + path
		}
		out = append(out, path)
	}
	return out, nil
}

// save notes the origin with the tables that were chosen.
func (o *origin) save(ctx context.Context, s *sqlite.Store, tables []detect.Reference) error {
	o.Tables = tables
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("noting where the records are: %w", err)
	}
	return s.SetMeta(ctx, originKey, string(text))
}

// errChanged is wrapped when what a store was made of is not there any more as it was.
var errChanged = errors.New("what this store was made of has changed or is gone")

// replayOf prepares the replay that made a store, after checking that every file is as it was. The error says why that cannot be done:
// it wraps errChanged, or is the store's.
func replayOf(ctx context.Context, s *sqlite.Store) (*journal, []bgp.Input, error) {
	text, err := s.Meta(ctx, originKey)
	if errors.Is(err, sqlite.ErrNotFound) {
		return nil, nil, fmt.Errorf("%w: the store does not say where its records were", errChanged)
	} else if err != nil {
		return nil, nil, err
	}
	var o origin
	if err := json.Unmarshal([]byte(text), &o); err != nil || o.V != 1 {
		return nil, nil, fmt.Errorf("%w: what the store says of its records cannot be read (version %d): %w", errChanged, o.V, err)
	}
	if err := conf.Check(o.Detect, o.Peers); err != nil {
		return nil, nil, fmt.Errorf("%w: the configuration in the store: %w", errChanged, err)
	}
	inputs, err := s.Inputs(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(inputs) == 0 {
		return nil, nil, fmt.Errorf("%w: the run that made the store was cut off before it noted its files", errChanged)
	}
	if slices.ContainsFunc(o.Files, isStream) {
		return nil, nil, fmt.Errorf("%w: some records came from standard input", errChanged)
	}
	j, err := Replay{Files: o.Files, Seeds: o.Seeds, Reference: o.Reference, From: o.From, Until: o.Until}.journal(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errChanged, err)
	}
	j.engine, j.peers = o.Detect, o.Peers
	if o.Scenario != "" {
		if sum, err := (collect.File{Path: o.Files[0], Input: bgp.Input{Name: o.Files[0]}}).Digest(); err != nil || sum != o.Scenario {
			return nil, nil, fmt.Errorf("%w: %s is another scenario now", errChanged, o.Files[0])
		}
	} else if err := j.match(inputs); err != nil {
		return nil, nil, err
	}
	choose := j.places
	j.places = func(first time.Time) (signal.Places, error) {
		p, err := choose(first)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errChanged, err)
		}
		if !slices.EqualFunc(p.References(bgp.MicrosOf(first)), o.Tables, sameTable) {
			return nil, fmt.Errorf("%w: the reference tables are not those of the run", errChanged)
		}
		return p, nil
	}
	return j, inputs, nil
}

func isStream(arg string) bool { return arg == "-" || strings.HasSuffix(arg, "=-") }

func sameTable(a, b detect.Reference) bool { return a.Name == b.Name && a.SHA256 == b.SHA256 }

// match keeps the files that a store lists, and checks their digests. Files that came later are left out.
func (j *journal) match(inputs []bgp.Input) error {
	type key struct{ collector, name string }
	want := map[key][]bgp.Input{} // by name: a table dump and a file of records can share one
	for _, in := range inputs {
		k := key{in.Collector, in.Name}
		want[k] = append(want[k], in)
	}
	found := 0
	for _, list := range []*[]collect.File{&j.seeds, &j.files} {
		kept := (*list)[:0]
		for _, f := range *list {
			k := key{f.Input.Collector, f.Input.Name}
			if len(want[k]) == 0 {
				continue
			}
			sum, err := f.Digest()
			if err != nil {
				return fmt.Errorf("%w: %w", errChanged, err)
			}
			i := slices.IndexFunc(want[k], func(in bgp.Input) bool { return in.SHA256 == sum })
			if i < 0 {
				return fmt.Errorf("%w: %s of %s has another SHA-256 (%s)", errChanged, f.Input.Name, f.Input.Collector, sum)
			}
			want[k] = slices.Delete(want[k], i, i+1)
			f.Input.SHA256 = sum
			kept = append(kept, f)
			found++
		}
		*list = kept
	}
	if found == len(inputs) {
		return nil
	}
	for _, in := range inputs { // the first of those that are missing, in the order of the run
		if len(want[key{in.Collector, in.Name}]) > 0 {
			return fmt.Errorf("%w: %s of %s is gone, and it is one of %d", errChanged, in.Name, in.Collector, len(inputs))
		}
	}
	return nil
}

// storedConfig is the configuration that decided in a store; the published one when it does not say.
func storedConfig(ctx context.Context, s *sqlite.Store) detect.Config {
	o := origin{Detect: detect.DefaultConfig()}
	if text, err := s.Meta(ctx, originKey); err == nil && (json.Unmarshal([]byte(text), &o) != nil || o.V != 1 || conf.Check(o.Detect, o.Peers) != nil) {
		return detect.DefaultConfig()
	}
	return o.Detect
}
