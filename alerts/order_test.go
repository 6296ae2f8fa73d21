package alerts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// under is what is said and held back under orders, a line each.
func under(t *testing.T, orders []Order, subs []*Subscription, lives ...life) (out []string) {
	t.Helper()
	var all []Revision
	for _, l := range lives {
		all = append(all, l.revisions(t)...)
	}
	slices.SortStableFunc(all, func(a, b Revision) int { return MadeAt(&a.Incident).Compare(MadeAt(&b.Incident)) })
	messages, held := DryRunUnder(orders, all, subs, 4*time.Second, func(*detect.Incident) string { return "" })
	for _, m := range messages {
		var names []string
		for _, i := range m.Items {
			names = append(names, i.Incident.Entity.Code)
		}
		out = append(out, fmt.Sprintf("%.0f %s %s", m.At.Sub(t0).Seconds(), m.Items[0].Occasion, strings.Join(names, ",")))
	}
	for _, h := range held {
		out = append(out, fmt.Sprintf("%.0f held %s %s: %s", h.At.Sub(t0).Seconds(), h.Occasion, h.Incident, h.Became))
	}
	return out
}

func at(sec int) time.Time { return t0.Add(time.Duration(sec) * time.Second) }

// TestOrders: what orders hold back, what passes all of them, and what is said when they end.
func TestOrders(t *testing.T) {
	all := []*Subscription{{Receiver: "all", Kinds: []string{"outage"}, Stage: "suspected"}}
	silence := Order{N: 1, Kind: Silence, From: at(100), Until: at(1000), Entity: "country:PK"}
	ack := Order{N: 1, Kind: Ack, From: at(200), Until: at(5000), Incident: "a", Severity: 2}
	for name, c := range map[string]struct {
		orders []Order
		lives  []life
		want   []string
	}{
		"what still holds is said when the silence ends": {
			[]Order{silence},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@110", "confirmed@300", "closed@2000"}}},
			[]string{"1000 confirmed PK", "2000 over PK", "110 held suspected a: said: confirmed", "300 held confirmed a: said: confirmed"},
		},
		"what is over by then is not": {
			[]Order{silence},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@110", "confirmed@300", "closed@900"}}, {"b", "country:IR", 2, "", []string{"suspected@1500"}}},
			[]string{"1500 suspected IR", "110 held suspected a: over before it could be said", "300 held confirmed a: over before it could be said"},
		},
		"an end and a retraction pass": {
			[]Order{silence},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@0", "confirmed@50", "wave@200", "closed@500"}}, {"b", "country:PK", 2, "", []string{"suspected@20", "retracted@600"}}},
			[]string{"0 suspected PK", "20 suspected PK", "50 confirmed PK", "500 over PK", "600 retracted PK", "200 held again a: said: over"},
		},
		"one that was ended early": {
			[]Order{silence, {N: 2, Kind: EndOrder, Ends: 1, At: at(400)}},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@110"}}, {"b", "country:PK", 2, "", []string{"suspected@500"}}},
			[]string{"400 suspected PK", "500 suspected PK", "110 held suspected a: said: suspected"},
		},
		"of somebody else, or elsewhere": {
			[]Order{{N: 1, Kind: Silence, From: at(0), Until: at(1000), Entity: "country:IR"}, {N: 2, Kind: Silence, From: at(0), Until: at(1000), Receiver: "other"}},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@110"}}},
			[]string{"110 suspected PK"},
		},
		"the regions of a country, and its parts": {
			[]Order{silence},
			[]life{
				{"a", "country:PK", 2, "", []string{"suspected@110"}},
				{"r", "region:PK-SD", 2, "", []string{"suspected@120"}},
				{"n", "network:AS1", 2, "a", []string{"suspected@130", "confirmed@500"}},
				{"x", "network:AS2", 2, "", []string{"suspected@1500"}},
			},
			[]string{
				"1000 suspected PK", "1000 suspected PK-SD", "1500 suspected AS2", "110 held suspected a: said: suspected", "120 held suspected r: said: suspected",
				"130 held suspected n: said: confirmed", "500 held confirmed n: said: confirmed",
			},
		},
		"acknowledged: the confirmation, what is more severe, and the end": {
			[]Order{ack},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@0", "confirmed@300", "wave@400", "severe@500", "wave@600", "closed@900"}}},
			[]string{"0 suspected PK", "300 confirmed PK", "500 again PK", "600 again PK", "900 over PK", "400 held again a: said: again"},
		},
		"announced work on a network holds nothing back": {
			[]Order{{N: 1, Kind: Maintenance, From: at(0), Until: at(1000), Entity: "country:PK", By: "NOC", Cited: "https://noc.example"}},
			[]life{{"a", "country:PK", 2, "", []string{"suspected@110", "confirmed@300"}}},
			[]string{"110 suspected PK", "300 confirmed PK"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := under(t, c.orders, all, c.lives...); !slices.Equal(got, c.want) {
				t.Errorf("said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestAnnounced: a message about a network whose operator announced work says who announced it and where, in each language.
func TestAnnounced(t *testing.T) {
	in := life{"a", "network:AS1", 2, "", []string{"suspected@110", "confirmed@300"}}.revisions(t)
	orders := []Order{
		{N: 1, Kind: Maintenance, From: at(0), Until: at(200), Entity: "network:AS1", By: "Example NOC", Cited: "https://noc.example/42"},
		{N: 2, Kind: Maintenance, From: at(2000), Until: at(2500), Entity: "network:AS1", By: "another time"},
		{N: 3, Kind: Maintenance, From: at(0), Until: at(200), Entity: "network:AS2", By: "another network"},
	}
	said, _ := DryRunUnder(orders, in, []*Subscription{{Receiver: "all"}}, time.Second, func(*detect.Incident) string { return "" })
	if len(said) != 1 || len(said[0].Items[0].Announced) != 1 {
		t.Fatalf("%+v", said)
	}
	for _, lang := range []string{"en", "ar"} {
		w, err := Language(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{w.Full(&said[0]), w.Short(&said[0])} {
			if !strings.Contains(text, "Example NOC") || !strings.Contains(text, "https://noc.example/42") || !strings.Contains(text, "network:AS1") {
				t.Errorf("%s: %s", lang, text)
			}
		}
	}
}

// TestOrderRefused: an order that nobody answers for, that never ends or that is about everything is none.
func TestOrderRefused(t *testing.T) {
	good := Order{Kind: Silence, Who: "ana", Why: "moving house", From: t0, Until: t0.Add(time.Hour), Receiver: "desk"}
	if err := good.Check(t0); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *Order){
		"who and why: missing":         func(o *Order) { o.Who = "" },
		"why: want one line":           func(o *Order) { o.Why = "a\nb" },
		"receiver: want one line":      func(o *Order) { o.Receiver = "\u202edesk" },
		"until: want an instant":       func(o *Order) { o.Until = time.Time{} },
		"until: 31 days after from":    func(o *Order) { o.Until = t0.AddDate(0, 0, 31) },
		"from: more than a year":       func(o *Order) { o.From, o.Until = t0.AddDate(2, 0, 0), t0.AddDate(2, 0, 1) },
		"a silence of everything":      func(o *Order) { o.Receiver = "" },
		"entity: \"PK\"":               func(o *Order) { o.Entity = "PK" },
		"incident: missing":            func(o *Order) { o.Kind = Ack },
		"maintenance of a network":     func(o *Order) { o.Kind = Maintenance },
		"by and cite":                  func(o *Order) { o.By = "NOC" },
		"is no kind of order":          func(o *Order) { o.Kind = "wish" },
		"incident: maintenance is of ": func(o *Order) { o.Kind, o.Monitor, o.Incident = Maintenance, true, "a" },
	} {
		o := good
		change(&o)
		if err := o.Check(t0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
