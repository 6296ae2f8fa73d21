package alerts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Dispatcher turns the revisions of live data in a store into messages, and sends them. Everything it decides is in the store before anything is sent: a process
// that dies loses nothing, and what it may have sent without a receipt is sent again with the same ID.
type Dispatcher struct {
	Store    Store
	Subs     []*Subscription
	Channels map[string]Channel // by receiver
	// Subscribers gives the subscriptions of those who are told by mail, whose names begin with MailPrefix; nil: there are none. Mail tells them.
	Subscribers func(ctx context.Context) ([]*Subscription, error)
	Mail        Channel
	URL         func(*detect.Incident) string // page of a revision
	// Hold is how long revisions gather before they are decided together, so that what belongs together is one message; default 4 s.
	Hold time.Duration
	// PerHour bounds the messages that one receiver is sent within an hour; more wait. Default 60.
	PerHour int
	Note    func(err error, what string) // a failure, or nil and what happened; may be nil

	seen  time.Time // when there was something to decide first
	mu    sync.Mutex
	busy  map[string]int64       // by receiver: the message that is being sent
	sent  map[string][]time.Time // by receiver, within the last hour
	doing sync.WaitGroup
}

const (
	defaultHold = 4 * time.Second
	defaultRate = 60
	batchSize   = 10_000
	sendTimeout = 30 * time.Second
	firstPause  = 5 * time.Second
	longPause   = 15 * time.Minute
	giveUp      = 24 * time.Hour
	atOnce      = 8 // receivers that are sent to at the same time
	waitingMost = 1000
)

// Run decides and sends until ctx ends, then waits for what is being sent.
func (d *Dispatcher) Run(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	defer d.Wait()
	for {
		if _, err := d.Decide(ctx, time.Now()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("alerts: %w", err)
		}
		if err := d.Send(ctx, time.Now()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("alerts: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Decide looks at the revisions that gathered for Hold, and gives how many messages came of them.
func (d *Dispatcher) Decide(ctx context.Context, now time.Time) (int, error) {
	from, err := d.Store.Reached(ctx)
	if err != nil {
		return 0, err
	}
	list, err := d.Store.Revisions(ctx, from, batchSize)
	if err != nil || len(list) == 0 {
		d.seen = time.Time{}
		return 0, err
	}
	hold := d.Hold
	if hold <= 0 {
		hold = defaultHold
	}
	if d.seen.IsZero() {
		d.seen = now
	}
	if now.Sub(d.seen) < hold && len(list) < batchSize {
		return 0, nil
	}
	d.seen = time.Time{}
	subs := d.Subs
	if d.Subscribers != nil {
		people, err := d.Subscribers(ctx)
		if err != nil {
			return 0, err
		}
		subs = slices.Concat(subs, people)
	}
	b := batch{now: now, subs: subs, told: map[string]map[string]*Told{}, url: d.URL}
	var failed error
	b.whole = func(id string) map[string]*Told {
		t, err := d.told(ctx, id)
		failed = errors.Join(failed, err)
		return t
	}
	newest := map[string]int{}
	for i := range list {
		in := &list[i].Incident
		if in.Data != detect.Live {
			continue
		}
		if at, ok := newest[in.ID]; ok {
			b.in[at] = in
			continue
		}
		newest[in.ID] = len(b.in)
		b.in = append(b.in, in)
		if b.told[in.ID], err = d.told(ctx, in.ID); err != nil {
			return 0, err
		}
	}
	told, out := b.decide()
	if failed != nil {
		return 0, failed
	}
	d.mu.Lock() // nothing that is replaced here may be taken up meanwhile
	defer d.mu.Unlock()
	out, replaced, err := d.replace(ctx, out)
	if err != nil {
		return 0, err
	}
	out, replaced, err = gather(now, out, replaced, func(to string) ([]Outgoing, error) {
		list, err := d.Store.Waiting(ctx, to, waitingMost)
		return slices.DeleteFunc(list, func(w Outgoing) bool { return d.busy[to] == w.N }), err
	})
	if err != nil {
		return 0, err
	}
	told = thread(out, told, func(incident, receiver string) *Told {
		if b.told[incident] == nil { // it only waited
			b.told[incident] = b.whole(incident)
		}
		return b.told[incident][receiver]
	})
	if failed != nil {
		return 0, failed
	}
	return len(out), d.Store.Decide(ctx, list[len(list)-1].N, told, out, replaced)
}

func (d *Dispatcher) told(ctx context.Context, id string) (map[string]*Told, error) {
	list, err := d.Store.Told(ctx, id)
	m := map[string]*Told{}
	for i := range list {
		m[list[i].Receiver] = &list[i]
	}
	return m, err
}

// replace drops what waits and was never tried, and is out of date by what is said now. An alert that was taken back before it left is not said at all.
func (d *Dispatcher) replace(ctx context.Context, out []Outgoing) (kept []Outgoing, replaced []int64, err error) {
	for _, o := range out {
		waiting, err := d.Store.Waiting(ctx, o.Message.Receiver, waitingMost)
		if err != nil {
			return nil, nil, err
		}
		for _, w := range waiting {
			if w.Attempts > 0 || d.busy[w.Message.Receiver] == w.N || !within(&w.Message, &o.Message) {
				continue
			}
			replaced = append(replaced, w.N)
			for i := range o.Message.Items {
				item := &o.Message.Items[i]
				j := slices.IndexFunc(w.Message.Items, func(x Item) bool { return x.Incident.ID == item.Incident.ID })
				item.First = item.First || j >= 0 && w.Message.Items[j].First
			}
		}
		o.Message.Items = slices.DeleteFunc(o.Message.Items, func(i Item) bool { return i.First && i.Occasion == Retracted && !o.Message.Digest })
		if len(o.Message.Items) > 0 {
			kept = append(kept, o)
		}
	}
	return kept, replaced, nil
}

// within reports whether everything that a message tells of is told of in another.
func within(a, b *Message) bool {
	for i := range a.Items {
		if !slices.ContainsFunc(b.Items, func(x Item) bool { return x.Incident.ID == a.Items[i].Incident.ID }) {
			return false
		}
	}
	return true
}

// Send begins to send what is due: of each receiver the oldest message, one at a time, so that what is said arrives in order.
func (d *Dispatcher) Send(ctx context.Context, now time.Time) error {
	waiting, err := d.Store.Waiting(ctx, "", waitingMost)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy == nil {
		d.busy, d.sent = map[string]int64{}, map[string][]time.Time{}
	}
	looked := map[string]bool{}
	for i := range waiting {
		w := &waiting[i]
		to := w.Message.Receiver
		if _, ok := d.busy[to]; ok || looked[to] || len(d.busy) >= atOnce {
			continue
		}
		if w.NotUntil.After(now) && w.Attempts == 0 {
			continue // quiet hours hold it back, and nothing behind it
		}
		looked[to] = true
		if w.NotUntil.After(now) || d.full(to, now) {
			continue
		}
		d.busy[to] = w.N
		d.doing.Go(func() { d.one(ctx, w, now) })
	}
	return nil
}

// full reports that a receiver had its messages of this hour. The caller holds mu.
func (d *Dispatcher) full(to string, now time.Time) bool {
	rate := d.PerHour
	if rate <= 0 {
		rate = defaultRate
	}
	d.sent[to] = slices.DeleteFunc(d.sent[to], func(t time.Time) bool { return now.Sub(t) > time.Hour })
	return len(d.sent[to]) >= rate
}

// one sends a message and notes what became of it. Where even that fails, the message still waits, and is sent again.
func (d *Dispatcher) one(ctx context.Context, w *Outgoing, now time.Time) {
	to := w.Message.Receiver
	var err error
	receipt := ""
	ch := d.Channels[to]
	if ch == nil && strings.HasPrefix(to, MailPrefix) {
		ch = d.Mail
	}
	if ch == nil {
		err = &Permanent{fmt.Errorf("%s is no receiver of the configuration any more", to)}
	} else {
		sending, stop := context.WithTimeout(ctx, sendTimeout)
		receipt, err = ch.Send(sending, &w.Message)
		stop()
	}
	noting := context.WithoutCancel(ctx)
	var permanent *Permanent
	switch {
	case err == nil:
		err = d.Store.Sent(noting, w.N, now, receipt)
		d.note(err, "sent to "+to+": "+w.Message.ID)
	case ctx.Err() != nil: // the process stops: tried again when it starts
	case errors.As(err, &permanent), now.Sub(w.First) > giveUp:
		d.note(err, "not delivered to "+to+", and not tried again: "+w.Message.ID)
		err = d.Store.Dead(noting, w.N, now, err.Error())
	default:
		d.note(err, "not delivered to "+to+" yet: "+w.Message.ID)
		err = d.Store.Later(noting, w.N, now.Add(pause(w.Attempts, err)), err.Error())
	}
	if err != nil && ctx.Err() == nil {
		d.note(err, "the outbox")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, to)
	d.sent[to] = append(d.sent[to], now)
}

func (d *Dispatcher) note(err error, what string) {
	if d.Note != nil {
		d.Note(err, what)
	}
}

// pause is how long to wait after a failure: longer each time, with a part by chance so that receivers are not tried in step, and at least as
// long as the receiver asked for.
func pause(attempts int, err error) time.Duration {
	p := min(firstPause<<min(attempts, 10), longPause)
	p += rand.N(p / 4)
	var busy *Busy
	if errors.As(err, &busy) {
		p = max(p, min(busy.After, time.Hour))
	}
	return p
}

// Wait waits until what is being sent was sent, or was not.
func (d *Dispatcher) Wait() { d.doing.Wait() }
