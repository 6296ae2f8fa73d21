package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// reserved begins the keys of facts that the store keeps for itself.
const reserved = "store."

// peersAt is the key under which SavePeers notes its instant.
const peersAt = reserved + "peers_at"

// SetMeta stores a small fact of the run under a key, in place of the one before. Keys that begin with "store." are the
// store's own and are refused.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	if err := checkName("key", key); err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	if strings.HasPrefix(key, reserved) {
		return fmt.Errorf("store %s: %w key %s: %s is reserved", s.name, ErrInvalid, key, reserved)
	}
	if len(value) > maxJSON {
		return fmt.Errorf("store %s: fact %s: %w size: %d bytes", s.name, key, ErrInvalid, len(value))
	}
	return s.write(ctx, "fact "+key, func(ctx context.Context) error {
		_, err := s.exec(ctx, "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", key, value)
		return err
	})
}

// Meta reads a fact; ErrNotFound when it was never set.
func (s *Store) Meta(ctx context.Context, key string) (value string, err error) {
	err = s.read(ctx, fmt.Sprintf("fact %.80q", key), func(q querier) error {
		return absent(q.QueryRowContext(ctx, "SELECT value FROM meta WHERE key=?", key).Scan(&value))
	})
	return value, err
}

// count converts a counter to the signed form that SQLite has.
func count(v uint64) (int64, error) {
	if v > math.MaxInt64 {
		return 0, fmt.Errorf("%w counter %d", ErrInvalid, v)
	}
	return int64(v), nil
}

// counts converts several.
func counts(list ...uint64) ([]any, error) {
	out := make([]any, len(list))
	for i, v := range list {
		n, err := count(v)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// SaveInputs stores the list of inputs; the index is the position that bgp.Source.File refers to. The list may grow and its
// figures may change; a shorter list, or another name or collector at a position, gives ErrConflict, because stored messages
// would point elsewhere.
func (s *Store) SaveInputs(ctx context.Context, inputs []bgp.Input) error {
	return s.SaveInputsFrom(ctx, 0, inputs)
}

// SaveInputsFrom is SaveInputs for a list of which those before position from stand as they are: they must be there.
func (s *Store) SaveInputsFrom(ctx context.Context, from int, inputs []bgp.Input) error {
	return s.write(ctx, "inputs", func(ctx context.Context) error {
		var stored int
		if err := s.row(ctx, "SELECT coalesce(max(position)+1, 0) FROM input", nil, &stored); err != nil {
			return err
		}
		if n := from + len(inputs); from < 0 || stored > n || stored < from {
			return fmt.Errorf("a list of %d inputs, new from %d on, %w: %d (another run's store? use a new folder)", n, from, ErrConflict, stored)
		}
		for i := range inputs {
			in := &inputs[i]
			n, err := counts(in.Elems, in.Parsed, in.Skipped, in.Malformed)
			if err != nil {
				return fmt.Errorf("input %s: %w", in.Name, err)
			}
			res, err := s.exec(ctx, `INSERT INTO input (position, name, collector, project, sha256, bytes, format, elems, first, last, parsed, skipped, malformed)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (position) DO UPDATE SET project=excluded.project, sha256=excluded.sha256, bytes=excluded.bytes,
  format=excluded.format, elems=excluded.elems, first=excluded.first, last=excluded.last, parsed=excluded.parsed, skipped=excluded.skipped,
  malformed=excluded.malformed WHERE name=excluded.name AND collector=excluded.collector`,
				from+i, in.Name, in.Collector, in.Project, in.SHA256, in.Bytes, in.Format, n[0], int64(in.First), int64(in.Last), n[1], n[2], n[3])
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				return fmt.Errorf("input %s at position %d %w (another run's store? use a new folder)", in.Name, from+i, ErrConflict)
			}
		}
		return nil
	})
}

// Inputs lists the inputs by position.
func (s *Store) Inputs(ctx context.Context) ([]bgp.Input, error) {
	return list(ctx, s, "inputs", `SELECT position, name, collector, project, sha256, bytes, format, elems, first, last, parsed, skipped, malformed
  FROM input ORDER BY position`, func(rows *sql.Rows, i int) (in bgp.Input, err error) {
		var position int
		var n [4]int64
		var first, last int64
		err = rows.Scan(&position, &in.Name, &in.Collector, &in.Project, &in.SHA256, &in.Bytes, &in.Format, &n[0], &first, &last, &n[1], &n[2], &n[3])
		if err != nil {
			return in, err
		}
		if position != i || min(n[0], n[1], n[2], n[3]) < 0 {
			return in, &CorruptError{fmt.Sprintf("input %d", position), errors.New("positions have a gap or a counter is negative")}
		}
		in.First, in.Last = bgp.Micros(first), bgp.Micros(last)
		in.Elems, in.Parsed, in.Skipped, in.Malformed = uint64(n[0]), uint64(n[1]), uint64(n[2]), uint64(n[3])
		return in, nil
	})
}

// SavePeers stores the state of all peers at an instant, in place of the list before.
func (s *Store) SavePeers(ctx context.Context, at bgp.Micros, peers []bgp.PeerStatus) error {
	return s.write(ctx, "peers", func(ctx context.Context) error {
		if _, err := s.exec(ctx, "DELETE FROM peer_status"); err != nil {
			return err
		}
		if _, err := s.exec(ctx, "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", peersAt, fmt.Sprint(int64(at))); err != nil {
			return err
		}
		for i := range peers {
			p := &peers[i]
			n, err := counts(p.Messages, p.Withdrawals, p.Duplicates)
			if err != nil {
				return fmt.Errorf("peer %s: %w", p.Peer, err)
			}
			_, err = s.exec(ctx, `INSERT OR REPLACE INTO peer_status (collector, asn, addr, at, state, since, last_message, messages, withdrawals, duplicates,
  known_v4, known_v6, full_feed, faults, note) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
				p.Peer.Collector, int64(p.Peer.AS), addrText(p.Peer.Addr), int64(at), p.State, int64(p.Since), int64(p.LastMessage),
				n[0], n[1], n[2], p.KnownV4, p.KnownV6, p.FullFeed, p.Faults, p.Note)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Peers lists the last known state of every peer, ordered by collector, AS number and address.
func (s *Store) Peers(ctx context.Context) ([]bgp.PeerStatus, error) {
	return list(ctx, s, "peers", `SELECT collector, asn, addr, state, since, last_message, messages, withdrawals, duplicates,
  known_v4, known_v6, full_feed, faults, note FROM peer_status ORDER BY collector, asn, addr`, func(rows *sql.Rows, _ int) (p bgp.PeerStatus, err error) {
		var as, since, last int64
		var n [3]int64
		var addr string
		err = rows.Scan(&p.Peer.Collector, &as, &addr, &p.State, &since, &last, &n[0], &n[1], &n[2], &p.KnownV4, &p.KnownV6, &p.FullFeed, &p.Faults, &p.Note)
		if err != nil {
			return p, err
		}
		bad := &CorruptError{fmt.Sprintf("peer %s/AS%d/%s", p.Peer.Collector, as, addr), errors.New("a number is out of range")}
		if !fits32(as) || min(n[0], n[1], n[2]) < 0 {
			return p, bad
		}
		if p.Peer.Addr, err = parseAddr(addr); err != nil {
			bad.Err = err
			return p, bad
		}
		p.Peer.AS, p.Since, p.LastMessage = uint32(as), bgp.Micros(since), bgp.Micros(last)
		p.Messages, p.Withdrawals, p.Duplicates = uint64(n[0]), uint64(n[1]), uint64(n[2])
		return p, nil
	})
}

// PeersAt is the instant of the list that Peers gives; ErrNotFound when none was saved.
func (s *Store) PeersAt(ctx context.Context) (at bgp.Micros, err error) {
	text, err := s.Meta(ctx, peersAt)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscan(text, &at); err != nil {
		return 0, &CorruptError{"fact " + peersAt, err}
	}
	return at, nil
}

// UsedReference is a reference table that incidents of this store rest on. VintageGapDays is that of the last use.
type UsedReference struct {
	detect.Reference
	FirstUsed bgp.Micros // wall-clock time at which this store first met it
}

// SaveReferences notes the vintages that were used. One that is known keeps its first-used time.
func (s *Store) SaveReferences(ctx context.Context, refs []detect.Reference) error {
	return s.write(ctx, "references", func(ctx context.Context) error {
		now := int64(bgp.MicrosOf(s.clock()))
		for _, r := range refs {
			if err := checkName("reference", r.Name); err != nil {
				return err
			}
			_, err := s.exec(ctx, `INSERT INTO reference (name, vintage, sha256, quality, gap_days, first_used) VALUES (?,?,?,?,?,?)
  ON CONFLICT (name, vintage, sha256) DO UPDATE SET quality=excluded.quality, gap_days=excluded.gap_days`,
				r.Name, r.Vintage, r.SHA256, r.Quality, r.Gap(), now)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// References lists the vintages used, ordered by name, vintage and digest.
func (s *Store) References(ctx context.Context) ([]UsedReference, error) {
	return list(ctx, s, "references", `SELECT name, vintage, sha256, quality, gap_days, first_used FROM reference ORDER BY name, vintage, sha256`,
		func(rows *sql.Rows, _ int) (r UsedReference, err error) {
			var first int64
			var gap int
			err = rows.Scan(&r.Name, &r.Vintage, &r.SHA256, &r.Quality, &gap, &first)
			r.FirstUsed = bgp.Micros(first)
			if r.Vintage != "" {
				r.VintageGapDays = &gap
			}
			return r, err
		})
}

// list reads all rows of a query.
func list[T any](ctx context.Context, s *Store, what, text string, scan func(rows *sql.Rows, i int) (T, error)) (out []T, err error) {
	err = s.read(ctx, what, func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			v, err := scan(rows, len(out))
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
