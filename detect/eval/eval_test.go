package eval

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/eval/truth"
)

const midnight = 1_700_006_400 * bgp.Second // 2023-11-15T00:00:00Z

func at(s int) bgp.Micros { return midnight + bgp.Seconds(int64(s)) }

func land(code string) detect.Entity { return detect.Entity{Type: "country", Code: code} }

// event lasts from start to end, its first withdrawal 30 s before.
func event(code string, start, end int) Event {
	e := Event{Entity: land(code), Signal: "bgp.v4", First: at(start - 30), Start: at(start)}
	if end > 0 {
		e.End, e.Recovered = at(end), at(end)
	}
	return e
}

// alert has t0, an interval of 60 s before it, and is raised 15 s after.
func alert(id, code string, crossed, end int) Alert {
	a := Alert{ID: id, Entity: land(code), Signals: []string{"bgp.v4"}, Earliest: at(crossed - 60), Latest: at(crossed), Crossed: at(crossed), Raised: at(crossed + 15), Published: at(crossed + 20)}
	if end > 0 {
		a.End = at(end)
	}
	return a
}

func day() Options { return Options{From: midnight, Until: at(86400)} }

// TestScore is worked out on paper: four events, of which three are found (one as a continuation), one is missed; a minor one is
// found; five alerts, of which one is false and one was taken back.
func TestScore(t *testing.T) {
	minor := event("FF", 9000, 9600)
	minor.Minor = true
	events := []Event{
		event("AA", 1000, 2000),
		event("AA", 2600, 3000), // 600 s after the first: the open alert covers both
		event("BB", 5000, 6000),
		event("CC", 7000, 8000), // missed
		minor,
	}
	lied := alert("x5", "EE", 20000, 20100)
	lied.Retracted = true
	alerts := []Alert{
		alert("x1", "AA", 1030, 3100), // interval 970–1030 holds the start (1000) and the first withdrawal (970)
		alert("x2", "BB", 5100, 6060), // interval 5040–5100 does not hold 5000
		alert("x3", "DD", 7000, 8000), // the right time in another country
		alert("x4", "FF", 9000, 9600),
		lied,
	}
	s := Evaluate(events, Method{Name: "ours", Alerts: alerts}, day())
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"recall", s.Recall, Ratio{3, 4}},
		{"precision", s.Precision, Ratio{3, 5}},
		{"false alarms", s.FalseAlarms, Rate{2, 1}},
		{"retracted", s.Retracted, Ratio{1, 5}},
		{"start covered", s.StartCovered, Ratio{1, 2}},
		{"first covered", s.FirstCovered, Ratio{1, 2}},
		{"start to raised", s.StartToRaised.all, []float64{45, 115}},
		{"start to published", s.StartToPublished.all, []float64{50, 120}},
		{"first to t0", s.FirstToCrossed.all, []float64{60, 130}},
		{"t0 to raised", s.CrossedToRaised.all, []float64{15, 15}},
		{"width", s.Width.all, []float64{60, 60}},
		{"end error", s.EndError.all, []float64{60, 1100}},
	} {
		if g, ok := c.got.([]float64); ok {
			if !slices.Equal(g, c.want.([]float64)) {
				t.Errorf("%s: %v, want %v", c.name, g, c.want)
			}
		} else if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	var list []string
	for _, d := range s.Disagreements {
		list = append(list, d.What+" "+d.Entity.Code+" "+d.Alert+" "+d.From.Format("15:04:05")+" "+d.Detail)
	}
	want := []string{"start BB x2 01:24:00 the start lies 40 s before it", "false DD x3 01:56:40 ", "missed CC  01:56:40 ", "false EE x5 05:33:20 ", "retracted EE x5 05:33:20 "}
	slices.Sort(list[1:3])
	slices.Sort(want[1:3])
	if !slices.Equal(list, want) {
		t.Errorf("disagreements\n%q, want\n%q", list, want)
	}
}

// TestMatching has one rule of the package comment a case.
func TestMatching(t *testing.T) {
	six := alert("a", "AA", 1000, 2000)
	six.Signals = []string{"bgp.v6"}
	both := alert("a", "AA", 1000, 2000)
	both.Signals = []string{"bgp.v4", "bgp.v6"}
	bin := Alert{ID: "a", Entity: land("AA"), Earliest: at(1200), Latest: at(1500), Raised: at(1500)}
	for _, c := range []struct {
		name   string
		events []Event
		alerts []Alert
		recall Ratio
		right  Ratio
	}{
		{"300 s too early", []Event{event("AA", 1330, 2000)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{1, 1}, Ratio{1, 1}},
		{"301 s too early", []Event{event("AA", 1331, 2000)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{0, 1}, Ratio{0, 1}},
		{"300 s too late", []Event{event("AA", 500, 640)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{1, 1}, Ratio{1, 1}},
		{"301 s too late", []Event{event("AA", 500, 639)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{0, 1}, Ratio{0, 1}},
		{"a bin that ends behind the event", []Event{event("AA", 1000, 1190)}, []Alert{bin}, Ratio{1, 1}, Ratio{1, 1}},
		{"the other family", []Event{event("AA", 1000, 2000)}, []Alert{six}, Ratio{0, 1}, Ratio{0, 1}},
		{"both families", []Event{event("AA", 1000, 2000)}, []Alert{both}, Ratio{1, 1}, Ratio{1, 1}},
		{"two alerts about one event", []Event{event("AA", 1000, 2000)}, []Alert{alert("a", "AA", 1010, 1100), alert("b", "AA", 1500, 2000)}, Ratio{1, 1}, Ratio{2, 2}},
		{"open since before, and another event", []Event{event("AA", 1000, 2000), event("AA", 9000, 9900)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{1, 2}, Ratio{1, 1}},
		{"15 min between two events", []Event{event("AA", 1000, 2000), event("AA", 2900, 3900)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{2, 2}, Ratio{1, 1}},
		{"15 min between two events, the alert closed", []Event{event("AA", 1000, 2000), event("AA", 2900, 3900)}, []Alert{alert("a", "AA", 1000, 2100)}, Ratio{1, 2}, Ratio{1, 1}},
		{"a chain of continuations", []Event{event("AA", 1000, 2000), event("AA", 2900, 3900), event("AA", 4700, 5000)}, []Alert{alert("a", "AA", 1000, 0)}, Ratio{3, 3}, Ratio{1, 1}},
		{"two hours after the start of a long event", []Event{event("AA", 1000, 0)}, []Alert{alert("a", "AA", 8200, 0)}, Ratio{0, 1}, Ratio{1, 1}},
		{"outside the scored time", []Event{event("AA", -1000, -500)}, []Alert{alert("a", "AA", -1000, 0)}, Ratio{}, Ratio{}},
		{"an event outside excuses an alert inside", []Event{event("AA", -100, 500)}, []Alert{alert("a", "AA", 10, 0)}, Ratio{}, Ratio{1, 1}},
	} {
		s := Evaluate(c.events, Method{Name: "m", Alerts: c.alerts}, day())
		if s.Recall != c.recall || s.Precision != c.right {
			t.Errorf("%s: recall %v, precision %v; want %v, %v", c.name, s.Recall, s.Precision, c.recall, c.right)
		}
	}
	// The alert nearest to the start gives the delays, whichever order they come in.
	s := Evaluate([]Event{event("AA", 1000, 3000)}, Method{Name: "m", Alerts: []Alert{alert("a", "AA", 800, 0), alert("b", "AA", 1050, 0), alert("c", "AA", 2000, 0)}}, day())
	if !slices.Equal(s.StartToRaised.all, []float64{65}) {
		t.Errorf("delay %v, want that of the second alert", s.StartToRaised.all)
	}
}

// TestTooSmallToJudge: an alert below MinSize is false to nobody, and can still find an event.
func TestTooSmallToJudge(t *testing.T) {
	sized := func(id, code string, at, size int) Alert {
		a := alert(id, code, at, 0)
		a.Size = size
		return a
	}
	o := day()
	o.MinSize = 4
	s := Evaluate([]Event{event("AA", 1000, 2000)}, Method{Name: "m", Alerts: []Alert{
		sized("a", "AA", 1000, 3), sized("b", "BB", 1000, 3), sized("c", "BB", 5000, 4), sized("d", "BB", 9000, 0),
	}}, o)
	if s.Recall != (Ratio{1, 1}) || s.Precision != (Ratio{1, 3}) || s.FalseAlarms.N != 2 || s.Small != 1 {
		t.Errorf("recall %v, precision %v, false %v, small %d", s.Recall, s.Precision, s.FalseAlarms, s.Small)
	}
}

// TestTable holds both written forms, and that a brief method's disagreements are counted only.
func TestTable(t *testing.T) {
	var x Table
	x.Title, x.Columns, x.Note = "a title", []string{"ours", "other"}, "a note"
	x.Add("found", Ratio{1, 2}, Count(7))
	x.Add("a|b", Text("word"))
	want := "**a title**\n\n|  | ours | other |\n|---|---|---|\n| found | 1/2 50.0 % (≥ 2.5 %) | 7 |\n| a\\|b | word |\n\na note\n"
	if got := x.Markdown(); got != want {
		t.Errorf("markdown\n%q, want\n%q", got, want)
	}
	var b bytes.Buffer
	if err := x.WriteText(&b); err != nil || !strings.Contains(b.String(), "found  1/2 50.0 % (≥ 2.5 %)  7\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
	r := Compare("paper", "country", []Event{event("AA", 1000, 2000)}, []Method{{Name: "silent", Brief: true}}, day())
	b.Reset()
	if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "silent: 1 disagreements (1 missed of 1 entities), each with --json\n") || strings.Contains(b.String(), "00:16:40Z") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestBounds(t *testing.T) {
	near := func(name string, got, want, within float64) {
		t.Helper()
		if math.Abs(got-want) > within {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	near("0 of 1,000", Ratio{0, 1000}.Upper(), 1-math.Pow(0.05, 0.001), 1e-12)
	near("the rule of three", Ratio{0, 1000}.Upper(), 0.003, 1e-5)
	near("0 of 1", Ratio{0, 1}.Upper(), 0.95, 1e-12)
	near("all of 20, lower", Ratio{20, 20}.Lower(), math.Pow(0.05, 1.0/20), 1e-12)
	near("1 of 2, upper: 1-p² = 0.05", Ratio{1, 2}.Upper(), math.Sqrt(0.95), 1e-9)
	near("1 of 10", Ratio{1, 10}.Upper(), 0.39416, 1e-5)
	near("1 of 10, lower: (1-p)^10 = 0.95", Ratio{1, 10}.Lower(), 1-math.Pow(0.95, 0.1), 1e-9)
	near("no false alarm in 2 days", Rate{0, 2}.Upper(), -math.Log(0.05)/2, 1e-9)
	near("3 in a day", Rate{3, 1}.Upper(), 7.75366, 1e-5)
	if (Ratio{}).Upper() != 1 || (Ratio{}).Lower() != 0 || !math.IsInf(Rate{}.Upper(), 1) {
		t.Error("nothing seen must bound nothing")
	}
}

func TestSpread(t *testing.T) {
	var p Spread
	for i := range 20 {
		p.add(at(20-i), at(0))
	}
	p.add(0, at(0))
	p.add(at(0), 0)
	p.settle()
	if p.N != 20 || p.P50 != 10 || p.P95 != 19 || p.Max != 20 {
		t.Errorf("%+v, want the 10th, 19th and 20th of 20", p)
	}
}

// TestReport holds text and JSON of a small comparison, and that kinds are not mixed.
func TestReport(t *testing.T) {
	network := event("AS64500", 1000, 2000)
	network.Entity.Type = "network"
	r := Compare("paper", "country", []Event{event("AA", 1000, 2000), network}, []Method{
		{Name: "ours", Alerts: []Alert{alert("x1", "AA", 1030, 2010)}},
		{Name: "silent"},
	}, day())
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"paper, country: 1 events, 0 minor, 2023-11-15T00:00:00Z to 2023-11-16T00:00:00Z\n",
		"                            ours                    silent\n",
		"recall                      1/1 100.0 % (≥ 5.0 %)   0/1 (≤ 95.0 %)\n",
		"precision                   1/1 100.0 % (≥ 5.0 %)   –\n",
		"false alarms                0, 0.00 a day (≤ 3.00)  0, 0.00 a day (≤ 3.00)\n",
		"start to alert              45 s / 45 s (n 1)       –\n",
		"\nours: 0 disagreements\n",
		"\nsilent: 1 disagreements (1 missed of 1 entities)\n  missed  country:AA  bgp.v4  2023-11-15T00:16:40Z  2023-11-15T00:33:20Z\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	one, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	two, _ := r.JSON()
	if !bytes.Equal(one, two) || !json.Valid(one) {
		t.Error("JSON is not stable")
	}
	for _, want := range []string{
		`{"suite":"paper","kind":"country","from":"2023-11-15T00:00:00Z","until":"2023-11-16T00:00:00Z","events":1,"minor_events":0,"scores":[{"method":"ours","recall":{"n":1,"of":1,"share":1,"lower95":0.05,"upper95":1}`,
		`"false_alarms":{"n":0,"days":1,"per_day":0,"upper95":2.9957},"start_to_raised":{"n":1,"p50_s":45,"p95_s":45,"max_s":45}`,
		`"disagreements":[{"what":"missed","entity":{"type":"country","code":"AA"},"signal":"bgp.v4","from":"2023-11-15T00:16:40Z","until":"2023-11-15T00:33:20Z"}]`,
	} {
		if !bytes.Contains(one, []byte(want)) {
			t.Errorf("JSON lacks %s:\n%s", want, one)
		}
	}
}

// TestFrom turns each source into alerts and events.
func TestFrom(t *testing.T) {
	when := func(s int) detect.Time { return detect.At(at(s).Time()) }
	inc := &detect.Incident{
		ID: "AA-1", Kind: detect.Outage, State: detect.Retracted, Entity: land("AA"),
		Start:       detect.Interval{Time: when(5), Earliest: when(0), Latest: when(60)},
		End:         &detect.Interval{Time: when(5000)},
		SuspectedAt: when(75), ConfirmedAt: when(240),
		Signals:  []detect.Signal{{Signal: "bgp.v4"}, {Signal: "bgp.v6"}},
		Episodes: []detect.Episode{{Start: when(60)}, {Start: when(4000), End: when(4500), PeakLostShare: 0.3}},
		Revisions: []detect.Revision{
			{At: when(75), Change: "opened"}, {At: when(4015), Change: "episode"},
		},
	}
	fault := &detect.Incident{ID: "f", Kind: detect.MonitorFault, SuspectedAt: when(0), ConfirmedAt: when(0), Entity: land("AA")}
	unsure := &detect.Incident{ID: "u", Kind: detect.Outage, SuspectedAt: when(0), Entity: land("BB")}
	all := []*detect.Incident{inc, fault, unsure}
	if got := FromIncidents(all, Suspected); len(got) != 3 || got[0].Raised != at(75) || got[2].ID != "u" {
		t.Errorf("suspected: %+v", got)
	}
	got := FromIncidents(all, Confirmed)
	if len(got) != 2 {
		t.Fatalf("confirmed: %+v", got)
	}
	a, b := got[0], got[1]
	if a.Raised != at(240) || a.Crossed != at(60) || a.Earliest != at(0) || a.End != at(5000) || !a.Retracted || !slices.Equal(a.Signals, []string{"bgp.v4", "bgp.v6"}) {
		t.Errorf("incident: %+v", a)
	}
	if b.ID != "AA-1/episode-2" || b.Crossed != at(4000) || b.Raised != at(4015) || b.End != at(4500) {
		t.Errorf("episode: %+v", b)
	}

	events := FromTruth([]truth.Event{
		{Kind: "country", Code: "AA", Family: 6, First: int64(at(1)), Start: int64(at(2)), End: int64(at(9)), Recovered: int64(at(8)), Ending: truth.EndedBack, Dark: 4, Total: 5},
		{Kind: "network", Code: "AS1", Family: 4, Start: int64(at(2)), End: int64(at(9)), Ending: truth.EndedRecord},
	}, func(e *truth.Event) bool { return e.Kind == "network" })
	if e := events[0]; e.Entity != land("AA") || e.Signal != "bgp.v6" || e.First != at(1) || e.Start != at(2) || e.End != at(9) || e.Recovered != at(8) || e.Minor {
		t.Errorf("truth: %+v", e)
	}
	if e := events[1]; e.End != 0 || !e.Minor || e.Signal != "bgp.v4" {
		t.Errorf("open truth: %+v", e)
	}

	rivals := []rival.Alert{
		{Entity: rival.Entity{Kind: "country", Code: "AA"}, Family: 4, Level: "warning", Start: at(0), Raised: at(300), Published: at(2700), Ended: at(900), Lost: 3, Expected: 10},
		{Entity: rival.Entity{Kind: "country", Code: "AA"}, Family: 4, Level: "critical", Start: at(0), Raised: at(300)},
	}
	r := FromRival(rivals, "warning")
	if len(r) != 1 || len(FromRival(rivals, "")) != 2 || r[0].Entity != land("AA") || r[0].Earliest != at(0) || r[0].Latest != at(300) || r[0].Published != at(2700) || r[0].End != at(900) || r[0].Crossed != 0 {
		t.Errorf("rival: %+v", r)
	}
	if d := day().Days(); d != 1 || at(0).Time().Format(time.RFC3339) != "2023-11-15T00:00:00Z" {
		t.Errorf("the paper's day is %v days from %v", d, at(0).Time())
	}
}

// TestToldWaves: an alert is open for hours. Of five later events it tells of one in time, of one too late, of one never; one is of the
// other family; the last begins after its end.
func TestToldWaves(t *testing.T) {
	open := alert("x1", "AA", 1030, 20000)
	open.Told = []bgp.Micros{at(1045), at(5040), at(12500)}
	six := event("AA", 14000, 15000)
	six.Signal = "bgp.v6"
	s := Evaluate([]Event{
		event("AA", 1000, 1500), event("AA", 5000, 5600), event("AA", 8000, 12600), event("AA", 13600, 13900), six, event("AA", 22000, 23000),
	}, Method{Name: "m", Alerts: []Alert{open}}, day())
	if s.Recall != (Ratio{1, 6}) || s.Waves != (Ratio{2, 6}) || s.Inside != (Ratio{4, 6}) || s.Precision != (Ratio{1, 1}) {
		t.Errorf("found %v, told %v, open %v, precision %v", s.Recall, s.Waves, s.Inside, s.Precision)
	}
	if s.StartToWave.N != 1 || s.StartToWave.P50 != 40 {
		t.Errorf("told after %v", s.StartToWave)
	}
	what := map[string]int{}
	for _, d := range s.Disagreements {
		what[d.What]++
		if d.What == "wave" && (d.Alert != "x1" || !strings.HasSuffix(d.Detail, "told at 2023-11-15T01:24:00Z")) {
			t.Errorf("%+v", d)
		}
	}
	if what["missed"] != 4 || what["wave"] != 1 {
		t.Errorf("%v", what)
	}
}
