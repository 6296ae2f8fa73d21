package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// length is a length of time of which days may be given: 30d, or what time.ParseDuration takes.
type length time.Duration

// maxDays bounds what is given in days: some more would not fit.
const maxDays = 36_500

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *length) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > maxDays {
			return fmt.Errorf("%q: want days such as 30d, at most %d", text, maxDays)
		}
		*s = length(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q: want a length of time such as 30d or 12h", text)
	}
	*s = length(d)
	return nil
}
