package alerts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// memory is what the dispatcher remembers of what stands beside the revisions. All of it can be had again from the store.
type memory struct {
	loaded bool
	people []*Subscription             // who is told by mail
	asked  time.Time                   // when that was
	force  string                      // orders that were in force when it was looked last
	held   map[string]map[string]*Held // by incident and receiver
	known  map[string]string           // digests of subscriptions, by receiver
	subs   []*Subscription             // of which these are, as they were last; they are never changed in place
}

// orderMemory is how long an announcement of work is remembered after its end, for incidents that began in it.
const orderMemory = 7 * 24 * time.Hour

// look is what is to be decided beside the revisions.
type look struct {
	in        []detect.Incident
	settled   []Held
	receivers map[string]string
	troubles  []TroubleState
	force     string
	subs      []*Subscription
}

// Replace puts other subscriptions and channels in force. What waits for a receiver that is gone is given up when its turn comes.
func (d *Dispatcher) Replace(subs []*Subscription, channels map[string]Channel, perHour int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Subs, d.Channels, d.PerHour = subs, channels, perHour
}

// channel is that of a receiver, nil when it is none any more.
func (d *Dispatcher) channel(to string) Channel {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch := d.Channels[to]; ch != nil || !strings.HasPrefix(to, MailPrefix) {
		return ch
	}
	return d.Mail
}

// Turned says when the dispatcher looked last at what there is to decide.
func (d *Dispatcher) Turned() time.Time { return time.Unix(0, d.turned.Load()) }

// askPeople is how often it is looked who is told by mail, when there is nothing to tell: all of it is sealed.
const askPeople = 10 * time.Second

// stand gathers what orders, receivers and troubles give to decide. news says that revisions are to be decided with it.
func (d *Dispatcher) stand(ctx context.Context, b *batch, news bool) (*look, error) {
	d.mu.Lock()
	b.subs = d.Subs
	d.mu.Unlock()
	if d.Subscribers != nil {
		s := &d.standing
		if news || b.now.Sub(s.asked) >= askPeople || b.now.Before(s.asked) {
			var err error
			if s.people, err = d.Subscribers(ctx); err != nil {
				return nil, err
			}
			s.asked = b.now
		}
		b.subs = slices.Concat(b.subs, s.people)
	}
	if err := d.remember(ctx); err != nil {
		return nil, err
	}
	all, err := d.Store.Orders(ctx, b.now.Add(-orderMemory))
	if err != nil {
		return nil, err
	}
	b.announced = Effective(all)
	b.orders, b.held, b.only = inForce(b.announced, b.now), d.standing.held, map[string]map[string]bool{}
	l := &look{force: forceOf(b), subs: b.subs}
	if l.force != d.standing.force {
		if err := d.release(ctx, b, l); err != nil {
			return nil, err
		}
		if err := d.postpone(ctx, b); err != nil {
			return nil, err
		}
	}
	if err := d.newcomers(ctx, b, l); err != nil {
		return nil, err
	}
	kept, err := d.Store.Troubles(ctx, b.now)
	if err != nil {
		return nil, err
	}
	for _, t := range kept {
		if t.Decided < t.Incident.Revision {
			l.troubles = append(l.troubles, t)
			l.in = slices.DeleteFunc(l.in, func(in detect.Incident) bool { return in.ID == t.Incident.ID })
			delete(b.only, t.Incident.ID)
			l.in = append(l.in, t.Incident)
		}
	}
	return l, nil
}

// remember reads, once, what the store has.
func (d *Dispatcher) remember(ctx context.Context) error {
	s := &d.standing
	if s.loaded {
		return nil
	}
	held, err := d.Store.Held(ctx)
	if err != nil {
		return err
	}
	if s.known, err = d.Store.Receivers(ctx); err != nil {
		return err
	}
	s.held = map[string]map[string]*Held{}
	for i := range held {
		s.keep(&held[i])
	}
	s.loaded, s.force = true, "not looked at"
	return nil
}

func (s *memory) keep(h *Held) {
	if s.held[h.Incident] == nil {
		s.held[h.Incident] = map[string]*Held{}
	}
	s.held[h.Incident][h.Receiver] = h
}

// remember keeps what was decided; nil: there was nothing.
func (l *look) remember(s *memory, what *Decision) {
	s.force, s.subs = l.force, l.subs
	if what == nil {
		return
	}
	for i := range what.Settled {
		h := &what.Settled[i]
		if delete(s.held[h.Incident], h.Receiver); len(s.held[h.Incident]) == 0 {
			delete(s.held, h.Incident)
		}
	}
	for i := range what.Kept {
		s.keep(&what.Kept[i])
	}
	if l.receivers != nil {
		s.known = l.receivers
	}
}

func forceOf(b *batch) string {
	text := ""
	for _, o := range b.orders {
		text += fmt.Sprintf("%d ", o.N)
	}
	return text
}

// release takes up again what was held back by orders that hold no more.
func (d *Dispatcher) release(ctx context.Context, b *batch, l *look) error {
	for id, by := range b.held {
		for receiver, h := range by {
			if b.holding(h.Order) {
				continue
			}
			if !slices.ContainsFunc(b.subs, func(s *Subscription) bool { return s.Receiver == receiver }) {
				gone := *h
				gone.Became = "no receiver of the configuration any more"
				l.settled = append(l.settled, gone)
				continue
			}
			if err := d.take(ctx, b, l, id, receiver); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(l.in, func(x, y detect.Incident) int {
		return cmp.Or(x.Start.Time.Compare(y.Start.Time.Time), cmp.Compare(x.ID, y.ID))
	})
	return nil
}

// take has an incident, as it stands, decided for one receiver.
func (d *Dispatcher) take(ctx context.Context, b *batch, l *look, id, receiver string) error {
	if only := b.only[id]; only != nil {
		only[receiver] = true
		return nil
	}
	in, err := d.Store.Subject(ctx, id)
	if err != nil {
		return err
	}
	l.in = append(l.in, *in)
	b.only[id] = map[string]bool{receiver: true}
	return nil
}

// newcomers are receivers that came, or want something else than before. They are told of what is open now, and of nothing that is over.
func (d *Dispatcher) newcomers(ctx context.Context, b *batch, l *look) error {
	if len(b.subs) > 0 && slices.Equal(b.subs, d.standing.subs) {
		return nil
	}
	now := map[string]string{}
	var fresh []string
	for _, s := range b.subs {
		if now[s.Receiver] = s.digest(); now[s.Receiver] != d.standing.known[s.Receiver] {
			fresh = append(fresh, s.Receiver)
		}
	}
	if len(fresh) == 0 && len(now) == len(d.standing.known) {
		return nil
	}
	l.receivers = now
	if len(fresh) == 0 {
		return nil
	}
	open, err := d.Store.Open(ctx)
	if err != nil {
		return err
	}
	kept, err := d.Store.Troubles(ctx, b.now)
	if err != nil {
		return err
	}
	for i := range kept {
		if kept[i].Incident.State.Open() {
			open = append(open, kept[i].Incident)
		}
	}
	for i := range open {
		in := &open[i]
		if n := len(in.Revisions); n > 0 && in.Revisions[n-1].Change == detect.LostSight {
			continue
		}
		if b.only[in.ID] == nil {
			l.in = append(l.in, *in)
			b.only[in.ID] = map[string]bool{}
		}
		for _, receiver := range fresh {
			b.only[in.ID][receiver] = true
		}
	}
	return nil
}

// digest is of what a subscription wants.
func (s *Subscription) digest() string {
	text, _ := json.Marshal(s) // strings and numbers: cannot fail
	sum := sha256.Sum256(fmt.Appendf(text, "%q", s.Troubles))
	return hex.EncodeToString(sum[:16])
}

// postpone lets what waits, and was never tried, wait as long as the orders that hold it back now; and no longer when they ended.
func (d *Dispatcher) postpone(ctx context.Context, b *batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var failed error
	for _, sub := range b.subs {
		list, err := d.Store.Waiting(ctx, sub.Receiver, waitingMost)
		if err != nil {
			return err
		}
		for i := range list {
			w := &list[i]
			if w.Attempts > 0 || d.busy[sub.Receiver] == w.N {
				continue
			}
			until := b.waits(sub, &w.Message)
			if !until.After(b.now) && !w.NotUntil.After(b.now) || until.Equal(w.NotUntil) {
				continue
			}
			failed = errors.Join(failed, d.Store.Postpone(ctx, w.N, until))
		}
	}
	return failed
}

// waits is until when a message has to wait: quiet hours, or an order, when it says nothing that no order holds back.
func (b *batch) waits(sub *Subscription, m *Message) time.Time {
	var quiet, held time.Time
	silent := true
	for i := range m.Items {
		item := &m.Items[i]
		if t := sub.NotUntil(b.now, item.Incident.Severity, item.Occasion); quiet.IsZero() || t.Before(quiet) {
			quiet = t
		}
		until := b.heldUntil(sub, item)
		if until.IsZero() {
			silent = false
		}
		if until.After(held) {
			held = until
		}
	}
	if silent && held.After(quiet) {
		return held
	}
	return quiet
}

// heldUntil is the end of the last order that holds back an item; zero: none does.
func (b *batch) heldUntil(sub *Subscription, item *Item) (until time.Time) {
	n := news{sub: sub, in: &item.Incident, o: item.Occasion}
	if !item.First { // what was said before was said
		n.was = &Told{}
	}
	for i := range b.orders {
		if o := &b.orders[i]; o.holds(&n) && o.Until.After(until) {
			until = o.Until
		}
	}
	return until
}

// unsaid takes out the ends of what a receiver was not told, because it waited when a silence began.
func (b *batch) unsaid(out []Outgoing) []Outgoing {
	for i := range out {
		o := &out[i]
		s := slices.IndexFunc(b.subs, func(s *Subscription) bool { return s.Receiver == o.Message.Receiver })
		if s < 0 { // the rest of a message to somebody who is gone
			continue
		}
		o.Message.Items = slices.DeleteFunc(o.Message.Items, func(item Item) bool {
			return item.First && item.Occasion == Over && !b.heldUntil(b.subs[s], &item).IsZero()
		})
	}
	return slices.DeleteFunc(out, func(o Outgoing) bool { return len(o.Message.Items) == 0 })
}
