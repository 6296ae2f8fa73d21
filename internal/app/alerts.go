package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
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
	for _, s := range c.Alerts.Receivers() {
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
	all := c.Alerts.Receivers()
	for i := range all {
		s := &all[i]
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
	if f := s.Webhook.PreviousSecretFile; f != "" {
		if opt.Before, err = secretFile(f); err != nil {
			return nil, err
		}
	}
	for file, key := range map[string]*ed25519.PrivateKey{s.Webhook.KeyFile: &opt.Key, s.Webhook.PreviousKeyFile: &opt.KeyWas} {
		if file == "" {
			continue
		}
		if *key, err = privateKey(file); err != nil {
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

// newDispatcher makes what tells the receivers of a configuration. It may name none: a reload can bring some.
func newDispatcher(c conf.Config, store *sqlite.Store, log zerolog.Logger) (*alerts.Dispatcher, error) {
	subs, err := subscriptions(c)
	if err != nil {
		return nil, err
	}
	if c.Alerts.Texts() == nil {
		if _, err := c.Alerts.LoadTemplates(); err != nil {
			return nil, err
		}
	}
	ch, err := channels(c)
	if err != nil {
		return nil, err
	}
	where, err := newNetworkCountries(context.Background(), c, time.Now(), store.Members)
	if err != nil {
		return nil, err
	}
	return &alerts.Dispatcher{Store: store, Subs: subs, Channels: ch, URL: pageOf(c), Within: where.of, PerHour: c.Alerts.PerHour, Note: alertLog(log)}, nil
}

// collect gives the revisions that a replay makes, as they would stand in a store.
func (r Replay) collect(ctx context.Context) (all []alerts.Revision, err error) {
	var failed error
	r.each = func(inc *detect.Incident, _ []detect.Member) {
		text, err := inc.JSON() // the engine goes on with its own
		var one alerts.Revision
		if err == nil {
			err = json.Unmarshal(text, &one.Incident)
		}
		one.N = int64(len(all) + 1)
		all, failed = append(all, one), errors.Join(failed, err)
	}
	if err := r.Run(ctx); err != nil && !errors.Is(err, ErrTorn) {
		return nil, err
	}
	return all, failed
}

// inStore gives the revisions that stand in a store.
func inStore(ctx context.Context, store *sqlite.Store) (all []alerts.Revision, err error) {
	for last := int64(0); ; {
		list, err := store.Revisions(ctx, last, 1000)
		if err != nil || len(list) == 0 {
			return all, err
		}
		all, last = append(all, list...), list[len(list)-1].N
	}
}

// AlertsDryRun prints what the subscriptions of a configuration would have sent, a line a message, or as JSON: of what stands in a store, or, when files are given,
// of what a replay of them finds.
func AlertsDryRun(ctx context.Context, file, dir string, files []string, since time.Duration, asJSON bool, out, notes io.Writer) error {
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
	var all []alerts.Revision
	var orders []alerts.Order
	members := func(context.Context, string) ([]detect.Member, error) { return nil, nil } // a replay without a store keeps none
	if len(files) > 0 {
		all, err = Replay{Config: file, Files: files, JSON: true, Out: io.Discard, Err: notes, Log: zerolog.Nop()}.collect(ctx)
	} else {
		var store *sqlite.Store
		if store, err = sqlite.OpenReadOnly(ctx, dir); err != nil {
			return err
		}
		defer store.Close()
		members = store.Members
		if orders, err = store.Orders(ctx, time.Time{}); err != nil {
			return err
		}
		all, err = inStore(ctx, store)
	}
	if err != nil {
		return err
	}
	if len(all) > 0 && since > 0 {
		from := alerts.MadeAt(&all[len(all)-1].Incident).Add(-since)
		for len(all) > 0 && alerts.MadeAt(&all[0].Incident).Before(from) {
			all = all[1:]
		}
	}
	if len(all) > 0 {
		where, err := newNetworkCountries(ctx, c, alerts.MadeAt(&all[len(all)-1].Incident), members)
		if err != nil {
			return err
		}
		for _, s := range subs {
			s.Within = where.of
		}
	}
	if _, err := c.Alerts.LoadTemplates(); err != nil {
		return err
	}
	words := map[string]*alerts.Words{}
	receivers := c.Alerts.Receivers()
	for i := range receivers {
		s := &receivers[i]
		if words[s.Receiver], err = s.Words(); err != nil {
			return err
		}
	}
	n := 0
	said, held := alerts.DryRunUnder(orders, all, subs, 4*time.Second, pageOf(c))
	for _, m := range said {
		n++
		if asJSON {
			if err := json.NewEncoder(out).Encode(&m); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%s  %-16s %s\n", m.At.Format(time.RFC3339), m.Receiver, words[m.Receiver].Line(&m))
	}
	for i := range held {
		if !asJSON {
			fmt.Fprintf(out, "%s  %-16s held back: %s\n", held[i].At.Format(time.RFC3339), held[i].Receiver, heldLine(&held[i]))
		}
	}
	fmt.Fprintf(notes, "%d messages of %d revisions to %d receivers; %d times something was held back by an order\n", n, len(all), len(subs), len(held))
	return nil
}

// AlertsWaiting lists what waits to be sent, what was given up, and what orders hold back.
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
	held, err := store.Held(ctx)
	if err != nil {
		return err
	}
	for i := range held {
		fmt.Fprintf(out, "held      %s  %-16s %s\n", held[i].At.Format(time.RFC3339), held[i].Receiver, heldLine(&held[i]))
	}
	orders, err := store.Orders(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, o := range alerts.Effective(orders) {
		if o.Until.After(time.Now()) {
			fmt.Fprintln(out, "order     "+orderLine(&o))
		}
	}
	fmt.Fprintf(out, "%d wait, %d were given up, %d are held back\n", len(waiting), given, len(held))
	return nil
}

// AlertsTry sends one message that says it is a try to a receiver of the configuration, past the outbox.
func AlertsTry(ctx context.Context, file, receiver string, out io.Writer) error {
	c, err := conf.Load(file)
	if err != nil {
		return err
	}
	if _, err := c.Alerts.LoadTemplates(); err != nil {
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

// AlertsRetry lets what was given up wait to be sent again, also beside a running monitor.
func AlertsRetry(ctx context.Context, dir string, out io.Writer) error {
	store, err := sqlite.OpenBeside(ctx, dir)
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
