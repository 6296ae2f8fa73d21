package app

import "github.com/prometheus/client_golang/prometheus"

// metrics are the process's own figures. No prefix, network or target is ever a label.
type metrics struct {
	demo    *demonstration
	info    *prometheus.Desc
	records *prometheus.Desc
	torn    *prometheus.Desc
	event   *prometheus.Desc
	share   *prometheus.Desc
}

func newMetrics(d *demonstration) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("corewatch_"+name, help, labels, nil)
	}
	return &metrics{
		demo:    d,
		info:    desc("app_build_info", "1; the version and commit are labels.", "version", "commit"),
		records: desc("app_records_total", "MRT records read, by outcome.", "outcome"),
		torn:    desc("app_torn_total", "Stretches of input that are not a record."),
		event:   desc("app_event_time_seconds", "Event time that the detector has reached, as a Unix time."),
		share:   desc("app_replay_ratio", "Share of the replayed input that lies behind, 0 to 1."),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.info, m.records, m.torn, m.event, m.share} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.demo.mu.Lock()
	defer m.demo.mu.Unlock()
	d := m.demo
	v, rev := Version()
	ch <- prometheus.MustNewConstMetric(m.info, prometheus.GaugeValue, 1, v, rev)
	for _, c := range []struct {
		outcome string
		n       uint64
	}{{"parsed", d.count.Parsed}, {"skipped", d.count.Skipped}, {"malformed", d.count.Malformed}} {
		ch <- prometheus.MustNewConstMetric(m.records, prometheus.CounterValue, float64(c.n), c.outcome)
	}
	ch <- prometheus.MustNewConstMetric(m.torn, prometheus.CounterValue, float64(d.merge.Torn))
	ch <- prometheus.MustNewConstMetric(m.event, prometheus.GaugeValue, float64(d.now)/1e6)
	ch <- prometheus.MustNewConstMetric(m.share, prometheus.GaugeValue, d.progress)
}
