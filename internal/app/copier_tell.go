package app

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// page is what the pages show of a copy. Everybody reads them: where the server is stands in the log and in the figures.
func (s *copyStatus) page() web.SourceStatus {
	out := web.SourceStatus{Name: "ClickHouse", State: "connecting", Last: s.last}
	switch {
	case s.connected && s.behind == (sqlite.Behind{}):
		out.State, out.Detail = "connected", "nothing is stored yet"
	case s.connected:
		out.State, out.Detail = "connected", s.reach()
	case s.failure != "" && s.behind == (sqlite.Behind{}):
		out.State, out.Detail = "unreachable", s.public
	case s.failure != "":
		out.State, out.Detail = "unreachable", s.public+"; "+s.reach()
	}
	return out
}

// reach says how far the copy has come, as far as is known.
func (s *copyStatus) reach() string {
	until, revisions := "no samples copied yet", "all revisions"
	if !s.behind.Until.IsZero() {
		until = "samples copied until " + s.behind.Until.Format(time.RFC3339)
	}
	if s.behind.Revisions > 0 {
		revisions = fmt.Sprintf("%d revisions still to copy", s.behind.Revisions)
	}
	return until + ", " + revisions
}

// late is the event time between the newest sample that is stored and the newest that is copied; since 1970, when none is.
func (s *copyStatus) late() time.Duration {
	switch {
	case s.behind.Head.IsZero():
		return 0
	case s.behind.Until.IsZero():
		return s.behind.Head.Sub(time.Unix(0, 0))
	}
	return s.behind.Head.Sub(s.behind.Until)
}

// copyMetrics are the figures of a copy.
type copyMetrics struct {
	c         *copier
	connected *prometheus.Desc
	rows      *prometheus.Desc
	blocks    *prometheus.Desc
	failures  *prometheus.Desc
	due       *prometheus.Desc
	late      *prometheus.Desc
}

func newCopyMetrics(c *copier) *copyMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("corewatch_clickhouse_"+name, help, labels, nil)
	}
	return &copyMetrics{
		c:         c,
		connected: desc("connected", "1 while the last attempt to copy succeeded."),
		rows:      desc("rows_total", "Rows that the server has acknowledged.", "table"),
		blocks:    desc("blocks_total", "Blocks that the server has acknowledged."),
		failures:  desc("failures_total", "Attempts that failed. What was not acknowledged is copied again."),
		due:       desc("due_revisions", "Revisions that are stored and not copied yet, when the server was last reached."),
		late:      desc("late_seconds", "Event time between the newest sample stored and the newest copied, when the server was last reached."),
	}
}

// Describe implements prometheus.Collector.
func (m *copyMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.connected, m.rows, m.blocks, m.failures, m.due, m.late} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *copyMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.c.status()
	up := 0.0
	if s.connected {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(m.connected, prometheus.GaugeValue, up)
	ch <- prometheus.MustNewConstMetric(m.rows, prometheus.CounterValue, float64(s.revisions), "revisions")
	ch <- prometheus.MustNewConstMetric(m.rows, prometheus.CounterValue, float64(s.samples), "samples")
	ch <- prometheus.MustNewConstMetric(m.blocks, prometheus.CounterValue, float64(s.blocks))
	ch <- prometheus.MustNewConstMetric(m.failures, prometheus.CounterValue, float64(s.failures))
	ch <- prometheus.MustNewConstMetric(m.due, prometheus.GaugeValue, float64(s.behind.Revisions))
	ch <- prometheus.MustNewConstMetric(m.late, prometheus.GaugeValue, s.late().Seconds())
}
