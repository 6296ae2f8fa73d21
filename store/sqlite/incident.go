package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/corewatch/corewatch/detect"
)

// memberPart is how many members share a row; it bounds what one read decompresses.
const memberPart = 1024

// SaveRevision stores an incident's state: as its last state, as the revision it says it is, and with its members, which
// replace those before. All of it in one transaction. The same revision may be stored again, and then the later content
// stays. Once a higher one is stored, a lower one is stored no more: it changes nothing when it is what was stored as that
// revision (a run that goes on from a checkpoint repeats what it did since), and gives *StaleRevisionError when it is not.
func (s *Store) SaveRevision(ctx context.Context, inc *detect.Incident, members []detect.Member) error {
	what, text, parts, err := prepareRevision(inc, members)
	if err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	return s.write(ctx, what, func(ctx context.Context) error {
		n, err := s.putIncident(ctx, inc, text)
		var stale *StaleRevisionError
		if errors.As(err, &stale) && s.repeats(ctx, inc, text) {
			return nil
		}
		if err != nil {
			return err
		}
		body := encoder().EncodeAll(text, nil)
		_, err = s.exec(ctx, `INSERT INTO revision (incident, revision, crc, body) VALUES (?,?,?,?)
  ON CONFLICT (incident, revision) DO UPDATE SET crc=excluded.crc, body=excluded.body`,
			n, inc.Revision, checksum(body, inc.ID, strconv.Itoa(inc.Revision)), body)
		if err != nil {
			return err
		}
		if err := s.noteSaved(ctx, n, inc.Revision); err != nil {
			return err
		}
		if _, err := s.exec(ctx, "DELETE FROM member WHERE incident=?", n); err != nil {
			return err
		}
		for i, p := range parts {
			_, err := s.exec(ctx, "INSERT INTO member (incident, part, count, crc, body) VALUES (?,?,?,?,?)",
				n, i, p.count, checksum(p.body, inc.ID, strconv.Itoa(i)), p.body)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// repeats reports whether a revision is stored with this very text.
func (s *Store) repeats(ctx context.Context, inc *detect.Incident, text []byte) bool {
	var crc int64
	var body []byte
	err := s.row(ctx, "SELECT r.crc, r.body FROM incident i JOIN revision r ON r.incident=i.n WHERE i.id=? AND r.revision=?", []any{inc.ID, inc.Revision}, &crc, &body)
	if err != nil || checksum(body, inc.ID, strconv.Itoa(inc.Revision)) != crc {
		return false
	}
	stored, err := jsonDecoder().DecodeAll(body, nil)
	return err == nil && bytes.Equal(stored, text)
}

// packedPart is a row of member, ready to be stored.
type packedPart struct {
	count int
	body  []byte
}

// prepareRevision checks and encodes before the transaction begins, so that other writers do not wait for it.
func prepareRevision(inc *detect.Incident, members []detect.Member) (what string, text []byte, parts []packedPart, err error) {
	if inc == nil {
		return "", nil, nil, fmt.Errorf("%w incident: nil", ErrInvalid)
	}
	if err := checkName("incident id", inc.ID); err != nil {
		return "", nil, nil, err
	}
	what = fmt.Sprintf("incident %s revision %d", inc.ID, inc.Revision)
	switch {
	case inc.V != detect.SchemaVersion:
		return "", nil, nil, fmt.Errorf("%s: %w v %d: want %d", what, ErrInvalid, inc.V, detect.SchemaVersion)
	case inc.Revision < 1:
		return "", nil, nil, fmt.Errorf("%s: %w revision: they count from 1", what, ErrInvalid)
	case inc.Start.Time.IsZero():
		return "", nil, nil, fmt.Errorf("%s: %w start: absent", what, ErrInvalid)
	}
	if text, err = inc.JSON(); err != nil {
		return "", nil, nil, err
	}
	if len(text) > maxJSON {
		return "", nil, nil, fmt.Errorf("%s: %w size: %d bytes of JSON", what, ErrInvalid, len(text))
	}
	for len(members) > 0 {
		n := min(len(members), memberPart)
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		for i := range members[:n] {
			if err := e.Encode(&members[i]); err != nil {
				return "", nil, nil, fmt.Errorf("%s: member %s: %w", what, members[i].Prefix, err)
			}
		}
		if b.Len() > maxJSON {
			return "", nil, nil, fmt.Errorf("%s: %w size: %d bytes of %d members", what, ErrInvalid, b.Len(), n)
		}
		parts = append(parts, packedPart{n, encoder().EncodeAll(b.Bytes(), nil)})
		members = members[n:]
	}
	return what, text, parts, nil
}

// putIncident writes the last state and returns its row.
func (s *Store) putIncident(ctx context.Context, inc *detect.Incident, text []byte) (n int64, err error) {
	var stored int
	err = s.row(ctx, "SELECT n, revision FROM incident WHERE id=?", []any{inc.ID}, &n, &stored)
	args := []any{
		inc.Revision, string(inc.Data), string(inc.Kind), string(inc.State), inc.Severity, inc.Entity.Key(),
		inc.Start.Time.Unix(), checksum(text, inc.ID), string(text), inc.ID,
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		res, err := s.exec(ctx, `INSERT INTO incident (revision, data, kind, state, severity, entity, start, crc, json, id)
  VALUES (?,?,?,?,?,?,?,?,?,?)`, args...)
		if err != nil {
			return 0, err
		}
		return res.LastInsertId()
	case err != nil:
		return 0, err
	case inc.Revision < stored:
		return 0, &StaleRevisionError{ID: inc.ID, Revision: inc.Revision, Stored: stored}
	}
	_, err = s.exec(ctx, `UPDATE incident SET revision=?, data=?, kind=?, state=?, severity=?, entity=?, start=?, crc=?, json=? WHERE id=?`, args...)
	return n, err
}

// incidentColumns is the order in which incidentRow scans.
const incidentColumns = "id, revision, data, kind, state, severity, entity, start, crc, json"

// incidentRow is a row of incident.
type incidentRow struct {
	id, data, kind, state, entity, json string
	revision, severity                  int
	start, crc                          int64
}

func (r *incidentRow) scan(scan func(...any) error) error {
	return scan(&r.id, &r.revision, &r.data, &r.kind, &r.state, &r.severity, &r.entity, &r.start, &r.crc, &r.json)
}

// verify parses the JSON and compares it with the columns.
func (r *incidentRow) verify() (*detect.Incident, error) {
	bad := func(err error) error { return &CorruptError{"incident " + r.id, err} }
	if checksum([]byte(r.json), r.id) != r.crc {
		return nil, bad(errors.New("its checksum does not match"))
	}
	inc := &detect.Incident{}
	if err := json.Unmarshal([]byte(r.json), inc); err != nil {
		return nil, bad(err)
	}
	if inc.ID != r.id || inc.Revision != r.revision || string(inc.Data) != r.data || string(inc.Kind) != r.kind ||
		string(inc.State) != r.state || inc.Severity != r.severity || inc.Entity.Key() != r.entity || inc.Start.Time.Unix() != r.start {
		return nil, bad(errors.New("its JSON and its columns differ"))
	}
	return inc, nil
}

// Incident reads the last state of an incident; ErrNotFound when there is none.
func (s *Store) Incident(ctx context.Context, id string) (inc *detect.Incident, err error) {
	err = s.read(ctx, fmt.Sprintf("incident %.80q", id), func(q querier) error {
		var r incidentRow
		err := r.scan(q.QueryRowContext(ctx, "SELECT "+incidentColumns+" FROM incident WHERE id=?", id).Scan)
		if err != nil {
			return absent(err)
		}
		inc, err = r.verify()
		return err
	})
	return inc, err
}

// absent turns the driver's "no rows" into ErrNotFound.
func absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Revision reads an incident as revision n left it; ErrNotFound when that revision was not stored.
func (s *Store) Revision(ctx context.Context, id string, n int) (inc *detect.Incident, err error) {
	err = s.read(ctx, fmt.Sprintf("incident %.80q revision %d", id, n), func(q querier) error {
		var crc int64
		var body []byte
		err := q.QueryRowContext(ctx, `SELECT r.crc, r.body FROM incident i JOIN revision r ON r.incident=i.n
  WHERE i.id=? AND r.revision=?`, id, n).Scan(&crc, &body)
		if err != nil {
			return absent(err)
		}
		inc, err = verifyRevision(id, n, crc, body)
		return err
	})
	return inc, err
}

func verifyRevision(id string, n int, crc int64, body []byte) (*detect.Incident, error) {
	bad := func(err error) error { return &CorruptError{fmt.Sprintf("revision %d of incident %s", n, id), err} }
	if checksum(body, id, strconv.Itoa(n)) != crc {
		return nil, bad(errors.New("its checksum does not match"))
	}
	text, err := jsonDecoder().DecodeAll(body, nil)
	if err != nil {
		return nil, bad(err)
	}
	inc := &detect.Incident{}
	if err := json.Unmarshal(text, inc); err != nil {
		return nil, bad(err)
	}
	if inc.ID != id || inc.Revision != n {
		return nil, bad(fmt.Errorf("it says it is revision %d of %q", inc.Revision, inc.ID))
	}
	return inc, nil
}

// Members reads the members of an incident's last state, in the order in which they were given; ErrNotFound when there is no
// such incident.
func (s *Store) Members(ctx context.Context, id string) (list []detect.Member, err error) {
	err = s.read(ctx, fmt.Sprintf("members of incident %.80q", id), func(q querier) (err error) {
		var n int64
		if err := q.QueryRowContext(ctx, "SELECT n FROM incident WHERE id=?", id).Scan(&n); err != nil {
			return absent(err)
		}
		rows, err := q.QueryContext(ctx, "SELECT part, count, crc, body FROM member WHERE incident=? ORDER BY part", n)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for want := 0; rows.Next(); want++ {
			var part, count int
			var crc int64
			var body sql.RawBytes
			if err := rows.Scan(&part, &count, &crc, &body); err != nil {
				return err
			}
			got, err := verifyMembers(id, part, count, crc, body)
			if err == nil && part != want {
				err = &CorruptError{"members of incident " + id, fmt.Errorf("part %d is missing", want)}
			}
			if err != nil {
				return err
			}
			list = append(list, got...)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func verifyMembers(id string, part, count int, crc int64, body []byte) ([]detect.Member, error) {
	bad := func(err error) error {
		return &CorruptError{fmt.Sprintf("members, part %d, of incident %s", part, id), err}
	}
	if checksum(body, id, strconv.Itoa(part)) != crc {
		return nil, bad(errors.New("its checksum does not match"))
	}
	if count < 1 || count > memberPart {
		return nil, bad(fmt.Errorf("it says it holds %d", count))
	}
	text, err := jsonDecoder().DecodeAll(body, nil)
	if err != nil {
		return nil, bad(err)
	}
	list := make([]detect.Member, count)
	d := json.NewDecoder(bytes.NewReader(text))
	for i := range list {
		if err := d.Decode(&list[i]); err != nil {
			return nil, bad(fmt.Errorf("member %d: %w", i, err))
		}
	}
	if d.More() {
		return nil, bad(errTrailing)
	}
	return list, nil
}
