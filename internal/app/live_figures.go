package app

import (
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp/collect"
)

const (
	// listEvery is how often the store is told how far each segment was read, and sessionsEvery how often sessions are looked at.
	listEvery     = 10 * second
	sessionsEvery = 5 * second
)

// tellOthers tells the store and the pages how far it is, after a second.
func (l *live) tellOthers() error {
	if l.second-l.listed >= listEvery {
		if err := l.list(); err != nil {
			return err
		}
	}
	if l.onSecond == nil {
		return nil
	}
	l.meter.look(l.f.m, l.second%sessionsEvery == 0)
	l.meter.live.Entries = l.log.Journal().Entries()
	l.meter.live.Queues = l.meter.live.Queues[:0:0]
	for _, s := range l.sources {
		if q, ok := s.(queued); ok {
			l.meter.live.Queues = append(l.meter.live.Queues, q.queue())
		}
	}
	now := l.meter.copy()
	if since := l.f.m.TraceSince(); since != 0 {
		now.Notes = append(slices.Clone(now.Notes), fmt.Sprintf("more messages came than are kept for incidents that open later: those of before %s are in the segments only", stamp(since)))
	}
	l.onSecond(l.second, now)
	return nil
}

// list tells the store how far each segment was read.
func (l *live) list() error {
	files := make([]collect.File, l.base+len(l.inputs)-l.dirty)
	for i := range files {
		files[i].Input = *l.inputs[l.dirty-l.base+i]
	}
	l.listed = l.second
	if err := l.rec.inputs(l.dirty, files); err != nil {
		return err
	}
	l.dirty = l.log.Oldest()
	return nil
}
