package detect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// SchemaVersion is the `v` of the incident JSON; docs/schema/incident-v1.json describes it.
const SchemaVersion = 1

// Time is an instant of event time that is written as YYYY-MM-DDThh:mm:ssZ. It keeps microseconds inside; the zero value is absent.
type Time struct{ time.Time }

// At makes a Time in UTC, cut to microseconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Micros is the instant in microseconds since 1970 UTC; 0 for the zero value.
func (t Time) Micros() int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// String is the form used in JSON and everywhere a user sees a time.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// MarshalJSON writes whole seconds, cut (not rounded), so that no printed time lies after the event.
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// UnmarshalJSON reads what MarshalJSON writes, and RFC 3339 with fractions.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if s == "" {
		*t = Time{}
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("time %q: want YYYY-MM-DDThh:mm:ssZ", s)
	}
	*t = At(v)
	return nil
}

// Share is a fraction 0..1, written with at most four decimals, rounded half to even.
type Share float64

// Round is the value as it is printed.
func (s Share) Round() float64 { return math.RoundToEven(float64(s)*1e4) / 1e4 }

// MarshalJSON writes the rounded value in its shortest form.
func (s Share) MarshalJSON() ([]byte, error) {
	r := s.Round()
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return nil, fmt.Errorf("share %v is not a number", float64(s))
	}
	return strconv.AppendFloat(nil, r, 'f', -1, 64), nil
}

// State is where an incident stands in its life (docs/method.md, "Incident life").
type State string

// The states. A retracted incident was caused by the monitor itself; it is kept and said so.
const (
	Suspected  State = "suspected"
	Partial    State = "partial"
	Confirmed  State = "confirmed"
	Recovering State = "recovering"
	Closed     State = "closed"
	Retracted  State = "retracted"
)

// Open reports whether the state can still change by itself.
func (s State) Open() bool { return s != Closed && s != Retracted }

// Kind is what an incident is about. The enumeration is open: readers ignore values they do not know.
type Kind string

// The kinds this version produces.
const (
	Outage       Kind = "outage"
	MonitorFault Kind = "monitor_fault"
)

// Data says what an incident was computed from. It is on every page and in every export.
type Data string

// The data kinds.
const (
	Live           Data = "live"
	Archive        Data = "archive"
	Reconstruction Data = "reconstruction"
	Synthetic      Data = "synthetic"
)

// Entity is what an incident is about. Codes are those of architecture.md: ISO 3166-1 alpha-2, AS<number>, CIDR, peer code, zone slug.
type Entity struct {
	Type string `json:"type"`
	Code string `json:"code"`
	Name string `json:"name,omitempty"`
}

// Key is the stable text form "country:PK".
func (e Entity) Key() string { return e.Type + ":" + e.Code }

// Incident is one event and its whole story, in the published form "incident JSON, version 1". The order of the fields is the
// canonical order of the keys. Anything unknown is absent, never null or empty.
type Incident struct {
	V            int           `json:"v"`
	ID           string        `json:"id"`
	Revision     int           `json:"revision"`
	Data         Data          `json:"data"`
	Kind         Kind          `json:"kind"`
	State        State         `json:"state"`
	Severity     int           `json:"severity"`
	Entity       Entity        `json:"entity"`
	Title        string        `json:"title,omitempty"` // a plain title with its denominator; names the network when one origin is at least 90 % of the loss
	PublicCore   []string      `json:"public_core"`
	Start        Interval      `json:"start"`
	Peak         *Moment       `json:"peak,omitempty"`
	End          *Interval     `json:"end,omitempty"`
	OpenAt       Time          `json:"open_at,omitzero"` // end of input while the event was still open
	SuspectedAt  Time          `json:"suspected_at,omitzero"`
	ConfirmedAt  Time          `json:"confirmed_at,omitzero"`
	ClosedAt     Time          `json:"closed_at,omitzero"`
	Signals      []Signal      `json:"signals,omitempty"`
	Episodes     []Episode     `json:"episodes,omitempty"`
	Parts        []Part        `json:"parts,omitempty"`
	Explanations []Explanation `json:"explanations,omitempty"` // best first
	Coverage     Coverage      `json:"coverage"`
	Method       Method        `json:"method"`
	References   []Reference   `json:"references,omitempty"`
	Sources      []Source      `json:"sources,omitempty"`
	Related      []Related     `json:"related,omitempty"`
	Evidence     *Evidence     `json:"evidence,omitempty"`
	Revisions    []Revision    `json:"revisions"`
}

// Interval is an instant known to lie in [Earliest, Latest], with the best single reading as Time.
type Interval struct {
	Time     Time `json:"time"`
	Earliest Time `json:"earliest,omitzero"`
	Latest   Time `json:"latest,omitzero"`
}

// Moment is one instant.
type Moment struct {
	Time Time `json:"time"`
}

// Signal is the reading of one plane at the incident's peak: a value together with its denominators.
type Signal struct {
	Signal       string       `json:"signal"`                 // "bgp.v4", "bgp.v6"
	Unit         string       `json:"unit,omitempty"`         // "slash24", "slash48", "prefixes"
	Expected     int64        `json:"expected"`               // observable units
	Observed     int64        `json:"observed"`               // of these, visible
	Unobservable int64        `json:"unobservable,omitempty"` // units nobody could judge; neither up nor down, not in Expected
	At           Time         `json:"at"`
	LostShare    Share        `json:"lost_share"` // (Expected-Observed)/Expected
	Prefixes     PrefixCount  `json:"prefixes"`
	ASNs         VantageCount `json:"asns"`
	Collectors   []string     `json:"collectors,omitempty"`
}

// PrefixCount counts prefixes: Lost of Expected observable ones; Deaggregated of the lost are still covered by a live less-specific of the same origin.
type PrefixCount struct {
	Expected     int `json:"expected"`
	Lost         int `json:"lost"`
	Deaggregated int `json:"deaggregated,omitempty"`
	Unobservable int `json:"unobservable,omitempty"`
}

// VantageCount counts the ASes that look: Expected have a session, Voting of them are healthy now, Masked are not, Needed is the quorum of a prefix.
type VantageCount struct {
	Expected int `json:"expected"`
	Voting   int `json:"voting"`
	Masked   int `json:"masked,omitempty"`
	Sessions int `json:"sessions,omitempty"`
	Needed   int `json:"needed"`
}

// Episode is one rise of the loss inside an incident; the first is the incident's own.
type Episode struct {
	Start         Time  `json:"start"`             // the second independent AS's first withdrawal
	Earliest      Time  `json:"earliest,omitzero"` // the first withdrawal, and
	Latest        Time  `json:"latest,omitzero"`   // when the level was crossed; both of later episodes only
	PeakLostShare Share `json:"peak_lost_share"`
	Prefixes      int   `json:"prefixes,omitempty"` // of a later one: prefixes lost beside those lost before it
	Waves         int   `json:"waves,omitempty"`    // of a later one: how often it rose again after some minutes under half of its peak; each is a revision
	End           Time  `json:"end,omitzero"`
}

// Part is what one member entity lost at the peak.
type Part struct {
	Entity   Entity `json:"entity"`
	Unit     string `json:"unit"`
	Lost     int64  `json:"lost"`
	Expected int64  `json:"expected"`
	Prefixes int    `json:"prefixes,omitempty"` // prefixes lost
	Moved    int    `json:"moved,omitempty"`    // prefixes that were its own within the last hour and live on under another origin: not lost
}

// Coverage says how much we could see. Because holds reasons from a closed, documented list.
type Coverage struct {
	Level   string   `json:"level"` // "full" or "reduced"
	Because []string `json:"because,omitempty"`
}

// Method names the rules that decided.
type Method struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	ConfigSHA256 string `json:"config_sha256"`
	Software     string `json:"software"`
}

// Reference is a table that the incident rests on; VintageGapDays is how far its date lies from the event (absolute). A list that the
// operator wrote, of overrides or zones, has no vintage and no distance.
type Reference struct {
	Name           string `json:"name"`
	Vintage        string `json:"vintage,omitempty"`
	SHA256         string `json:"sha256"`
	Quality        string `json:"quality,omitempty"`
	VintageGapDays *int   `json:"vintage_gap_days,omitempty"`
}

// Gap is VintageGapDays, 0 when there is none.
func (r Reference) Gap() int {
	if r.VintageGapDays == nil {
		return 0
	}
	return *r.VintageGapDays
}

// Source is whose measurement the incident rests on.
type Source struct {
	Name        string `json:"name"`
	Collector   string `json:"collector"`
	Licence     string `json:"licence,omitempty"`
	Attribution string `json:"attribution,omitempty"`
}

// Related links to another incident; Relation is one of caused_by, same_event, supersedes, part_of.
type Related struct {
	ID       string `json:"id"`
	Relation string `json:"relation"`
}

// Evidence digests the raw messages that changed a counted cell of a member prefix, in journal order: SHA-256 over
// 4-byte big-endian length + raw message.
type Evidence struct {
	Messages    int    `json:"messages"`
	SHA256      string `json:"sha256"`
	LedgerIndex *int64 `json:"ledger_index,omitempty"`
}

// Revision is one logged change of an incident. Nothing is ever deleted.
type Revision struct {
	Revision int    `json:"revision"`
	At       Time   `json:"at"`
	State    State  `json:"state"`
	Change   string `json:"change"`
	Reason   string `json:"reason,omitempty"`
}

// LostSight is the change of the last revision of an incident that nobody follows any more: what became of it is not known.
const LostSight = "lost sight"

// JSON is the canonical one-line form, without a newline.
func (i *Incident) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(i); err != nil {
		return nil, fmt.Errorf("incident %s as JSON: %w", i.ID, err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
