package figure

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden figures anew")

func at(s string) time.Time {
	t, err := time.Parse(time.DateTime, "2008-02-21 "+s)
	if err != nil {
		panic(err)
	}
	return t
}

// event is a series with a fall, a silence and a return.
func event() Panel {
	p := Panel{Class: "bgp", From: at("02:00:00"), Until: at("06:00:00"), Incidents: []Span{{at("03:20:22"), at("05:27:50")}}}
	for m := range 240 {
		t := p.From.Add(time.Duration(m) * time.Minute)
		v := 1374.0
		if m >= 80 && m < 208 {
			v = 1221 + float64(m-80)/8
		}
		p.Values = append(p.Values, Value{At: t, V: math.Floor(v), Unknown: m >= 20 && m < 45})
	}
	return p
}

func file() File {
	p := event()
	return File{
		Title: "Pakistan: routes in the global routing table", Subtitle: "21 Feb 2008, 02:00 to 06:00 UTC", From: p.From, Until: p.Until, NoData: "no data",
		Panels: []FilePanel{{Panel: p, Head: "Prefixes visible", Unit: "of 1,374 observable prefixes", Levels: [3]string{"1,375", "1,250", "1,125"}, Lowest: "1,221 at 03:20"}},
		Flags:  []string{"outage 03:20 – 05:27 UTC"}, Text: "In words.", Notice: "Data: synthetic.", Source: "Source: a test & nothing <else>.", Link: "https://example.org/i/x", Digest: "SHA-256: 00ff",
	}
}

// TestGolden: the figure that is cited has the same bytes everywhere. Run with -update after a change that is meant, and look at it.
func TestGolden(t *testing.T) {
	for name, got := range map[string]string{"file.svg": file().SVG(), "panel.svg": event().SVG(), "strip.svg": Strip(at("02:00:00"), at("06:00:00"), []Share{{at("02:10:00"), 39, 39}, {at("03:20:00"), 19, 39}, {at("03:21:00"), 0, 39}, {at("04:00:00"), 0, 0}, {at("04:30:00"), 0, 39}, {at("05:27:00"), 39, 39}})} {
		path := "testdata/" + name
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from the golden figure:\n%s", name, got)
		}
	}
}

// TestWellFormed: everything drawn is XML, refers to nothing outside, and a file carries its facts inside.
func TestWellFormed(t *testing.T) {
	shades := map[string]Shade{"PK": {Class: "s1", Note: "89 %"}, "IN": {Class: "nd"}, "IR": {Class: "s4", Note: "3 %"}}
	name := func(c string) string { return "<" + c + ">&\"\u202e" }
	region, ok := Region("PK", shades, name, "Map & <label>")
	if !ok {
		t.Fatal("no outline of PK")
	}
	all := map[string]string{"file": file().SVG(), "panel": event().SVG(), "labels": event().Labels("no <data>", "low", "last"), "region": region, "world": World(shades, name, "World"), "meter": Meter(3, 2), "axis": TimeAxis(at("00:00:00"), at("12:00:00"), 6), "lane": Lane(at("00:00:00"), at("12:00:00"), Span{at("01:00:00"), at("11:00:00")}, []Bar{{Span{at("02:00:00"), time.Time{}}, 9}})}
	for what, svg := range all {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		for _, bad := range []string{"<script", "<style", " style=", "href=", "\u202e", "NaN", "Inf"} {
			if strings.Contains(svg, bad) {
				t.Errorf("%s holds %q", what, bad)
			}
		}
	}
	for _, fact := range []string{"Pakistan: routes", "21 Feb 2008", "Data: synthetic.", "a test &amp; nothing &lt;else&gt;", "https://example.org/i/x", "SHA-256: 00ff", "no data", "1,221 at 03:20"} {
		if !strings.Contains(all["file"], fact) {
			t.Errorf("the file lacks %q", fact)
		}
	}
	if strings.Contains(all["file"], "class=") {
		t.Error("the file depends on a style sheet")
	}
}

// TestGaps: what is not known is never drawn as a value.
func TestGaps(t *testing.T) {
	p := event()
	if g := p.Gaps(); len(g) != 1 || !g[0].From.Equal(at("02:20:00")) || !g[0].Until.Equal(at("02:45:00")) {
		t.Errorf("gaps %v", g)
	}
	if g := (Panel{From: p.From, Until: p.Until}).Gaps(); len(g) != 1 || g[0].Until != p.Until {
		t.Errorf("a panel without values has the gaps %v", g)
	}
	p.Values = p.Values[100:]
	if g := p.Gaps(); len(g) != 1 || g[0].From != p.From || !g[0].Until.Equal(at("03:40:00")) {
		t.Errorf("before the first value: %v", g)
	}
	if s := Strip(at("02:00:00"), at("06:00:00"), nil); !strings.Contains(s, `class="gap" x="0" width="720"`) {
		t.Errorf("a prefix without history is drawn as %s", s)
	}
}

// TestAxis: round levels that hold the series; an axis that does not start at zero says so.
func TestAxis(t *testing.T) {
	for lo := 0.0; lo < 4000; lo = lo*1.7 + 3 {
		for _, span := range []float64{0, 1, 7, 150, 2600} {
			hi := lo + span
			a := Panel{Values: []Value{{V: hi}, {V: lo}}}.Axis()
			if a.Low > lo || a.High < hi || a.High <= a.Low || a.Cut != (a.Low > 0) || a.Low < 0 || a.Mid() != math.Trunc(a.Mid()) && hi > 2 {
				t.Errorf("%v to %v: axis %+v", lo, hi, a)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, d := range []time.Duration{time.Minute, 17 * time.Minute, 4 * time.Hour, 31 * time.Hour, 40 * 24 * time.Hour, 400 * 24 * time.Hour} {
		list := Ticks(at("02:07:00"), at("02:07:00").Add(d), 8)
		if len(list) < 1 || len(list) > 9 {
			t.Errorf("%v: %d ticks", d, len(list))
		}
		for _, k := range list {
			if k.Pos < 0 || k.Pos > 1 {
				t.Errorf("%v: tick at %v", d, k.Pos)
			}
		}
	}
	if Ticks(at("02:00:00"), at("02:00:00"), 8) != nil {
		t.Error("ticks of nothing")
	}
}

// TestWorld: the built-in table is whole, no outline crosses the map where the antimeridian was, and every country can be centred.
func TestWorld(t *testing.T) {
	w, err := parseWorld(worldText)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.countries) != 176 || !strings.Contains(worldText, "SHA-256 ") {
		t.Errorf("%d outlines", len(w.countries))
	}
	step := regexp.MustCompile(`-?\d+`)
	for _, o := range worldFrame().outlines {
		for _, part := range strings.Split(strings.TrimPrefix(o.d, "M"), "M") {
			n := step.FindAllString(part, -1)
			for i := 2; i < len(n); i += 2 {
				var dx int
				if _, err := fmt.Sscan(n[i], &dx); err != nil {
					t.Fatal(err)
				}
				if dx > 150 || dx < -150 {
					t.Errorf("%s has an edge of %d units", o.code, dx)
				}
			}
		}
	}
	for _, c := range w.countries {
		if c.code == "-" {
			continue
		}
		codes := RegionCodes(c.code)
		found := false
		for _, k := range codes {
			found = found || k == c.code
		}
		if !found {
			t.Errorf("%s is not on its own map", c.code)
		}
	}
	if HasOutline("MT") || !HasOutline("PK") || RegionCodes("XX") != nil {
		t.Error("outlines")
	}
	if _, ok := Region("MT", nil, func(string) string { return "" }, ""); ok {
		t.Error("a map of a country without an outline")
	}
	for _, bad := range []string{"a 1 2 3", "a x y", "c PK 0", "c PK z", "z", "a 1 2\nc PK 1", "a 1 2\nc PK -3"} {
		if _, err := parseWorld(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestDeterministic: the same call gives the same bytes, also from the cache and from several goroutines.
func TestDeterministic(t *testing.T) {
	shades := map[string]Shade{"SD": {Class: "s4", Note: "7 %"}, "EG": {Class: "s0", Note: ""}, "TD": {Class: "s1", Note: "90 %"}, "LY": {Class: "nd"}}
	name := func(c string) string { return c }
	want, _ := Region("SD", shades, name, "x")
	done := make(chan string)
	for range 8 {
		go func() {
			got, _ := Region("SD", shades, name, "x")
			done <- got
		}()
	}
	for range 8 {
		if <-done != want {
			t.Error("two maps of the same place differ")
		}
	}
	if a, b := file().SVG(), file().SVG(); a != b {
		t.Error("two files differ")
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("<a href='x'>&\"\u202e\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		svg := "<t a=\"" + Escape(s) + "\">" + Escape(s) + "</t>"
		d := xml.NewDecoder(strings.NewReader(svg))
		for n := 0; ; n++ {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if _, ok := tok.(xml.StartElement); err != nil || ok && n > 0 {
				t.Fatalf("%q became %q: %v", s, svg, err)
			}
		}
	})
}
