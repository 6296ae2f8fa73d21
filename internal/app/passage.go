package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/freeze"
)

// passage is one pass over the records of a run: from their beginning, or from where an earlier one was interrupted.
type passage struct {
	j      *journal
	merger *collect.Merger
	seeds  *seeder
	m      *signal.Monitor
	f      *follower
	first  bgp.Micros // time of the first record; 0 when there is none
	on     bool       // goes on from a checkpoint
	item   collect.Item
	end    bool // there is no next record
	done   bool // nor anything else to do
}

// begin makes a passage whose next record is known. It must be closed when the error is nil.
func (j *journal) begin(files []collect.File, opt collect.Options) (p *passage, err error) {
	p = &passage{j: j, seeds: &seeder{log: j.log}}
	c, err := j.keep.load()
	if err != nil {
		return nil, err
	}
	if c != nil {
		if err := p.resume(files, c); err != nil {
			p.close()
			return nil, err
		}
		return p, nil
	}
	p.merger = collect.NewMerger(files, opt)
	if len(j.seeds) > 0 {
		p.seeds.merger = collect.NewMerger(slices.Clone(j.seeds), collect.Options{OpenAll: true})
	}
	if err = p.next(); err == nil {
		if !p.end {
			p.first = p.item.Record.Time
		}
		var where signal.Places
		if where, err = j.places(timeOf(p.first)); err == nil {
			err = j.keep.start(p, where)
		}
		if err == nil {
			err = p.monitor(where)
			p.f = &follower{m: p.m, onTick: p.tick, paths: j.paths, routes: routeReader{paths: j.paths}}
		}
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// timeOf is the zero time for 0.
func timeOf(at bgp.Micros) (t time.Time) {
	if at != 0 {
		t = at.Time()
	}
	return t
}

// monitor makes the monitor, afresh, and has it recorded.
func (p *passage) monitor(where signal.Places) (err error) {
	j := p.j
	p.m, err = j.rec.monitor(signal.Options{
		Config: j.peers, Engine: j.engine, Data: j.data, Software: Software(),
		Places: where, Sources: sourceOf, KeepPaths: j.paths,
	})
	return err
}

// resume brings everything to where a checkpoint left it.
func (p *passage) resume(files []collect.File, c *checkpoint) error {
	j, at := p.j, &c.position
	p.first, p.on, p.done, p.seeds.past = at.First, true, at.Done, at.Seeds
	where, err := j.places(timeOf(at.First))
	if err != nil {
		return err
	}
	if err := j.keep.same(at, j.identity(where, at.First)); err != nil {
		return err
	}
	if p.merger, err = collect.Resume(files, at.Merge); err != nil {
		return err
	}
	if err := p.monitor(where); err != nil {
		return err
	}
	p.f = &follower{m: p.m, onTick: p.tick, paths: j.paths, routes: routeReader{paths: j.paths}, now: at.At, seq: at.Seq, count: at.Count}
	s := state{monitor: p.m, refs: j.rec.refs}
	err = c.thaw(j.keep.codec, &s)
	switch {
	case errors.Is(err, freeze.ErrLayout):
		err = j.keep.salvage(p, c)
	case err != nil:
		err = fmt.Errorf("%s: %w; %s", j.keep.path, err, again)
	default:
		j.rec.refs = s.refs
		err = j.keep.resumed(p, at)
	}
	if err == nil && !p.done {
		err = p.next()
	}
	return err
}

// next reads the next record.
func (p *passage) next() (err error) {
	p.item, err = p.merger.Next()
	if errors.Is(err, io.EOF) {
		p.end, err = true, nil
	}
	return err
}

func (p *passage) close() {
	if p.merger != nil {
		p.merger.Close()
	}
	if p.seeds.merger != nil {
		p.seeds.merger.Close()
	}
}

// tick is called after each tick of the follower.
func (p *passage) tick(now bgp.Micros) {
	p.j.rec.tick(now)
	if p.j.each != nil {
		p.j.each(p.m, now)
	}
}

// progress tells who watches how far it is.
func (p *passage) progress(now bgp.Micros) {
	if p.j.watch != nil {
		p.j.watch(p.merger.Counts().BytesDone+p.seeds.counts().BytesDone, now, p.f.count)
	}
}

// apply applies the next record, unless it lies outside the times asked for.
func (p *passage) apply(ctx context.Context) error {
	j, f, item := p.j, p.f, &p.item
	if at := item.Record.Time.Time(); (j.from.IsZero() || !at.Before(j.from)) && (j.until.IsZero() || at.Before(j.until)) {
		if f.now == 0 && !p.on {
			if err := p.seeds.seed(ctx, f, item.Record.Time, p.progress); err != nil {
				return err
			}
		}
		f.record(item.Record, item.Decoder, item.Input, len(j.seeds)+item.Index)
	} else if item.Record.Type == mrt.TypeTableDumpV2 { // a table from before --from still says who is who
		var c mrt.Content
		if err := item.Decoder.Decode(item.Record, &c); err != nil {
			f.bad(item.Input, err)
		}
	}
	return nil
}

// run applies the records to their end.
func (p *passage) run(ctx context.Context) error {
	looked := bgp.Micros(-1)
	for !p.end && (p.j.stop == 0 || p.item.Record.Time < p.j.stop) {
		if err := p.apply(ctx); err != nil {
			return err
		}
		if p.f.now != looked || p.f.seq%4096 == 0 {
			looked = p.f.now
			if p.j.rec.err != nil {
				return p.j.rec.err
			}
			if err := ctx.Err(); err != nil {
				return p.interrupted(err)
			}
			p.progress(p.f.now)
			if err := p.j.keep.look(p); err != nil {
				return err
			}
		}
		if err := p.next(); err != nil {
			return err
		}
	}
	if p.f.now != 0 { // else there was no record, or none between --from and --until: nothing is known, which is an answer
		p.f.tickTo(max(p.j.end, p.f.now+second))
		p.m.Engine().Finish(p.f.now.Time())
	}
	if err := p.j.rec.finish(p.f.now, p.files()); err != nil {
		return err
	}
	p.progress(p.f.now)
	p.done = true
	return p.j.keep.try(p)
}

// interrupted writes down where the passage stands.
func (p *passage) interrupted(why error) error {
	at := stamp(p.f.now)
	if p.j.keep == nil || p.f.now == 0 { // or there is nothing yet to go on from
		return fmt.Errorf("interrupted at %s: %w", at, why)
	}
	if err := p.j.keep.save(p); err != nil {
		return err
	}
	return fmt.Errorf("interrupted at %s; the same command goes on from there: %w", at, why)
}

// files are all inputs with what is known of each: seeds first, as messages number them.
func (p *passage) files() []collect.File {
	seeds := p.seeds.result()
	return append(seeds.files(), p.merger.Files()...)
}

// position is where the passage stands, behind the record applied last.
func (p *passage) position(run identity) position {
	return position{
		Software: Software(), Run: run, First: p.first, At: p.f.now, Seq: p.f.seq, Count: p.f.count,
		Merge: p.merger.Position(), Seeds: p.seeds.result(), Done: p.done,
	}
}
