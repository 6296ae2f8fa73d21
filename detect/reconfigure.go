package detect

import (
	"fmt"
	"strings"
)

// Reconfigured is the change of the revision that tells of other rules.
const Reconfigured = "reconfigured"

// Method names the rules that decide now.
func (e *Engine) Method() Method { return e.method }

// Reconfigure goes on with other numbers, or as other software, from the last tick on. What was decided stays; each open incident and fault
// gets one revision that names the old and the new, and is judged by the new from then on. With the numbers and the software it has it does
// nothing.
func (e *Engine) Reconfigure(cfg Config, software, configDigest string) {
	now := Method{Name: MethodName, Version: MethodVersion, ConfigSHA256: configDigest, Software: software}
	reason := changeOf(e.method, now)
	if reason == "" {
		return
	}
	if cfg != e.cfg {
		e.cfg = cfg
		e.refit()
	}
	e.method = now
	for _, w := range e.active {
		if w.inc != nil {
			w.inc.doc.Method = now
			w.inc.revise(e, w, Reconfigured, reason)
		}
	}
	for _, f := range e.faults {
		f.doc.Method = now
		f.revise(e, Reconfigured, reason)
	}
}

// Rereferenced is the change of the revision that tells of other reference tables.
const Rereferenced = "rereferenced"

// Rereference tells of other reference tables, from the present instant on: each open incident of a place has a revision that names them. The
// world has the new ones by then. A network is what its routes say it is, whatever the tables.
func (e *Engine) Rereference(reason string) {
	for _, w := range e.active {
		if w.inc != nil && w.inc.doc.Entity.Type != "network" {
			w.inc.revise(e, w, Rereferenced, reason)
		}
	}
}

// changeOf says what of the rules changed, "" when nothing did.
func changeOf(a, b Method) string {
	var parts []string
	say := func(what, from, to string) {
		if from != to {
			parts = append(parts, fmt.Sprintf("%s %s became %s", what, from, to))
		}
	}
	say("config_sha256", a.ConfigSHA256, b.ConfigSHA256)
	say("software", a.Software, b.Software)
	say("method", a.Name+" "+a.Version, b.Name+" "+b.Version)
	return strings.Join(parts, "; ")
}

// refit gives what is remembered the lengths of the configuration, and has the bands and references computed anew.
func (e *Engine) refit() {
	e.looked.refit(lookedHours(&e.cfg))
	for _, w := range e.watches {
		if w == nil {
			continue
		}
		for _, t := range w.tracks {
			if t != nil {
				t.recent.refit(e.cfg.BaselineMinutes)
				t.bandPeriod, t.slow.refHour = 0, 0
			}
		}
	}
	for _, x := range e.restored { // each by itself
		for _, b := range x.signals {
			if b != nil {
				b.slow.refHour = 0
			}
		}
	}
}

// lookedHours is how many hours the engine remembers having looked at.
func lookedHours(c *Config) int { return int(max(c.keep("country"), c.keep("network")) + 12) }

// refit keeps the newest hours.
func (w *watched) refit(hours int) {
	old := *w
	w.minutes = make([]uint8, hours)
	for n := range uint32(min(hours, len(old.minutes))) {
		if n <= w.hour {
			*w.slot(w.hour - n) = uint8(old.of(w.hour - n))
		}
	}
}

// refit keeps the newest minutes. For minutes further back than were kept, the oldest that was is taken.
func (b *recentLow) refit(minutes int) {
	old := *b
	b.slots = make([]level, minutes+1)
	if !b.filled {
		return
	}
	for i := range int64(len(b.slots)) {
		back := min(i, int64(len(old.slots))-1)
		if m := b.minute - i; m >= 0 {
			b.slots[b.slot(m)] = old.slots[old.slot(b.minute-back)]
		}
	}
}
