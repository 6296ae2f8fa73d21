package signal

import (
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// Reconfigure goes on with other numbers, or as other software, from the present instant on, between two messages: see
// detect.Engine.Reconfigure. What the numbers about peers and votes move is our own bookkeeping: it opens nothing. With the numbers and
// the software it has it does nothing.
func (m *Monitor) Reconfigure(c Config, engine detect.Config, software string) {
	m.engine.Reconfigure(engine, software, configDigest(c, engine))
	if c == m.cfg {
		return
	}
	m.cfg = c
	at := max(m.now, m.cur.At)
	m.quietly(at, "the configuration changed", func() {
		for _, f := range m.fams {
			m.countVotes(f)
			f.recountAll(m, at)
		}
	})
}

// configDigest is the digest of everything that decides.
func configDigest(c Config, engine detect.Config) string {
	return engine.Digest(c, visibility.Defaults())
}
