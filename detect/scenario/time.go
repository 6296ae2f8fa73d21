package scenario

import (
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
)

// instant reads +13h0m70s (after the start), 03:20:02 (on the day of the start, or of the last day line) or 2008-02-21T03:20:02Z.
func (p *parser) instant(word string) (bgp.Micros, bool) {
	if p.s.Start == 0 {
		p.fail("the start line must come before the first time")
		return 0, false
	}
	var t bgp.Micros
	switch {
	case strings.HasPrefix(word, "+"):
		d, err := time.ParseDuration(word[1:])
		if err != nil || d < 0 {
			p.fail("%q: want a time after the start like +13h5m or +70s", word)
			return 0, false
		}
		t = p.s.Start + bgp.Micros(d.Microseconds())
	case strings.Contains(word, "T"):
		x, err := time.Parse(time.RFC3339, word)
		if err != nil {
			p.fail("%q: want a time like 2008-02-21T03:20:02Z", word)
			return 0, false
		}
		t = bgp.MicrosOf(x)
	default:
		x, err := time.Parse("15:04:05", word)
		if err != nil {
			p.fail("%q: want a time like +13h5m, 03:20:02 or 2008-02-21T03:20:02Z", word)
			return 0, false
		}
		day := p.day
		if day.IsZero() {
			day = p.s.Start.Time().Truncate(24 * time.Hour)
		}
		t = bgp.MicrosOf(day.Add(x.Sub(x.Truncate(24 * time.Hour))))
	}
	if t < p.s.Start || t > p.s.Start+maxLength {
		p.fail("%q lies before the start, or more than 400 days after it", word)
		return 0, false
	}
	return t, true
}

// duration reads 40s, 1h, 500ms.
func (p *parser) duration(word, what string) (bgp.Micros, bool) {
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 || bgp.Micros(d.Microseconds()) > maxLength || d < time.Microsecond {
		p.fail("%s %q: want a length of time like 40s, 5m or 1h", what, word)
		return 0, false
	}
	return bgp.Micros(d.Microseconds()), true
}
