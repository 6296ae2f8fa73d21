package app

import (
	"fmt"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// position is where a run stands: what it reads, and how far it has come. Unlike the state beside it in a checkpoint it has a stable form, so
// that later software can go on from there even when it cannot read that state.
type position struct {
	Software string           `json:"software"`
	Run      identity         `json:"run"`
	First    bgp.Micros       `json:"first"` // record time that the reference tables were chosen for
	At       bgp.Micros       `json:"at"`    // last tick
	Seq      uint64           `json:"seq"`   // number of the last message
	Count    recordCounts     `json:"count"`
	Merge    collect.Position `json:"merge"`
	Seeds    seeded           `json:"seeds"`
	Done     bool             `json:"done"` // the input was read to its end

	// Of a live monitor: how far its journal was applied, the hash of the block that ends there, and the number of inputs up to there.
	Entries uint64 `json:"entries,omitempty"`
	Head    string `json:"head,omitempty"`
	Inputs  int    `json:"inputs,omitempty"`
	// What was read so far of the segments that still grow.
	Growing map[int]bgp.Input `json:"growing,omitempty"`
	// With what it began, how far each source was read, and from where the journal can be followed: needed once its beginning is given up.
	Start   *liveStart        `json:"start,omitempty"`
	Told    map[string]string `json:"told,omitempty"`
	Anchors []anchor          `json:"anchors,omitempty"`
	// The reference tables that were in force.
	Reference *liveReference `json:"reference,omitempty"`
}

// identity is what makes two runs the same: their inputs, by content, and how they are read. The numbers of the method are not part of
// it: they may change in the middle.
type identity struct {
	Data       detect.Data        `json:"data"`
	Scenario   string             `json:"scenario,omitempty"` // SHA-256 of its text
	Seeds      []inputID          `json:"seeds,omitempty"`
	Files      []inputID          `json:"files"`
	From       time.Time          `json:"from,omitzero"`
	Until      time.Time          `json:"until,omitzero"`
	Paths      bool               `json:"paths"` // AS paths are kept, for a snapshot
	References []detect.Reference `json:"references,omitempty"`
}

// inputID names the content of one input.
type inputID struct {
	Collector string `json:"collector"`
	Name      string `json:"name"`
	SHA256    string `json:"sha256,omitempty"` // empty for a stream of a scenario
}

func inputIDs(files []collect.File) (out []inputID) {
	for _, f := range files {
		out = append(out, inputID{f.Input.Collector, f.Input.Name, f.Input.SHA256})
	}
	return out
}

// identity of the run, whose places were chosen for an event at first.
func (j *journal) identity(where signal.Places, first bgp.Micros) identity {
	id := identity{
		Data: j.data, Scenario: j.scenario, Seeds: inputIDs(j.seeds), Files: inputIDs(j.files), From: j.from, Until: j.until, Paths: j.paths,
	}
	for _, r := range where.References(first) {
		r.VintageGapDays = nil // of the table and the event, not of the table
		id.References = append(id.References, r)
	}
	return id
}

// differs says in words what of a checkpoint's run another one does not have; "" when they are the same.
func (a *identity) differs(b *identity) string {
	switch {
	case a.Data != b.Data:
		return fmt.Sprintf("it is of %s data, and this is %s", a.Data, b.Data)
	case a.Scenario != b.Scenario:
		return "it is of another scenario"
	case !a.From.Equal(b.From):
		return fmt.Sprintf("it began with --from %s, and this does with %s", instant(a.From), instant(b.From))
	case !a.Until.Equal(b.Until):
		return fmt.Sprintf("it reads to --until %s, and this does to %s", instant(a.Until), instant(b.Until))
	case a.Paths != b.Paths:
		return "only one of the two keeps AS paths for --snapshot"
	}
	if why := otherInputs("--seed", a.Seeds, b.Seeds); why != "" {
		return why
	}
	if why := otherInputs("input", a.Files, b.Files); why != "" {
		return why
	}
	for i := range max(len(a.References), len(b.References)) {
		switch {
		case i >= len(a.References):
			return "it had no reference table " + b.References[i].Name
		case i >= len(b.References):
			return "reference table " + a.References[i].Name + " is missing"
		case a.References[i] != b.References[i]:
			return fmt.Sprintf("reference table %s of %s is now %s of %s", a.References[i].Name, a.References[i].Vintage, b.References[i].Name, b.References[i].Vintage)
		}
	}
	return ""
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "nothing"
	}
	return t.UTC().Format(time.RFC3339)
}

func otherInputs(what string, a, b []inputID) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b):
			return fmt.Sprintf("%s %s of %s is missing", what, a[i].Name, a[i].Collector)
		case i >= len(a):
			return fmt.Sprintf("%s %s of %s was not part of it", what, b[i].Name, b[i].Collector)
		case a[i].Name != b[i].Name || a[i].Collector != b[i].Collector:
			return fmt.Sprintf("where it has %s %s of %s, this has %s of %s", what, a[i].Name, a[i].Collector, b[i].Name, b[i].Collector)
		case a[i].SHA256 != b[i].SHA256:
			return fmt.Sprintf("the content of %s %s of %s has changed (SHA-256 %.16s… to %.16s…)", what, a[i].Name, a[i].Collector, a[i].SHA256, b[i].SHA256)
		}
	}
	return ""
}
