package alerts

import (
	"testing"

	"github.com/corewatch/corewatch/detect"
)

// TestNetworksOfCountries: who asked for a country hears of its larger networks once they are confirmed; who named one hears of it whatever it lost.
func TestNetworksOfCountries(t *testing.T) {
	in := detect.Incident{
		Kind: detect.Outage, State: detect.Confirmed, ConfirmedAt: detect.At(t0), Severity: 2, Entity: detect.Entity{Type: "network", Code: "AS17557"},
		Signals: []detect.Signal{{Signal: "bgp.v4", Prefixes: detect.PrefixCount{Lost: 10, Expected: 100}}},
	}
	within := func(*detect.Incident) []string { return []string{"SG", "PK"} }
	pk := Subscription{Countries: []string{"PK"}, Within: within}
	for what, c := range map[string]struct {
		s      Subscription
		change func(*detect.Incident)
		want   bool
	}{
		"a larger network":           {pk, func(*detect.Incident) {}, true},
		"of another country":         {Subscription{Countries: []string{"IR"}, Within: within}, func(*detect.Incident) {}, false},
		"nobody knows where":         {Subscription{Countries: []string{"PK"}}, func(*detect.Incident) {}, false},
		"only suspected":             {pk, func(i *detect.Incident) { i.ConfirmedAt = detect.Time{} }, false},
		"not severe":                 {pk, func(i *detect.Incident) { i.Severity = 1 }, false},
		"not severe, and wanted":     {Subscription{Countries: []string{"PK"}, NetworksFrom: 1, Within: within}, func(i *detect.Incident) { i.Severity = 1 }, true},
		"severe, and not wanted":     {Subscription{Countries: []string{"PK"}, NetworksFrom: 5, Within: within}, func(i *detect.Incident) { i.Severity = 4 }, false},
		"nine prefixes":              {pk, func(i *detect.Incident) { i.Signals[0].Prefixes.Lost = 9 }, false},
		"nine prefixes of the world": {Subscription{}, func(i *detect.Incident) { i.Signals[0].Prefixes.Lost = 9 }, false},
		"ten of the world":           {Subscription{}, func(*detect.Incident) {}, true},
		"named, with one prefix":     {Subscription{Networks: []string{"AS17557"}}, func(i *detect.Incident) { i.Severity, i.Signals[0].Prefixes.Lost = 1, 1 }, true},
	} {
		x := in
		x.Signals = append([]detect.Signal{}, in.Signals...)
		c.change(&x)
		if got := c.s.Wants(&x); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
