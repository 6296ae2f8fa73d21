package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/alerts/alertmanager"
	"github.com/corewatch/corewatch/alerts/webhook"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/entity/reference"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// maxSecret bounds a file that holds a secret.
const maxSecret = 64 << 10

// secretFile reads a secret. The error names the file, never what is in it.
func secretFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSecret {
		return nil, fmt.Errorf("%s: larger than %d octets", name, maxSecret)
	}
	return bytes.TrimSpace(b), nil
}

// zoneWidener gives what adds to a subscription the places that its zones are made of, by the reference folder of a configuration.
func zoneWidener(c conf.Config) (func(*alerts.Subscription) error, error) {
	zones := map[string]int{}
	set := &reference.Set{}
	if c.Reference != "" {
		var err error
		if set, err = reference.Load(c.Reference); err != nil {
			return nil, err
		}
	}
	for i := range set.Zones {
		zones[set.Zones[i].Slug] = i
	}
	return func(sub *alerts.Subscription) error {
		for _, slug := range sub.Zones {
			i, ok := zones[slug]
			if !ok {
				return fmt.Errorf("there is no zone %q in the reference folder", slug)
			}
			z := &set.Zones[i]
			sub.Countries = append(sub.Countries[:len(sub.Countries):len(sub.Countries)], z.Countries...)
			for _, as := range z.Networks {
				sub.Networks = append(sub.Networks[:len(sub.Networks):len(sub.Networks)], fmt.Sprintf("AS%d", as))
			}
			for _, p := range z.Prefixes {
				sub.Prefixes = append(sub.Prefixes[:len(sub.Prefixes):len(sub.Prefixes)], p.String())
			}
		}
		return nil
	}, nil
}

// subscriptions are those of the configuration, with what their zones are made of.
func subscriptions(c conf.Config) ([]*alerts.Subscription, error) {
	widen, err := zoneWidener(c)
	if err != nil {
		return nil, err
	}
	var out []*alerts.Subscription
	for _, s := range c.Alerts.Subscriptions {
		sub := s.Subscription
		sub.Receiver = s.Receiver
		if err := widen(&sub); err != nil {
			return nil, fmt.Errorf("alerts: %s: %w", s.Receiver, err)
		}
		out = append(out, &sub)
	}
	return out, nil
}

// channels make the senders of the configuration.
func channels(c conf.Config) (map[string]alerts.Channel, error) {
	out := map[string]alerts.Channel{}
	for i := range c.Alerts.Subscriptions {
		s := &c.Alerts.Subscriptions[i]
		ch, err := channel(s, cmp.Or(c.Pages.PublicURL, "urn:corewatch"))
		if err != nil {
			return nil, fmt.Errorf("alerts: %s: %w", s.Receiver, err)
		}
		out[s.Receiver] = ch
	}
	return out, nil
}

// channel makes the sender of one receiver. source is a URI that names this monitor.
func channel(s *conf.Subscriber, source string) (alerts.Channel, error) {
	words, err := s.Words()
	if err != nil {
		return nil, err
	}
	if a := s.Alertmanager; a != nil {
		opt := alertmanager.Options{URL: a.URL, Words: words}
		if a.TokenFile != "" {
			if opt.Token, err = secretFile(a.TokenFile); err != nil {
				return nil, err
			}
		}
		return alertmanager.New(opt)
	}
	opt := webhook.Options{URL: s.Webhook.URL, Source: source, Private: s.Webhook.Private, Words: words}
	if s.Webhook.URLFile != "" {
		u, err := secretFile(s.Webhook.URLFile)
		if err != nil {
			return nil, err
		}
		opt.URL = string(u)
	}
	if opt.Secret, err = secretFile(s.Webhook.SecretFile); err != nil {
		return nil, err
	}
	if s.Webhook.KeyFile != "" {
		if opt.Key, err = privateKey(s.Webhook.KeyFile); err != nil {
			return nil, err
		}
	}
	return webhook.New(opt)
}

func privateKey(name string) (ed25519.PrivateKey, error) {
	text, err := secretFile(name)
	if err != nil {
		return nil, err
	}
	wrong := fmt.Errorf("%s: want an Ed25519 private key in PKCS #8 PEM, as openssl genpkey -algorithm ed25519 makes it", name)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, wrong
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, wrong
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, wrong
	}
	return key, nil
}

// pageOf gives the address of a revision's page, "" when readers have none.
func pageOf(c conf.Config) func(*detect.Incident) string {
	base := strings.TrimRight(c.Pages.PublicURL, "/")
	return func(in *detect.Incident) string {
		if base == "" {
			return ""
		}
		return fmt.Sprintf("%s/i/%s/v%d", base, in.ID, in.Revision)
	}
}

// newDispatcher makes what tells the receivers of a configuration; nil when it names none, and no mail.
func newDispatcher(c conf.Config, store *sqlite.Store, log zerolog.Logger) (*alerts.Dispatcher, error) {
	if len(c.Alerts.Subscriptions) == 0 && c.Mail.Server == "" {
		return nil, nil
	}
	subs, err := subscriptions(c)
	if err != nil {
		return nil, err
	}
	ch, err := channels(c)
	if err != nil {
		return nil, err
	}
	return &alerts.Dispatcher{Store: store, Subs: subs, Channels: ch, URL: pageOf(c), PerHour: c.Alerts.PerHour, Note: alertLog(log)}, nil
}

// AlertsDryRun prints what the subscriptions of a configuration would have sent of what stands in a store, a line a message, or as JSON.
func AlertsDryRun(ctx context.Context, file, dir string, since time.Duration, asJSON bool, out, notes io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	subs, err := subscriptions(c)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		return fmt.Errorf("%s: alerts.subscriptions: none", cmp.Or(file, "the configuration"))
	}
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	var all []alerts.Revision
	for last := int64(0); ; {
		list, err := store.Revisions(ctx, last, 1000)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		all, last = append(all, list...), list[len(list)-1].N
	}
	if len(all) > 0 && since > 0 {
		from := alerts.MadeAt(&all[len(all)-1].Incident).Add(-since)
		for len(all) > 0 && alerts.MadeAt(&all[0].Incident).Before(from) {
			all = all[1:]
		}
	}
	words := map[string]*alerts.Words{}
	for i := range c.Alerts.Subscriptions {
		s := &c.Alerts.Subscriptions[i]
		if words[s.Receiver], err = s.Words(); err != nil {
			return err
		}
	}
	n := 0
	for _, m := range alerts.DryRun(all, subs, 4*time.Second, pageOf(c)) {
		n++
		if asJSON {
			if err := json.NewEncoder(out).Encode(&m); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%s  %-16s %s\n", m.At.Format(time.RFC3339), m.Receiver, words[m.Receiver].Line(&m))
	}
	fmt.Fprintf(notes, "%d messages of %d revisions to %d receivers\n", n, len(all), len(subs))
	return nil
}

// AlertsWaiting lists what waits to be sent and what was given up.
func AlertsWaiting(ctx context.Context, dir string, out io.Writer) error {
	store, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	waiting, err := store.Waiting(ctx, "", 1000)
	if err != nil {
		return err
	}
	dead, err := store.DeadLetters(ctx, 1000)
	if err != nil {
		return err
	}
	words, err := alerts.Language("en")
	if err != nil {
		return err
	}
	given := len(dead)
	dead = append(dead, waiting...)
	for i := range dead {
		o, what := &dead[i], "waiting"
		if i < given {
			what = "given up"
		}
		fmt.Fprintf(out, "%-8s  %s  %-16s %d attempts  %s  %s\n", what, o.Message.At.Format(time.RFC3339), o.Message.Receiver, o.Attempts, words.Line(&o.Message), o.Note)
	}
	fmt.Fprintf(out, "%d wait, %d were given up\n", len(waiting), given)
	return nil
}

// AlertsTry sends one message that says it is a try to a receiver of the configuration, past the outbox.
func AlertsTry(ctx context.Context, file, receiver string, out io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	ch, err := channels(c)
	if err != nil {
		return err
	}
	to, ok := ch[receiver]
	if !ok {
		return fmt.Errorf("alerts.subscriptions: there is no receiver %q", receiver)
	}
	now := time.Now().UTC().Truncate(time.Second)
	in := detect.Incident{
		V: detect.SchemaVersion, ID: "TRY-" + now.Format("20060102T1504Z"), Revision: 1, Data: detect.Synthetic, Kind: detect.Outage, State: detect.Suspected, Severity: 1,
		Entity: detect.Entity{Type: "country", Code: "ZZ", Name: "This is a try, not an incident"}, PublicCore: []string{"routing"},
		Start: detect.Interval{Time: detect.At(now)}, Coverage: detect.Coverage{Level: "reduced", Because: []string{"a_try"}},
	}
	m := alerts.Message{ID: in.ID, Receiver: receiver, At: now, Items: []alerts.Item{{Incident: in, Occasion: alerts.Suspected, First: true}}}
	receipt, err := to.Send(ctx, &m)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s took it: %s\n", receiver, receipt)
	return nil
}

// AlertsRetry lets what was given up wait to be sent again.
func AlertsRetry(ctx context.Context, dir string, out io.Writer) error {
	store, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer store.Close()
	n, err := store.Retry(ctx, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d messages wait again\n", n)
	return nil
}
