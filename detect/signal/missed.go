package signal

import "github.com/corewatch/corewatch/bgp"

// Missed says that, from an instant on, messages of a collector are known to be missed, and why: its connection broke, or the monitor did not
// run. Its sessions stop voting at once, and what they said before is unknown once it speaks again. A collector never heard of is passed over.
func (m *Monitor) Missed(name string, at bgp.Micros, why string) {
	c := m.byColl[name]
	if c == nil {
		return
	}
	c.missed, c.filling = true, false
	if c.feed != nil {
		c.feed.silent = true
	}
	if c.state == collectorSilent {
		return
	}
	c.state, c.since = collectorSilent, at
	m.revote(at, "messages of collector "+c.name+" are missed: it no longer votes", 0, c.peers...)
	m.fault(m.collectorEntity(c), c, at, "its messages are missed: "+why)
	m.read(at)
}
