package conf

import (
	"fmt"
	"strings"

	"github.com/corewatch/corewatch/alerts"
)

// Alerts says who is told of incidents.
type Alerts struct {
	PerHour       int          `json:"per_hour"`      // messages to one receiver within an hour; more wait; 0: 60
	Subscriptions []Subscriber `json:"subscriptions"` // each a receiver, how it is reached, and what it wants to know
}

// Subscriber is a receiver with what it wants to know.
type Subscriber struct {
	Receiver     string        `json:"receiver"`     // a name of your own; it stands in logs
	Language     string        `json:"language"`     // of the texts: en or ar; empty: en
	Webhook      *Webhook      `json:"webhook"`      // an HTTP address that takes CloudEvents; one of the ways is to be given
	Alertmanager *Alertmanager `json:"alertmanager"` // a Prometheus Alertmanager
	alerts.Subscription
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
	Private    bool   `json:"private"`     // addresses of private networks are allowed
}

// maxSubscribers bounds how many receivers a configuration may name.
const maxSubscribers = 1000

func subscribers(a Alerts) error {
	switch {
	case len(a.Subscriptions) > maxSubscribers:
		return fmt.Errorf("alerts.subscriptions: %d; want at most %d", len(a.Subscriptions), maxSubscribers)
	case a.PerHour < 0 || a.PerHour > 3600:
		return fmt.Errorf("alerts.per_hour: %d; want 0 to 3,600", a.PerHour)
	}
	seen := map[string]bool{}
	for i := range a.Subscriptions {
		s := &a.Subscriptions[i]
		at := fmt.Sprintf("alerts.subscriptions[%d]", i)
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
	return nil
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
func (s *Subscriber) Words() (*alerts.Words, error) { return alerts.Language(s.language()) }
