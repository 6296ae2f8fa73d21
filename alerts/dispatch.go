package alerts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Dispatcher turns the revisions of live data in a store into messages, and sends them. Everything it decides is in the store before anything is sent: a process
// that dies loses nothing, and what it may have sent without a receipt is sent again with the same ID.
type Dispatcher struct {
	Store    Store
	Subs     []*Subscription               // after the start, Replace changes them
	Channels map[string]Channel            // by receiver; likewise
	URL      func(*detect.Incident) string // page of a revision
	// Within gives the countries that a network is counted in; nil: subscriptions by country are not told of networks by themselves.
	Within func(*detect.Incident) []string
	// Subscribers gives the subscriptions of those who are told by mail, whose names begin with MailPrefix; nil: there are none. Mail tells them.
	Subscribers func(ctx context.Context) ([]*Subscription, error)
	Mail        Channel
	// Hold is how long revisions gather before they are decided together, so that what belongs together is one message; default 4 s.
	Hold time.Duration
	// PerHour bounds the messages that one receiver is sent within an hour; more wait, but for retractions. Default 60.
	PerHour int
	// Timeout is how long one attempt to send may take; default 30 s.
	Timeout time.Duration
	Note    func(err error, what string) // a failure, or nil and what happened; may be nil

	seen     time.Time // when there was something to decide first
	begun    bool      // it was looked for revisions: what a process finds at its beginning gathered before
	standing memory    // see standing.go; of the goroutine that decides
	turned   atomic.Int64
	mu       sync.Mutex
	busy     map[string]int64       // by receiver: the message that is being sent
	again    int                    // of these, how many were tried before
	sent     map[string][]time.Time // by receiver, within the last hour
	flood    map[string]time.Time   // by receiver and occasion: until when more of a flood gathers; of the goroutine that decides
	asked    map[string]time.Time   // by receiver that had its messages of this hour: when retractions were looked for
	wake     chan struct{}          // something was sent; made by Run
	doing    sync.WaitGroup
}

const (
	defaultHold = 4 * time.Second
	defaultRate = 60
	batchSize   = 10_000
	sendTimeout = 30 * time.Second
	firstPause  = 5 * time.Second
	longPause   = 15 * time.Minute
	giveUp      = 24 * time.Hour
	atOnce      = 64                     // receivers that are sent to at the same time
	againAtOnce = 16                     // of these, with what failed before: who does not answer holds nobody up
	waitingMost = 1000                   // of a receiver, that are looked through
	breath      = 20 * time.Millisecond  // between two looks into the outbox
	lookEvery   = 2 * time.Second        // for retractions behind the limit
	tickEvery   = 500 * time.Millisecond // for what is due
	floodEvery  = time.Minute            // between two messages of many incidents, of the same occasion, to one receiver
)

// Run decides and sends until ctx ends, then waits for what is being sent.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.mu.Lock()
	d.wake = make(chan struct{}, 1)
	d.mu.Unlock()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	defer d.Wait()
	for decide := true; ; {
		if decide {
			if _, err := d.Decide(ctx, time.Now()); err != nil && ctx.Err() == nil {
				return fmt.Errorf("alerts: %w", err)
			}
		}
		if err := d.Send(ctx, time.Now()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("alerts: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			decide = true
		case <-d.wake: // its receiver may have more
			decide = false
			time.Sleep(breath)
		}
	}
}

// Decide looks at the revisions that gathered for Hold, and at what else changed: orders, receivers, troubles. It gives how many messages came of them.
func (d *Dispatcher) Decide(ctx context.Context, now time.Time) (int, error) {
	d.turned.Store(now.UnixNano())
	from, err := d.Store.Reached(ctx)
	if err != nil {
		return 0, err
	}
	list, err := d.Store.Revisions(ctx, from, batchSize)
	first := !d.begun
	d.begun = d.begun || err == nil
	if err != nil {
		return 0, err
	}
	if !d.gathered(len(list), now) && (!first || len(list) == 0) {
		list = nil
	}
	b := batch{now: now, told: map[string]map[string]*Told{}, url: d.URL}
	s, err := d.stand(ctx, &b, len(list) > 0)
	if err != nil {
		return 0, err
	}
	b.within = d.Within
	var failed error
	b.whole = func(id string) map[string]*Told {
		t, err := d.told(ctx, id)
		failed = errors.Join(failed, err)
		b.told[id] = t // for the next that is part of it
		return t
	}
	newest := map[string]int{}
	for i := range list {
		in := &list[i].Incident
		if in.Data != detect.Live {
			continue
		}
		delete(b.only, in.ID) // it has news for everybody
		if at, ok := newest[in.ID]; ok {
			b.in[at] = in
			continue
		}
		newest[in.ID] = len(b.in)
		b.in = append(b.in, in)
	}
	for i := range s.in { // as it stands is as its newest revision has it
		if _, ok := newest[s.in[i].ID]; !ok {
			b.in = append(b.in, &s.in[i])
		}
	}
	if len(list) == 0 && len(b.in) == 0 && s.receivers == nil && len(s.settled) == 0 {
		s.remember(&d.standing, nil)
		return 0, nil
	}
	for _, in := range b.in {
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
	out, replaced, err := d.replace(ctx, now, out)
	if err != nil {
		return 0, err
	}
	out = b.unsaid(out)
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
	what := &Decision{
		UpTo: from, Told: told, Out: out, Replaced: replaced, Kept: b.kept, Settled: append(b.settled, s.settled...), Receivers: s.receivers, Troubles: s.troubles,
	}
	if len(list) > 0 {
		what.UpTo = list[len(list)-1].N
	}
	if err := d.Store.Decide(ctx, what); err != nil {
		return 0, err
	}
	s.remember(&d.standing, what)
	return len(what.Out), nil
}

// gathered reports whether what came waited long enough for what belongs to it.
func (d *Dispatcher) gathered(n int, now time.Time) bool {
	if n == 0 {
		d.seen = time.Time{}
		return false
	}
	hold := d.Hold
	if hold <= 0 {
		hold = defaultHold
	}
	if d.seen.IsZero() {
		d.seen = now
	}
	if now.Sub(d.seen) < hold && n < batchSize {
		return false
	}
	d.seen = time.Time{}
	return true
}

func (d *Dispatcher) told(ctx context.Context, id string) (map[string]*Told, error) {
	list, err := d.Store.Told(ctx, id)
	m := map[string]*Told{}
	for i := range list {
		m[list[i].Receiver] = &list[i]
	}
	return m, err
}

// replace takes out of what waits, and was never tried, what is out of date by what is said now; the rest of such a message is a message of its
// own. An alert that was taken back before it left is not said at all. What comes of a flood of incidents after its first message gathers. The
// caller holds mu.
func (d *Dispatcher) replace(ctx context.Context, now time.Time, out []Outgoing) (kept []Outgoing, replaced []int64, err error) {
	held := map[string][]Outgoing{} // by receiver
	for i := range out {
		to := out[i].Message.Receiver
		if _, ok := held[to]; ok {
			continue
		}
		list, err := d.Store.Waiting(ctx, to, waitingMost)
		if err != nil {
			return nil, nil, err
		}
		held[to] = slices.DeleteFunc(list, func(w Outgoing) bool { return w.Attempts > 0 || d.busy[to] == w.N })
	}
	changed := map[int64]bool{}
	for i := range out { // all of it before anything gathers: what gathers takes along what waited
		o := &out[i]
		list := held[o.Message.Receiver]
		for k := range list {
			w := &list[k]
			w.Message.Items = slices.DeleteFunc(w.Message.Items, func(old Item) bool {
				j := slices.IndexFunc(o.Message.Items, func(x Item) bool { return x.Incident.ID == old.Incident.ID })
				if j < 0 {
					return false
				}
				changed[w.N] = true
				o.Message.Items[j].supersede(&old)
				return true
			})
		}
		o.Message.Items = slices.DeleteFunc(o.Message.Items, func(i Item) bool { return i.First && i.Occasion == Retracted && !o.Message.Digest })
	}
	for _, o := range out {
		if len(o.Message.Items) == 0 {
			continue
		}
		list := held[o.Message.Receiver]
		if k := d.gathers(&o, list, now); k >= 0 {
			changed[list[k].N] = true
			o.join(&list[k])
		}
		kept = append(kept, o)
	}
	for _, o := range out {
		for _, w := range held[o.Message.Receiver] {
			if !changed[w.N] {
				continue
			}
			replaced = append(replaced, w.N)
			if len(w.Message.Items) > 0 {
				w.Message.ID = restID(&w.Message)
				kept = append(kept, w)
			}
		}
		delete(held, o.Message.Receiver)
	}
	return kept, replaced, nil
}

// gathers holds a message of many incidents back when the receiver was told of many, for the same reason, within the last minute, and gives the
// message among those held that it is to join; -1: none.
func (d *Dispatcher) gathers(o *Outgoing, held []Outgoing, now time.Time) int {
	why := o.Message.Items[0].Occasion
	if len(o.Message.Items)+o.Message.More <= many || why == Retracted {
		return -1
	}
	key := string(why) + " " + o.Message.Receiver
	until := d.flood[key]
	if !until.After(now) {
		if d.flood == nil || len(d.flood) > batchSize {
			d.flood = map[string]time.Time{}
		}
		d.flood[key] = now.Add(floodEvery)
		return -1
	}
	if o.NotUntil.Before(until) {
		o.NotUntil = until
	}
	return slices.IndexFunc(held, func(w Outgoing) bool {
		return w.NotUntil.After(now) && len(w.Message.Items) > 0 && len(w.Message.Items)+w.Message.More > many && w.Message.Items[0].Occasion == why
	})
}

// join takes the incidents of a message that waits into a later one, and empties it.
func (o *Outgoing) join(w *Outgoing) {
	m := &o.Message
	m.ID = joinedID(m.ID, w.Message.ID)
	m.Items = append(m.Items, w.Message.Items...)
	slices.SortStableFunc(m.Items, func(a, b Item) int { return cmp.Compare(b.Incident.Severity, a.Incident.Severity) })
	m.More += w.Message.More + max(0, len(m.Items)-mostItems)
	m.Items = m.Items[:min(len(m.Items), mostItems)]
	o.First = w.First
	w.Message.Items = nil
}

// supersede makes an item stand for an older one that never left.
func (i *Item) supersede(old *Item) {
	if i.First = i.First || old.First; i.First && (i.Occasion == Grew || i.Occasion == Again) {
		i.Occasion = standing(&i.Incident)
	}
}

// Send begins to send what is due: of each receiver the oldest message, one at a time, so that what is said arrives in order.
func (d *Dispatcher) Send(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy == nil {
		sent, err := d.Store.SentSince(ctx, now.Add(-time.Hour))
		if err != nil {
			return err
		}
		d.busy, d.sent, d.asked = map[string]int64{}, sent, map[string]time.Time{}
	}
	var list []Outgoing
	var skip []string
	for to := range d.busy {
		skip = append(skip, to)
	}
	for to := range d.sent {
		if _, ok := d.busy[to]; ok || !d.full(to, now) {
			continue
		}
		skip = append(skip, to)
		if now.Sub(d.asked[to]) < lookEvery {
			continue
		}
		d.asked[to] = now
		switch w, err := d.retraction(ctx, to, now); {
		case err != nil:
			return err
		case w != nil:
			list = append(list, *w)
		}
	}
	slices.SortFunc(list, func(a, b Outgoing) int { return cmp.Compare(a.N, b.N) })
	next, err := d.Store.Next(ctx, now, skip, atOnce)
	if err != nil {
		return err
	}
	for _, w := range append(list, next...) {
		if len(d.busy) >= atOnce || w.Attempts > 0 && d.again >= againAtOnce {
			continue
		}
		d.busy[w.Message.Receiver] = w.N
		if w.Attempts > 0 {
			d.again++
		}
		d.doing.Go(func() { d.one(ctx, &w, now) })
	}
	return nil
}

// retraction is what goes to a receiver that had its messages of this hour: the oldest retraction, or what waits in front of it and tells of the
// same incident, so that these arrive in order. nil is nothing.
func (d *Dispatcher) retraction(ctx context.Context, to string, now time.Time) (*Outgoing, error) {
	list, err := d.Store.Waiting(ctx, to, waitingMost)
	if err != nil {
		return nil, err
	}
	for i := range list {
		var ids []string
		for _, item := range list[i].Message.Items {
			if item.Occasion == Retracted {
				ids = append(ids, item.Incident.ID)
			}
		}
		if ids == nil {
			continue
		}
		first := slices.IndexFunc(list[:i+1], func(w Outgoing) bool {
			return slices.ContainsFunc(w.Message.Items, func(x Item) bool { return slices.Contains(ids, x.Incident.ID) })
		})
		if list[first].NotUntil.After(now) { // it failed, and is tried again then
			return nil, nil
		}
		return &list[first], nil
	}
	return nil, nil
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
	if ch := d.channel(to); ch == nil {
		err = &Permanent{fmt.Errorf("%s is no receiver of the configuration any more", to)}
	} else {
		sending, stop := context.WithTimeout(ctx, cmp.Or(d.Timeout, sendTimeout))
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
	if w.Attempts > 0 {
		d.again--
	}
	d.sent[to] = append(d.sent[to], now)
	select {
	case d.wake <- struct{}{}: // nil, and never ready, without Run
	default:
	}
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
