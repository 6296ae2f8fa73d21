package app

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
)

// storedExplanation is what `corewatch explain --store` says when the records of the store are not there any more; docs/explain.md
// describes its JSON.
type storedExplanation struct {
	V          int              `json:"v"`
	Stored     bool             `json:"stored"` // told from what the store keeps, not from the records
	Why        string           `json:"why"`    // the records are not replayed
	Entity     detect.Entity    `json:"entity"`
	At         detect.Time      `json:"at"`
	Data       detect.Data      `json:"data"`
	Verdict    string           `json:"verdict"`
	Because    string           `json:"because"`
	NotTold    []string         `json:"not_told"`
	Signals    []storedSignal   `json:"signals,omitempty"`
	Incident   *detect.Incident `json:"incident,omitempty"` // in the revision of the instant
	Later      []afterwards     `json:"after,omitempty"`
	Lost       int              `json:"members_lost"` // members that were lost at the instant
	Members    []storedMember   `json:"members,omitempty"`
	Messages   int              `json:"messages,omitempty"` // kept raw messages up to the instant
	neighbours []string
}

// storedSignal is the sample that held at the instant, and the lowest loss of the samples of the 15 minutes before it.
type storedSignal struct {
	Signal       string      `json:"signal"`
	At           detect.Time `json:"at"`
	Expected     int64       `json:"expected"`
	Lost         int64       `json:"lost"`
	Unobservable int64       `json:"unobservable,omitempty"`
	Prefixes     int32       `json:"prefixes"`
	LostPrefixes int32       `json:"lost_prefixes"`
	Base         int32       `json:"base"`
	Voting       int32       `json:"voting"`
	NoData       bool        `json:"no_data,omitempty"`
	Unstable     bool        `json:"unstable,omitempty"`

	dark bool // less than enough of its units could be judged for a floor
}

// storedMember is a member of the incident at the instant: what its history says, and what the kept raw messages say.
type storedMember struct {
	Prefix    string      `json:"prefix"`
	Origin    uint32      `json:"origin,omitempty"`
	MovedFrom uint32      `json:"moved_from,omitempty"`
	LostAt    detect.Time `json:"lost_at"`
	BackAt    detect.Time `json:"back_at,omitzero"` // last found back
	Withdrawn int         `json:"withdrawn"`        // of the voters, at the instant
	Expected  int         `json:"expected"`
	Sessions  int         `json:"sessions"` // that withdrew it by kept messages and had not announced it again
	First     detect.Time `json:"first_withdrawal,omitzero"`
	FirstPeer string      `json:"first_peer,omitempty"`
}

// The verdicts of a stored explanation beside those of a replay.
const (
	verdictNone    = "no_incident" // something more was lost than lately, and no incident was open: why not cannot be told
	verdictUnknown = "not_known"   // the store holds nothing about the instant
)

// notTold is what samples, revisions, members and messages of incidents cannot answer.
var notTold = []string{
	"which test of a floor was how far away: deaggregated prefixes and origins of lost ones are not in samples, nor is the band",
	"prefixes that were nearly lost or could not be judged, by name",
	"which sessions did not vote at that instant, and why",
}

// fromStore explains from what a store keeps. why says why its records are not replayed.
func (x Explain) fromStore(ctx context.Context, s *sqlite.Store, about detect.Entity, cfg detect.Config, why error) (*storedExplanation, error) {
	e := &storedExplanation{V: 1, Stored: true, Why: why.Error(), Entity: about, At: detect.At(x.At.Truncate(time.Second)), NotTold: notTold}
	if data, err := s.Meta(ctx, "data"); err == nil {
		e.Data = detect.Data(data)
	}
	first, last, err := covered(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := e.samples(ctx, s, cfg, &first, &last); err != nil {
		return nil, err
	}
	if err := e.incidents(ctx, s, cfg); err != nil {
		return nil, err
	}
	at := bgp.Micros(e.At.Micros())
	switch {
	case first == 0:
		return nil, fmt.Errorf("the store holds neither inputs nor samples of %s; nothing can be told (%w)", about.Key(), why)
	case at < first:
		return nil, fmt.Errorf("--at %s lies before what the store covers, which begins at %s", e.At, detect.At(first.Time()))
	case e.At.Sub(last.Time()) > dataSlack:
		return nil, fmt.Errorf("--at %s lies after what the store covers, which ends at %s", e.At, detect.At(last.Time()))
	}
	if e.Incident != nil {
		if err := e.members(ctx, s); err != nil {
			return nil, err
		}
	}
	e.conclude()
	return e, nil
}

// covered is the period of the records that the store was made of; 0 when it does not say.
func covered(ctx context.Context, s *sqlite.Store) (first, last bgp.Micros, err error) {
	inputs, err := s.Inputs(ctx)
	for _, in := range inputs {
		if in.First != 0 && (first == 0 || in.First < first) {
			first = in.First
		}
		last = max(last, in.Last)
	}
	return first, last, err
}

// storedHeartbeat is longer than the time between two samples of a signal: an older one says nothing of the instant.
const storedHeartbeat = 11 * time.Minute

// samples reads the samples around the instant. Samples beyond the recorded inputs widen what the store covers.
func (e *storedExplanation) samples(ctx context.Context, s *sqlite.Store, cfg detect.Config, first, last *bgp.Micros) error {
	window := time.Duration(cfg.BaselineMinutes+1) * time.Minute
	for _, sig := range []detect.SignalID{detect.BGPv4, detect.BGPv6} {
		list, err := s.Samples(ctx, e.Entity.Key(), sig.String(), e.At.Add(-window-storedHeartbeat), e.At.Add(storedHeartbeat))
		if err != nil {
			return err
		}
		var held *detect.Sample
		base := int32(-1)
		for i := range list {
			p := &list[i]
			at := bgp.Micros(p.At.Micros())
			if *first == 0 || at < *first {
				*first = at
			}
			*last = max(*last, at)
			if p.At.After(e.At.Time) {
				continue
			}
			held = p
			if !p.At.Before(e.At.Add(-window)) && !p.NoData && (base < 0 || p.LostPrefixes < base) {
				base = p.LostPrefixes
			}
		}
		if held == nil || e.At.Sub(held.At.Time) > storedHeartbeat {
			continue
		}
		seen := held.Expected + held.Unobservable
		e.Signals = append(e.Signals, storedSignal{
			Signal: held.Signal, At: held.At, Expected: held.Expected, Lost: held.Lost, Unobservable: held.Unobservable, Prefixes: held.Prefixes,
			LostPrefixes: held.LostPrefixes, Base: max(0, base), Voting: held.Voting, NoData: held.NoData,
			Unstable: !held.NoData && cfg.Unstable(held.Expected, held.Unobservable), dark: seen > 0 && float64(held.Expected) < cfg.MinObservable*float64(seen),
		})
	}
	return nil
}

// incidents finds the incident that was open at the instant, as it was published then, and what came within the holds after it.
func (e *storedExplanation) incidents(ctx context.Context, s *sqlite.Store, cfg detect.Config) error {
	hold := time.Duration(cfg.SuspectAfter+cfg.ConfirmAfter+15) * time.Second
	q := sqlite.Query{Entity: e.Entity.Key(), Kinds: []string{string(detect.Outage)}}
	var before, after *detect.Incident
	for {
		list, next, err := s.Incidents(ctx, q)
		if err != nil {
			return err
		}
		for i := range list { // newest first
			inc := &list[i]
			e.Entity.Name = cmp.Or(e.Entity.Name, inc.Entity.Name)
			over := inc.ClosedAt
			switch {
			case inc.SuspectedAt.After(e.At.Time):
				after = inc
			case !over.IsZero() && !over.After(e.At.Time):
				if before == nil {
					before = inc
				}
			case e.Incident == nil:
				n := 1
				for _, r := range inc.Revisions {
					if !r.At.After(e.At.Time) {
						n = r.Revision
					}
				}
				if e.Incident, err = s.Revision(ctx, inc.ID, n); err != nil {
					return err
				}
				e.revisions(inc, hold)
			}
		}
		if q.Cursor = next; next == "" {
			break
		}
	}
	if after != nil {
		e.revisions(after, hold)
		if after.SuspectedAt.Sub(e.At.Time) > hold {
			e.neighbours = append(e.neighbours, fmt.Sprintf("the next one was suspected at %s: %s", after.SuspectedAt, after.ID))
		}
	}
	if before != nil {
		e.neighbours = append(e.neighbours, fmt.Sprintf("the one before ended at %s: %s", before.ClosedAt, before.ID))
	}
	return nil
}

// revisions notes the steps of an incident within the holds that follow the instant.
func (e *storedExplanation) revisions(inc *detect.Incident, hold time.Duration) {
	for _, r := range inc.Revisions {
		if r.At.After(e.At.Time) && !r.At.After(e.At.Add(hold)) {
			e.Later = append(e.Later, afterwards{r.At, fmt.Sprintf("incident %s: %s: %s", inc.ID, r.Change, r.Reason)})
		}
	}
}

// members tells how each member stood, from its history, and who had withdrawn it, from the raw messages.
func (e *storedExplanation) members(ctx context.Context, s *sqlite.Store) error {
	list, err := s.Members(ctx, e.Incident.ID)
	if err != nil {
		return err
	}
	told, messages, err := withdrawals(ctx, s, e.Incident.ID, e.At)
	if err != nil {
		return err
	}
	e.Messages = messages
	for _, m := range list {
		if m.LostAt.After(e.At.Time) {
			continue
		}
		x := storedMember{Prefix: m.Prefix, Origin: m.Origin, MovedFrom: m.MovedFrom, LostAt: m.LostAt, BackAt: m.BackAt}
		for _, h := range m.History {
			if !h.At.After(e.At.Time) {
				x.Withdrawn, x.Expected = h.Expected-h.Carried, h.Expected
			}
		}
		if w := told[m.Prefix]; w != nil {
			x.First, x.FirstPeer = detect.At(w.first.Time()), w.firstPeer
			for _, away := range w.away {
				if away {
					x.Sessions++
				}
			}
		}
		if x.Expected > 0 && 2*x.Withdrawn >= x.Expected {
			e.Lost++
		}
		e.Members = append(e.Members, x)
	}
	slices.SortStableFunc(e.Members, func(a, b storedMember) int { return cmp.Compare(b.Sessions, a.Sessions) })
	e.Members = e.Members[:min(len(e.Members), 100)]
	return nil
}

// told is what raw messages say of one prefix.
type told struct {
	first     bgp.Micros
	firstPeer string
	away      map[string]bool // by session: withdrawn, and not announced again; counted only
}

// withdrawals reads the kept messages of an incident up to an instant.
func withdrawals(ctx context.Context, s *sqlite.Store, id string, until detect.Time) (map[string]*told, int, error) {
	out := map[string]*told{}
	var dec mrt.Decoder
	var c mrt.Content
	var u wire.Update
	n := 0
	_, err := s.Messages(ctx, id, func(m bgp.Message) error {
		if m.At > bgp.Micros(until.Micros())+second-1 {
			return nil
		}
		n++
		rec, err := mrt.NewReader(bytes.NewReader(m.Raw)).Next()
		if err != nil || dec.Decode(rec, &c) != nil || c.Kind != mrt.Message || u.Parse(c.BGP, c.Opts) != nil {
			return nil // it was counted when it came; what it says is not of this list
		}
		peer := m.Peer.String()
		for e := (bgp.Elem{}); u.Next(&e); {
			w := out[e.Prefix.String()]
			if w == nil {
				w = &told{away: map[string]bool{}}
				out[e.Prefix.String()] = w
			}
			w.away[peer] = e.Kind == bgp.Withdraw
			if e.Kind == bgp.Withdraw && w.first == 0 {
				w.first, w.firstPeer = m.At, peer
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("messages of %s: %w", id, err)
	}
	return out, n, nil
}

// conclude says what was known of the entity at the instant.
func (e *storedExplanation) conclude() {
	var main *storedSignal
	paused := len(e.Signals) > 0
	for i := range e.Signals {
		s := &e.Signals[i]
		paused = paused && s.NoData
		if main == nil || s.LostPrefixes-s.Base > main.LostPrefixes-main.Base {
			main = s
		}
	}
	none := "no incident about it was open"
	for _, n := range e.neighbours {
		none += "; " + n
	}
	switch {
	case e.Incident != nil:
		r := e.Incident.Revisions[len(e.Incident.Revisions)-1]
		e.Verdict, e.Because = verdictIncident, fmt.Sprintf("an incident was open: %s, %s since %s (%s)", e.Incident.ID, r.State, r.At, r.Reason)
	case main == nil && e.Entity.Type == "network":
		e.Verdict, e.Because = verdictUnknown, none+". A network is sampled only while it has an open incident: what it had lost is not known"
	case main == nil:
		e.Verdict, e.Because = verdictUnknown, none+". There is no sample of it at that instant: what it had lost is not known"
	case paused:
		e.Verdict, e.Because = verdictPaused, none+". Every collector was silent: nothing opens and nothing closes"
	case main.dark:
		e.Verdict, e.Because = verdictUnobservable, fmt.Sprintf("%s. Only %d of %d units could be judged: neither up nor down", none, main.Expected, main.Expected+main.Unobservable)
	case main.LostPrefixes <= main.Base:
		e.Verdict, e.Because = verdictQuiet, fmt.Sprintf("%s. %d of %d observable prefixes were lost, no more than lately", none, main.LostPrefixes, main.Prefixes)
	default:
		e.Verdict, e.Because = verdictNone, fmt.Sprintf("%s. %d of %d observable prefixes were lost, %d more than at the lowest of the last minutes", none, main.LostPrefixes, main.Prefixes, main.LostPrefixes-main.Base)
	}
}
