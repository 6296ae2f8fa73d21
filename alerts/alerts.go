// Package alerts decides who is told what of an incident, and when: subscriptions, occasions, grouping, and the outbox that a message leaves from
// once. How it leaves is the business of a channel, a package of its own below this one.
package alerts

import (
	"context"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Occasion is why a receiver is told of an incident. The enumeration is open.
type Occasion string

// The occasions.
const (
	Suspected Occasion = "suspected"  // it began, and may turn out to be nothing
	Confirmed Occasion = "confirmed"  // it is there
	Grew      Occasion = "grew"       // a severity higher than what was told
	Again     Occasion = "again"      // another wave inside it
	Over      Occasion = "over"       // visible again
	Retracted Occasion = "retracted"  // it rested on a fault of the monitor: what was told is taken back
	LostSight Occasion = "lost_sight" // nobody follows it any more, and what became of it is not known
)

// Revision is one revision of an incident as a store keeps it. N orders all revisions of a store as they were made.
type Revision struct {
	N        int64
	Incident detect.Incident
}

// Told is what a receiver was told last of an incident.
type Told struct {
	Receiver string
	Incident string // id
	Revision int
	Occasion Occasion
	Severity int
	Episodes int
	// Whole is the incident in whose message this one was told as a part, "" when it was told by itself.
	Whole string
	// Thread is the ID of the message that told of the incident first.
	Thread string
}

// Item is one incident in a message.
type Item struct {
	Incident  detect.Incident `json:"incident"`
	Occasion  Occasion        `json:"occasion"`
	First     bool            `json:"first,omitempty"`     // nothing was said of the incident before
	Parts     []string        `json:"parts,omitempty"`     // ids of incidents that are told as parts of this one
	Announced []Notice        `json:"announced,omitempty"` // work on it that was announced beforehand
	URL       string          `json:"url,omitempty"`       // page of this revision
	Thread    string          `json:"thread,omitempty"`    // ID of the message that told of the incident first; empty: this one
}

// Message is what one receiver is sent at once: most often one incident; several when many begin together.
type Message struct {
	ID       string    `json:"id"` // idempotency key: the same message, sent twice, has the same
	Receiver string    `json:"receiver"`
	At       time.Time `json:"at"`               // when it was decided
	Items    []Item    `json:"items"`            // the most severe first, at most 100
	More     int       `json:"more,omitempty"`   // incidents beside these
	Digest   bool      `json:"digest,omitempty"` // what happened within an hour or a day
}

// Outgoing is a message in the outbox.
type Outgoing struct {
	N        int64
	Message  Message
	NotUntil time.Time // quiet hours, or the pause after a failure
	Attempts int
	First    time.Time // when it was put there
	Note     string    // why it was not sent yet
}

// Store keeps what was told and what is to be sent. Every method is one transaction: a process that dies between two of them goes on where it was.
type Store interface {
	// Revisions gives revisions behind n in order, at most limit.
	Revisions(ctx context.Context, n int64, limit int) ([]Revision, error)
	// Reached is the number of the revision up to which everything was decided.
	Reached(ctx context.Context) (int64, error)
	// Told is what receivers were told of an incident.
	Told(ctx context.Context, incident string) ([]Told, error)
	// Decide notes what was decided, and everything with it, or nothing.
	Decide(ctx context.Context, d *Decision) error
	// Waiting gives the messages that were not sent yet of a receiver, oldest first; "" is of all.
	Waiting(ctx context.Context, receiver string, limit int) ([]Outgoing, error)
	// Next gives what is due of receivers that are not in skip: of each the oldest message, unless that failed and is tried again later. What was
	// never tried and has to wait holds up nothing behind it. Those that failed come after the others; at most limit.
	Next(ctx context.Context, now time.Time, skip []string, limit int) ([]Outgoing, error)
	// SentSince says when messages were sent since an instant, by receiver.
	SentSince(ctx context.Context, from time.Time) (map[string][]time.Time, error)
	// Sent notes a receipt.
	Sent(ctx context.Context, n int64, at time.Time, receipt string) error
	// Later notes a failure after which it is tried again.
	Later(ctx context.Context, n int64, notUntil time.Time, why string) error
	// Dead notes a failure for good: the message is kept, listed, and not tried again by itself.
	Dead(ctx context.Context, n int64, at time.Time, why string) error
	// Postpone lets a message that was never tried wait until an instant.
	Postpone(ctx context.Context, n int64, notUntil time.Time) error

	// Orders are those that hold, held since an instant, or are to come, with what ended them.
	Orders(ctx context.Context, since time.Time) ([]Order, error)
	// Held is what is held back.
	Held(ctx context.Context) ([]Held, error)
	// Receivers are the subscriptions that were in force last: a digest for each receiver.
	Receivers(ctx context.Context) (map[string]string, error)
	// Open are the incidents of live data that are not over.
	Open(ctx context.Context) ([]detect.Incident, error)
	// Subject is an incident, or a trouble of the monitor, as it stands.
	Subject(ctx context.Context, id string) (*detect.Incident, error)
	// Troubles are the monitor's own that are open, those that ended since an instant, and those of which something was not decided.
	Troubles(ctx context.Context, since time.Time) ([]TroubleState, error)
	// SaveTroubles keeps troubles as they are, and numbers the new ones.
	SaveTroubles(ctx context.Context, list []*TroubleState) error
}

// Decision is what was decided at once.
type Decision struct {
	UpTo      int64             // revisions up to this one
	Told      []Told            // what is told,
	Out       []Outgoing        // and the messages that tell it
	Replaced  []int64           // messages that waited, and are not sent
	Kept      []Held            // what is held back from now on,
	Settled   []Held            // and what is not any more
	Receivers map[string]string // subscriptions in force, with digests; nil: as before
	Troubles  []TroubleState    // decided, as they are
}

// Channel sends messages. The error says whether another attempt may help: see Permanent.
type Channel interface {
	Send(ctx context.Context, m *Message) (receipt string, err error)
}

// Permanent wraps an error after which another attempt cannot help.
type Permanent struct{ Err error }

// Error implements error.
func (p *Permanent) Error() string { return p.Err.Error() }

// Unwrap gives the reason.
func (p *Permanent) Unwrap() error { return p.Err }

// Busy wraps an error after which the receiver asked for a pause.
type Busy struct {
	Err   error
	After time.Duration
}

// Error implements error.
func (b *Busy) Error() string { return b.Err.Error() }

// Unwrap gives the reason.
func (b *Busy) Unwrap() error { return b.Err }
