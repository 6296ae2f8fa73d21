package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
)

// A journal's past may be applied again by software that did not publish what the store has of it: after an update that cannot read the state, or with a
// state that the one before left. What was published stands: it is compared, never written over, and what the past looks like to other software is no news.
// Only what is still open when the past is over goes on (docs/decisions/064-updates.md).

// retelling is what a recorder knows while it is in the past.
type retelling struct {
	published bgp.Micros           // the store has all that was found up to then
	stored    map[string]int       // by id: the last revision in the store, 0 for none
	held      map[int]heldRevision // by serial: found now, and not when it was
}

// heldRevision is the last one of an incident that is not in the store.
type heldRevision struct {
	inc     *detect.Incident // the engine's
	members []detect.Member
}

// retell begins the past. at is how far the store is known to be.
func (r *recorder) retell(at bgp.Micros) error {
	if !r.on() {
		return nil
	}
	peers, err := r.store.PeersAt(r.ctx) // they are written behind all else of their instant
	if err != nil && !errors.Is(err, sqlite.ErrNotFound) {
		return err
	}
	r.past = &retelling{published: max(at, peers), stored: map[string]int{}, held: map[int]heldRevision{}}
	return nil
}

// passOver reports whether a revision is not to be written.
func (r *recorder) passOver(serial int, inc *detect.Incident, members []detect.Member) (bool, error) {
	p := r.past
	if p == nil {
		if r.astray[inc.ID] {
			r.m.TakeMessages(serial)
		}
		return r.astray[inc.ID], nil
	}
	known, err := r.storedRevision(inc.ID)
	if err != nil {
		return false, err
	}
	at := bgp.Micros(inc.Revisions[len(inc.Revisions)-1].At.Micros())
	_, held := p.held[serial]
	switch {
	case inc.Revision <= known:
		if !r.astray[inc.ID] {
			same, err := r.repeats(inc)
			if err != nil {
				return false, err
			}
			if !same {
				r.astray[inc.ID] = true
			}
		}
	case r.astray[inc.ID]:
	case held || known == 0 && at < p.published:
		if inc.State.Open() {
			p.held[serial] = heldRevision{inc, slices.Clone(members)}
			return true, nil // its messages are taken when it is written
		}
		delete(p.held, serial)
	case at < p.published: // behind those that are the same, and not there
		r.astray[inc.ID] = true
	default:
		p.stored[inc.ID] = inc.Revision
		return false, nil
	}
	r.m.TakeMessages(serial)
	return true, nil
}

// storedRevision is the last revision in the store, 0 when it does not have the incident.
func (r *recorder) storedRevision(id string) (int, error) {
	if n, ok := r.past.stored[id]; ok {
		return n, nil
	}
	n := 0
	switch inc, err := r.store.Incident(r.ctx, id); {
	case err == nil:
		n = inc.Revision
	case !errors.Is(err, sqlite.ErrNotFound):
		return 0, err
	}
	r.past.stored[id] = n
	return n, nil
}

// repeats reports whether the store has a revision as it is.
func (r *recorder) repeats(inc *detect.Incident) (bool, error) {
	was, err := r.store.Revision(r.ctx, inc.ID, inc.Revision)
	if errors.Is(err, sqlite.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	a, err := was.JSON()
	if err != nil {
		return false, err
	}
	b, err := inc.JSON()
	return bytes.Equal(a, b), err
}

// retold is what became, at the end of the past, of what is open in the store or in the engine.
type retold struct {
	lost    int // nobody follows it any more
	goes    int // goes on, from what was published of it
	written int // was not published, and is
}

// endPast brings store and engine together. until is the end of the past.
func (r *recorder) endPast(until bgp.Micros) (n retold, err error) {
	p := r.past
	if p == nil {
		return n, nil
	}
	r.past = nil
	open := map[string]*detect.Incident{}
	for _, inc := range r.m.Engine().Incidents() {
		if inc.State.Open() {
			open[inc.ID] = inc
		}
	}
	var adopt []detect.Incident
	astray := map[string]bool{}
	err = r.incidents(func(inc *detect.Incident) error {
		switch own := open[inc.ID]; {
		case own == nil || own.Revision == inc.Revision && !r.astray[inc.ID]:
		case inc.State.Open():
			adopt = append(adopt, *inc)
		default:
			astray[inc.ID] = true
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	r.astray = astray
	n.lost, err = r.lose(until, Software()+" does not find it in the journal: it was open for the software before, and is no longer followed",
		func(inc *detect.Incident) bool { return open[inc.ID] != nil })
	if err != nil {
		return n, err
	}
	for _, inc := range adopt {
		reason := fmt.Sprintf("%s has read the journal again and judges it otherwise in part; the revisions before are those of %s", Software(), inc.Method.Software)
		if r.m.Engine().Adopt(inc.ID, inc.Revisions, reason) {
			n.goes++
		}
	}
	serials := make([]int, 0, len(p.held))
	for serial := range p.held {
		serials = append(serials, serial)
	}
	slices.Sort(serials)
	for _, serial := range serials {
		h := p.held[serial]
		r.revision(serial, h.inc, h.members)
		n.written++
	}
	return n, cmp.Or(r.err, err)
}

func (n retold) String() string {
	return fmt.Sprintf("of what was open %d incidents and faults are no longer followed, %d go on with a revision that says so, and %d are published that were not", n.lost, n.goes, n.written)
}
