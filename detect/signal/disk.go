package signal

import (
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// ownDisk is what a fault about the disk of the monitor itself is about.
var ownDisk = detect.Entity{Type: "monitor", Code: "disk"}

// SetDisk says from an instant on whether the disk that everything is kept on is nearly full: a monitor fault that says why. It moves nothing that is counted.
func (m *Monitor) SetDisk(low bool, why string, at bgp.Micros) {
	if low {
		m.engine.Fault(ownDisk, int64(at), why, detect.Context{Coverage: m.coverage(m.fams[0])})
		return
	}
	m.engine.FaultEnded(ownDisk, int64(at), "there is enough room again")
}
