package conf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// OperatorReceiver is a receiver that looks after the monitor itself.
type OperatorReceiver struct {
	Receiver     string        `json:"receiver"`     // a name of your own, as of a subscription
	Language     string        `json:"language"`     // of the texts: en or ar; empty: en
	Webhook      *Webhook      `json:"webhook"`      // an HTTP address that takes CloudEvents; one of the ways is to be given
	Alertmanager *Alertmanager `json:"alertmanager"` // a Prometheus Alertmanager
	Kinds        []string      `json:"kinds"`        // of trouble: monitor_fault, stalled, lag, disk, clock, certificate, outbox, channel, copy, ledger, reload; empty: all
	Quiet        alerts.Quiet  `json:"quiet_hours"`  // when messages wait
}

// Troubles says from where on something is a trouble that operators are told of.
type Troubles struct {
	LagS            int `json:"lag_s"`            // seconds that the receipt of a collector's messages may lie behind the time written in them; 1 to 86,400
	CertificateDays int `json:"certificate_days"` // before a certificate ends; 1 to 365
	OutboxMin       int `json:"outbox_min"`       // minutes that a message which is due may wait; 1 to 1,440
	CopyMin         int `json:"copy_min"`         // minutes that the copy in ClickHouse may be behind; 1 to 10,080
}

// Heartbeat is what tells somebody outside, again and again, that the monitor works. It stops when that is not so.
type Heartbeat struct {
	EveryS        int            `json:"every_s"`         // seconds between two; 1 to 3,600
	StalledAfterS int            `json:"stalled_after_s"` // so many seconds without a tick of the journal applied, and it stops; 2 to 3,600
	URLs          []Beat         `json:"urls"`            // addresses that are asked, as services such as healthchecks want it; at most 16
	Alertmanagers []Alertmanager `json:"alertmanagers"`   // that are sent the alert corewatch_watchdog, which ends by itself when it is not sent again; at most 16
}

// Beat is an address that a heartbeat asks.
type Beat struct {
	URL     string `json:"url"`      // https, or http on a loopback address
	URLFile string `json:"url_file"` // a file that holds the URL, when the URL itself is a secret
	Method  string `json:"method"`   // GET or POST; empty: GET
}

func defaultTroubles() Troubles {
	return Troubles{LagS: 600, CertificateDays: 14, OutboxMin: 15, CopyMin: 60}
}

// Receivers are all that are told: subscribers, and operators as subscribers of the monitor's own troubles.
func (a Alerts) Receivers() []Subscriber {
	list := slices.Clone(a.Subscriptions)
	for _, o := range a.Operator {
		s := Subscriber{Receiver: o.Receiver, Language: o.Language, Webhook: o.Webhook, Alertmanager: o.Alertmanager, templates: a.texts}
		s.Kinds, s.Quiet, s.Troubles = []string{string(alerts.MonitorTrouble)}, o.Quiet, o.Kinds
		if len(s.Troubles) == 0 {
			s.Troubles = alerts.TroubleKinds
		}
		if slices.Contains(s.Troubles, string(detect.MonitorFault)) {
			s.Kinds = append(s.Kinds, string(detect.MonitorFault))
		}
		list = append(list, s)
	}
	return list
}

func operators(a Alerts) error {
	for i, o := range a.Operator {
		for _, k := range o.Kinds {
			if !slices.Contains(alerts.TroubleKinds, k) {
				return fmt.Errorf("alerts.operator[%d].kinds: %q; want some of %s", i, k, strings.Join(alerts.TroubleKinds, ", "))
			}
		}
	}
	t := a.Troubles
	for _, x := range []struct {
		key           string
		n, least, top int
	}{
		{"lag_s", t.LagS, 1, 86_400},
		{"certificate_days", t.CertificateDays, 1, 365},
		{"outbox_min", t.OutboxMin, 1, 1440},
		{"copy_min", t.CopyMin, 1, 10_080},
	} {
		if x.n < x.least || x.n > x.top {
			return fmt.Errorf("alerts.troubles.%s: %d; want %d to %s", x.key, x.n, x.least, thousands(int64(x.top)))
		}
	}
	return nil
}

// maxBeats bounds how many a heartbeat is sent to.
const maxBeats = 16

func heartbeat(h Heartbeat) error {
	switch {
	case h.EveryS < 1 || h.EveryS > 3600:
		return fmt.Errorf("heartbeat.every_s: %d; want 1 to 3,600", h.EveryS)
	case h.StalledAfterS < 2 || h.StalledAfterS > 3600:
		return fmt.Errorf("heartbeat.stalled_after_s: %d; want 2 to 3,600", h.StalledAfterS)
	case len(h.URLs) > maxBeats || len(h.Alertmanagers) > maxBeats:
		return fmt.Errorf("heartbeat: %d urls and %d alertmanagers; want at most %d of each", len(h.URLs), len(h.Alertmanagers), maxBeats)
	}
	for i, b := range h.URLs {
		switch {
		case (b.URL == "") == (b.URLFile == ""):
			return fmt.Errorf("heartbeat.urls[%d]: want either url or url_file", i)
		case b.Method != "" && b.Method != "GET" && b.Method != "POST":
			return fmt.Errorf("heartbeat.urls[%d].method: %q; want GET or POST", i, b.Method)
		}
	}
	return nil
}
