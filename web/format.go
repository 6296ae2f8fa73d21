package web

import (
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	nbsp   = "\u00a0"
	instZ  = "2006-01-02T15:04:05Z"
	minute = "15:04"
)

// grouped writes a whole number with its thousands apart: 1,374.
func grouped[T int | int32 | int64 | uint32 | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// share writes part of whole in percent. It never rounds something to nothing, or not all to all: those are different facts.
func share(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(whole)
	switch r := math.Round(p); {
	case part == 0:
		return "0" + nbsp + "%"
	case part == whole:
		return "100" + nbsp + "%"
	case p < 0.95:
		return strconv.FormatFloat(max(0.1, math.Round(p*10)/10), 'f', 1, 64) + nbsp + "%"
	case p > 99:
		return strconv.FormatFloat(min(99.9, math.Floor(p*10)/10), 'f', 1, 64) + nbsp + "%"
	default:
		return strconv.FormatFloat(r, 'f', 0, 64) + nbsp + "%"
	}
}

// length writes a duration in at most two units.
func length(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "0" + nbsp + "s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + nbsp + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Round(time.Minute).Minutes())) + nbsp + "min"
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		if m := int(d.Minutes()) % 60; m > 0 {
			return strconv.Itoa(int(d.Hours())) + nbsp + "h" + " " + strconv.Itoa(m) + nbsp + "min"
		}
		return strconv.Itoa(int(d.Hours())) + nbsp + "h"
	}
	h := int(d.Hours())
	if h%24 == 0 || h > 24*20 {
		return strconv.Itoa(h/24) + nbsp + "d"
	}
	return strconv.Itoa(h/24) + nbsp + "d" + " " + strconv.Itoa(h%24) + nbsp + "h"
}

// stamp makes a time element: text in UTC, the instant for machines, and the form (data-f) in which a script may show it in the
// reader's own zone.
func stamp(t time.Time, form, text string) template.HTML {
	return template.HTML(`<time datetime="` + t.UTC().Format(instZ) + `" data-f="` + form + `">` + text + `</time>`)
}

// full is "21 Feb 2008, 03:20 UTC".
func full(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return stamp(t, "dhm", t.UTC().Format("2 Jan 2006, 15:04")+nbsp+"UTC")
}

// second is "03:20:22 UTC".
func second(t time.Time) template.HTML { return stamp(t, "hms", t.UTC().Format("15:04:05")+nbsp+"UTC") }

// hourMinute is "03:20", for places where the day and UTC stand nearby.
func hourMinute(t time.Time) template.HTML { return stamp(t, "hm", t.UTC().Format(minute)) }

// between writes an interval in words with its zone: on one day "03:20 and 05:27 UTC on 21 Feb 2008".
func (s *Server) between(from, until time.Time) template.HTML {
	from, until = from.UTC(), until.UTC()
	if from.Format(time.DateOnly) == until.Format(time.DateOnly) {
		return s.cat.html("between.day", hourMinute(from), stamp(until, "hmz", until.Format(minute)+nbsp+"UTC"), from.Format("2"+nbsp+"Jan 2006"))
	}
	return s.cat.html("between.days", full(from), full(until))
}

// period writes [from, until) plainly for captions: "21 Feb 2008, 02:20 to 06:05 UTC".
func period(from, until time.Time) string {
	from, until = from.UTC(), until.UTC()
	if from.Format(time.DateOnly) == until.Format(time.DateOnly) {
		return from.Format("2 Jan 2006, 15:04") + " to " + until.Format("15:04") + nbsp + "UTC"
	}
	return from.Format("2 Jan 2006, 15:04") + " to " + until.Format("2 Jan 2006, 15:04") + nbsp + "UTC"
}

// words makes a code of a closed list readable when the catalogue has no text for it.
func words(code string) string { return strings.ReplaceAll(clean(code), "_", " ") }

// asn is the "AS17563" of a network.
func asn(n uint32) string { return "AS" + strconv.FormatUint(uint64(n), 10) }
