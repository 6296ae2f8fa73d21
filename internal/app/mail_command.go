package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Subscribers are the commands about those who are told by mail. They work beside a running monitor.
type Subscribers struct {
	Config string // configuration file
	Store  string // folder of the store
	Out    io.Writer
	Log    zerolog.Logger
}

// mostTyped bounds how many addresses one command takes.
const mostTyped = 1000

// open opens the list and the store, which the caller closes.
func (s Subscribers) open(ctx context.Context) (*post, *sqlite.Store, error) {
	c, err := conf.Load(s.Config)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlite.OpenBeside(ctx, s.Store)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPost(ctx, c, s.Store, store, false, s.Log)
	if err == nil && p == nil {
		err = fmt.Errorf("%s: mail.server: missing; nobody is told by mail", s.Config)
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return p, store, nil
}

// note keeps what an operator did, in the store and in the log.
func (s Subscribers) note(ctx context.Context, store *sqlite.Store, format string, args ...any) error {
	who := "somebody"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	what := fmt.Sprintf(format, args...) + " by " + alerts.Plain(who)
	s.Log.Info().Msg(what)
	return store.SubscriberLog(ctx, time.Now(), what)
}

// List prints subscribers and requests, and what operators did. Addresses are printed only with reveal; that is noted first.
func (s Subscribers) List(ctx context.Context, reveal bool) error {
	p, store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := p.list.Entries(ctx, reveal)
	if err != nil {
		return err
	}
	if reveal {
		if err := s.note(ctx, store, "%d addresses revealed", len(list)); err != nil {
			return err
		}
	}
	confirmed := 0
	for _, e := range list {
		state := "unconfirmed"
		if e.Confirmed {
			state = "confirmed"
			confirmed++
		}
		fmt.Fprintf(s.Out, "%s  %-11s  %s  %s  %s\n", e.ID, state, e.Since.Format(time.RFC3339), e.Wants, e.Address)
	}
	fmt.Fprintf(s.Out, "%d confirmed, %d asked\n", confirmed, len(list)-confirmed)
	log, err := store.SubscriberLogged(ctx, 20)
	for _, line := range log {
		fmt.Fprintln(s.Out, line)
	}
	return err
}

// typed reads addresses, one a line: on a command line they would stand in the history of the shell and in lists of processes.
func typed(in io.Reader) (list []string, err error) {
	sc := bufio.NewScanner(io.LimitReader(in, 1<<20))
	for sc.Scan() {
		if a := strings.TrimSpace(sc.Text()); a != "" {
			list = append(list, a)
		}
	}
	switch {
	case sc.Err() != nil:
		return nil, sc.Err()
	case len(list) == 0:
		return nil, errors.New("no address: give them on standard input, one a line")
	case len(list) > mostTyped:
		return nil, fmt.Errorf("%d addresses; at most %d at once", len(list), mostTyped)
	}
	return list, nil
}

// Add asks the owners of addresses, one a line of in, whether they want to be told. The running monitor writes to them.
func (s Subscribers) Add(ctx context.Context, in io.Reader, r alerts.Request) error {
	addresses, err := typed(in)
	if err != nil {
		return err
	}
	p, store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	var failed error
	n := 0
	for i, a := range addresses {
		r.Address = a
		if err := p.list.Add(ctx, r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		n++
	}
	if n > 0 {
		failed = errors.Join(failed, s.note(ctx, store, "%d addresses asked to confirm", n))
	}
	fmt.Fprintf(s.Out, "%d addresses are asked to confirm, by the monitor when it runs\n", n)
	return failed
}

// Remove erases a subscriber or request by its ID.
func (s Subscribers) Remove(ctx context.Context, id string) error {
	p, store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := p.list.Remove(ctx, id); err != nil {
		return err
	}
	fmt.Fprintln(s.Out, "erased")
	return s.note(ctx, store, "1 subscriber removed")
}

// Forget erases everything about addresses, one a line of in.
func (s Subscribers) Forget(ctx context.Context, in io.Reader) error {
	addresses, err := typed(in)
	if err != nil {
		return err
	}
	p, store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	n := 0
	for _, a := range addresses {
		k, err := p.list.Forget(ctx, a)
		if err != nil {
			return err
		}
		n += k
	}
	fmt.Fprintf(s.Out, "%d entries of %d addresses erased\n", n, len(addresses))
	return s.note(ctx, store, "%d entries of %d addresses forgotten", n, len(addresses))
}

// ForgetAll erases everybody. It needs neither the configuration nor the key.
func (s Subscribers) ForgetAll(ctx context.Context) error {
	store, err := sqlite.OpenBeside(ctx, s.Store)
	if err != nil {
		return err
	}
	defer store.Close()
	ids, err := everybody(ctx, store)
	if err != nil {
		return err
	}
	if err := store.ForgetSubscribers(ctx, ids...); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%d entries erased\n", len(ids))
	return s.note(ctx, store, "all %d entries forgotten", len(ids))
}
