package alerts

import (
	"errors"
	"strings"
	"time"
)

// MailPrefix begins the name of every receiver that is told by mail. What follows is the subscriber's ID, which says nothing about him.
const MailPrefix = "mail."

// Subscriber is somebody who is told by mail, or asked to be, as a store keeps him. Who he is and what he wants to know is sealed.
type Subscriber struct {
	ID       string    // random; fixed for as long as he is subscribed
	Active   bool      // he confirmed; else a request that waits for it
	Address  []byte    // keyed hash of the address: the same for the same address
	Mailbox  []byte    // keyed hash of the mailbox behind it: that of the address without what stands behind a plus sign
	Sealed   []byte    // address, language and subscription, encrypted
	Token    []byte    // SHA-256 of what confirms the request; nil: no mail with it was sent yet
	Asked    time.Time // when the request came
	Expires  time.Time // when a request that was not confirmed is erased
	Try      time.Time // when the mail that asks for confirmation is sent (again); zero: it was sent
	Attempts int       // that failed to send it
}

// Letter is one mail to one address.
type Letter struct {
	ID       string // left part of the Message-ID; the same each time the letter is sent
	At       time.Time
	To       string // a plain address
	Words    *Words // language, and direction
	Subject  string
	Text     string   // paragraphs and lines; the HTML part is made of it
	Links    []string // lines of the text that are addresses of pages
	Leave    string   // address that ends the subscription by one POST (RFC 8058); empty: there is none
	Thread   []string // left parts of the Message-IDs that the letter goes on from
	Personal bool     // to one person who asked for it, not to the list
}

// Recipient is where a subscriber is reached.
type Recipient struct {
	Address  string
	Language string
	Leave    string // address that ends the subscription by one POST
}

// Offer is what people may subscribe to by themselves.
type Offer struct {
	Countries []string // codes; empty: every country, and the whole world
	Zones     []string // slugs
	Networks  bool     // any network
}

// Request is what somebody who wants to be told by mail asks for.
type Request struct {
	Address  string
	Language string
	Subscription
}

// Why a request cannot be served.
var (
	ErrTooMany = errors.New("too many requests; try again in an hour")
	ErrNoLink  = errors.New("the link is not valid any more")
	ErrNoRoom  = errors.New("nobody can be added at the moment")
)

// Unfit says what of a request cannot be used.
type Unfit struct {
	Key  string // address, language, places, networks, zones, digest or offer
	Text string // for operators
}

// Error implements error.
func (u *Unfit) Error() string { return u.Key + ": " + u.Text }

// Confirmation is the letter that asks whether a request is meant. page is where it is confirmed.
func (w *Words) Confirmation(list, asked, page string) (subject, text string) {
	lines := []string{
		w.say("mail.confirm.why", list), asked, "", w.text["mail.confirm.do"], page, "",
		w.text["mail.confirm.not"], w.text["mail.confirm.erased"],
	}
	return w.say("mail.confirm.subject", list), strings.Join(lines, "\n") + "\n"
}

// Asked says what a subscription is about, in one line.
func (w *Words) Asked(s *Subscription) string {
	var places []string
	for _, list := range [][]string{s.Zones, s.Countries, s.Networks, s.Prefixes} {
		places = append(places, list...)
	}
	what := w.text["mail.asked.world"]
	if len(places) > 0 {
		what = strings.Join(places, ", ")
	}
	parts := []string{what, w.text["mail.asked.confirmed"]}
	if s.early() {
		parts[1] = w.text["mail.asked.suspected"]
	}
	if s.Severity > 1 {
		parts = append(parts, w.say("mail.asked.severity", count(s.Severity)))
	}
	switch s.Digest.Every {
	case Hourly:
		parts = append(parts, w.text["mail.asked.hourly"])
	case Daily:
		parts = append(parts, w.say("mail.asked.daily", s.Digest.At, zoneName(s.Digest.TimeZone)))
	}
	return w.say("mail.asked", strings.Join(parts, "; "))
}

// Footer ends a letter to a subscriber: why he got it, and how he stops it.
func (w *Words) Footer(list, leave string) string {
	return "-- \n" + w.say("mail.footer", list) + "\n" + leave + "\n"
}

// Language is that of the texts, as HTML and mail name it, and whether it runs from right to left.
func (w *Words) Language() (tag string, rtl bool) {
	if w.rtl {
		return "ar", true
	}
	return "en", false
}
