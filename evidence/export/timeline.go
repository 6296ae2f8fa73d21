package export

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// moment is one row of timeline.csv. Rank orders what happens in the same second: causes before what follows from them.
type moment struct {
	at                         detect.Time
	rank                       int
	what, seen, prefix, detail string
}

// timeline adds timeline.csv: the incident's story in one table, ordered by time. Members must have been ordered before.
func (b *builder) timeline() error {
	rows := b.milestones()
	for _, m := range b.members {
		of := fmt.Sprintf("%d of %d voting ASes had withdrawn it at its worst", m.Withdrawn, m.Expected)
		if m.Deaggregated {
			of += "; covered by a live less-specific prefix of the same origin"
		}
		if m.Origin != 0 {
			of = "origin AS" + strconv.FormatUint(uint64(m.Origin), 10) + "; " + of
		}
		rows = append(rows,
			moment{at: m.FirstWithdrawal, rank: 3, what: "prefix_first_withdrawal", seen: m.FirstPeer, prefix: m.Prefix},
			moment{at: m.LostAt, rank: 4, what: "prefix_lost", prefix: m.Prefix, detail: of},
			moment{at: m.BackAt, rank: 10, what: "prefix_back", prefix: m.Prefix})
	}
	rows = slices.DeleteFunc(rows, func(r moment) bool { return r.at.IsZero() })
	slices.SortStableFunc(rows, func(x, y moment) int {
		return cmp.Or(cmp.Compare(x.at.Unix(), y.at.Unix()), cmp.Compare(x.rank, y.rank))
	})
	t := b.newTable("timeline.csv", "time", "what", "seen_by", "prefix", "detail")
	for _, r := range rows {
		if err := t.add(r.at.String(), r.what, r.seen, r.prefix, r.detail); err != nil {
			return err
		}
	}
	return t.done()
}

// milestones are the rows about the incident as a whole, absent ones included.
func (b *builder) milestones() []moment {
	i := b.inc
	first, second := b.witnesses()
	rows := []moment{
		{at: i.Start.Earliest, rank: 0, what: "first_withdrawal", seen: first.FirstPeer, prefix: first.Prefix, detail: "earliest start: the first withdrawal of a member prefix by any network"},
		{at: i.Start.Time, rank: 1, what: "second_network", seen: second.FirstPeer, prefix: second.Prefix, detail: "start: a second, independent network had withdrawn"},
		{at: i.Start.Latest, rank: 5, what: "t0", detail: "latest start: the loss crossed its floor"},
		{at: i.SuspectedAt, rank: 6, what: "suspected"},
		{at: i.ConfirmedAt, rank: 7, what: "confirmed"},
		{at: i.ClosedAt, rank: 13, what: "closed"},
		{at: i.OpenAt, rank: 14, what: "open_at", detail: "the input ended while the event was still open"},
	}
	if i.Peak != nil {
		detail := make([]string, 0, len(i.Signals))
		for _, s := range i.Signals {
			detail = append(detail, fmt.Sprintf("%s: %d of %d %s lost, share %s, %d of %d prefixes", s.Signal, s.Expected-s.Observed, s.Expected, s.Unit, share(s.LostShare), s.Prefixes.Lost, s.Prefixes.Expected))
		}
		rows = append(rows, moment{at: i.Peak.Time, rank: 9, what: "peak", detail: strings.Join(detail, "; ")})
	}
	if i.End != nil {
		rows = append(rows,
			moment{at: i.End.Earliest, rank: 11, what: "end_earliest"},
			moment{at: i.End.Time, rank: 11, what: "end", detail: "enough member prefixes were announced again"},
			moment{at: i.End.Latest, rank: 11, what: "end_latest"})
	}
	for n, e := range i.Episodes {
		name := fmt.Sprintf("episode %d", n+1)
		rows = append(rows,
			moment{at: e.Start, rank: 8, what: "episode_start", detail: name + ": peak lost share " + share(e.PeakLostShare)},
			moment{at: e.End, rank: 12, what: "episode_end", detail: name})
	}
	for _, r := range i.Revisions {
		detail := fmt.Sprintf("revision %d: %s, state %s", r.Revision, r.Change, r.State)
		if r.Reason != "" {
			detail += ": " + r.Reason
		}
		rows = append(rows, moment{at: r.At, rank: 15, what: "revision", detail: detail})
	}
	return rows
}

func share(s detect.Share) string { return strconv.FormatFloat(s.Round(), 'f', -1, 64) }

// witnesses finds the member rows behind the two ends of the start: one first withdrawn in the second of the earliest start, and
// one first withdrawn by another network in the second of the start. A peer's code is <collector>/AS<n>/<address>. A zero Member
// stands for "no member row says who": first_peer names only the first network of each prefix.
func (b *builder) witnesses() (first, second detect.Member) {
	network := func(code string) string {
		if f := strings.Split(code, "/"); len(f) == 3 {
			return f[1]
		}
		return code
	}
	for _, m := range b.members {
		if m.FirstPeer != "" && !m.FirstWithdrawal.IsZero() && m.FirstWithdrawal.String() == b.inc.Start.Earliest.String() {
			first = m
			break
		}
	}
	for _, m := range b.members {
		if m.FirstPeer != "" && m.FirstWithdrawal.String() == b.inc.Start.Time.String() && first.FirstPeer != "" && network(m.FirstPeer) != network(first.FirstPeer) {
			second = m
			break
		}
	}
	return first, second
}
