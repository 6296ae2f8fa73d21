package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/entity"
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
		return scenarioPlaces{s, scenarioZones(s)}, nil
	}
	tables, _, err := newPlaces("", s.Start.Time())
	return tables, err
}

// scenarioPlaces are the country, region and zone lines of a scenario. They are no dated table, so that nothing is cited as one.
type scenarioPlaces struct {
	s     *scenario.Scenario
	zones *entity.Zones // nil when there are none
}

// scenarioZones indexes the zone lines.
func scenarioZones(s *scenario.Scenario) *entity.Zones {
	if len(s.Zones()) == 0 {
		return nil
	}
	var list []entity.Zone
	for _, z := range s.Zones() {
		list = append(list, entity.Zone{Slug: z.Slug, Name: z.Name, Countries: z.Countries, Regions: z.Regions, Networks: z.Networks, Prefixes: z.Prefixes})
	}
	return entity.NewZones(list)
}

// Region implements signal.Regions.
func (p scenarioPlaces) Region(prefix bgp.Prefix, country string) (code, name string) {
	return p.s.Region(prefix, country)
}

// Zones implements signal.Zones.
func (p scenarioPlaces) Zones(prefix bgp.Prefix, origin uint32, country, region string, at bgp.Micros) []detect.Entity {
	return zonesOf(p.zones, prefix, origin, country, region, at)
}

// ZonesChange implements signal.Zones: the zones of a scenario have no dates.
func (scenarioPlaces) ZonesChange(_, _ bgp.Micros) bool { return false }

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
	j := journal{
		files: scenarioFiles(s), data: s.Data, end: s.End, rec: &recorder{}, engine: engine, peers: peers,
		places: func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) },
	}
	out, err := j.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	if out.damaged() {
		return nil, fmt.Errorf("scenario %s: its own stream is damaged: %s, %d torn, %v %v", s.Name, out.count, out.merge.Torn, out.count.Kinds, out.broken)
	}
	return out.monitor, nil
}

// scenarioIn is the scenario among the arguments of a replay, with its text: a single file that begins as one. nil when they are MRT files.
func scenarioIn(args []string) (s *scenario.Scenario, text []byte, err error) {
	if len(args) != 1 || args[0] == "-" {
		return nil, nil, nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, nil, nil // COLLECTOR=FILE, or a mistake that Expand reports
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !scenario.IsScenario(head[:n]) {
		return nil, nil, nil
	}
	rest, err := io.ReadAll(io.LimitReader(f, scenario.MaxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", args[0], err)
	}
	text = append(head[:n], rest...)
	s, err = scenario.Parse(filepath.Base(args[0]), text)
	return s, text, err
}
