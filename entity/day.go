package entity

import (
	"fmt"
	"time"
)

// Day is a calendar day in UTC, counted from 1970-01-01. The zero value means "not given": no table we read is that old.
type Day int32

// DayOf is the UTC day in which t lies.
func DayOf(t time.Time) Day {
	s := t.Unix()
	d := s / 86400
	if s%86400 < 0 {
		d--
	}
	return Day(d)
}

// ParseDay reads "YYYY-MM-DD".
func ParseDay(s string) (Day, error) { return parseDay(time.DateOnly, s) }

// parseCompactDay reads "YYYYMMDD", the form of the registries and of CAIDA.
func parseCompactDay(s string) (Day, error) { return parseDay("20060102", s) }

func parseDay(layout, s string) (Day, error) {
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return 0, fmt.Errorf("date %q: want a day of 1970 or later as %s", short(s), map[bool]string{true: "YYYY-MM-DD", false: "YYYYMMDD"}[layout == time.DateOnly])
	}
	return DayOf(t), nil
}

// String is "YYYY-MM-DD"; empty when the day is not given.
func (d Day) String() string {
	if d == 0 {
		return ""
	}
	return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly)
}

// GapDays is the distance between two days, never negative: the "vintage_gap_days" of an incident's references.
func (d Day) GapDays(other Day) int {
	if d > other {
		return int(d) - int(other)
	}
	return int(other) - int(d)
}
