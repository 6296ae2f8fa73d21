package main

import (
	"testing"
	"time"
)

// TestLength: lengths of time in days and in what Go writes; nothing else.
func TestLength(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d": 24 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute,
		"": 0, "d": 0, "0d": 0, "-1d": 0, "36501d": 0, "1.5d": 0, "-3h": 0, "30": 0, "9999999999999999d": 0,
	} {
		var s length
		err := s.UnmarshalText([]byte(text))
		if time.Duration(s) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %s, %v; want %s", text, time.Duration(s), err, want)
		}
	}
}
