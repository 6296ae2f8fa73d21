package export

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// incident adds incident.json, the last state in its canonical line, and revisions.jsonl, every revision as it was published.
func (b *builder) incident() error {
	line, err := b.inc.JSON()
	if err != nil {
		return err
	}
	if err := b.add("data/incident.json", append(line, '\n')); err != nil {
		return err
	}
	if b.inc.Revision < 1 || b.inc.Revision > b.limits.Revisions {
		return fmt.Errorf("it says that it has %d revisions; want 1 to %d", b.inc.Revision, b.limits.Revisions)
	}
	var all bytes.Buffer
	for n := 1; n <= b.inc.Revision; n++ {
		r, err := b.src.Revision(b.ctx, b.inc.ID, n)
		if err != nil {
			return fmt.Errorf("reading revision %d: %w", n, err)
		}
		if r == nil || r.ID != b.inc.ID || r.Revision != n {
			return fmt.Errorf("the store returned something else as revision %d", n)
		}
		line, err := r.JSON()
		if err != nil {
			return fmt.Errorf("revision %d: %w", n, err)
		}
		all.Write(line)
		all.WriteByte('\n')
		if err := b.room("data/revisions.jsonl", all.Len()); err != nil {
			return err
		}
	}
	return b.add("data/revisions.jsonl", all.Bytes())
}

// memberTable orders the members and adds members.csv.
func (b *builder) memberTable() error {
	if len(b.members) > b.limits.Members {
		return fmt.Errorf("it has %d prefixes, more than the limit of %d", len(b.members), b.limits.Members)
	}
	type keyed struct {
		p bgp.Prefix
		m detect.Member
	}
	order := make([]keyed, 0, len(b.members))
	for _, m := range b.members {
		p, err := bgp.ParsePrefix(m.Prefix)
		if err != nil {
			return fmt.Errorf("the store is damaged: %w", err)
		}
		order = append(order, keyed{p, m})
	}
	slices.SortStableFunc(order, func(x, y keyed) int {
		return cmp.Or(x.p.Compare(y.p), cmp.Compare(x.m.Origin, y.m.Origin), x.m.LostAt.Compare(y.m.LostAt.Time))
	})
	b.members = make([]detect.Member, 0, len(order))
	t := b.newTable("data/working/members.csv", "incident", "prefix", "origin", "units", "deaggregated", "first_withdrawal", "first_peer", "lost_at", "back_at", "withdrawn", "expected", "moved_from")
	for _, k := range order {
		m := k.m
		b.members = append(b.members, m)
		err := t.add(b.inc.ID, m.Prefix, network(m.Origin), strconv.FormatInt(m.Units, 10), strconv.FormatBool(m.Deaggregated),
			m.FirstWithdrawal.String(), m.FirstPeer, m.LostAt.String(), m.BackAt.String(), strconv.Itoa(m.Withdrawn), strconv.Itoa(m.Expected), network(m.MovedFrom))
		if err != nil {
			return err
		}
	}
	return t.done()
}

// network writes an AS number; 0, which is none, is empty.
func network(as uint32) string {
	if as == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(as), 10)
}
