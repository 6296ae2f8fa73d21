package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// maxRaw is the largest stored message in bytes. BGP messages end at 65,535 (RFC 8654); a RIB record of many peers is larger.
const maxRaw = 16 << 20

// Pages in which Messages reads: it never holds more, and holds no lock while the caller works.
const (
	pageRows  = 512
	pageBytes = 4 << 20
)

type peerKey struct {
	collector string
	as        uint32
	addr      netip.Addr
}

// AppendMessages stores raw messages as evidence of an incident; the incident itself may come later. Messages are kept in
// order of Seq. One that is there already is left as it is, and gives ErrConflict when it differs. A message that several
// incidents rest on is stored once.
func (s *Store) AppendMessages(ctx context.Context, incidentID string, messages []bgp.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := checkName("incident id", incidentID); err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	for i := range messages {
		if err := checkMessage(&messages[i]); err != nil {
			return fmt.Errorf("store %s: message %d of incident %s: %w", s.name, messages[i].Seq, incidentID, err)
		}
	}
	return s.write(ctx, "messages of incident "+incidentID, func(inner context.Context) error {
		if _, err := s.exec(inner, "INSERT INTO subject (incident) VALUES (?) ON CONFLICT DO NOTHING", incidentID); err != nil {
			return err
		}
		var subject int64
		if err := s.row(inner, "SELECT n FROM subject WHERE incident=?", []any{incidentID}, &subject); err != nil {
			return err
		}
		for part := messages; len(part) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(len(part), messagesAtOnce)
			if err := s.putMessages(inner, subject, part[:n]); err != nil {
				return err
			}
			part = part[n:]
		}
		return nil
	})
}

// messagesAtOnce is how many messages are hashed and sorted together.
const messagesAtOnce = 4096

func checkMessage(m *bgp.Message) error {
	switch {
	case m.Seq > math.MaxInt64:
		return fmt.Errorf("%w sequence number", ErrInvalid)
	case len(m.Raw) == 0 || len(m.Raw) > maxRaw:
		return fmt.Errorf("%w size: %d bytes, want 1 to %d", ErrInvalid, len(m.Raw), maxRaw)
	}
	return checkName("collector", m.Peer.Collector)
}

// evidenceWidth is the number of columns of an evidence row.
const evidenceWidth = 8

// putMessages stores messages. The caller is in a transaction.
func (s *Store) putMessages(ctx context.Context, subject int64, messages []bgp.Message) error {
	sums := make([][sha256.Size]byte, len(messages))
	order := make([]int, len(messages))
	rows := make([]any, 0, evidenceWidth*len(messages))
	for i := range messages {
		m := &messages[i]
		peer, err := s.peerRow(ctx, m.Peer)
		if err != nil {
			return err
		}
		sums[i], order[i] = sha256.Sum256(m.Raw), i
		rows = append(rows, subject, int64(m.Seq), int64(m.At), peer, int64(m.Source.File), m.Source.Offset, int64(m.Source.Length), sums[i][:])
	}
	// In the order of the index on digests, neighbours share its pages.
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(sums[a][:], sums[b][:]) })
	raws := make([]any, 0, 2*len(messages))
	for _, i := range order {
		raws = append(raws, sums[i][:], messages[i].Raw)
	}
	if _, err := s.insert(ctx, "INSERT INTO raw (sha256, body)", 2, "ON CONFLICT DO NOTHING", raws); err != nil {
		return err
	}
	n, err := s.insertRows(ctx, "INSERT INTO evidence (subject, seq, at, peer, file, offset, length, raw)",
		"(?,?,?,?,?,?,?,(SELECT n FROM raw WHERE sha256=?))", evidenceWidth, "ON CONFLICT DO NOTHING", rows)
	if err != nil || n == int64(len(messages)) {
		return err
	}
	// Some were there before: they must be the same.
	for ; len(rows) > 0; rows = rows[evidenceWidth:] {
		var same bool
		err := s.row(ctx, "SELECT at=?3 AND peer=?4 AND file=?5 AND offset=?6 AND length=?7 AND raw=(SELECT n FROM raw WHERE sha256=?8) FROM evidence WHERE subject=?1 AND seq=?2",
			rows[:evidenceWidth], &same)
		if err != nil {
			return err
		}
		if !same {
			return fmt.Errorf("message %d: its content %w", rows[1], ErrConflict)
		}
	}
	return nil
}

// peerRow finds or makes the row of a peer.
func (s *Store) peerRow(ctx context.Context, p bgp.Peer) (int64, error) {
	k := peerKey{p.Collector, p.AS, p.Addr}
	if n, ok := s.peers[k]; ok {
		return n, nil
	}
	addr := addrText(p.Addr)
	if _, err := s.exec(ctx, "INSERT INTO peer (collector, asn, addr) VALUES (?,?,?) ON CONFLICT DO NOTHING", p.Collector, int64(p.AS), addr); err != nil {
		return 0, err
	}
	var n int64
	if err := s.row(ctx, "SELECT n FROM peer WHERE collector=? AND asn=? AND addr=?", []any{p.Collector, int64(p.AS), addr}, &n); err != nil {
		return 0, err
	}
	s.peers[k] = n
	return n, nil
}

// addrText is an address as stored; the zero address is empty.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func parseAddr(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	return netip.ParseAddr(text)
}

// Messages gives the raw messages of an incident to yield, ordered by Seq, each verified against its digest, and returns how
// many it gave. An error of yield ends it and is returned. The caller may keep what it is given and use the store meanwhile.
// ErrNotFound when the store holds neither the incident nor messages of it.
func (s *Store) Messages(ctx context.Context, id string, yield func(bgp.Message) error) (n int, err error) {
	for after := int64(-1); ; {
		page, more, err := s.messagePage(ctx, id, after)
		if err != nil {
			return n, err
		}
		for i := range page {
			if err := yield(page[i]); err != nil {
				return n, err
			}
			n++
		}
		if !more {
			return n, nil
		}
		after = int64(page[len(page)-1].Seq)
	}
}

// messagePage reads messages with a sequence number above after; more says that there may be others.
func (s *Store) messagePage(ctx context.Context, id string, after int64) (page []bgp.Message, more bool, err error) {
	err = s.read(ctx, fmt.Sprintf("messages of incident %.80q", id), func(q querier) (err error) {
		var subject int64
		err = q.QueryRowContext(ctx, "SELECT n FROM subject WHERE incident=?", id).Scan(&subject)
		if errors.Is(err, sql.ErrNoRows) {
			return absent(q.QueryRowContext(ctx, "SELECT 0 FROM incident WHERE id=?", id).Scan(&subject))
		} else if err != nil {
			return err
		}
		rows, err := q.QueryContext(ctx, `SELECT e.seq, e.at, p.collector, p.asn, p.addr, e.file, e.offset, e.length, r.sha256, r.body
  FROM evidence e LEFT JOIN peer p ON p.n=e.peer LEFT JOIN raw r ON r.n=e.raw
  WHERE e.subject=? AND e.seq>? ORDER BY e.seq LIMIT ?`, subject, after, pageRows)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for size := 0; rows.Next(); {
			m, err := scanMessage(rows, id)
			if err != nil {
				return err
			}
			page = append(page, m)
			if size += len(m.Raw); size >= pageBytes || len(page) == pageRows {
				more = true
				return nil
			}
		}
		return rows.Err()
	})
	return page, more, err
}

// scanMessage reads and verifies one message.
func scanMessage(rows *sql.Rows, id string) (m bgp.Message, err error) {
	var seq, at, file, length int64
	var collector, addr sql.NullString
	var as sql.NullInt64
	var sum, body []byte
	if err := rows.Scan(&seq, &at, &collector, &as, &addr, &file, &m.Source.Offset, &length, &sum, &body); err != nil {
		return m, err
	}
	bad := func(text string) error {
		return &CorruptError{fmt.Sprintf("message %d of incident %s", seq, id), errors.New(text)}
	}
	if !collector.Valid || body == nil {
		return m, bad("its peer or its bytes are missing")
	}
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return m, bad("its bytes do not have their digest")
	}
	if m.Peer.Addr, err = parseAddr(addr.String); err != nil {
		return m, bad(err.Error())
	}
	if seq < 0 || !fits32(as.Int64) || !fits32(file) || !fits32(length) {
		return m, bad("a number is out of range")
	}
	m.Seq, m.At, m.Raw = uint64(seq), bgp.Micros(at), body
	m.Peer.Collector, m.Peer.AS = collector.String, uint32(as.Int64)
	m.Source.File, m.Source.Length = uint32(file), uint32(length)
	return m, nil
}

func fits32(v int64) bool { return v >= 0 && v <= math.MaxUint32 }
