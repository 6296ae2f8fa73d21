package app

import (
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/internal/clock"
	"github.com/corewatch/corewatch/internal/conf"
)

// TestClockLowersCoverage: an offset beyond a second, and an offset that nobody knows, stand in the journal and in the coverage of what is found
// meanwhile, and the journal says the same again.
func TestClockLowersCoverage(t *testing.T) {
	now := bgp.Seconds(1_893_456_000)
	reading := clock.Reading{}
	ris, err := newRISSource(conf.RISLive{}, "", t.TempDir(), zerolog.Nop()) // which is never connected
	if err != nil {
		t.Fatal(err)
	}
	l, dir := liveAt(t, conf.Default(), []source{ris}, func() time.Time { return now.Time() })
	l.ownClock = func() clock.Reading { return reading }
	why := func() []string { return l.f.m.CoverageReasons() }
	run := func(seconds int, r clock.Reading) {
		t.Helper()
		for range seconds {
			now += second
			reading = r
			if err := l.step(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // applied with the second that follows
			now += second
			if err := l.step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	known := func(off time.Duration) clock.Reading {
		return clock.Reading{Known: true, Offset: off, From: "3 NTP servers", At: now.Time()}
	}
	for _, c := range []struct {
		seconds int
		r       clock.Reading
		want    string
	}{
		{10, clock.Reading{}, ""},
		{40, clock.Reading{}, "clock_unknown"},
		{1, known(300 * time.Millisecond), ""},
		{1, known(-1100 * time.Millisecond), "clock_off"},
		{1, known(-900 * time.Millisecond), "clock_off"},
		{1, known(-700 * time.Millisecond), ""},
		{1, clock.Reading{Why: "nobody", At: now.Time()}, "clock_unknown"},
		{1, known(0), ""},
		{16 * 60, known(0), "clock_unknown"}, // said once, and never again
	} {
		run(c.seconds, c.r)
		got := slices.DeleteFunc(why(), func(r string) bool { return r != "clock_off" && r != "clock_unknown" })
		if c.want == "" && len(got) != 0 || c.want != "" && !slices.Equal(got, []string{c.want}) {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
	inc := faultOf(l, "ris-live") // of the first minute
	if inc == nil || !slices.Contains(inc.Coverage.Because, "clock_unknown") {
		t.Errorf("%+v", inc)
	}
	sameFromJournal(t, l, dir)
}
