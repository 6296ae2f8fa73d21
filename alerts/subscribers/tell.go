package subscribers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// Subscriptions are those of everybody who confirmed, under the names that the outbox knows.
func (l *List) Subscriptions(ctx context.Context) ([]*alerts.Subscription, error) {
	all, err := l.store.Subscribers(ctx)
	if err != nil {
		return nil, err
	}
	var out []*alerts.Subscription
	bad := 0
	for i := range all {
		r, err := l.keys.open(&all[i])
		if err == nil {
			err = l.opt.Widen(&r.Wants)
		}
		if err != nil {
			bad++
			continue
		}
		r.Wants.Receiver = alerts.MailPrefix + all[i].ID
		out = append(out, &r.Wants)
	}
	if bad > 0 { // the others are told all the same
		l.opt.Note(errSealed, fmt.Sprintf("%d of %d subscribers are not told", bad, len(all)))
	}
	return out, nil
}

// Recipient is where a receiver is reached; an *alerts.Permanent says that he left.
func (l *List) Recipient(ctx context.Context, receiver string) (*alerts.Recipient, error) {
	id, ok := strings.CutPrefix(receiver, alerts.MailPrefix)
	if !ok {
		return nil, &alerts.Permanent{Err: fmt.Errorf("%s is not told by mail", receiver)}
	}
	s, err := l.store.Subscriber(ctx, id)
	if err != nil {
		return nil, err
	}
	if s == nil || !s.Active {
		return nil, &alerts.Permanent{Err: errors.New("the subscriber left")}
	}
	r, err := l.keys.open(s)
	if err != nil {
		return nil, err // the key file may come back
	}
	return &alerts.Recipient{Address: r.Address, Language: r.Language, Leave: l.page("leave", l.keys.leaveToken(id), r.Language)}, nil
}

// page is the address of a page that a letter leads to.
func (l *List) page(what, token, language string) string {
	if language == "en" {
		return l.opt.Base + "/mail/" + what + "?t=" + token
	}
	return l.opt.Base + "/mail/" + what + "?lang=" + language + "&t=" + token
}

// Entry is a subscriber or request as an operator sees it.
type Entry struct {
	ID        string
	Confirmed bool
	Since     time.Time
	Wants     string // in one line
	Address   string // only where it was asked for
}

// Entries gives all subscribers and requests. Addresses are in it only with reveal, which the caller logs.
func (l *List) Entries(ctx context.Context, reveal bool) ([]Entry, error) {
	all, err := l.store.Subscribers(ctx)
	if err != nil {
		return nil, err
	}
	open, err := l.store.OpenRequests(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, open...)
	var out []Entry
	for i := range all {
		s := &all[i]
		e := Entry{ID: s.ID, Confirmed: s.Active, Since: s.Asked}
		r, err := l.keys.open(s)
		if err != nil {
			e.Wants = err.Error()
			out = append(out, e)
			continue
		}
		words, err := alerts.Language(r.Language)
		if err != nil {
			return nil, err
		}
		if e.Wants = words.Asked(&r.Wants); reveal {
			e.Address = r.Address
		}
		out = append(out, e)
	}
	return out, nil
}

// Add takes a request that an operator makes for somebody, who is asked to confirm it like everybody.
func (l *List) Add(ctx context.Context, r alerts.Request) error {
	if err := l.check(&r, true); err != nil {
		return err
	}
	return l.put(ctx, &r)
}

// Remove erases a subscriber or request by its ID, and everything else of its address.
func (l *List) Remove(ctx context.Context, id string) error {
	s, err := l.store.Subscriber(ctx, id)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("there is no subscriber %.40q", id)
	}
	return l.forget(ctx, s.Address)
}

// Forget erases everything of an address, and says how many entries that were.
func (l *List) Forget(ctx context.Context, address string) (int, error) {
	hash, _ := l.keys.hashes(strings.TrimSpace(address))
	all, err := l.store.SubscribersOf(ctx, hash)
	if err != nil {
		return 0, err
	}
	return len(all), l.forget(ctx, hash)
}
