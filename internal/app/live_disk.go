package app

import (
	"fmt"
	"syscall"

	"github.com/corewatch/corewatch/web"
)

// diskState is how much of the disk that everything is kept on is free, as a journal has it.
type diskState struct {
	Low   bool  `json:"low"`
	Free  int64 `json:"free_bytes"`
	Bound int64 `json:"bound_bytes"` // less is low
}

// diskEvery is how often the free disk is looked at.
const diskEvery = 10 * second

// lookAtDisk tells the journal when there is little room left, and when there is enough again: a quarter more than the bound. Where the disk is full the monitor
// stops (run); it is for this to be known before.
func (l *live) lookAtDisk() error {
	bound := int64(l.conf.Keep.FreeGiB) << 30
	if l.freeDisk == nil || bound == 0 || l.diskLooked != 0 && l.second-l.diskLooked < diskEvery {
		return nil
	}
	l.diskLooked = l.second
	free, _, err := l.freeDisk()
	if err != nil {
		if l.meter.live.Disk != (web.DiskStatus{}) || l.diskFailed == "" {
			l.logger.Warn().Err(err).Msg("nobody knows how much of the disk is free")
		}
		l.diskFailed, l.meter.live.Disk = err.Error(), web.DiskStatus{}
		return nil
	}
	l.diskFailed = ""
	now := diskState{Low: free < bound || l.diskLow && free < bound+bound/4, Free: free, Bound: bound}
	l.meter.live.Disk = web.DiskStatus{Known: true, Low: now.Low, Free: free, Bound: bound}
	if now.Low == l.diskLow {
		return nil
	}
	l.diskLow = now.Low
	if now.Low {
		l.logger.Error().Int64("free_bytes", free).Int64("bound_bytes", bound).Msg("the disk is nearly full: make room, or lower keep; when it is full the monitor stops, and hears nothing until there is room")
	} else {
		l.logger.Info().Int64("free_bytes", free).Msg("there is enough room on the disk again")
	}
	return l.tell(controlDisk, now)
}

func (d diskState) why() string {
	return fmt.Sprintf("%.1f GiB of the disk are free, less than %.1f", float64(d.Free)/(1<<30), float64(d.Bound)/(1<<30))
}

// freeDisk is how many octets the user that runs this may still write to the disk that a folder is on, and how many it has in all.
func freeDisk(dir string) (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(existing(dir), &st); err != nil {
		return 0, 0, fmt.Errorf("free disk: %w", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
