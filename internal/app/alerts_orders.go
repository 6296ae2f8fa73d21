package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
)

// AlertsOrder keeps an order in the store of a folder, also beside a running monitor, which follows it within a second. An order without From
// begins now; span is its length when it has no Until.
func AlertsOrder(ctx context.Context, dir string, o alerts.Order, span time.Duration, out io.Writer) error {
	store, err := sqlite.OpenBeside(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	now := time.Now().UTC().Truncate(time.Microsecond)
	o.At = now
	if o.Kind != alerts.EndOrder && o.From.IsZero() {
		o.From = now
	}
	if o.Until.IsZero() && span > 0 {
		o.Until = o.From.Add(span)
	}
	o.From, o.Until = o.From.UTC(), o.Until.UTC()
	if err := o.Check(now); err != nil {
		return err
	}
	if o.Incident != "" {
		in, err := store.Subject(ctx, o.Incident)
		if errors.Is(err, sqlite.ErrNotFound) {
			return fmt.Errorf("incident: there is no %q in the store", o.Incident)
		}
		if err != nil {
			return err
		}
		if o.Kind == alerts.Ack {
			if !in.State.Open() {
				return fmt.Errorf("incident: %s is over, and nothing more will be said of it", o.Incident)
			}
			o.Severity = in.Severity
		}
	}
	if o.N, err = store.Order(ctx, o); err != nil {
		return err
	}
	fmt.Fprintln(out, orderLine(&o))
	return nil
}

// AlertsOrders lists orders of a kind, "" is all: those that hold or are to come, or all that there ever were, with what ended them.
func AlertsOrders(ctx context.Context, dir string, kind alerts.OrderKind, all, asJSON bool, out io.Writer) error {
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	since := time.Now()
	if all {
		since = time.Time{}
	}
	list, err := store.Orders(ctx, since)
	if err != nil {
		return err
	}
	kinds := map[int64]alerts.OrderKind{}
	for i := range list {
		kinds[list[i].N] = list[i].Kind
	}
	if !all {
		list = alerts.Effective(list)
	}
	for i := range list {
		o := &list[i]
		switch {
		case kind != "" && cmp.Or(kinds[o.Ends], o.Kind) != kind, !all && !o.Until.After(since):
		case asJSON:
			line := struct {
				N int64 `json:"n"`
				*alerts.Order
			}{o.N, o}
			if err := json.NewEncoder(out).Encode(line); err != nil {
				return err
			}
		default:
			fmt.Fprintln(out, orderLine(o))
		}
	}
	return nil
}

// orderLine is an order in a line.
func orderLine(o *alerts.Order) string {
	said := fmt.Sprintf("(%s, %s: %s)", o.At.Format(time.RFC3339), o.Who, o.Why)
	if o.Kind == alerts.EndOrder {
		return fmt.Sprintf("%d  ends %d %s", o.N, o.Ends, said)
	}
	about := []string{}
	for _, x := range []struct{ name, value string }{{"incident", o.Incident}, {"entity", o.Entity}, {"receiver", o.Receiver}, {"announced by", o.By}, {"cited:", o.Cited}} {
		if x.value != "" {
			about = append(about, x.name+" "+x.value)
		}
	}
	if o.Monitor {
		about = append([]string{"of the monitor"}, about...)
	}
	return fmt.Sprintf("%d  %s %s, %s to %s %s", o.N, o.Kind, strings.Join(about, ", "), o.From.Format(time.RFC3339), o.Until.Format(time.RFC3339), said)
}

// heldLine is what was held back, in a line.
func heldLine(h *alerts.Held) string {
	return fmt.Sprintf("%s of %s, revision %d, by order %d: %s", h.Occasion, h.Incident, h.Revision, h.Order, cmp.Or(h.Became, "still held back"))
}

// AlertsLog prints what was held back lately, newest first.
func AlertsLog(ctx context.Context, dir string, limit int, out io.Writer) error {
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := store.HeldLately(ctx, limit)
	if err != nil {
		return err
	}
	for i := range list {
		fmt.Fprintf(out, "%s  %-16s %s\n", detect.At(list[i].At), list[i].Receiver, heldLine(&list[i]))
	}
	return nil
}
