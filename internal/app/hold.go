package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/evidence/annotation"
	"github.com/corewatch/corewatch/store/sqlite"
)

// holdLead is how long before the earliest start of a held incident the messages are kept: the tables that were there, and what led to it.
const holdLead = 24 * 3600 * second

// heldFrom is the instant from which on holds keep everything received live; far in the future when there is none. Where it cannot be told, everything is kept:
// what is given up does not come back.
func (l *live) heldFrom() bgp.Micros {
	from := bgp.Micros(math.MaxInt64)
	if !l.rec.on() {
		return from
	}
	list, err := l.rec.store.Holds(l.rec.ctx)
	for _, h := range inHold(list) {
		inc, failed := l.rec.store.Incident(l.rec.ctx, h.Incident)
		if failed != nil {
			err = failed
			break
		}
		start := inc.Start.Time
		if !inc.Start.Earliest.IsZero() && inc.Start.Earliest.Before(start.Time) {
			start = inc.Start.Earliest
		}
		from = min(from, bgp.Micros(start.UnixMicro())-holdLead)
	}
	if err != nil {
		l.logger.Error().Err(err).Msg("which incidents are held cannot be told: nothing is given up")
		return 0
	}
	return from
}

// inHold are the holds that are not lifted, in the order in which they were put.
func inHold(list []sqlite.Hold) (now []sqlite.Hold) {
	for _, h := range list {
		now = slices.DeleteFunc(now, func(x sqlite.Hold) bool { return x.Incident == h.Incident })
		if h.Held {
			now = append(now, h)
		}
	}
	return now
}

// sayHeld tells once that a hold keeps more than keep says.
func (l *live) sayHeld(from bgp.Micros) {
	if l.heldSaid != from {
		l.heldSaid = from
		l.logger.Warn().Msgf("what was received since %s is kept beyond what keep says, because of a hold: see `corewatch hold list`, and watch the disk", stamp(from))
	}
}

// PutHold puts or lifts the hold of an incident, also beside a running monitor.
func PutHold(ctx context.Context, dir string, h sqlite.Hold, w io.Writer) error {
	if !slices.Contains(annotation.Roles, h.Role) {
		return fmt.Errorf("role %q: want one of %s", h.Role, strings.Join(annotation.Roles, ", "))
	}
	if r := strings.TrimSpace(h.Reason); r == "" || len(r) > 1000 || strings.ContainsAny(r, "\n\r\t\x00\x1b") {
		return errors.New("reason: want one line of at most 1,000 octets")
	}
	s, err := sqlite.OpenBeside(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.AddHold(ctx, h); err != nil {
		return err
	}
	word := "the hold is lifted: what is older than keep says may be given up again"
	if h.Held {
		word = "held: what was received from a day before it on is not given up; what was given up before does not come back"
	}
	_, err = fmt.Fprintf(w, "%s: %s\n", h.Incident, word)
	return err
}

// ListHolds prints the log of holds, and which are in force.
func ListHolds(ctx context.Context, dir string, w io.Writer) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.Holds(ctx)
	if err != nil {
		return err
	}
	now := inHold(list)
	for _, h := range list {
		word := "lifted"
		if h.Held {
			word = "put"
		}
		if slices.Contains(now, h) {
			word += ", in force"
		}
		fmt.Fprintf(w, "%s  %s  %s by %s: %s\n", h.At.Format(time.RFC3339), h.Incident, word, h.Role, h.Reason)
	}
	return nil
}
