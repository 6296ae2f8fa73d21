package alerts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

var t0 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// life makes the revisions of an incident: each step is a state, at a number of seconds after t0.
type life struct {
	id, entity string
	severity   int
	whole      string // part of it, from the beginning
	steps      []string
}

func (l life) revisions(t *testing.T) (out []Revision) {
	t.Helper()
	kind, code, _ := strings.Cut(l.entity, ":")
	in := detect.Incident{
		V: 1, ID: l.id, Data: detect.Live, Kind: detect.Outage, Severity: l.severity, Entity: detect.Entity{Type: kind, Code: code},
		Start: detect.Interval{Time: detect.At(t0)}, Coverage: detect.Coverage{Level: "full"},
	}
	if l.whole != "" {
		in.Related = []detect.Related{{ID: l.whole, Relation: "part_of"}}
	}
	for _, s := range l.steps {
		word, after, ok := strings.Cut(s, "@")
		sec, err := time.ParseDuration(after + "s")
		if !ok || err != nil {
			t.Fatal(s, err)
		}
		now := detect.At(t0.Add(sec))
		switch word {
		case "severe":
			in.Severity++
		case "wave":
			in.Episodes = append(in.Episodes, detect.Episode{Start: now})
		default:
			in.State = detect.State(word)
		}
		if in.State == detect.Confirmed && in.ConfirmedAt.IsZero() {
			in.ConfirmedAt = now
		}
		in.Revision++
		in.Revisions = append(slices.Clone(in.Revisions), detect.Revision{Revision: in.Revision, At: now, State: in.State, Change: word})
		out = append(out, Revision{Incident: in})
	}
	return out
}

// said is what DryRun would send, one word a message: receiver, second, occasion and entities.
func said(t *testing.T, subs []*Subscription, lives ...life) (out []string) {
	t.Helper()
	var all []Revision
	for _, l := range lives {
		all = append(all, l.revisions(t)...)
	}
	slices.SortStableFunc(all, func(a, b Revision) int { return MadeAt(&a.Incident).Compare(MadeAt(&b.Incident)) })
	for _, m := range DryRun(all, subs, 4*time.Second, func(*detect.Incident) string { return "" }) {
		var names []string
		for _, i := range m.Items {
			names = append(names, i.Incident.Entity.Code)
		}
		if len(names) > 5 {
			names = []string{fmt.Sprintf("%d+%d", len(names), m.More)}
		}
		out = append(out, fmt.Sprintf("%s %.0f %s %s", m.Receiver, m.At.Sub(t0).Seconds(), m.Items[0].Occasion, strings.Join(names, ",")))
	}
	return out
}

func TestWhoIsToldWhat(t *testing.T) {
	all := &Subscription{Receiver: "all"}
	early := &Subscription{Receiver: "early", Stage: "suspected"}
	pk := &Subscription{Receiver: "pk", Countries: []string{"PK"}}
	severe := &Subscription{Receiver: "severe", Severity: 3}
	outage := life{"a", "country:PK", 2, "", []string{"suspected@0", "confirmed@180", "recovering@600", "closed@1500"}}
	for name, c := range map[string]struct {
		subs  []*Subscription
		lives []life
		want  []string
	}{
		"each stage once": {
			[]*Subscription{all, early, pk},
			[]life{outage},
			[]string{"early 0 suspected PK", "all 180 confirmed PK", "early 180 confirmed PK", "pk 180 confirmed PK", "all 1500 over PK", "early 1500 over PK", "pk 1500 over PK"},
		},
		"elsewhere": {[]*Subscription{pk}, []life{{"a", "country:IR", 2, "", []string{"suspected@0", "confirmed@180"}}}, nil},
		"taken back only where it was told": {
			[]*Subscription{all, early},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@0", "retracted@60"}}},
			[]string{"early 0 suspected PK", "early 60 retracted PK"},
		},
		"a suspicion that ends was nothing for who waits": {
			[]*Subscription{all}, []life{{"a", "country:PK", 2, "", []string{"suspected@0", "closed@900"}}}, nil,
		},
		"decided late, told whole": {
			[]*Subscription{all}, []life{{"a", "country:PK", 2, "", []string{"suspected@0", "confirmed@1", "closed@2"}}}, []string{"all 0 over PK"},
		},
		"it grows, and comes in waves": {
			[]*Subscription{all, severe},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@0", "confirmed@180", "severe@300", "wave@900", "severe@1000", "closed@2000"}}},
			[]string{
				"all 180 confirmed PK", "all 300 grew PK", "severe 300 confirmed PK", "all 900 again PK", "severe 900 again PK", "all 1000 grew PK", "severe 1000 grew PK",
				"all 2000 over PK", "severe 2000 over PK",
			},
		},
		"a part is told in the whole, and ends unsaid": {
			[]*Subscription{all},
			[]life{outage, {"b", "network:AS1", 1, "a", []string{"suspected@1", "confirmed@181", "closed@900"}}},
			[]string{"all 180 confirmed PK", "all 1500 over PK"},
		},
		"a part that was told before the whole has its end": {
			[]*Subscription{early},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@100"}}, {"b", "network:AS1", 1, "a", []string{"suspected@0", "confirmed@181", "closed@900"}}},
			[]string{"early 0 suspected AS1", "early 100 suspected PK", "early 900 over AS1"},
		},
		"a part stands alone when the whole was taken back": {
			[]*Subscription{early},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@0", "retracted@60"}}, {"b", "network:AS1", 1, "a", []string{"suspected@1", "confirmed@181"}}},
			[]string{"early 0 suspected PK", "early 60 retracted PK", "early 181 confirmed AS1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := said(t, c.subs, c.lives...); !slices.Equal(got, c.want) {
				t.Errorf("said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestFlood: 2,000 networks that fail at once are one message at each stage, with and without a country around them.
func TestFlood(t *testing.T) {
	var lives []life
	for i := range 2000 {
		lives = append(lives, life{fmt.Sprintf("n%04d", i), fmt.Sprintf("network:AS%d", i+1), 1, "", []string{"suspected@0", "confirmed@180", "closed@2000"}})
	}
	subs := []*Subscription{{Receiver: "early", Stage: "suspected"}}
	if got, want := said(t, subs, lives...), []string{"early 0 suspected 100+1900", "early 180 confirmed 100+1900", "early 2000 over 100+1900"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for i := range lives {
		lives[i].whole = "c"
	}
	lives = append(lives, life{"c", "country:PK", 4, "", []string{"suspected@1", "confirmed@181", "closed@2001"}})
	if got, want := said(t, subs, lives...), []string{"early 0 suspected PK", "early 180 confirmed PK", "early 2000 over PK"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestQuietHours(t *testing.T) {
	s := &Subscription{Quiet: Quiet{From: "22:00", Until: "06:00", TimeZone: "Asia/Karachi", Except: 4}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	karachi := time.FixedZone("PKT", 5*3600)
	night := time.Date(2030, 1, 1, 1, 30, 0, 0, karachi)
	morning := time.Date(2030, 1, 1, 6, 0, 0, 0, karachi)
	for _, c := range []struct {
		at       time.Time
		severity int
		o        Occasion
		want     time.Time
	}{
		{night, 3, Confirmed, morning},
		{night, 4, Confirmed, night},
		{night, 1, Retracted, night},
		{morning, 1, Confirmed, morning},
		{night.Add(-4 * time.Hour), 1, Confirmed, night.Add(-4 * time.Hour)}, // 21:30
		{night.Add(-3 * time.Hour), 1, Confirmed, morning},                   // 22:30 the evening before
	} {
		if got := s.NotUntil(c.at, c.severity, c.o); !got.Equal(c.want) {
			t.Errorf("%s severity %d %s: %s, want %s", c.at, c.severity, c.o, got, c.want)
		}
	}
	for _, bad := range []Quiet{{From: "22:00"}, {From: "25:00", Until: "06:00"}, {From: "22:00", Until: "22:00"}, {From: "22:00", Until: "06:00", TimeZone: "Mars"}} {
		if err := (&Subscription{Quiet: bad}).Check(); err == nil || !strings.HasPrefix(err.Error(), "quiet_hours: ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestTexts: every message is there in every language, and what comes from outside changes nothing around it.
func TestTexts(t *testing.T) {
	en, err := Language("en")
	if err != nil {
		t.Fatal(err)
	}
	ar, err := Language("ar")
	if err != nil {
		t.Fatal(err)
	}
	for key, text := range en.text {
		if ar.text[key] == text {
			t.Errorf("%s is not said in Arabic", key)
		}
		for i := 1; i <= 8; i++ {
			mark := fmt.Sprintf("{%d}", i)
			if strings.Contains(text, mark) != strings.Contains(ar.text[key], mark) {
				t.Errorf("%s: %s is in one language only", key, mark)
			}
		}
	}
	in := life{"PK-1", "country:PK", 3, "", []string{"suspected@0", "confirmed@180"}}.revisions(t)[1].Incident
	in.Entity.Name = "Pa\u202ekis\r\nBcc: all@example.org\x00 {2} <script>" + strings.Repeat("x", 500)
	in.Signals = []detect.Signal{{
		Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: 4410, Unobservable: 310, LostShare: 0.1387,
		Prefixes: detect.PrefixCount{Expected: 1374, Lost: 153}, ASNs: detect.VantageCount{Expected: 40, Voting: 39, Needed: 10},
	}}
	in.Evidence = &detect.Evidence{Messages: 8412, SHA256: "ab"}
	m := &Message{Items: []Item{{Incident: in, Occasion: Confirmed, URL: "https://monitor.example.org/i/PK-1/v2"}}}
	for lang, w := range map[string]*Words{"en": en, "ar": ar} {
		line := w.Line(m)
		if strings.ContainsAny(line, "\r\n\x00\u202e") || len([]rune(line)) > 400 || !strings.Contains(line, "{2}") {
			t.Errorf("%s: %q", lang, line)
		}
		full := w.Full(m)
		for _, want := range []string{"153", "1,374", "5,120", "4,410", "310", "39", "40", "10", "8,412", "ab", "PK-1", "https://monitor.example.org/i/PK-1/v2", "2030-01-01T00:00:00Z", "slash"} {
			if strings.Contains(full, want) == (want == "slash") {
				t.Errorf("%s: %q: %s", lang, want, full)
			}
		}
		if strings.Contains(full, "Bcc: all@example.org\n") || strings.Contains(w.Short(m), "\x00") {
			t.Errorf("%s: %s", lang, full)
		}
	}
}
