package app

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/web"
)

// metrics are the process's own figures. No prefix, network or target is ever a label. A session of ours is, up to maxPeerMeters of them, and a
// collector, up to maxFeedMeters: docs/live.md lists them all.
type metrics struct {
	demo *demonstration
	live func() *web.LiveStatus // nil until something is watched

	list []*prometheus.Desc

	info, records, torn, event, share                                                *prometheus.Desc
	age, lag, silent, messages, octets, gaps                                         *prometheus.Desc
	peerAge, peerLag, peerMessages, peerUp, sessions                                 *prometheus.Desc
	commits, commitTime, applyTime, entries, journal, segments, segmentFiles, faults *prometheus.Desc
	memory, room, disk, diskMax, spilled, lost, offset, offsetKnown                  *prometheus.Desc
	diskFree, diskLow                                                                *prometheus.Desc
}

func newMetrics(d *demonstration, live func() *web.LiveStatus) *metrics {
	m := &metrics{demo: d, live: live}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		x := prometheus.NewDesc("corewatch_"+name, help, labels, nil)
		m.list = append(m.list, x)
		return x
	}
	m.info = desc("app_build_info", "1; the version and commit are labels.", "version", "commit")
	m.records = desc("app_records_total", "MRT records of the demonstration read, by outcome.", "outcome")
	m.torn = desc("app_torn_total", "Stretches of the demonstration's input that are not a record.")
	m.event = desc("app_event_time_seconds", "Event time that the demonstration's detector has reached, as a Unix time.")
	m.share = desc("app_replay_ratio", "Share of the demonstration's input that lies behind, 0 to 1.")

	m.age = desc("live_last_message_age_seconds", "Time since the last message of a collector.", "collector")
	m.lag = desc("live_lag_seconds", "How far the receipt of the collector's last message lies behind the time written in it.", "collector")
	m.silent = desc("live_silent", "1 while the collector or stream is silent for longer than it may be.", "collector")
	m.messages = desc("live_received_records_total", "Records received.", "collector")
	m.octets = desc("live_received_bytes_total", "Octets of the records received.", "collector")
	m.gaps = desc("live_gaps_total", "Times at which messages were known to be missed.", "collector")
	m.peerAge = desc("live_peer_last_message_age_seconds", "Time since the last message of a session; the first 1000 sessions.", "collector", "peer")
	m.peerLag = desc("live_peer_lag_seconds", "How far the receipt of the session's last message lies behind the time written in it; the first 1000 sessions.", "collector", "peer")
	m.peerMessages = desc("live_peer_messages_total", "Messages applied; the first 1000 sessions.", "collector", "peer")
	m.peerUp = desc("live_peer_up", "1 while the session votes; the first 1000 sessions.", "collector", "peer")
	m.sessions = desc("live_sessions", "Sessions known, those without series of their own included.")
	m.commits = desc("live_journal_commits_total", "Seconds, or parts of them, written to the disk.")
	m.commitTime = desc("live_journal_commit_seconds_total", "Time spent in writing them.")
	m.applyTime = desc("live_apply_seconds_total", "Time spent in the detector on them.")
	m.entries = desc("live_journal_entries", "Entries of the journal, from its beginning.")
	m.journal = desc("live_journal_bytes", "Octets of the journal on the disk.")
	m.segments = desc("live_segments_bytes", "Octets of the records kept on the disk.")
	m.segmentFiles = desc("live_segments", "Files that hold them.")
	m.faults = desc("live_rfc7606_messages_total", "Updates with something wrong that RFC 7606 is about, by what.", "cause")
	m.memory = desc("live_queue_bytes", "Octets received and not yet taken, in memory.", "source")
	m.room = desc("live_queue_limit_bytes", "How many there may be.", "source")
	m.disk = desc("live_spill_bytes", "Octets received and not yet taken, on the disk.", "source")
	m.diskMax = desc("live_spill_limit_bytes", "How many there may be.", "source")
	m.spilled = desc("live_spilled_records_total", "Records that went over the disk, because the monitor was slower than the source.", "source")
	m.lost = desc("live_lost_records_total", "Records for which there was no room at all: each time a gap of every collector of the source.", "source")
	m.offset = desc("live_clock_offset_seconds", "What would have to be added to the machine's clock; absent while it is not known.")
	m.offsetKnown = desc("live_clock_known", "1 while it is known how far the machine's clock is off.")
	m.diskFree = desc("live_disk_free_bytes", "Octets free on the disk that everything is kept on; absent while it is not known.")
	m.diskLow = desc("live_disk_low", "1 while that is less than is to stay free (keep.free_gib).")
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range m.list {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	out := series{ch}
	m.replayed(out)
	if l := m.live(); l != nil {
		m.watched(out, l, bgp.Micros(time.Now().UnixMicro()))
	}
}

// series writes samples.
type series struct{ ch chan<- prometheus.Metric }

func (s series) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s series) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (m *metrics) replayed(out series) {
	m.demo.mu.Lock()
	defer m.demo.mu.Unlock()
	d := m.demo
	v, rev := Version()
	out.gauge(m.info, 1, v, rev)
	out.counter(m.records, float64(d.count.Parsed), "parsed")
	out.counter(m.records, float64(d.count.Skipped), "skipped")
	out.counter(m.records, float64(d.count.Malformed), "malformed")
	out.counter(m.torn, float64(d.merge.Torn))
	out.gauge(m.event, seconds(d.now))
	out.gauge(m.share, d.progress)
}

func seconds(t bgp.Micros) float64 { return float64(t) / 1e6 }

func bit(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (m *metrics) watched(out series, l *web.LiveStatus, now bgp.Micros) {
	for _, f := range l.Feeds {
		out.gauge(m.silent, bit(f.Silent), f.Name)
		if f.Last != 0 {
			out.gauge(m.age, seconds(now-f.Last), f.Name)
			out.gauge(m.lag, seconds(f.Lag), f.Name)
		}
		out.counter(m.messages, float64(f.Messages), f.Name)
		out.counter(m.octets, float64(f.Bytes), f.Name)
		out.counter(m.gaps, float64(f.Gaps), f.Name)
	}
	for _, p := range l.Peers {
		name := fmt.Sprintf("AS%d %s", p.Peer.AS, p.Peer.Addr)
		out.gauge(m.peerAge, seconds(now-p.Last), p.Peer.Collector, name)
		out.gauge(m.peerLag, seconds(p.Lag), p.Peer.Collector, name)
		out.counter(m.peerMessages, float64(p.Messages), p.Peer.Collector, name)
		out.gauge(m.peerUp, bit(p.State == "up"), p.Peer.Collector, name)
	}
	out.gauge(m.sessions, float64(l.Sessions))
	out.counter(m.commits, float64(l.Commits))
	out.counter(m.commitTime, seconds(l.CommitTime))
	out.counter(m.applyTime, seconds(l.ApplyTime))
	out.gauge(m.entries, float64(l.Entries))
	out.gauge(m.journal, float64(l.JournalBytes))
	out.gauge(m.segments, float64(l.SegmentBytes))
	out.gauge(m.segmentFiles, float64(l.Segments))
	known := l.Clock.State == "right" || l.Clock.State == "off"
	out.gauge(m.offsetKnown, bit(known))
	if known {
		out.gauge(m.offset, seconds(l.Clock.Offset))
	}
	if l.Disk.Known {
		out.gauge(m.diskFree, float64(l.Disk.Free))
		out.gauge(m.diskLow, bit(l.Disk.Low))
	}
	for _, c := range l.Faults {
		out.counter(m.faults, float64(c.N), c.Name)
	}
	for _, q := range l.Queues {
		out.gauge(m.memory, float64(q.Memory), q.Source)
		out.gauge(m.room, float64(q.Room), q.Source)
		out.gauge(m.disk, float64(q.Disk), q.Source)
		out.gauge(m.diskMax, float64(q.DiskMax), q.Source)
		out.counter(m.spilled, float64(q.Spilled), q.Source)
		out.counter(m.lost, float64(q.Lost), q.Source)
	}
}
