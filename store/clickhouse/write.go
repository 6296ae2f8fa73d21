package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/corewatch/corewatch/detect"
)

// WriteRevisions writes revisions of a store in the order in which it stored them: first is the number of the first, the others follow one
// by one. Of an incident's revision that is there several times the one with the highest number stays. When it returns nil, the server has
// all of them.
func (s *Store) WriteRevisions(ctx context.Context, store string, first uint64, list []*detect.Incident) error {
	var (
		names, data, kind, state = lowCardinality(), lowCardinality(), lowCardinality(), lowCardinality()
		incident, entity, text   proto.ColStr
		revision                 proto.ColUInt32
		saved                    proto.ColUInt64
		severity                 proto.ColUInt8
		start, at                = proto.ColDateTime{Location: time.UTC}, proto.ColDateTime{Location: time.UTC}
		t                        = newToken(revisionTable, store)
	)
	for i, inc := range list {
		body, err := inc.JSON()
		if err != nil {
			return s.failure("incident "+inc.ID, err)
		}
		names.Append(store)
		incident.Append(inc.ID)
		revision.Append(uint32(inc.Revision))
		saved.Append(first + uint64(i))
		data.Append(string(inc.Data))
		kind.Append(string(inc.Kind))
		state.Append(string(inc.State))
		severity.Append(uint8(inc.Severity))
		entity.Append(inc.Entity.Key())
		start.Append(inc.Start.Time.UTC())
		at.Append(madeAt(inc))
		text.AppendBytes(body)
		t.number(first + uint64(i))
		t.text(string(body))
	}
	return s.insert(ctx, revisionTable, t, len(list), proto.Input{
		{Name: "store", Data: names},
		{Name: "incident", Data: &incident},
		{Name: "revision", Data: &revision},
		{Name: "saved", Data: &saved},
		{Name: "data", Data: data},
		{Name: "kind", Data: kind},
		{Name: "state", Data: state},
		{Name: "severity", Data: &severity},
		{Name: "entity", Data: &entity},
		{Name: "start", Data: &start},
		{Name: "at", Data: &at},
		{Name: "json", Data: &text},
	})
}

// madeAt is the event time of an incident's revision.
func madeAt(inc *detect.Incident) time.Time {
	for _, r := range inc.Revisions {
		if r.Revision == inc.Revision {
			return r.At.UTC()
		}
	}
	return inc.Start.Time.UTC()
}

// WriteSamples writes samples of a store. Of two with the same entity, signal and time the one of the higher generation stays. When it
// returns nil, the server has all of them.
func (s *Store) WriteSamples(ctx context.Context, store string, data detect.Data, generation uint64, list []detect.Sample) error {
	var (
		names, kind, entity, signal  = lowCardinality(), lowCardinality(), lowCardinality(), lowCardinality()
		at                           = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMicro).WithLocation(time.UTC)
		version                      proto.ColUInt64
		expected, lost, unobservable proto.ColInt64
		prefixes, lostPrefixes       proto.ColInt32
		voting                       proto.ColInt32
		noData                       proto.ColBool
		t                            = newToken(sampleTable, store)
	)
	t.text(string(data))
	t.number(generation)
	for i := range list {
		x := &list[i]
		names.Append(store)
		kind.Append(string(data))
		entity.Append(x.Entity)
		signal.Append(x.Signal)
		at.Append(x.At.UTC())
		version.Append(generation)
		expected.Append(x.Expected)
		lost.Append(x.Lost)
		unobservable.Append(x.Unobservable)
		prefixes.Append(x.Prefixes)
		lostPrefixes.Append(x.LostPrefixes)
		voting.Append(x.Voting)
		noData.Append(x.NoData)
		t.text(x.Entity)
		t.text(x.Signal)
		for _, v := range []int64{x.At.Micros(), x.Expected, x.Lost, x.Unobservable, int64(x.Prefixes), int64(x.LostPrefixes), int64(x.Voting)} {
			t.number(uint64(v))
		}
		if x.NoData {
			t.number(1)
		} else {
			t.number(0)
		}
	}
	return s.insert(ctx, sampleTable, t, len(list), proto.Input{
		{Name: "store", Data: names},
		{Name: "data", Data: kind},
		{Name: "entity", Data: entity},
		{Name: "signal", Data: signal},
		{Name: "at", Data: at},
		{Name: "generation", Data: &version},
		{Name: "expected", Data: &expected},
		{Name: "lost", Data: &lost},
		{Name: "unobservable", Data: &unobservable},
		{Name: "prefixes", Data: &prefixes},
		{Name: "lost_prefixes", Data: &lostPrefixes},
		{Name: "voting", Data: &voting},
		{Name: "no_data", Data: &noData},
	})
}

func lowCardinality() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }

// insert writes one block. The token makes the server drop a block that it has already: one whose acknowledgement was lost.
func (s *Store) insert(ctx context.Context, table string, t *token, rows int, in proto.Input) error {
	if rows == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.do(ctx, ch.Query{
		Body: "INSERT INTO " + s.in(table) + " " + in.Columns() + " VALUES", Input: in,
		Settings: []ch.Setting{
			{Key: "insert_deduplication_token", Value: t.sum(), Important: true},
			// Whatever the server's own settings: the token counts, and the answer comes when the block is stored.
			{Key: "insert_deduplicate", Value: "1", Important: true},
			{Key: "async_insert", Value: "0", Important: true},
		},
	})
	if err != nil {
		s.drop() // also when the server refused: Connect looks at the tables again
		return s.failure(fmt.Sprintf("writing %d rows of %s", rows, table), err)
	}
	return nil
}

// token is the name of a block: SHA-256 over the table and what stands in the block, each text with its length before it.
type token struct {
	h hash.Hash
	b []byte // not yet in h
}

func newToken(table, store string) *token {
	t := &token{h: sha256.New()}
	t.text(table)
	t.text(store)
	return t
}

func (t *token) text(s string) {
	t.number(uint64(len(s)))
	t.b = append(t.b, s...)
}

func (t *token) number(v uint64) {
	if len(t.b) > 4096 {
		t.flush()
	}
	t.b = binary.BigEndian.AppendUint64(t.b, v)
}

func (t *token) flush() {
	t.h.Write(t.b)
	t.b = t.b[:0]
}

func (t *token) sum() string {
	t.flush()
	return hex.EncodeToString(t.h.Sum(nil))
}
