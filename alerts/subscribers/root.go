// Package subscribers keeps those who are told by mail: who asked, who confirmed, and who left. An address is sealed from the moment it arrives, is opened
// only to write to it, and is erased when its owner leaves. docs/alerts.md says what is stored and for how long.
package subscribers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// Store keeps subscribers and requests. What it is given names nobody.
type Store interface {
	// Subscribers gives those who confirmed, and OpenRequests what waits for it, oldest first.
	Subscribers(ctx context.Context) ([]alerts.Subscriber, error)
	OpenRequests(ctx context.Context) ([]alerts.Subscriber, error)
	// Subscriber gives the one with an ID, and SubscriberByToken the request with the hash of a token; nil when there is none.
	Subscriber(ctx context.Context, id string) (*alerts.Subscriber, error)
	SubscriberByToken(ctx context.Context, hash []byte) (*alerts.Subscriber, error)
	// SubscribersOf gives subscriber and requests of an address, by its hash.
	SubscribersOf(ctx context.Context, address []byte) ([]alerts.Subscriber, error)
	// Asked counts what was asked since an instant: of a mailbox, by its hash, and all.
	Asked(ctx context.Context, mailbox []byte, since time.Time) (of, all int, err error)
	// SaveSubscriber stores one, new or changed, and erases those with the IDs in instead.
	SaveSubscriber(ctx context.Context, s *alerts.Subscriber, instead ...string) error
	// UpdateRequest changes a request that is still there, and says whether it is.
	UpdateRequest(ctx context.Context, id string, token []byte, try time.Time, attempts int) (there bool, err error)
	// ForgetSubscribers erases some, and what they were told.
	ForgetSubscribers(ctx context.Context, ids ...string) error
}

// Mailer writes letters.
type Mailer interface {
	Write(ctx context.Context, l *alerts.Letter) (receipt string, err error)
}

// Options are what a list needs.
type Options struct {
	Name  string       // of the list
	Base  string       // address of the pages, such as https://monitor.example.org
	Open  bool         // people may subscribe by themselves
	Offer alerts.Offer // to what
	Most  int          // how many subscribers there may be
	// Widen adds to a subscription what its zones are made of; nil: nothing.
	Widen func(*alerts.Subscription) error
	Check func(address string) error // why an address cannot be written to, without naming it
	Now   func() time.Time           // nil: time.Now
	Note  func(err error, what string)
}

// Limits. A stranger can have nobody written to more often than this.
const (
	KeepRequest  = 48 * time.Hour // a request that is not confirmed is erased
	perMailbox   = 2              // letters that ask for confirmation, within an hour
	perMailbox48 = 4              // and as long as requests are kept
	perHour      = 200            // of all mailboxes
	perClient    = 10             // requests of one client within an hour
	mostClients  = 10_000         // that are remembered; beyond it all clients share one count
	mostRequests = 2000           // that wait for confirmation
	mostPlaces   = 100            // in one request
	lookEvery    = 5 * time.Second
	firstTry     = time.Minute
	longestTry   = 4 * time.Hour
)

// List is the list of subscribers. It is safe for concurrent use.
type List struct {
	store Store
	keys  *Keys
	mail  Mailer
	opt   Options

	wake  chan struct{} // a letter is to be sent
	alone sync.Mutex    // held while a request is counted and stored, and while one becomes a subscription: an address has one

	invited []time.Time // letters that ask for confirmation, of the last hour; used by Work alone

	mu      sync.Mutex             // guards what follows
	clients map[string][]time.Time // requests of the last hour, by client
	others  []time.Time            // those of clients that found no room in the map
}

// New makes a list. keys open what is stored.
func New(store Store, keys *Keys, mail Mailer, opt Options) (*List, error) {
	u, err := url.Parse(opt.Base)
	if err != nil || u.Host == "" || u.RawQuery != "" {
		return nil, errors.New("pages.public_url: letters hold links to confirm and to leave; want https://host")
	}
	opt.Base = strings.TrimRight(opt.Base, "/")
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Widen == nil {
		opt.Widen = func(*alerts.Subscription) error { return nil }
	}
	if opt.Note == nil {
		opt.Note = func(error, string) {}
	}
	return &List{store: store, keys: keys, mail: mail, opt: opt, wake: make(chan struct{}, 1), clients: map[string][]time.Time{}}, nil
}

// Offer is what people may subscribe to by themselves; open is false when they may not.
func (l *List) Offer() (offer alerts.Offer, open bool) { return l.opt.Offer, l.opt.Open }

// check holds a request to what may be asked for. No word of a stranger's own goes into a letter: everything is a code, a number or a name that we know.
func (l *List) check(r *alerts.Request, operator bool) error {
	unfit := func(key, text string) error { return &alerts.Unfit{Key: key, Text: text} }
	r.Address = strings.TrimSpace(r.Address)
	if err := l.opt.Check(r.Address); err != nil {
		return unfit("address", err.Error())
	}
	if _, err := alerts.Language(r.Language); err != nil || r.Language == "" {
		return unfit("language", "want en or ar")
	}
	if len(r.Countries)+len(r.Zones)+len(r.Networks)+len(r.Prefixes) > mostPlaces {
		return unfit("places", fmt.Sprintf("at most %d", mostPlaces))
	}
	if len(r.Quiet.TimeZone) > 40 || len(r.Digest.TimeZone) > 40 {
		return unfit("digest", "timezone: want a name such as Asia/Karachi")
	}
	if err := r.Check(); err != nil {
		key, text, _ := strings.Cut(err.Error(), ": ")
		if key == "countries" || key == "prefixes" {
			key = "places"
		}
		return unfit(key, text)
	}
	for _, n := range r.Networks {
		if len(n) > len("AS4294967295") {
			return unfit("networks", "want such as AS64500")
		}
	}
	wide := r.Subscription
	if err := l.opt.Widen(&wide); err != nil {
		return unfit("zones", "one of them is not known")
	}
	if operator {
		return nil
	}
	o := l.opt.Offer
	off := func(list []string, offered []string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return !slices.Contains(offered, x) })
	}
	switch {
	case len(r.Prefixes) > 0 || len(r.Kinds) > 0 || r.Coverage != "" || r.Quiet != (alerts.Quiet{}):
		return unfit("offer", "that is not on offer here")
	case len(r.Networks) > 0 && !o.Networks:
		return unfit("networks", "not on offer here")
	case len(o.Countries) > 0 && (len(r.Countries)+len(r.Zones)+len(r.Networks) == 0 || off(r.Countries, o.Countries)):
		return unfit("places", "choose at least one of those on offer")
	case off(r.Zones, o.Zones):
		return unfit("zones", "one of them is not on offer here")
	}
	return nil
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}
