package app

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/alerts/smtp"
	"github.com/corewatch/corewatch/alerts/subscribers"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// post is mail: who is told by it, and how.
type post struct {
	list    *subscribers.List
	channel *smtp.List
}

// mailServer is the mail server of a configuration.
func mailServer(m *conf.Mail) (*smtp.Server, error) {
	from, err := netmail.ParseAddress(m.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	opt := smtp.Options{Server: m.Server, TLS: m.TLS, User: m.User, From: *from, List: m.List, Name: m.Name}
	if m.PasswordFile != "" {
		password, err := secretFile(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		opt.Password = string(password)
	}
	if m.CAFile != "" {
		text, err := os.ReadFile(m.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if opt.Roots = x509.NewCertPool(); !opt.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", m.CAFile)
		}
	}
	for i, d := range m.DKIM {
		text, err := secretFile(d.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("dkim[%d].key_file: %w", i, err)
		}
		key, err := smtp.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("dkim[%d].key_file: %s: %w", i, d.KeyFile, err)
		}
		opt.Keys = append(opt.Keys, smtp.Key{Domain: d.Domain, Selector: d.Selector, Signer: key})
	}
	return smtp.New(opt)
}

// mailKeys opens what subscribers are sealed with. With create it is made, where nobody was sealed with it yet.
func mailKeys(ctx context.Context, m *conf.Mail, dir string, store *sqlite.Store, create bool) (*subscribers.Keys, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(m.KeyFile, dir+".mail.key")
	list, err := everybody(ctx, store)
	if err != nil {
		return nil, err
	}
	keys, err := subscribers.OpenKeys(name, create && len(list) == 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(list) == 0 && !create: // who runs a command may be another user than the monitor's
		return nil, fmt.Errorf("%w: start the monitor once, which makes it", err)
	case errors.Is(err, fs.ErrNotExist) && len(list) > 0:
		return nil, fmt.Errorf("%w: %d subscribers are sealed with it; restore it, or erase them with corewatch alerts subscribers forget --all", err, len(list))
	}
	return keys, err
}

// everybody gives the IDs of all subscribers and requests.
func everybody(ctx context.Context, store *sqlite.Store) (ids []string, err error) {
	list, err := store.Subscribers(ctx)
	if err != nil {
		return nil, err
	}
	open, err := store.OpenRequests(ctx)
	for _, s := range append(list, open...) {
		ids = append(ids, s.ID)
	}
	return ids, err
}

// newPost makes mail as a configuration has it; nil when it has none. dir is the folder of the store; with create a key is made where there is none yet.
func newPost(ctx context.Context, c conf.Config, dir string, store *sqlite.Store, create bool, log zerolog.Logger) (*post, error) {
	if c.Mail.Server == "" {
		return nil, nil
	}
	server, err := mailServer(&c.Mail)
	if err != nil {
		return nil, fmt.Errorf("mail.%w", err)
	}
	keys, err := mailKeys(ctx, &c.Mail, dir, store, create)
	if err != nil {
		return nil, err
	}
	zones, err := zoneWidener(c)
	if err != nil {
		return nil, err
	}
	for _, slug := range c.Mail.Offer.Zones {
		if err := zones(&alerts.Subscription{Zones: []string{slug}}); err != nil {
			return nil, fmt.Errorf("mail.offer.zones: %w", err)
		}
	}
	list, err := subscribers.New(store, keys, server, subscribers.Options{
		Name: c.Mail.Name, Base: strings.TrimRight(c.Pages.PublicURL, "/"), Open: c.Mail.Subscribe, Offer: alerts.Offer(c.Mail.Offer), Most: c.Mail.Most,
		Widen: zones, Check: smtp.CheckAddress, Note: alertLog(log),
	})
	if err != nil {
		return nil, err
	}
	return &post{list, &smtp.List{Server: server, To: list.Recipient, Templates: c.Alerts.Texts()}}, nil
}

// alertLog notes what alerts do.
func alertLog(log zerolog.Logger) func(err error, what string) {
	return func(err error, what string) {
		if err != nil {
			log.Warn().Err(err).Msg(what)
			return
		}
		log.Info().Msg(what)
	}
}
