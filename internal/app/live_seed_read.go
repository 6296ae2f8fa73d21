package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// read fetches the newest dump and queues its records, between the events that say so. damage is what could not be read of it.
func (t *risTables) read(ctx context.Context, collector string, since time.Time) (name string, damage, err error) {
	f, err := t.archive.TableBefore(ctx, collector, t.clock().Add(-tableLate), tableAge)
	switch {
	case err != nil:
		return "", nil, err
	case f == nil:
		return "", nil, fmt.Errorf("the archive has none of the last %.0f hours", tableAge.Hours())
	case f.Time.Before(since):
		return "", nil, fmt.Errorf("the archive's newest is of %s, and the collector was heard until %s", f.Time.Format("15:04"), since.UTC().Format("15:04"))
	}
	path, err := t.archive.Fetch(ctx, *f)
	if err != nil {
		return "", nil, err
	}
	defer t.archive.Remove(*f)
	file, err := mrt.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	about := &collectorTable{collector, f.Name, tableBegins}
	if !t.put(ctx, received{collector: collector, table: about}) {
		return "", nil, ctx.Err()
	}
	n, damage := t.records(ctx, collector, file)
	end := &collectorTable{collector, f.Name, tableWhole}
	if n == 0 || damage != nil {
		end.State = tableBroken
	}
	if !t.put(ctx, received{collector: collector, table: end}) {
		return "", nil, ctx.Err()
	}
	if n == 0 {
		return "", nil, fmt.Errorf("%s holds no table", f.Name)
	}
	return f.Name, damage, nil
}

// records queues the records of a dump that are wanted. Others than of TABLE_DUMP_V2 have no place in one.
func (t *risTables) records(ctx context.Context, collector string, file io.Reader) (n int, damage error) {
	var dec mrt.Decoder
	var c mrt.Content
	for r := mrt.NewReader(file); ; {
		rec, err := r.Next()
		var torn *mrt.TornError
		switch {
		case errors.Is(err, io.EOF):
			return n, damage
		case errors.As(err, &torn):
			damage = err
			continue
		case err != nil:
			return n, err
		case rec.Type != mrt.TypeTableDumpV2:
			damage = errors.New("it holds other records than those of a table")
			continue
		}
		if t.cover != nil && dec.Decode(rec, &c) == nil && c.Kind != mrt.PeerIndex && (c.Kind != mrt.RIBEntries || !t.cover.has(c.RIB.Prefix)) {
			continue
		}
		if n++; !t.put(ctx, received{collector: collector, raw: bytes.Clone(rec.Raw)}) {
			return n, ctx.Err()
		}
	}
}

// cover is a set of prefixes with all that lies in them.
type cover struct {
	lengths [2][]int // of IPv4 and IPv6 prefixes in it
	in      map[bgp.Prefix]bool
}

// newCover is nil for an empty list: everything.
func newCover(list []string) *cover {
	if len(list) == 0 {
		return nil
	}
	c := &cover{in: map[bgp.Prefix]bool{}}
	for _, text := range list {
		if p, err := bgp.ParsePrefix(text); err == nil {
			c.in[p] = true
			if of := &c.lengths[family(p)]; !slices.Contains(*of, p.Len()) {
				*of = append(*of, p.Len())
			}
		}
	}
	return c
}

func family(p bgp.Prefix) int {
	if p.IsV6() {
		return 1
	}
	return 0
}

func (c *cover) has(p bgp.Prefix) bool {
	return slices.ContainsFunc(c.lengths[family(p)], func(n int) bool { return n <= p.Len() && c.in[p.Shorten(n)] })
}
