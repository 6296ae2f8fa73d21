package detect

import "slices"

// An incident that lies inside another is a part of it, not a second alert (section 4): a network in its country, region or zone, a
// region in its country or zone, a zone in the countries that hold what it lost, and a region or zone in the network that lost more
// than what is there. A country is part of nothing.

// wholes are the ids of the open incidents that an entity's incident is part of, judged by what a signal of it has lost.
func (e *Engine) wholes(w *watch, sig SignalID) []string {
	switch e.entities[w.id].Type {
	case "country":
		return nil
	case "zone":
		if ids := e.covering(w, sig); ids != nil {
			return ids
		}
		return e.wider(w, sig)
	}
	for _, p := range e.world.Within(w.id, sig) {
		if id := e.OpenIncident(p); id != "" {
			return []string{id}
		}
	}
	return e.wider(w, sig)
}

// covering are the incidents of the countries that together hold TitleShare of what a zone has lost: the zone says nothing then that they
// do not say. nil when they do not.
func (e *Engine) covering(w *watch, sig SignalID) (ids []string) {
	need := e.cfg.TitleShare * float64(w.tracks[sig].cur.LostPrefixes)
	held := 0
	for _, c := range e.world.Countries(w.id, sig) {
		id := e.OpenIncident(c.Country)
		if id == "" {
			continue
		}
		ids = append(ids, id)
		if held += c.Prefixes; float64(held) >= need {
			return ids
		}
	}
	return nil
}

// wider is the incident of the network that is TitleShare of what a region or zone has lost, when that network lost more elsewhere.
func (e *Engine) wider(w *watch, sig SignalID) []string {
	t := w.tracks[sig]
	if e.entities[w.id].Type == "network" || len(t.peakParts) == 0 || float64(t.peakParts[0].Prefixes) < e.cfg.TitleShare*float64(t.peak.LostPrefixes) {
		return nil
	}
	for _, n := range e.active {
		if n.inc != nil && e.entities[n.id].Type == "network" && e.entities[n.id].Code == t.peakParts[0].Entity.Code && !slices.Contains(e.world.Within(n.id, sig), w.id) {
			return []string{n.inc.doc.ID}
		}
	}
	return nil
}

// wholeness orders the kinds of entity that an incident can be part of: what is part of one becomes part of a higher one that opens later.
func wholeness(kind string) int {
	return slices.Index([]string{"network", "zone", "region", "country"}, kind) + 1
}

// adopt links the open incidents that lie inside one that has just opened, or that a second signal has joined.
func (e *Engine) adopt(whole *watch, sig SignalID) {
	kind := e.entities[whole.id].Type
	for _, w := range e.active {
		if w.inc == nil || w == whole || w.inc.parentRank >= wholeness(kind) && e.entities[w.id].Type != "zone" || kind == "network" && e.entities[w.id].Type == "network" {
			continue
		}
		if t := w.tracks[sig]; t == nil || !t.joined {
			continue
		}
		ids := e.wholes(w, sig)
		if slices.Contains(ids, whole.inc.doc.ID) && whole.inc.parent != w.inc.doc.ID && w.inc.partOf(e, ids) {
			w.inc.revise(e, w, "linked", "part of an incident of its "+kind)
		}
	}
}

// partOf links the incident to those it is part of, and reports whether that was new.
func (inc *incident) partOf(e *Engine, ids []string) (linked bool) {
	for _, id := range ids {
		r := Related{ID: id, Relation: "part_of"}
		if slices.Contains(inc.doc.Related, r) {
			continue
		}
		inc.doc.Related = append(inc.doc.Related, r)
		linked = true
		for _, w := range e.active {
			if w.inc == nil || w.inc.doc.ID != id {
				continue
			}
			if rank := wholeness(e.entities[w.id].Type); rank > inc.parentRank {
				inc.parent, inc.parentRank = id, rank
			}
		}
	}
	return linked
}
