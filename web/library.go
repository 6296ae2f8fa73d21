package web

import (
	"context"
	"errors"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// ErrNotFound is what a Library's errors wrap when the thing asked for does not exist; the reader then gets 404.
var ErrNotFound = errors.New("not found")

// ErrCursor is what a Library's errors wrap when a cursor does not belong to the query; the reader then gets 400.
var ErrCursor = errors.New("the cursor does not belong to this query")

// Query selects incidents. Zero fields do not restrict.
type Query struct {
	Entity string   // Entity.Key, "country:PK"
	Kinds  []string // any of these kinds; empty is all but monitor_fault
	States []string // any of these states
	Data   string   // "live", "archive", "reconstruction", "synthetic"
	From   time.Time
	Until  time.Time // incidents that start in [From, Until)
	Limit  int       // at most so many; 1 to MaxLimit
	Cursor string    // opaque: what the previous page returned
}

// MaxLimit is the most incidents that one page of a list holds.
const MaxLimit = 200

// Library is what the pages read. All methods are safe for concurrent use and give up when ctx ends. Lists are ordered:
// incidents by start, newest first; members by prefix; samples by time; Latest and Peers by entity and peer.
type Library interface {
	Incidents(ctx context.Context, q Query) (list []detect.Incident, next string, err error)
	// Incident is the last revision; the error wraps ErrNotFound when there is no such incident.
	Incident(ctx context.Context, id string) (*detect.Incident, error)
	// Revision is the incident exactly as revision n published it; the error wraps ErrNotFound when there is none.
	Revision(ctx context.Context, id string, n int) (*detect.Incident, error)
	Members(ctx context.Context, id string) ([]detect.Member, error)
	Samples(ctx context.Context, entity, signal string, from, until time.Time) ([]detect.Sample, error)
	// Latest is the newest sample of every entity, for maps.
	Latest(ctx context.Context, signal string) ([]detect.Sample, error)
	Peers(ctx context.Context) ([]bgp.PeerStatus, error)
	Inputs(ctx context.Context) ([]bgp.Input, error)
}

// Status is what /health and /healthz tell about the running process.
type Status struct {
	Software  string // name and version
	Commit    string
	Started   time.Time
	Data      detect.Data // what the live side is fed with
	DemoData  detect.Data // what the side below /demo is made of; empty: a reconstruction
	Banner    string      // shown on every page of the live side when its data are not live measurements; empty otherwise
	Phase     string      // "starting", "replaying", "watching", "stopping", "failed"
	Progress  float64     // 0 to 1 while replaying
	EventTime time.Time   // how far the detector has come in event time
	Sources   []SourceStatus
	Copies    []SourceStatus // other stores that what is kept is copied to; Last is when one acknowledged something
	Live      *LiveStatus    // nil until something is watched
	Ledger    *LedgerStatus  // nil: none is kept
}

// LedgerStatus is the log that is only added to (docs/ledger.md).
type LedgerStatus struct {
	Origin  string    // its name; empty until it was opened
	Records int64     // in it
	Signed  int64     // of them, under the checkpoint published last
	Waiting int       // handed over and not yet in it
	Last    time.Time // when it was last found or brought up to date, with a checkpoint over all of it
	Failing bool      // it cannot be written; the log of the process says why
}

// SourceStatus is one source of messages: whether it is connected and, if not, since when and why.
type SourceStatus struct {
	Name   string    // as its project names it
	State  string    // "connected", "connecting", "unreachable", "done", "off"; "demo" for what feeds only the demonstration
	Detail string    // in words, for the reader
	Last   time.Time // last message; zero when there was none
}
