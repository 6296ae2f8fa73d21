package sqlite

import (
	"context"
	"fmt"
)

// StoredRevision is a revision as it lies in the store.
type StoredRevision struct {
	ID       string
	Revision int
	Data     string // of the incident's last state
	crc      int64
	body     []byte
}

// Text is the canonical JSON line that was stored, without its line feed; *CorruptError when it is not what its checksum says.
func (r *StoredRevision) Text() ([]byte, error) {
	if _, err := verifyRevision(r.ID, r.Revision, r.crc, r.body); err != nil {
		return nil, err
	}
	return jsonDecoder().DecodeAll(r.body, nil)
}

// EachRevision gives every revision of every incident, by id and revision, on one snapshot. visit must not call the store, and not keep what it is given.
func (s *Store) EachRevision(ctx context.Context, visit func(*StoredRevision) error) error {
	return s.read(ctx, "revisions", func(q querier) error {
		rows, err := q.QueryContext(ctx, "SELECT i.id, r.revision, i.data, r.crc, r.body FROM revision r JOIN incident i ON i.n=r.incident ORDER BY i.id, r.revision")
		if err != nil {
			return err
		}
		defer rows.Close()
		var r StoredRevision
		for rows.Next() {
			if err := rows.Scan(&r.ID, &r.Revision, &r.Data, &r.crc, &r.body); err != nil {
				return err
			}
			if err := visit(&r); err != nil {
				return fmt.Errorf("incident %s revision %d: %w", r.ID, r.Revision, err)
			}
		}
		return rows.Err()
	})
}
