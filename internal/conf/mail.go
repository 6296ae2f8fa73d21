package conf

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"regexp"
	"slices"

	"github.com/corewatch/corewatch/internal/outbound"
)

// Mail is how people are told by mail. What is secret stands in files.
type Mail struct {
	Server       string `json:"server"`        // host:port of a mail server that takes mail from here; empty: nobody is told by mail
	TLS          string `json:"tls"`           // implicit, starttls, or none (only to a server on this machine); empty: implicit on port 465, else starttls
	CAFile       string `json:"ca_file"`       // a file with certificates, PEM, that the server's must lead to; empty: those of the system
	User         string `json:"user"`          // of the mail server; empty: no authentication
	PasswordFile string `json:"password_file"` // a file with the user's password
	From         string `json:"from"`          // who writes, such as "Watch desk <alerts@example.org>"; answers and bounces go there
	Name         string `json:"name"`          // of the list, for readers: letters, digits, blanks, full stops and hyphens
	List         string `json:"list"`          // List-Id, such as alerts.example.org
	DKIM         []DKIM `json:"dkim"`          // signatures, at most 2; empty: none, the mail server signs
	KeyFile      string `json:"key_file"`      // what subscribers are sealed with; made when it is missing; empty: the data folder's name with .mail.key, beside the folder
	Most         int    `json:"most"`          // subscribers, 1 to 10,000
	Subscribe    bool   `json:"subscribe"`     // people may subscribe by themselves, on the page /mail
	Offer        Offer  `json:"offer"`         // to what they may subscribe by themselves
}

// DKIM is a signature under every letter.
type DKIM struct {
	Domain   string `json:"domain"`   // whose DNS holds the public key: that of from, or one above it
	Selector string `json:"selector"` // the public key stands at <selector>._domainkey.<domain>
	KeyFile  string `json:"key_file"` // a file with the private key, PEM: Ed25519, or RSA of at least 2,048 bits
}

// Offer is what people may subscribe to by themselves.
type Offer struct {
	Countries []string `json:"countries"` // codes; empty: every country, and the whole world
	Zones     []string `json:"zones"`     // slugs; empty: none
	Networks  bool     `json:"networks"`  // any network
}

const maxSigners, maxMembers, maxOffer = 2, 10_000, 300

var countryForm = regexp.MustCompile(`^[A-Z]{2}$`)

// check gives errors that begin with the key. publicURL is how readers reach the pages: letters lead there.
func (m *Mail) check(publicURL string) error {
	if m.Most < 1 || m.Most > maxMembers {
		return fmt.Errorf("most: %d; want 1 to %s", m.Most, thousands(maxMembers))
	}
	if m.Server == "" {
		if m.Subscribe || m.From != "" || m.List != "" || len(m.DKIM) > 0 {
			return errors.New("server: missing; want host:port")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(m.Server); err != nil {
		return fmt.Errorf("server: %q; want host:port", m.Server)
	}
	if u, err := url.Parse(publicURL); err != nil || u.Scheme != "https" && (u.Scheme != "http" || !outbound.Loopback(u.Hostname())) {
		return errors.New("server: pages.public_url is to be https://; letters hold links to confirm and to unsubscribe")
	}
	if _, err := netmail.ParseAddress(m.From); err != nil {
		return fmt.Errorf("from: %q; want an address such as Watch desk <alerts@example.org>", m.From)
	}
	switch {
	case m.TLS != "" && m.TLS != "implicit" && m.TLS != "starttls" && m.TLS != "none":
		return fmt.Errorf("tls: %q; want implicit, starttls or none", m.TLS)
	case (m.User == "") != (m.PasswordFile == ""):
		return errors.New("password_file: want both user and password_file, or none")
	case m.List == "":
		return errors.New("list: missing; want a List-Id such as alerts.example.org")
	case len(m.DKIM) > maxSigners:
		return fmt.Errorf("dkim: %d; want at most %d", len(m.DKIM), maxSigners)
	case len(m.Offer.Countries)+len(m.Offer.Zones) > maxOffer:
		return fmt.Errorf("offer: %d places; want at most %d", len(m.Offer.Countries)+len(m.Offer.Zones), maxOffer)
	}
	for i, d := range m.DKIM {
		if d.Domain == "" || d.Selector == "" || d.KeyFile == "" {
			return fmt.Errorf("dkim[%d]: want domain, selector and key_file", i)
		}
	}
	if i := slices.IndexFunc(m.Offer.Countries, func(c string) bool { return !countryForm.MatchString(c) }); i >= 0 {
		return fmt.Errorf("offer.countries: %q is no ISO 3166-1 code such as PK", m.Offer.Countries[i])
	}
	return nil
}
