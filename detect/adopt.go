package detect

import "slices"

// Adopt lets an open incident or fault go on from what was published of it, where that is not what this engine made of the same messages: other software did.
// The next revision is the one behind the last of published; it is made at once, and reason says why. It is false when no open one has the id.
func (e *Engine) Adopt(id string, published []Revision, reason string) bool {
	if len(published) == 0 {
		return false
	}
	goOn := func(d *Incident) {
		d.Revisions = slices.Clone(published)
		d.Revision = published[len(published)-1].Revision
	}
	for _, w := range e.active {
		if w.inc != nil && w.inc.doc.ID == id {
			goOn(&w.inc.doc)
			w.inc.revise(e, w, Reconfigured, reason)
			return true
		}
	}
	for _, f := range e.faults {
		if f.doc.ID == id {
			goOn(&f.doc)
			f.revise(e, Reconfigured, reason)
			return true
		}
	}
	return false
}
