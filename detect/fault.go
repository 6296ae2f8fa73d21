package detect

import "slices"

// fault is an open monitor fault: a peer or collector of ours that we cannot rely on. It says nothing about the network watched.
type fault struct {
	doc     Incident
	serial  int
	entity  Entity
	healthy int64 // since when the cause has been gone; 0 while it lasts
	held    int64 // of that, how long every collector was silent
}

// Fault opens a monitor fault about a peer or collector, or notes the relapse of one that has not ended yet. at is µs of
// event time; context tells what the incident rests on.
func (e *Engine) Fault(ent Entity, at int64, reason string, ctx Context) {
	for _, f := range e.faults {
		if f.entity.Key() == ent.Key() {
			if f.healthy != 0 {
				f.healthy, f.held = 0, 0
				f.doc.State, f.doc.End = Confirmed, nil
				f.revise(e, "relapsed", reason)
			} else {
				f.revise(e, "continued", reason)
			}
			return
		}
	}
	e.serial++
	f := &fault{serial: e.serial, entity: ent}
	f.doc = Incident{
		V: SchemaVersion, ID: ID(ent, MonitorFault, at), Data: e.data, Kind: MonitorFault, State: Confirmed, Severity: 1, Entity: ent,
		PublicCore: []string{"routing"}, Start: Interval{Time: micros(at)}, SuspectedAt: micros(at), ConfirmedAt: micros(at),
		Title: ent.Code + ": " + reason, Coverage: ctx.Coverage, Sources: ctx.Sources, Method: e.method,
	}
	e.faults = append(e.faults, f)
	f.revise(e, "opened", reason)
}

// FaultEnded says that the cause is gone; the fault closes after CloseAfter seconds of health.
func (e *Engine) FaultEnded(ent Entity, at int64, reason string) {
	for _, f := range e.faults {
		if f.entity.Key() == ent.Key() && f.healthy == 0 {
			f.healthy = at
			f.doc.State = Recovering
			f.doc.End = &Interval{Time: micros(at)}
			f.revise(e, "recovering", reason)
		}
	}
}

// FaultGivenUp closes a fault whose cause is not waited for any more: what it was about is no longer expected.
func (e *Engine) FaultGivenUp(ent Entity, at int64, reason string) {
	e.faults = slices.DeleteFunc(e.faults, func(f *fault) bool {
		if f.entity.Key() != ent.Key() {
			return false
		}
		if f.healthy == 0 {
			f.doc.End = &Interval{Time: micros(at)}
		}
		f.close(e, micros(at), reason)
		return true
	})
}

func (f *fault) close(e *Engine, at Time, reason string) {
	f.doc.State = Closed
	f.doc.ClosedAt = at
	f.revise(e, "closed", reason)
	doc := f.doc
	e.closed = append(e.closed, &doc)
}

func (e *Engine) tickFaults(now, step int64, paused bool) {
	if len(e.faults) == 0 {
		return
	}
	e.faults = slices.DeleteFunc(e.faults, func(f *fault) bool {
		if f.healthy == 0 {
			return false
		}
		if paused {
			f.held += step
			return false
		}
		if now-f.healthy-f.held < int64(e.cfg.CloseAfter)*1e6 {
			return false
		}
		f.close(e, micros(now), "healthy again")
		return true
	})
}

func (f *fault) revise(e *Engine, change, reason string) {
	f.doc.Revision++
	if change != inputEnded {
		f.doc.OpenAt = Time{}
	}
	at := e.now
	if f.doc.Revision == 1 {
		at = max(at, f.doc.Start.Time.UnixMicro())
	}
	f.doc.Revisions = append(f.doc.Revisions, Revision{Revision: f.doc.Revision, At: micros(at), State: f.doc.State, Change: change, Reason: reason})
	if e.sink != nil {
		e.sink(f.serial, &f.doc, nil)
	}
}
