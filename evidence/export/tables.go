package export

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// How much of the signal before the start and after the end is exported.
const (
	before = 2 * time.Hour
	after  = time.Hour
)

// signals adds signals.csv: the stored samples of the incident's entity, both address families and whatever else it read.
func (b *builder) signals() error {
	names := []string{"bgp.v4", "bgp.v6"}
	for _, s := range b.inc.Signals {
		names = append(names, s.Signal)
	}
	slices.Sort(names)
	from, until := b.window()
	t := b.newTable("data/working/signals.csv", "entity", "signal", "time", "expected", "lost", "unobservable", "prefixes", "lost_prefixes", "voting", "no_data")
	for _, name := range slices.Compact(names) {
		samples, err := b.src.Samples(b.ctx, b.inc.Entity.Key(), name, from, until)
		if err != nil {
			return fmt.Errorf("reading samples of %s: %w", name, err)
		}
		if b.samples += len(samples); b.samples > b.limits.Samples {
			return fmt.Errorf("it has more than %d samples, the limit", b.limits.Samples)
		}
		samples = slices.Clone(samples)
		slices.SortStableFunc(samples, func(x, y detect.Sample) int { return x.At.Compare(y.At.Time) })
		b.series = append(b.series, samples...)
		for _, s := range samples {
			err := t.add(s.Entity, s.Signal, s.At.String(), strconv.FormatInt(s.Expected, 10), strconv.FormatInt(s.Lost, 10), strconv.FormatInt(s.Unobservable, 10),
				strconv.Itoa(int(s.Prefixes)), strconv.Itoa(int(s.LostPrefixes)), strconv.Itoa(int(s.Voting)), strconv.FormatBool(s.NoData))
			if err != nil {
				return err
			}
		}
	}
	return t.done()
}

// window is the time that signals.csv covers. An incident without an end is taken up to the last thing known about it.
func (b *builder) window() (from, until time.Time) {
	i := b.inc
	start := i.Start.Earliest
	if start.IsZero() {
		start = i.Start.Time
	}
	end := start
	later := func(t detect.Time) {
		if t.After(end.Time) {
			end = t
		}
	}
	if i.End != nil {
		later(i.End.Time)
		later(i.End.Latest)
	} else {
		later(i.OpenAt)
		later(i.ClosedAt)
		later(lastChange(i))
	}
	return start.Add(-before), end.Add(after)
}

// inputTable adds inputs.csv: every file and stream of the run, in the run's order, which sources.csv points into by name.
func (b *builder) inputTable() error {
	if len(b.inputs) > b.limits.Inputs {
		return fmt.Errorf("the run read %d inputs, more than the limit of %d", len(b.inputs), b.limits.Inputs)
	}
	t := b.newTable("data/working/inputs.csv", "name", "collector", "project", "sha256", "bytes", "format", "first", "last", "parsed", "skipped", "malformed", "elems")
	for n, in := range b.inputs {
		if err := localName(in.Name); err != nil {
			return fmt.Errorf("input %d: %w", n, err)
		}
		u := func(v uint64) string { return strconv.FormatUint(v, 10) }
		err := t.add(in.Name, in.Collector, in.Project, in.SHA256, strconv.FormatInt(in.Bytes, 10), in.Format,
			instant(in.First), instant(in.Last), u(in.Parsed), u(in.Skipped), u(in.Malformed), u(in.Elems))
		if err != nil {
			return err
		}
	}
	return t.done()
}

// localName refuses names that tell where on a machine a file lay: a bundle is handed to strangers.
func localName(name string) error {
	drive := len(name) > 1 && name[1] == ':'
	if path.IsAbs(name) || drive || strings.Contains(name, `\`) || slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("name %q is a path of a machine; want one relative to the folder that was read", cell(name))
	}
	return nil
}

// peers adds peers.csv: the sessions of the run as last known, ordered by code.
func (b *builder) peers() error {
	peers, err := b.src.Peers(b.ctx)
	if err != nil {
		return fmt.Errorf("reading the peers: %w", err)
	}
	if len(peers) > b.limits.Peers {
		return fmt.Errorf("the run saw %d peers, more than the limit of %d", len(peers), b.limits.Peers)
	}
	peers = slices.Clone(peers)
	slices.SortStableFunc(peers, func(x, y bgp.PeerStatus) int {
		return cmp.Or(cmp.Compare(x.Peer.Collector, y.Peer.Collector), cmp.Compare(x.Peer.AS, y.Peer.AS), x.Peer.Addr.Compare(y.Peer.Addr))
	})
	t := b.newTable("data/working/peers.csv", "peer", "state", "since", "last_message", "messages", "withdrawals", "duplicates", "known_v4", "known_v6", "full_feed", "faults", "note")
	for _, p := range peers {
		u := func(v uint64) string { return strconv.FormatUint(v, 10) }
		err := t.add(p.Peer.String(), p.State, instant(p.Since), instant(p.LastMessage), u(p.Messages), u(p.Withdrawals), u(p.Duplicates),
			strconv.Itoa(p.KnownV4), strconv.Itoa(p.KnownV6), strconv.FormatBool(p.FullFeed), strconv.Itoa(p.Faults), p.Note)
		if err != nil {
			return err
		}
	}
	return t.done()
}

// instant is a record time with all its digits; empty when absent.
func instant(m bgp.Micros) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format("2006-01-02T15:04:05.000000Z")
}
