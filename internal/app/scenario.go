package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
)

// scenarioFiles are the streams of a scenario's collectors as input of a merge, in its order.
func scenarioFiles(s *scenario.Scenario) []collect.File {
	var out []collect.File
	for _, c := range s.Collectors() {
		out = append(out, collect.File{
			Input: bgp.Input{Name: s.Name, Collector: c, Project: sourceOf(c).Name},
			Open:  func() (io.ReadCloser, string, error) { return io.NopCloser(s.Stream(c)), "plain", nil },
		})
	}
	return out
}

// newScenarioPlaces answers where the scenario's prefixes belong: from its own lines, or from the tables of its time.
func newScenarioPlaces(s *scenario.Scenario) (signal.Places, error) {
	if s.HasPlaces() {
		return scenarioPlaces{s}, nil
	}
	tables, _, err := newPlaces("", s.Start.Time())
	return tables, err
}

// scenarioPlaces are the country lines of a scenario. They are no dated table, so that nothing is cited as one.
type scenarioPlaces struct{ s *scenario.Scenario }

// Country implements signal.Places.
func (p scenarioPlaces) Country(prefix bgp.Prefix, origin uint32) string {
	return p.s.Country(prefix, origin)
}

// CountryName implements signal.Places.
func (p scenarioPlaces) CountryName(code string) string { return (*places)(nil).CountryName(code) }

// NetworkName implements signal.Places.
func (p scenarioPlaces) NetworkName(as uint32) string { return p.s.NetworkName(as) }

// References implements signal.Places.
func (scenarioPlaces) References(bgp.Micros) []detect.Reference { return nil }

// runScenario plays a scenario to a new monitor, through the reader, decoder and follower of archives, and gives the monitor at its
// end. The error says that the run was interrupted, or that the scenario's own bytes could not be read back.
func runScenario(ctx context.Context, s *scenario.Scenario, engine detect.Config, peers signal.Config) (*signal.Monitor, error) {
	where, err := newScenarioPlaces(s)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	m := signal.New(signal.Options{
		Config: peers, Engine: engine, Data: s.Data, Software: Software(), Places: where, Sources: sourceOf,
	})
	f := &follower{m: m}
	merger := collect.NewMerger(scenarioFiles(s), collect.Options{})
	defer merger.Close()
	for {
		item, err := merger.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		f.record(item.Record, item.Decoder, item.Input, item.Index)
		if f.seq%4096 == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("scenario %s interrupted at %s: %w", s.Name, f.now.Time().Format(time.RFC3339), ctx.Err())
		}
	}
	if f.now == 0 {
		return nil, fmt.Errorf("scenario %s: no peer says anything", s.Name)
	}
	if n := merger.Counts(); f.count.Malformed+n.Torn+n.Unreadable > 0 {
		return nil, fmt.Errorf("scenario %s: its own stream is damaged: %s, %d torn, %v %v", s.Name, f.count, n.Torn, f.count.Kinds, merger.Broken())
	}
	f.tickTo(s.End)
	m.Engine().Finish(f.now.Time())
	return m, nil
}
