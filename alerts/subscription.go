package alerts

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Subscription says of which incidents a receiver is told. What is left empty is no condition; of several in one list, one is enough. The zero
// value wants every confirmed incident but the monitor's own faults.
type Subscription struct {
	Receiver  string   `json:"-"`
	Zones     []string `json:"zones"`       // slugs
	Countries []string `json:"countries"`   // ISO 3166-1 alpha-2: the country, and its regions
	Networks  []string `json:"networks"`    // "AS64500"
	Prefixes  []string `json:"prefixes"`    // incidents of a prefix equal to one of these, inside it or around it
	Kinds     []string `json:"kinds"`       // of incidents; empty: all but monitor_fault
	Severity  int      `json:"severity"`    // at least, 1 to 4
	Coverage  string   `json:"coverage"`    // full: only what full coverage saw
	Stage     string   `json:"stage"`       // suspected: from the first suspicion on; empty or confirmed: what is confirmed
	Quiet     Quiet    `json:"quiet_hours"` // when messages wait
	Digest    Digest   `json:"digest"`      // one message an hour or a day in place of one each time

	NetworksFrom int `json:"networks_from"` // severity from which networks of the countries are told of by themselves, 1 to 4; 5: never; 0: 2

	// Within gives the countries that a network is counted in. It is asked about networks only; nil: not known.
	Within func(in *detect.Incident) []string `json:"-"`

	Troubles []string `json:"-"` // kinds of the monitor's own troubles that an operator is told of
}

// fewPrefixes is how many prefixes a network must have lost to be told of to who did not name it: smaller losses are many and every day.
const fewPrefixes = 10

// defaultNetworksFrom is NetworksFrom where it is 0.
const defaultNetworksFrom = 2

// Quiet are hours of the day, in a zone of its own, in which messages wait until they are over. What is as severe as Except is sent at once,
// and so is every retraction.
type Quiet struct {
	From     string `json:"from"`     // 22:00
	Until    string `json:"until"`    // 06:00
	TimeZone string `json:"timezone"` // IANA name; empty: UTC
	Except   int    `json:"except"`   // severity from which nothing waits; 0: everything waits
}

// Check says what of a subscription cannot be used.
func (s *Subscription) Check() error {
	for _, c := range s.Countries {
		if len(c) != 2 || strings.ToUpper(c) != c {
			return fmt.Errorf("countries: %q is no ISO 3166-1 code such as PK", c)
		}
	}
	for _, n := range s.Networks {
		if !strings.HasPrefix(n, "AS") || len(n) < 3 || strings.Trim(n[2:], "0123456789") != "" {
			return fmt.Errorf("networks: %q is no network such as AS64500", n)
		}
	}
	for _, p := range s.Prefixes {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("prefixes: %q is no prefix such as 192.0.2.0/24", p)
		}
	}
	switch {
	case s.Severity < 0 || s.Severity > 4:
		return fmt.Errorf("severity: %d; want 1 to 4", s.Severity)
	case s.NetworksFrom < 0 || s.NetworksFrom > 5:
		return fmt.Errorf("networks_from: %d; want 0 to 5", s.NetworksFrom)
	case s.Coverage != "" && s.Coverage != "full":
		return fmt.Errorf("coverage: %q; want full, or leave it out", s.Coverage)
	case s.Stage != "" && s.Stage != "suspected" && s.Stage != "confirmed":
		return fmt.Errorf("stage: %q; want suspected or confirmed", s.Stage)
	}
	if err := s.Digest.check(); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if s.Quiet == (Quiet{}) {
		return nil
	}
	if _, err := s.Quiet.until(time.Now()); err != nil {
		return fmt.Errorf("quiet_hours: %w", err)
	}
	return nil
}

// Wants reports whether an incident, as it stands, is one that the subscription is about, whatever its state.
func (s *Subscription) Wants(in *detect.Incident) bool {
	if in.Kind == MonitorTrouble {
		return s.wantsTrouble(in)
	}
	if in.Entity.Type == "monitor" && slices.Contains(s.Troubles, in.Entity.Code) { // told as a trouble, by the minute
		return false
	}
	if len(s.Kinds) == 0 && in.Kind == detect.MonitorFault || len(s.Kinds) > 0 && !slices.Contains(s.Kinds, string(in.Kind)) {
		return false
	}
	if in.Severity < s.Severity || s.Coverage == "full" && in.Coverage.Level != "full" {
		return false
	}
	if len(s.Zones)+len(s.Countries)+len(s.Networks)+len(s.Prefixes) == 0 {
		return in.Entity.Type != "network" || notable(in)
	}
	switch e := in.Entity; e.Type {
	case "zone":
		return slices.Contains(s.Zones, e.Code)
	case "country":
		return slices.Contains(s.Countries, e.Code)
	case "region":
		country, _, _ := strings.Cut(e.Code, "-")
		return slices.Contains(s.Countries, country)
	case "network":
		return slices.Contains(s.Networks, e.Code) || s.inCountry(in)
	case "prefix":
		p, err := netip.ParsePrefix(e.Code)
		return err == nil && slices.ContainsFunc(s.Prefixes, func(want string) bool {
			w, err := netip.ParsePrefix(want)
			return err == nil && w.Overlaps(p)
		})
	}
	return false
}

// inCountry reports whether a network is in one of the countries, and its loss severe enough to be told by itself. It is told once it is confirmed, also to who
// wants suspicions: by then it is known whether it is part of something in the whole country.
func (s *Subscription) inCountry(in *detect.Incident) bool {
	from := s.NetworksFrom
	if from == 0 {
		from = defaultNetworksFrom
	}
	return len(s.Countries) > 0 && s.Within != nil && !in.ConfirmedAt.IsZero() && in.Severity >= from && notable(in) &&
		slices.ContainsFunc(s.Within(in), func(c string) bool { return slices.Contains(s.Countries, c) })
}

// notable reports a loss of more than a few prefixes, or one of which the size is not known.
func notable(in *detect.Incident) bool {
	return len(in.Signals) == 0 || slices.ContainsFunc(in.Signals, func(s detect.Signal) bool { return s.Prefixes.Lost >= fewPrefixes })
}

// early reports whether a suspicion is told.
func (s *Subscription) early() bool { return s.Stage == "suspected" }

// NotUntil is when a message may leave, of an incident as severe as given: at once, or when the quiet hours are over.
func (s *Subscription) NotUntil(now time.Time, severity int, o Occasion) time.Time {
	if s.Quiet == (Quiet{}) || o == Retracted || s.Quiet.Except > 0 && severity >= s.Quiet.Except {
		return now
	}
	t, err := s.Quiet.until(now)
	if err != nil { // checked when the configuration was read
		return now
	}
	return t
}

// until is the end of the quiet hours that an instant lies in, or the instant.
func (q Quiet) until(now time.Time) (time.Time, error) {
	loc, err := time.LoadLocation(q.TimeZone)
	if err != nil {
		return now, fmt.Errorf("timezone: %q is not known", q.TimeZone)
	}
	from, err1 := time.Parse("15:04", q.From)
	until, err2 := time.Parse("15:04", q.Until)
	if err1 != nil || err2 != nil || q.From == q.Until {
		return now, errors.New("from and until: want two times of the day such as 22:00 and 06:00")
	}
	local := now.In(loc)
	at := func(clock time.Time, days int) time.Time {
		return time.Date(local.Year(), local.Month(), local.Day()+days, clock.Hour(), clock.Minute(), 0, 0, loc)
	}
	for days := -1; days <= 0; days++ { // the night may have begun yesterday
		begin, end := at(from, days), at(until, days)
		if !end.After(begin) {
			end = at(until, days+1)
		}
		if !local.Before(begin) && local.Before(end) {
			return end, nil
		}
	}
	return now, nil
}
