package app

import (
	"context"
	"fmt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/store/sqlite"
)

// recorder keeps what a monitor finds in a store: each revision as it is made, with its members and the raw messages behind
// it; samples a batch at a time. Without a store it does nothing.
type recorder struct {
	ctx     context.Context
	store   *sqlite.Store
	own     bool // close it at the end
	data    detect.Data
	m       *signal.Monitor
	samples []detect.Sample
	refs    map[string]bool
	saved   func(*detect.Incident) error // told of each revision that is in the store; may be nil
	err     error                        // the first failure; what follows is not attempted
}

// sampleBatch is how many samples are written in one transaction.
const sampleBatch = 20_000

// newRecorder opens the store in dir; "" records nothing.
func newRecorder(ctx context.Context, dir string, data detect.Data) (*recorder, error) {
	r := recordInto(ctx, nil, data)
	if dir == "" {
		return r, nil
	}
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	r.store, r.own = s, true
	return r, nil
}

// recordInto records into a store that somebody else owns; nil records nothing. An interrupt is for who follows the records to notice,
// between two of them: a write that it made fail would be missing from the store, and the monitor would have gone on.
func recordInto(ctx context.Context, s *sqlite.Store, data detect.Data) *recorder {
	return &recorder{ctx: context.WithoutCancel(ctx), data: data, store: s, refs: map[string]bool{}}
}

func (r *recorder) on() bool { return r.store != nil }

// monitor makes a monitor and begins to record what it finds. One that records nothing is spared what only a record needs.
func (r *recorder) monitor(o signal.Options) (*signal.Monitor, error) {
	if o.KeepMessages = r.on(); !r.on() {
		r.m = signal.New(o)
		return r.m, nil
	}
	o.Sink = r.revision
	r.m = signal.New(o)
	r.m.OnSample = r.sample
	return r.m, r.store.SetMeta(r.ctx, "data", string(r.data))
}

// revision is the engine's sink, where there is a store.
func (r *recorder) revision(serial int, inc *detect.Incident, members []detect.Member) {
	if r.err != nil {
		return
	}
	if err := r.save(serial, inc, members); err != nil {
		r.err = fmt.Errorf("recording incident %s: %w", inc.ID, err)
	}
}

func (r *recorder) save(serial int, inc *detect.Incident, members []detect.Member) error {
	// The messages first: an incident never stands in the store without the evidence it names.
	if msgs := r.m.TakeMessages(serial); len(msgs) > 0 {
		if err := r.store.AppendMessages(r.ctx, inc.ID, msgs); err != nil {
			return err
		}
	}
	var fresh []detect.Reference
	for _, ref := range inc.References {
		if key := ref.Name + ref.SHA256; !r.refs[key] {
			r.refs[key] = true
			fresh = append(fresh, ref)
		}
	}
	if len(fresh) > 0 {
		if err := r.store.SaveReferences(r.ctx, fresh); err != nil {
			return err
		}
	}
	if err := r.store.SaveRevision(r.ctx, inc, members); err != nil || r.saved == nil {
		return err
	}
	return r.saved(inc)
}

func (r *recorder) sample(s detect.Sample) { r.samples = append(r.samples, s) }

// tick writes samples once there are enough of them, and the peers, at the latest every hour; of a live monitor, which somebody is looking at,
// every minute.
func (r *recorder) tick(now bgp.Micros) {
	if !r.on() || r.err != nil {
		return
	}
	every := 3600 * bgp.Second
	if r.data == detect.Live {
		every = 60 * bgp.Second
	}
	due := now%every == 0
	if len(r.samples) >= sampleBatch || due && len(r.samples) > 0 {
		r.flush()
	}
	if due && r.err == nil {
		if err := r.store.SavePeers(r.ctx, now, r.m.Peers()); err != nil {
			r.err = fmt.Errorf("recording peers: %w", err)
		}
	}
}

func (r *recorder) flush() {
	if err := r.store.AppendSamples(r.ctx, r.samples); err != nil {
		r.err = fmt.Errorf("recording samples: %w", err)
	}
	r.samples = r.samples[:0]
}

// finish writes what is left.
func (r *recorder) finish(now bgp.Micros, files []collect.File) error {
	if err := r.settle(files); err != nil || !r.on() {
		return err
	}
	r.err = r.store.SavePeers(r.ctx, now, r.m.Peers())
	return r.err
}

// settle writes what has come together, and the list of inputs: the store then holds all that was found up to now.
func (r *recorder) settle(files []collect.File) error {
	if !r.on() {
		return nil
	}
	if r.err == nil {
		r.flush()
	}
	return r.inputs(0, files)
}

// known is how many inputs the store has.
func (r *recorder) known() (int, error) {
	if !r.on() {
		return 0, nil
	}
	list, err := r.store.Inputs(r.ctx)
	return len(list), err
}

// inputs writes what is known of the inputs from number from on.
func (r *recorder) inputs(from int, files []collect.File) error {
	if r.on() && r.err == nil && len(files) > 0 {
		r.err = r.store.SaveInputsFrom(r.ctx, from, inputsOf(files))
	}
	return r.err
}

func inputsOf(files []collect.File) []bgp.Input {
	out := make([]bgp.Input, len(files))
	for i, f := range files {
		out[i] = f.Input
		src := sourceOf(f.Input.Collector)
		if src.Name != f.Input.Collector {
			out[i].Project = src.Name
		}
	}
	return out
}

func (r *recorder) close() error {
	if r.own && r.store != nil {
		return r.store.Close()
	}
	return nil
}
