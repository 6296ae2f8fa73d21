package export

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// shapes adds the incident in the shapes of others, so that whoever works with those can take it over. What they have no field for is
// in their text; nothing is claimed that the incident does not say: no cause, no attribution.
func (b *builder) shapes() error {
	ooni, err := indented(b.ooni())
	if err != nil {
		return err
	}
	if err := b.add("data/exports/ooni-incident.json", ooni); err != nil {
		return err
	}
	radar, err := indented(b.radar())
	if err != nil {
		return err
	}
	return b.add("data/exports/radar-annotation.json", radar)
}

// place is the countries and networks that an incident is about.
func (b *builder) place() (countries, networks []string) {
	countries, networks = []string{}, []string{}
	for _, e := range slices.Concat([]detect.Entity{b.inc.Entity}, partsOf(b.inc)) {
		switch {
		case e.Type == "country" && !slices.Contains(countries, e.Code):
			countries = append(countries, cell(e.Code))
		case e.Type == "network" && !slices.Contains(networks, e.Code):
			networks = append(networks, cell(e.Code))
		}
	}
	return countries, networks
}

// asNumbers are the networks without the letters.
func asNumbers(networks []string) []uint32 {
	out := []uint32{}
	for _, n := range networks {
		if as, err := strconv.ParseUint(strings.TrimPrefix(n, "AS"), 10, 32); err == nil {
			out = append(out, uint32(as))
		}
	}
	return out
}

func partsOf(i *detect.Incident) (out []detect.Entity) {
	for _, p := range i.Parts {
		out = append(out, p.Entity)
	}
	return out
}

// ooni has the fields of an incident of OONI's (ooni/backend, incidents.py): times without zone are UTC, networks are numbers.
func (b *builder) ooni() any {
	i := b.inc
	countries, networks := b.place()
	numbers := asNumbers(networks)
	at := func(t detect.Time) *string {
		if t.IsZero() {
			return nil
		}
		s := t.UTC().Format("2006-01-02T15:04:05")
		return &s
	}
	var end *string
	if i.End != nil {
		end = at(i.End.Time)
	}
	links := []string{}
	if e := b.edition; e != nil && e.Operator.URL != "" {
		links = append(links, cell(e.Operator.URL))
	}
	c := b.cited()
	return struct {
		Start     *string  `json:"start_time"`
		End       *string  `json:"end_time"`
		Title     string   `json:"title"`
		Short     string   `json:"short_description"`
		Text      string   `json:"text"`
		Event     string   `json:"event_type"`
		Published bool     `json:"published"`
		Countries []string `json:"CCs"`
		Networks  []uint32 `json:"ASNs"`
		Domains   []string `json:"domains"`
		Tags      []string `json:"tags"`
		Tests     []string `json:"test_names"`
		Links     []string `json:"links"`
	}{
		at(i.Start.Time), end, c.Title, b.inOneSentence(), strings.Join(append([]string{b.inOneSentence(), c.Abstract}, b.warnings...), "\n\n"), "incident", b.edition != nil,
		countries, numbers,
		[]string{},
		[]string{"bgp", "data:" + cell(string(i.Data)), "state:" + cell(string(i.State))},
		[]string{},
		links,
	}
}

// radar has the fields of an outage annotation of Cloudflare Radar's. Its cause is not ours to say.
func (b *builder) radar() any {
	i := b.inc
	countries, networks := b.place()
	numbers := asNumbers(networks)
	type outage struct {
		Cause string `json:"outageCause"`
		Type  string `json:"outageType"`
	}
	var end *string
	if i.End != nil {
		s := i.End.Time.String()
		end = &s
	}
	kind := "REGIONAL"
	switch i.Entity.Type {
	case "country":
		kind = "NATIONWIDE" // of the level at which it was seen; the share is in the description
	case "network":
		kind = "NETWORK"
	}
	link := ""
	if e := b.edition; e != nil {
		link = cell(e.Operator.URL)
	}
	return struct {
		ID          string      `json:"id"`
		Source      string      `json:"dataSource"`
		Event       string      `json:"eventType"`
		Start       string      `json:"startDate"`
		End         *string     `json:"endDate"`
		Description string      `json:"description"`
		Scope       *string     `json:"scope"`
		Link        string      `json:"linkedUrl"`
		Locations   []string    `json:"locations"`
		Networks    []uint32    `json:"asns"`
		Outage      outage      `json:"outage"`
		Data        detect.Data `json:"data"` // ours: no annotation says what it was computed from
	}{b.info().Identifier, "BGP", "OUTAGE", i.Start.Time.String(), end, b.inOneSentence(), nil, link, countries, numbers, outage{"UNKNOWN", kind}, detect.Data(cell(string(i.Data)))}
}

// inOneSentence is the incident in a sentence, with its denominator and its mark.
func (b *builder) inOneSentence() string {
	i := b.inc
	s := cell(cmp.Or(i.Title, i.Entity.Key()))
	for _, x := range i.Signals {
		s += fmt.Sprintf("; %s: %d of %d observable %s blocks not visible at the peak", x.Signal, x.Expected-x.Observed, x.Expected, block(x.Unit))
	}
	s += fmt.Sprintf(" (%s, coverage %s)", cell(string(i.State)), cell(i.Coverage.Level))
	if m := mark(i.Data); m != "" {
		s = m + " " + s
	}
	return s
}
