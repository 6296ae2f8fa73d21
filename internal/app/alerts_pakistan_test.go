package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
)

// pakistanTold: who watches Pakistan is told of its outage of 2008-02-21 three times, the last time with how long it lasted; of the sessions that the
// collector lost the operator is told once each, and again when they are well, and nobody else is.
func pakistanTold(t *testing.T, revisions []alerts.Revision, tables string) {
	t.Helper()
	subs := []*alerts.Subscription{
		{Receiver: "pk", Countries: []string{"PK"}, Stage: "suspected"},
		{Receiver: "world", Stage: "suspected"},
		{Receiver: "operator", Kinds: []string{string(detect.MonitorFault)}},
	}
	c := conf.Default()
	c.Reference = tables
	where, err := newNetworkCountries(t.Context(), c, at("2008-02-21T03:20:00Z"), func(context.Context, string) ([]detect.Member, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subs {
		s.Within = where.of
	}
	words, err := alerts.Language("en")
	if err != nil {
		t.Fatal(err)
	}
	var pk, losses []string
	for _, m := range alerts.DryRun(revisions, subs, 4*time.Second, func(*detect.Incident) string { return "" }) {
		for _, i := range m.Items {
			if fault := i.Incident.Kind == detect.MonitorFault; fault != (m.Receiver == "operator") {
				t.Errorf("%s was told of %s", m.Receiver, i.Incident.ID)
			}
		}
		in := m.At.After(at("2008-02-21T03:15:00Z")) && m.At.Before(at("2008-02-21T06:00:00Z"))
		switch {
		case m.Receiver == "pk" && in:
			pk = append(pk, fmt.Sprintf("%s %s", m.Items[0].Occasion, m.Items[0].Incident.Entity.Key()))
			if line := words.Line(&m); m.Items[0].Occasion == alerts.Over && !strings.Contains(line, "visible again after 2 h ") {
				t.Errorf("its end: %s", line)
			}
		case m.Receiver == "operator" && strings.Contains(m.Items[0].Incident.Entity.Code, "AS3277/"):
			losses = append(losses, fmt.Sprintf("%s %s", m.At.Format("02T15:04"), m.Items[0].Occasion))
		}
	}
	if want := []string{"suspected country:PK", "confirmed country:PK", "over country:PK"}; !slices.Equal(pk, want) {
		t.Errorf("who watches Pakistan was told %q, want %q", pk, want)
	}
	want := []string{"20T15:36 confirmed", "20T15:55 over", "20T16:12 confirmed", "20T16:28 over", "20T21:18 confirmed", "20T21:37 over"}
	if !slices.Equal(losses, want) {
		t.Errorf("the operator was told of the session %q, want %q", losses, want)
	}
}
