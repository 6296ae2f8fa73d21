package main

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/corewatch/corewatch/alerts"
)

// TestSubscribersAdd: what add asks for is what a subscription in the configuration can want, and what cannot be used is refused.
func TestSubscribersAdd(t *testing.T) {
	parsed := func(args ...string) alerts.Request {
		t.Helper()
		var c struct {
			S subscribersCmd `cmd:""`
		}
		k, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Parse(append([]string{"s", "--config", "subscribers_test.go", "add"}, args...)); err != nil {
			t.Fatal(err)
		}
		return c.S.request()
	}
	r := parsed("--country", "PK,IR", "--coverage", "full", "--quiet", "22:00-06:00", "--except", "4", "--timezone", "Asia/Karachi", "--severity", "2")
	want := alerts.Quiet{From: "22:00", Until: "06:00", TimeZone: "Asia/Karachi", Except: 4}
	if err := r.Check(); err != nil || r.Quiet != want || r.Coverage != "full" || len(r.Countries) != 2 || r.Severity != 2 || r.Digest != (alerts.Digest{}) {
		t.Errorf("%+v, %v", r, err)
	}
	r = parsed("--digest", "daily", "--at", "08:00", "--timezone", "Asia/Karachi")
	if err := r.Check(); err != nil || r.Digest != (alerts.Digest{Every: "daily", At: "08:00", TimeZone: "Asia/Karachi"}) || r.Quiet != (alerts.Quiet{}) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, args := range [][]string{{"--quiet", "22:00"}, {"--quiet", "25:00-06:00"}, {"--coverage", "some"}, {"--except", "3"}} {
		if r := parsed(args...); r.Check() == nil {
			t.Errorf("%v is taken: %+v", args, r)
		}
	}
}
