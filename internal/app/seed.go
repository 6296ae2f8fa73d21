package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
)

// oldSeed is the age of a table dump beyond which the reader is told: what was withdrawn since then counts as carried.
const oldSeed = 24 * time.Hour

// checkSeeds refuses table dumps of collectors that send nothing afterwards: nobody would ever speak for their sessions.
func checkSeeds(seeds, files []collect.File) error {
	var have []string
	for _, f := range files {
		if !slices.Contains(have, f.Input.Collector) {
			have = append(have, f.Input.Collector)
		}
	}
	for _, s := range seeds {
		if !slices.Contains(have, s.Input.Collector) {
			return fmt.Errorf("--seed %s is of collector %q, and the records are of %s: write --seed COLLECTOR=FILE (the collector is else the name of the file's folder)",
				s.Input.Name, s.Input.Collector, strings.Join(have, ", "))
		}
	}
	return nil
}

// seeder fills the table of a run from the table dumps given beside its records. Their entries count as announced at the instant the
// run begins, whatever time the dumps bear: between a dump and the first record nothing is known to have changed.
type seeder struct {
	merger *collect.Merger
	count  collect.Counts // of the merger, as far as its records were applied
	log    zerolog.Logger
	past   seeded // without a merger: what the run that this one goes on with read
}

// seeded is what the table dumps gave.
type seeded struct {
	Inputs []bgp.Input    `json:"inputs,omitempty"`
	Counts collect.Counts `json:"counts"`
	Broken []string       `json:"broken,omitempty"`
}

// counts is how far the table dumps are read; also while another goroutine reads ahead in them.
func (s *seeder) counts() collect.Counts {
	if s.merger == nil {
		return s.past.Counts
	}
	return s.count
}

// result is what the table dumps gave, once they are read.
func (s *seeder) result() seeded {
	if s.merger == nil {
		return s.past
	}
	out := seeded{Counts: s.count}
	for _, f := range s.merger.Files() {
		out.Inputs = append(out.Inputs, f.Input)
	}
	for _, err := range s.merger.Broken() {
		out.Broken = append(out.Broken, err.Error())
	}
	return out
}

// seed reads all table dumps. Records that are not of a table are counted as skipped; a file without any is refused.
func (s *seeder) seed(ctx context.Context, f *follower, at bgp.Micros, watch func(now bgp.Micros)) error {
	if s.merger == nil {
		return nil
	}
	f.tickTo(at)
	inputs := make([]bgp.Input, len(s.merger.Files())) // the merger's own are in the reader's hands until the end
	for i, file := range s.merger.Files() {
		inputs[i].Collector = file.Input.Collector
	}
	d := newDumpReader(s.merger, f.paths)
	err := s.apply(ctx, d, f, at, inputs, watch)
	d.close()
	s.count = s.merger.Counts()
	for i, x := range inputs {
		in := &s.merger.Files()[i].Input
		in.Elems, in.Parsed, in.Skipped, in.Malformed = in.Elems+x.Elems, in.Parsed+x.Parsed, in.Skipped+x.Skipped, in.Malformed+x.Malformed
	}
	if err != nil {
		return err
	}
	for _, file := range s.merger.Files() {
		in := file.Input
		if in.Elems == 0 {
			return fmt.Errorf("--seed %s holds no table: a seed is a TABLE_DUMP or TABLE_DUMP_V2 file; updates are given as FILE", in.Name)
		}
		age := time.Duration(at-in.Last) * time.Microsecond
		l := s.log.Info()
		if age > oldSeed || age < -oldSeed {
			l = s.log.Warn()
		}
		l.Str("file", in.Name).Str("collector", in.Collector).Uint64("routes", in.Elems).
			Msgf("table seeded from a dump of %s, %s", in.Last.Time().Format(time.RFC3339), apart(age))
	}
	return nil
}

// apply applies the dumps batch by batch to their end.
func (s *seeder) apply(ctx context.Context, d *dumpReader, f *follower, at bgp.Micros, inputs []bgp.Input, watch func(now bgp.Micros)) error {
	for {
		b, err := d.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if b.apply(f, at, inputs); b.err != nil {
			return b.err
		}
		s.count = b.count
		if watch != nil {
			watch(f.now)
		}
	}
}

// files are the table dumps with what is known of each.
func (s *seeded) files() (out []collect.File) {
	for _, in := range s.Inputs {
		out = append(out, collect.File{Input: in})
	}
	return out
}

// apart says how far a dump lies from the first record.
func apart(age time.Duration) string {
	if age < 0 {
		return (-age).Round(time.Second).String() + " after the first record: what happened in between is hidden"
	}
	return age.Round(time.Second).String() + " before the first record: what changed in between is not known"
}
