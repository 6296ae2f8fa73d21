package app

import (
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// explanation is the JSON of `corewatch explain`; docs/explain.md describes it.
type explanation struct {
	V           int              `json:"v"`
	Entity      detect.Entity    `json:"entity"`
	At          detect.Time      `json:"at"`
	From        detect.Time      `json:"from"` // first second of the records read
	Data        detect.Data      `json:"data"`
	Checked     int              `json:"checked,omitempty"` // files of a store that were replayed, after their digests were checked
	Verdict     string           `json:"verdict"`
	Because     string           `json:"because"`
	WouldChange []string         `json:"would_change,omitempty"`
	Learning    bool             `json:"learning,omitempty"`
	Paused      bool             `json:"paused,omitempty"`
	Signals     []signalReport   `json:"signals"`
	After       []afterwards     `json:"after,omitempty"`
	Incident    *detect.Incident `json:"incident,omitempty"`
	Peers       []peerReport     `json:"peers"`
}

type afterwards struct {
	At   detect.Time `json:"at"`
	What string      `json:"what"`
}

func (e *explanation) after(at bgp.Micros, what string) {
	e.After = append(e.After, afterwards{detect.At(at.Time()), what})
}

// signalReport is one address family.
type signalReport struct {
	Signal       string               `json:"signal"`
	Unit         string               `json:"unit"`
	Prefixes     prefixReport         `json:"prefixes"`
	Units        unitReport           `json:"units"`
	Origins      int                  `json:"origins"` // of lost prefixes
	Level        detect.Share         `json:"level"`
	ASNs         detect.VantageCount  `json:"asns"`
	Masked       *maskedReport        `json:"masked,omitempty"`
	Coverage     detect.Coverage      `json:"coverage"`
	Crossed      bool                 `json:"crossed"`
	Branch       string               `json:"branch"`
	T0           detect.Time          `json:"t0,omitzero"`
	Band         detect.Share         `json:"band,omitempty"`
	Factor       float64              `json:"factor"`
	Settling     bool                 `json:"settling,omitempty"`
	Unstable     bool                 `json:"unstable,omitempty"` // too many of its units cannot be judged
	MeanLoss     detect.Share         `json:"mean_loss"`
	Tests        []testReport         `json:"tests"`
	Lost         []rowReport          `json:"lost,omitempty"`
	Near         []rowReport          `json:"near,omitempty"`
	Unobservable []rowReport          `json:"unobservable,omitempty"`
	Explanations []detect.Explanation `json:"explanations,omitempty"`

	unlearned bool
	small     bool
}

type prefixReport struct {
	detect.PrefixCount
	Base  int `json:"base"` // the lowest number lost in the last minutes
	Moved int `json:"moved,omitempty"`
}

type unitReport struct {
	Expected     int64 `json:"expected"`
	Lost         int64 `json:"lost"`
	Base         int64 `json:"base"`
	Unobservable int64 `json:"unobservable,omitempty"`
}

type maskedReport struct {
	Sessions int `json:"sessions"`
	Lost     int `json:"lost"` // prefixes that would be lost if they voted by what they said last
	Prefixes int `json:"prefixes"`
}

type testReport struct {
	detect.Test
	Missing float64 `json:"missing,omitempty"`
}

type rowReport struct {
	Prefix       string      `json:"prefix"`
	Origin       uint32      `json:"origin,omitempty"`
	Units        uint32      `json:"units"`
	Withdrawn    int         `json:"withdrawn"`
	Expected     int         `json:"expected"`
	Announced    int         `json:"announced"`
	Muted        int         `json:"muted,omitempty"`
	Flapping     bool        `json:"flapping,omitempty"` // more than half of its voters flap together
	All          int         `json:"all"`                // ASes expected to carry it, voting or not
	Deaggregated bool        `json:"deaggregated,omitempty"`
	Since        detect.Time `json:"since,omitzero"`
}

// peerReport is one session with what it says of the entity's prefixes.
type peerReport struct {
	Peer  string                 `json:"peer"`
	State string                 `json:"state"`
	Since detect.Time            `json:"since,omitzero"`
	Last  detect.Time            `json:"last_message,omitzero"`
	Note  string                 `json:"note,omitempty"`
	Full  bool                   `json:"full_feed,omitempty"`
	Cells map[string]cellsReport `json:"cells,omitempty"` // by signal
}

type cellsReport struct {
	Votes     bool `json:"votes"`
	Expected  int  `json:"expected"`
	Presumed  int  `json:"presumed,omitempty"`
	Announced int  `json:"announced"`
	Withdrawn int  `json:"withdrawn"`
	Muted     int  `json:"muted,omitempty"`
}

// fill takes over the account.
func (e *explanation) fill(a *signal.Account, data detect.Data) {
	e.V, e.Entity, e.At, e.Data, e.Learning, e.Paused, e.Incident = 1, a.Entity, detect.At(a.At.Time()), data, a.Learning, a.Paused, a.Incident
	for i := range a.Signals {
		e.Signals = append(e.Signals, reportOf(&a.Signals[i]))
	}
	for _, p := range a.Peers {
		r := peerReport{
			Peer: p.Status.Peer.String(), State: p.Status.State, Note: p.Status.Note, Full: p.Status.FullFeed,
			Since: detect.At(p.Status.Since.Time()), Last: detect.At(p.Status.LastMessage.Time()), Cells: map[string]cellsReport{},
		}
		for _, s := range a.Signals {
			c := p.Cells[s.ID]
			if c.Expected+c.Presumed+c.Announced+c.Withdrawn > 0 || !c.Votes {
				r.Cells[s.Signal] = cellsReport(c)
			}
		}
		e.Peers = append(e.Peers, r)
	}
}

func reportOf(s *signal.SignalAccount) signalReport {
	r := &s.Reading
	out := signalReport{
		Signal: s.Signal, Unit: s.Unit, Origins: r.Origins, Level: detect.Share(s.Level), ASNs: r.Votes, Coverage: s.Coverage,
		Prefixes: prefixReport{
			PrefixCount: detect.PrefixCount{Expected: r.Prefixes, Lost: r.LostPrefixes, Deaggregated: r.Deaggregated, Unobservable: r.UnobservablePrefixes},
			Base:        s.Base, Moved: s.Moved,
		},
		Units:   unitReport{Expected: r.Expected, Lost: r.Lost, Base: s.BaseUnits, Unobservable: r.Unobservable},
		Crossed: s.Crossed, Branch: s.Branch, T0: s.CrossedAt, Band: detect.Share(s.Band), Factor: s.Factor, Settling: s.Settling, Unstable: s.Unstable,
		MeanLoss: detect.Share(s.MeanLoss), Lost: rowsOf(s.Lost), Near: rowsOf(s.Near), Unobservable: rowsOf(s.Unobservable),
		Explanations: s.Explanations, unlearned: s.Unlearned, small: r.SmallQuorum,
	}
	for _, t := range s.Tests {
		out.Tests = append(out.Tests, testReport{t, t.Missing()})
	}
	if s.Unmasked != nil {
		out.Masked = &maskedReport{s.Masked, s.Unmasked.Lost, s.Unmasked.Prefixes}
	}
	return out
}

func rowsOf(rows []signal.RowAccount) (out []rowReport) {
	for _, r := range rows {
		x := rowReport{
			Prefix: r.Prefix.String(), Origin: r.Origin, Units: r.Units, Deaggregated: r.Deaggregated, Flapping: r.Vote.Unstable,
			Withdrawn: r.Vote.Withdrawn, Expected: r.Vote.Expected, Announced: r.Vote.Announced, Muted: r.Vote.Muted, All: r.Vote.ExpectedTotal,
		}
		if r.Since != 0 {
			x.Since = detect.At(r.Since.Time())
		}
		out = append(out, x)
	}
	return out
}
