package alerts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// MonitorTrouble is the kind of what is wrong with the monitor's own machine and surroundings: nothing that was measured rests on it. It has the
// form of an incident, so that it goes the way of all messages; it is in no list of incidents. Only operators are told.
const MonitorTrouble detect.Kind = "monitor_trouble"

// Still is the occasion of a trouble that is there after a day.
const Still Occasion = "still"

// still is the change of such a revision.
const still = "still"

// TroubleKinds are the kinds of trouble that operators can choose, with monitor_fault for what befell the sources.
var TroubleKinds = []string{"monitor_fault", "stalled", "lag", "disk", "clock", "certificate", "outbox", "channel", "copy", "ledger", "reload"}

// Trouble is what somebody who looked found to be wrong now.
type Trouble struct {
	Key      string // the kind, or the kind, a colon and what it is about: "lag:rrc00"
	Severity int
	Text     string        // in one line, for operators
	After    time.Duration // so long it must be there before it is told
	Settle   time.Duration // so long it must be gone before it is over, unless it came and went; 0: 5 minutes
}

// TroubleState is a trouble that was told, as a store keeps it.
type TroubleState struct {
	N        int64 // as the store numbers it; 0: not yet
	Key      string
	Incident detect.Incident
	Decided  int // revision up to which it was decided who is told
}

const (
	troubleSettle = 5 * time.Minute // so long it must be gone before it is over,
	troubleFlaps  = 4               // and twice as long for each time it was there, up to so often,
	flapWindow    = 6 * time.Hour   // within this time before
	remindAfter   = 24 * time.Hour
	// maxTroubles bounds what is looked after at once.
	maxTroubles = 500
)

// Tracker makes of what is found again and again what is told once: a trouble opens when it stays, is repeated once a day, and is over when it
// stays away. One goroutine owns it.
type Tracker struct {
	method detect.Method
	open   map[string]*tracked
	closed map[string][]time.Time // ends, within flapWindow
}

type tracked struct {
	first, last time.Time // seen
	gone        time.Time // not seen since; zero: it is there
	returns     int
	settle      time.Duration
	state       *TroubleState // nil: not told yet
}

// NewTracker goes on from what a store keeps: troubles that are open, and those that ended lately. method is the software that looks, and the digest of
// its bounds.
func NewTracker(kept []TroubleState, method detect.Method) *Tracker {
	t := &Tracker{method: method, open: map[string]*tracked{}, closed: map[string][]time.Time{}}
	for i := range kept {
		s := kept[i]
		in := &s.Incident
		if !in.State.Open() {
			t.closed[s.Key] = append(t.closed[s.Key], in.ClosedAt.Time)
			continue
		}
		seen := MadeAt(in)
		t.open[s.Key] = &tracked{first: in.Start.Time.Time, last: seen, state: &s}
	}
	return t
}

// Look takes what was found at an instant, and gives the troubles that changed: they are to be kept, and told of.
func (t *Tracker) Look(now time.Time, found []Trouble) (changed []*TroubleState) {
	now = now.UTC()
	seen := map[string]bool{}
	for i := range found {
		f := &found[i]
		if seen[f.Key] {
			continue
		}
		seen[f.Key] = true
		x := t.open[f.Key]
		if x == nil {
			if len(t.open) >= maxTroubles {
				continue
			}
			x = &tracked{first: now}
			t.open[f.Key] = x
		}
		x.last, x.settle = now, f.Settle
		if !x.gone.IsZero() {
			x.gone = time.Time{}
			x.returns++
		}
		switch {
		case x.state == nil && now.Sub(x.first) >= f.After:
			x.state = t.begin(f, x.first, now)
			changed = append(changed, x.state)
		case x.state != nil && now.Sub(MadeAt(&x.state.Incident)) >= remindAfter:
			x.state.revise(now, still, troubleText(f.Text))
			changed = append(changed, x.state)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.open)) {
		x := t.open[key]
		switch {
		case seen[key]:
		case x.state == nil: // it was never told
			delete(t.open, key)
		case x.gone.IsZero():
			x.gone = now
		case now.Sub(x.gone) >= t.settle(key, x, now):
			x.state.end(x, now)
			changed = append(changed, x.state)
			t.closed[key] = append(t.closed[key], now)
			delete(t.open, key)
		}
	}
	return changed
}

// Open are the troubles that were told and are not over, by key.
func (t *Tracker) Open() (list []*TroubleState) {
	for _, key := range slices.Sorted(maps.Keys(t.open)) {
		if x := t.open[key]; x.state != nil {
			list = append(list, x.state)
		}
	}
	return list
}

// settle is how long a trouble must be gone: longer, the oftener it came and went.
func (t *Tracker) settle(key string, x *tracked, now time.Time) time.Duration {
	var late []time.Time
	for _, at := range t.closed[key] {
		if now.Sub(at) < flapWindow {
			late = append(late, at)
		}
	}
	if t.closed[key] = late; len(late) == 0 {
		delete(t.closed, key)
	}
	return cmp.Or(x.settle, troubleSettle) << min(len(late), troubleFlaps)
}

func (t *Tracker) begin(f *Trouble, first, now time.Time) *TroubleState {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d", f.Key, first.UnixMicro()))
	kind, _, _ := strings.Cut(f.Key, ":")
	in := detect.Incident{
		V: detect.SchemaVersion, ID: "MONITOR-" + kind + "-" + first.UTC().Format("20060102T1504Z") + "-" + hex.EncodeToString(sum[:4]), Data: detect.Live, Kind: MonitorTrouble,
		Severity: f.Severity, Entity: detect.Entity{Type: "monitor", Code: Plain(f.Key)}, PublicCore: []string{"routing"}, Start: detect.Interval{Time: detect.At(first)},
		ConfirmedAt: detect.At(now), State: detect.Confirmed, Coverage: detect.Coverage{Level: "full"}, Method: t.method,
	}
	s := &TroubleState{Key: f.Key, Incident: in}
	s.revise(now, "opened", troubleText(f.Text))
	return s
}

// troubleText bounds what is said of a trouble.
func troubleText(s string) string {
	s = oneLine(s)
	if r := []rune(s); len(r) > 500 {
		s = string(r[:500]) + "…"
	}
	return s
}

func (s *TroubleState) revise(now time.Time, change, why string) {
	in := &s.Incident
	in.Revision++
	r := detect.Revision{Revision: in.Revision, At: detect.At(now), State: in.State, Change: change, Reason: why}
	if n := len(in.Revisions); n > 1 { // of a trouble of many days the first and the newest
		in.Revisions = in.Revisions[:1:1]
	}
	in.Revisions = append(in.Revisions, r)
}

func (s *TroubleState) end(x *tracked, now time.Time) {
	in := &s.Incident
	in.State, in.ClosedAt = detect.Closed, detect.At(now)
	in.End = &detect.Interval{Time: detect.At(x.gone), Earliest: detect.At(x.last), Latest: detect.At(x.gone)}
	why := "gone"
	if x.returns > 0 {
		why = fmt.Sprintf("gone, after it came and went %d times", x.returns)
	}
	s.revise(now, "closed", why)
}

// troubled says what of a trouble is news to a receiver. What is over is said to those who were told that it was there.
func troubled(in *detect.Incident, was *Told) Occasion {
	switch {
	case was == nil && in.State.Open():
		return Confirmed
	case was == nil || was.Occasion == Over:
	case !in.State.Open():
		return Over
	case was.Revision < in.Revision && in.Revisions[len(in.Revisions)-1].Change == still:
		return Still
	}
	return ""
}

// wantsTrouble reports whether a subscription is an operator's that wants a trouble. Nobody is told over a channel that the channel fails.
func (s *Subscription) wantsTrouble(in *detect.Incident) bool {
	kind, about, _ := strings.Cut(in.Entity.Code, ":")
	if kind == "channel" && about == s.Receiver {
		return false
	}
	return slices.Contains(s.Troubles, kind)
}
