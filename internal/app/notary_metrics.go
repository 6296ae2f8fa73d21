package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ledgerMetrics are the figures of the ledger; without one there are none.
type ledgerMetrics struct {
	of                       *notary
	records, signed, waiting *prometheus.Desc
	checkpoint, writable     *prometheus.Desc
}

func newLedgerMetrics(n *notary) *ledgerMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("corewatch_ledger_"+name, help, nil, nil)
	}
	return &ledgerMetrics{
		of:         n,
		records:    desc("records", "Records in the ledger."),
		signed:     desc("signed_records", "Records under the checkpoint published last."),
		waiting:    desc("waiting_records", "Records that are not yet in it."),
		checkpoint: desc("checkpoint_age_seconds", "Time since a checkpoint held everything there was."),
		writable:   desc("writable", "1 while the ledger can be written; the process's log says why it cannot."),
	}
}

// Describe implements prometheus.Collector.
func (m *ledgerMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.records, m.signed, m.waiting, m.checkpoint, m.writable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *ledgerMetrics) Collect(ch chan<- prometheus.Metric) {
	if m.of == nil {
		return
	}
	out, st := series{ch}, m.of.status()
	out.gauge(m.records, float64(st.Records))
	out.gauge(m.signed, float64(st.Signed))
	out.gauge(m.waiting, float64(st.Waiting))
	out.gauge(m.writable, bit(!st.Failing))
	if !st.Last.IsZero() {
		out.gauge(m.checkpoint, time.Since(st.Last).Seconds())
	}
}
