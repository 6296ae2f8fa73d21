package subscribers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// Ask takes a request of a stranger. What it answers does not depend on whether the address is subscribed or was written to lately: only on what was asked
// for, and on how often the client asks. The address is written to once, and only if it was not lately.
func (l *List) Ask(ctx context.Context, client netip.Addr, r alerts.Request) error {
	if !l.opt.Open {
		return alerts.ErrNoRoom
	}
	if err := l.check(&r, false); err != nil {
		return err
	}
	if !l.mayAsk(client) {
		return alerts.ErrTooMany
	}
	err := l.put(ctx, &r)
	if errors.Is(err, errLately) {
		return nil
	}
	return err
}

// errLately says that a mailbox was written to as often as it may be.
var errLately = errors.New("this mailbox was asked to confirm as often as it may be for now")

// put stores a request, whose letter Run sends.
func (l *List) put(ctx context.Context, r *alerts.Request) error {
	now := l.opt.Now()
	hash, mailbox := l.keys.hashes(r.Address)
	l.alone.Lock() // many at once must not all be counted before any is stored
	defer l.alone.Unlock()
	hour, all, err := l.store.Asked(ctx, mailbox, now.Add(-time.Hour))
	if err != nil {
		return err
	}
	days, kept, err := l.store.Asked(ctx, mailbox, now.Add(-KeepRequest))
	switch {
	case err != nil:
		return err
	case all >= perHour || kept >= mostRequests:
		return alerts.ErrNoRoom
	case hour >= perMailbox || days >= perMailbox48:
		return errLately
	}
	s := &alerts.Subscriber{ID: newID(), Address: hash, Mailbox: mailbox, Asked: now, Expires: now.Add(KeepRequest), Try: now}
	if s.Sealed, err = l.keys.seal(s.ID, &record{r.Address, r.Language, r.Subscription}); err != nil {
		return err
	}
	if err := l.store.SaveSubscriber(ctx, s); err != nil {
		return err
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// mayAsk counts a request of a client: an IPv4 address, or the /64 of an IPv6 one.
func (l *List) mayAsk(client netip.Addr) bool {
	client = client.Unmap()
	key := client.String()
	if p, err := client.Prefix(64); err == nil && client.Is6() {
		key = p.String()
	}
	now := l.opt.Now()
	old := func(t time.Time) bool { return now.Sub(t) > time.Hour }
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.clients[key]; !ok && len(l.clients) >= mostClients {
		for k, times := range l.clients {
			if old(times[len(times)-1]) {
				delete(l.clients, k)
			}
		}
		if len(l.clients) >= mostClients {
			l.others = append(slices.DeleteFunc(l.others, old), now)
			return len(l.others) <= perClient
		}
	}
	times := slices.DeleteFunc(l.clients[key], old)
	if len(times) >= perClient {
		l.clients[key] = times
		return false
	}
	l.clients[key] = append(times, now)
	return true
}

// Confirm makes a request a subscription. An address that is subscribed has the new one in place of the old, under the same name to the outbox, so that what
// it was told can still be taken back.
func (l *List) Confirm(ctx context.Context, token string) error {
	now := l.opt.Now()
	hash := sha256.Sum256([]byte(token))
	l.alone.Lock()
	defer l.alone.Unlock()
	asked, err := l.store.SubscriberByToken(ctx, hash[:])
	if err != nil {
		return err
	}
	if asked == nil || !now.Before(asked.Expires) {
		return alerts.ErrNoLink
	}
	rec, err := l.keys.open(asked)
	if err != nil {
		return err
	}
	same, err := l.store.SubscribersOf(ctx, asked.Address)
	if err != nil {
		return err
	}
	var was *alerts.Subscriber
	var instead []string
	for i := range same {
		if same[i].Active {
			was = &same[i]
		} else {
			instead = append(instead, same[i].ID)
		}
	}
	if was == nil {
		if all, err := l.store.Subscribers(ctx); err != nil {
			return err
		} else if len(all) >= l.opt.Most {
			return alerts.ErrNoRoom
		}
	}
	s := &alerts.Subscriber{ID: newID(), Active: true, Address: asked.Address, Mailbox: asked.Mailbox, Asked: now}
	what := "somebody subscribed by mail"
	if was != nil {
		s.ID, what = was.ID, "a subscriber changed what he is told by mail"
	}
	if s.Sealed, err = l.keys.seal(s.ID, rec); err != nil {
		return err
	}
	if err := l.store.SaveSubscriber(ctx, s, instead...); err != nil {
		return err
	}
	l.opt.Note(nil, what+": "+alerts.MailPrefix+s.ID)
	return nil
}

// Leave ends a subscription and erases it. A token that was used before is no error: one click may come twice.
func (l *List) Leave(ctx context.Context, token string) error {
	id, ok := l.keys.leaves(token)
	if !ok {
		return alerts.ErrNoLink
	}
	s, err := l.store.Subscriber(ctx, id)
	if err != nil || s == nil {
		return err
	}
	if err := l.forget(ctx, s.Address); err != nil {
		return err
	}
	l.opt.Note(nil, "a subscriber left, and was erased: "+alerts.MailPrefix+id)
	return nil
}

// forget erases everything of an address.
func (l *List) forget(ctx context.Context, address []byte) error {
	all, err := l.store.SubscribersOf(ctx, address)
	if err != nil {
		return err
	}
	var ids []string
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	return l.store.ForgetSubscribers(ctx, ids...)
}

// Run sends the letters that ask for confirmation, and erases requests that were not confirmed in time, until ctx ends.
func (l *List) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := l.Work(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("subscribers: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-l.wake:
		}
	}
}

// Work does what is due now.
func (l *List) Work(ctx context.Context) error {
	now := l.opt.Now()
	all, err := l.store.OpenRequests(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		s := &all[i]
		switch {
		case ctx.Err() != nil:
		case !now.Before(s.Expires):
			if err := l.store.ForgetSubscribers(ctx, s.ID); err != nil {
				return err
			}
			l.opt.Note(nil, "a request to subscribe was not confirmed, and was erased")
		case !s.Try.IsZero() && !s.Try.After(now):
			if err := l.invite(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// invite writes the letter that asks for confirmation. Each attempt has a token of its own, of which the store has the hash before the letter leaves.
func (l *List) invite(ctx context.Context, s *alerts.Subscriber) error {
	rec, err := l.keys.open(s)
	if err != nil {
		l.opt.Note(err, "a request to subscribe was erased")
		return l.store.ForgetSubscribers(ctx, s.ID)
	}
	now := l.opt.Now()
	l.invited = slices.DeleteFunc(l.invited, func(t time.Time) bool { return now.Sub(t) > time.Hour })
	if len(l.invited) >= perHour { // addresses that nobody has leave no request behind to be counted
		return nil
	}
	l.invited = append(l.invited, now)
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	token := base64.RawURLEncoding.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(token))
	if there, err := l.store.UpdateRequest(ctx, s.ID, hash[:], s.Try, s.Attempts); err != nil || !there {
		return err
	}
	words, err := alerts.Language(rec.Language)
	if err != nil {
		return err
	}
	page := l.page("confirm", token, rec.Language)
	subject, text := words.Confirmation(l.opt.Name, words.Asked(&rec.Wants), page)
	_, err = l.mail.Write(ctx, &alerts.Letter{
		ID: fmt.Sprintf("confirm-%x", hash[:10]), At: now, To: rec.Address, Words: words, Subject: subject, Text: text, Links: []string{page}, Personal: true,
	})
	try := time.Time{} // it was sent
	var permanent *alerts.Permanent
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &permanent):
		l.opt.Note(err, "a request to subscribe was erased")
		return l.store.ForgetSubscribers(context.WithoutCancel(ctx), s.ID)
	default:
		l.opt.Note(err, "a letter that asks for confirmation was not sent yet")
		try = now.Add(min(firstTry<<min(s.Attempts, 10), longestTry))
		s.Attempts++
	}
	_, err = l.store.UpdateRequest(context.WithoutCancel(ctx), s.ID, hash[:], try, s.Attempts)
	return err
}
