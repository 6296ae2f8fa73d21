package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	order "github.com/corewatch/corewatch/bgp/journal"
)

// An anchor is a checkpoint from which the journal can be followed when what stands before it is given up (docs/decisions/043-retention.md).
type anchor struct {
	At   bgp.Micros `json:"at"`
	Base order.Base `json:"base"`
}

// anchorPrefix begins the name of an anchor's file in the folder of the log; the number of the first file of the journal behind it follows.
const anchorPrefix = "anchor-"

func anchorFile(dir string, b order.Base) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d", anchorPrefix, b.File))
}

// keptParts is how many anchors lie within what is to be kept: so much of it, at most, is kept longer than asked for.
const keptParts = 4

// anchorDue reports whether the next checkpoint is to be one from which the journal can begin.
func (l *live) anchorDue() bool {
	since, weight := l.origin, int64(0)
	if n := len(l.anchors); n > 0 {
		since, weight = l.anchors[n-1].At, l.weightThen
	}
	age := bgp.Micros(l.conf.Keep.Days) * 86400 * second / keptParts
	return l.f.now-since >= age || l.weight()-weight >= int64(l.conf.Keep.GiB)<<30/keptParts
}

// weight is how many octets the log takes on the disk, without its anchors.
func (l *live) weight() int64 { return l.meter.live.SegmentBytes + l.meter.live.JournalBytes }

// anchored notes that the checkpoint just written is an anchor, too.
func (l *live) anchored(b order.Base) error {
	path := anchorFile(filepath.Dir(l.kept), b)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("anchor: %w", err)
	}
	if err := os.Link(l.kept, path); err != nil { // the checkpoint is replaced under its name, never written to
		return fmt.Errorf("anchor: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// retain gives up what is older than is to be kept, and what is too much. Everything from the anchor before on goes at once, and the last anchor's part stays.
// What incidents rest on is in the store since they were suspected: it is no part of this.
func (l *live) retain() error {
	dir := filepath.Dir(l.kept)
	held := l.heldFrom()
	for len(l.anchors) > 0 {
		next := l.anchors[0]
		if next.Base.Entries <= l.log.Journal().Base().Entries { // where the journal begins already
			if len(l.anchors) == 1 {
				return nil
			}
			next = l.anchors[1]
		}
		old := l.f.now-next.At >= bgp.Micros(l.conf.Keep.Days)*86400*second
		if !old && l.weight()+l.anchorBytes() <= int64(l.conf.Keep.GiB)<<30 {
			return nil
		}
		if next.At > held {
			l.sayHeld(held)
			return nil
		}
		n := next.Base.Inputs - l.base
		names := make([]string, n)
		for i := range names {
			names[i] = l.inputs[i].Name
		}
		if err := l.log.Prune(next.Base, names); err != nil {
			return err
		}
		l.logger.Info().Int("segments", n).Msgf("what was received before %s is given up, as keep says", stamp(next.At))
		l.inputs, l.base = l.inputs[n:], next.Base.Inputs
		l.dirty = max(l.dirty, l.base) // the store was told before
		if l.anchors[0] != next {
			if err := os.Remove(anchorFile(dir, l.anchors[0].Base)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("anchor: %w", err)
			}
			l.anchors = l.anchors[1:]
		}
		if err := l.weigh(); err != nil {
			return err
		}
	}
	return nil
}

func (l *live) anchorBytes() (n int64) {
	for _, a := range l.anchors {
		if st, err := os.Stat(anchorFile(filepath.Dir(l.kept), a.Base)); err == nil {
			n += st.Size()
		}
	}
	return n
}

// dropAnchors forgets anchors of before the journal begins, which were given up after the checkpoint, and removes the files of those that nobody knows of: the
// machine stopped while they were made or given up.
func (l *live) dropAnchors() error {
	dir, base := filepath.Dir(l.kept), l.log.Journal().Base()
	l.anchors = slices.DeleteFunc(l.anchors, func(a anchor) bool { return a.Base.Entries < base.Entries })
	known := map[string]bool{filepath.Base(anchorFile(dir, base)): true}
	for _, a := range l.anchors {
		known[filepath.Base(anchorFile(dir, a.Base))] = true
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), anchorPrefix) && !known[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("anchor: %w", err)
			}
		}
	}
	return nil
}
