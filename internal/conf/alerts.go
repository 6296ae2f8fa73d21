package conf

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/entity"
)

// Alerts says who is told of incidents.
type Alerts struct {
	PerHour       int                `json:"per_hour"`      // messages to one receiver within an hour; more wait; 0: 60
	Subscriptions []Subscriber       `json:"subscriptions"` // each a receiver, how it is reached, and what it wants to know
	Operator      []OperatorReceiver `json:"operator"`      // who is told of the monitor's own troubles
	Troubles      Troubles           `json:"troubles"`      // from where on something is a trouble
	Templates     string             `json:"templates"`     // a folder with texts of your own, see docs/alerts.md; empty: the built-in ones
	Feeds         Feeds              `json:"feeds"`         // feeds as files, for any web server, mirror or archive

	texts *alerts.Templates
}

// Feeds are files that corewatch run keeps up to date.
type Feeds struct {
	Folder   string      `json:"folder"`   // that they are written into; empty: none are
	URL      string      `json:"url"`      // address under which readers get the folder; empty: the feeds do not say where they are
	Language string      `json:"language"` // of the texts: en or ar; empty: en
	List     []FeedQuery `json:"list"`     // of each NAME.atom, NAME.feed.json and NAME.incidents.json
}

// FeedQuery is what one feed is about.
type FeedQuery struct {
	Name   string   `json:"name"`   // of the files: a-z, 0-9 and hyphens
	Entity string   `json:"entity"` // such as country:PK; empty: the world
	Kinds  []string `json:"kinds"`  // of incidents; empty: all but monitor_fault
	Limit  int      `json:"limit"`  // newest incidents in it, at most 1,000; 0: 100
}

// Subscriber is a receiver with what it wants to know.
type Subscriber struct {
	Receiver     string        `json:"receiver"`     // a name of your own; it stands in logs
	Language     string        `json:"language"`     // of the texts: en or ar; empty: en
	Webhook      *Webhook      `json:"webhook"`      // an HTTP address that takes CloudEvents; one of the ways is to be given
	Alertmanager *Alertmanager `json:"alertmanager"` // a Prometheus Alertmanager
	alerts.Subscription

	templates *alerts.Templates
}

// Alertmanager is a Prometheus Alertmanager.
type Alertmanager struct {
	URL       string `json:"url"`        // of the server: https, or http on a loopback address
	TokenFile string `json:"token_file"` // a file with the token of HTTP's bearer authentication; empty: none
}

// Webhook is an HTTP address. What is secret stands in files.
type Webhook struct {
	URL        string `json:"url"`         // https, or http on a loopback address
	URLFile    string `json:"url_file"`    // a file that holds the URL, when the URL itself is a secret
	SecretFile string `json:"secret_file"` // a file with the secret of HMAC-SHA256, at least 16 octets
	KeyFile    string `json:"key_file"`    // a file with an Ed25519 private key, PKCS #8 PEM; empty: no second signature

	PreviousSecretFile string `json:"previous_secret_file"` // the secret before it, while receivers change over: both sign; empty: none
	PreviousKeyFile    string `json:"previous_key_file"`    // the key before it, likewise

	Private bool `json:"private"` // addresses of private networks are allowed
}

// maxSubscribers bounds how many receivers a configuration may name.
const maxSubscribers = 1000

func subscribers(a Alerts) error {
	switch {
	case len(a.Subscriptions) > maxSubscribers:
		return fmt.Errorf("alerts.subscriptions: %d; want at most %d", len(a.Subscriptions), maxSubscribers)
	case len(a.Operator) > maxSubscribers:
		return fmt.Errorf("alerts.operator: %d; want at most %d", len(a.Operator), maxSubscribers)
	case a.PerHour < 0 || a.PerHour > 3600:
		return fmt.Errorf("alerts.per_hour: %d; want 0 to 3,600", a.PerHour)
	}
	if err := feeds(a.Feeds); err != nil {
		return err
	}
	seen := map[string]bool{}
	all := a.Receivers()
	for i := range all {
		s := &all[i]
		at := fmt.Sprintf("alerts.subscriptions[%d]", i)
		if n := len(a.Subscriptions); i >= n {
			at = fmt.Sprintf("alerts.operator[%d]", i-n)
		}
		switch {
		case s.Receiver == "" || len(s.Receiver) > 64 || alerts.Plain(s.Receiver) != s.Receiver:
			return fmt.Errorf("%s.receiver: %q; want a name of 1 to 64 characters", at, s.Receiver)
		case strings.HasPrefix(s.Receiver, alerts.MailPrefix):
			return fmt.Errorf("%s.receiver: %q; names that begin with %q are of those who are told by mail", at, s.Receiver, alerts.MailPrefix)
		case seen[s.Receiver]:
			return fmt.Errorf("%s.receiver: %q stands twice", at, s.Receiver)
		case s.ways() != 1:
			return fmt.Errorf("%s: %s has %d ways to be reached; want one of webhook and alertmanager", at, s.Receiver, s.ways())
		case s.Webhook != nil && (s.Webhook.URL == "") == (s.Webhook.URLFile == ""):
			return fmt.Errorf("%s.webhook: want either url or url_file", at)
		case s.Webhook != nil && s.Webhook.SecretFile == "":
			return fmt.Errorf("%s.webhook.secret_file: missing; a receiver must be able to tell our messages from others", at)
		}
		seen[s.Receiver] = true
		if _, err := alerts.Language(s.language()); err != nil {
			return fmt.Errorf("%s.language: %q; want en or ar", at, s.Language)
		}
		if err := s.Check(); err != nil {
			return fmt.Errorf("%s.%w", at, err)
		}
	}
	return operators(a)
}

// ways counts the channels that are given.
func (s *Subscriber) ways() (n int) {
	for _, given := range []bool{s.Webhook != nil, s.Alertmanager != nil} {
		if given {
			n++
		}
	}
	return n
}

func (s *Subscriber) language() string {
	if s.Language == "" {
		return "en"
	}
	return s.Language
}

// Words are the texts in the receiver's language.
func (s *Subscriber) Words() (*alerts.Words, error) {
	w, err := alerts.Language(s.language())
	if err == nil {
		w.Use(s.templates)
	}
	return w, err
}

// LoadTemplates reads the operator's texts and puts them in force for every subscriber; nil when there are none.
func (a *Alerts) LoadTemplates() (*alerts.Templates, error) {
	if a.Templates == "" {
		return nil, nil
	}
	t, err := alerts.LoadTemplates(a.Templates)
	if err != nil {
		return nil, fmt.Errorf("alerts.%w", err)
	}
	a.texts = t
	for i := range a.Subscriptions {
		a.Subscriptions[i].templates = t
	}
	return t, nil
}

// Texts are the templates that LoadTemplates read; nil: none.
func (a *Alerts) Texts() *alerts.Templates { return a.texts }

// maxFeeds bounds how many feeds a configuration may name, maxFeed how many incidents one may hold.
const maxFeeds, maxFeed = 1000, 1000

func feeds(f Feeds) error {
	if f.Folder == "" && len(f.List) > 0 {
		return errors.New("alerts.feeds.folder: missing")
	}
	if len(f.List) > maxFeeds {
		return fmt.Errorf("alerts.feeds.list: %d; want at most %d", len(f.List), maxFeeds)
	}
	if _, err := alerts.Language(cmp.Or(f.Language, "en")); err != nil {
		return fmt.Errorf("alerts.feeds.language: %q; want en or ar", f.Language)
	}
	if u, err := url.Parse(f.URL); f.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return errors.New("alerts.feeds.url: want an address such as https://feeds.example/corewatch")
	}
	seen := map[string]bool{}
	for i, q := range f.List {
		at := fmt.Sprintf("alerts.feeds.list[%d]", i)
		switch {
		case !feedName.MatchString(q.Name):
			return fmt.Errorf("%s.name: %q; want 1 to 64 of a-z, 0-9 and hyphens", at, q.Name)
		case seen[q.Name]:
			return fmt.Errorf("%s.name: %q stands twice", at, q.Name)
		case q.Limit < 0 || q.Limit > maxFeed:
			return fmt.Errorf("%s.limit: %d; want 0 to %d", at, q.Limit, maxFeed)
		case len(q.Kinds) > maxKinds:
			return fmt.Errorf("%s.kinds: %d; want at most %d", at, len(q.Kinds), maxKinds)
		}
		if q.Entity != "" {
			if _, err := entity.ParseEntity(q.Entity); err != nil {
				return fmt.Errorf("%s.entity: %w", at, err)
			}
		}
		seen[q.Name] = true
	}
	return nil
}

// maxKinds bounds how many kinds a feed may name.
const maxKinds = 64

var feedName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){0,63}$`)
