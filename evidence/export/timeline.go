package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// The bases of a row.
const (
	fromMessages = "messages" // follows from the raw messages alone
	fromDecision = "decision" // the detector decided it, with more than the bundle holds
)

// moment is one row of the timeline. Rank orders what happens in the same second: causes before what follows from them.
type moment struct {
	at                                detect.Time
	rank                              int
	what, basis, seen, prefix, detail string
	message                           uint64 // its witness in sources.csv; 0: none
}

// order puts rows in the order of the timeline and leaves out absent ones.
func order(rows []moment) []moment {
	rows = slices.DeleteFunc(rows, func(r moment) bool { return r.at.IsZero() })
	slices.SortStableFunc(rows, func(x, y moment) int {
		return cmp.Or(cmp.Compare(x.at.Unix(), y.at.Unix()), cmp.Compare(x.rank, y.rank))
	})
	return rows
}

// memberMoments are the rows about single prefixes that the detector decided, absent ones included.
func memberMoments(members []detect.Member, s *slice) (rows []moment) {
	witness := map[string]uint64{}
	for _, r := range s.rows {
		if r.witness.set {
			witness[r.m.Prefix] = r.witness.seq
		}
	}
	for _, m := range members {
		of := fmt.Sprintf("%d of %d voting ASes had withdrawn it at its worst", m.Withdrawn, m.Expected)
		if m.Deaggregated {
			of += "; covered by a live less-specific prefix of the same origin"
		}
		if m.Origin != 0 {
			of = "origin AS" + strconv.FormatUint(uint64(m.Origin), 10) + "; " + of
		}
		rows = append(rows,
			moment{at: m.FirstWithdrawal, rank: 3, what: "prefix_first_withdrawal", basis: fromDecision, seen: m.FirstPeer, prefix: m.Prefix, message: witness[m.Prefix]},
			moment{at: m.LostAt, rank: 5, what: "prefix_lost", basis: fromDecision, prefix: m.Prefix, detail: of},
			moment{at: m.BackAt, rank: 11, what: "prefix_back", basis: fromDecision, prefix: m.Prefix})
	}
	return rows
}

// milestones are the rows about the incident as a whole, absent ones included.
func milestones(i *detect.Incident, members []detect.Member) []moment {
	first, second := witnesses(i, members)
	rows := []moment{
		{at: i.Start.Earliest, rank: 0, what: "first_withdrawal", seen: first.FirstPeer, prefix: first.Prefix, detail: "earliest start: the first withdrawal of a member prefix by any network"},
		{at: i.Start.Time, rank: 1, what: "second_network", seen: second.FirstPeer, prefix: second.Prefix, detail: "start: a second, independent network had withdrawn"},
		{at: i.Start.Latest, rank: 6, what: "t0", detail: "latest start: the loss crossed its floor"},
		{at: i.SuspectedAt, rank: 7, what: "suspected"},
		{at: i.ConfirmedAt, rank: 8, what: "confirmed"},
		{at: i.ClosedAt, rank: 14, what: "closed"},
		{at: i.OpenAt, rank: 15, what: "open_at", detail: "the input ended while the event was still open"},
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
			moment{at: i.End.Earliest, rank: 12, what: "end_earliest"},
			moment{at: i.End.Time, rank: 12, what: "end", detail: "enough member prefixes were announced again"},
			moment{at: i.End.Latest, rank: 12, what: "end_latest"})
	}
	for n, e := range i.Episodes {
		name := fmt.Sprintf("episode %d", n+1)
		rows = append(rows,
			moment{at: e.Start, rank: 8, what: "episode_start", detail: name + ": peak lost share " + share(e.PeakLostShare)},
			moment{at: e.End, rank: 13, what: "episode_end", detail: name})
	}
	for _, r := range i.Revisions {
		detail := fmt.Sprintf("revision %d: %s, state %s", r.Revision, r.Change, r.State)
		if r.Reason != "" {
			detail += ": " + r.Reason
		}
		rows = append(rows, moment{at: r.At, rank: 16, what: "revision", detail: detail})
	}
	for n := range rows {
		rows[n].basis = fromDecision
	}
	return rows
}

func share(s detect.Share) string { return strconv.FormatFloat(s.Round(), 'f', -1, 64) }

// witnesses finds the member rows behind the two ends of the start: one first withdrawn in the second of the earliest start, and
// one first withdrawn by another network in the second of the start. A peer's code is <collector>/AS<n>/<address>. A zero Member
// stands for "no member row says who": first_peer names only the first network of each prefix.
func witnesses(i *detect.Incident, members []detect.Member) (first, second detect.Member) {
	network := func(code string) string {
		if f := strings.Split(code, "/"); len(f) == 3 {
			return f[1]
		}
		return code
	}
	for _, m := range members {
		if m.FirstPeer != "" && !m.FirstWithdrawal.IsZero() && m.FirstWithdrawal.String() == i.Start.Earliest.String() {
			first = m
			break
		}
	}
	for _, m := range members {
		if m.FirstPeer != "" && m.FirstWithdrawal.String() == i.Start.Time.String() && first.FirstPeer != "" && network(m.FirstPeer) != network(first.FirstPeer) {
			second = m
			break
		}
	}
	return first, second
}

// json writes timeline.json: one row a line.
func (t *replayed) json() ([]byte, error) {
	type row struct {
		N       int         `json:"row"`
		Time    detect.Time `json:"time"`
		What    string      `json:"what"`
		Basis   string      `json:"basis"`
		Seen    string      `json:"seen_by,omitempty"`
		Prefix  string      `json:"prefix,omitempty"`
		Message uint64      `json:"message,omitempty"`
		Detail  string      `json:"detail,omitempty"`
	}
	i := &t.in.Incident
	return lines(document(i), "rows", len(t.events), func(n int) any {
		e := t.events[n]
		return row{n + 1, e.at, e.what, e.basis, cell(e.seen), e.prefix, e.message, cell(e.detail)}
	})
}

// document is the head of our JSON documents about an incident.
func document(i *detect.Incident) any {
	return struct {
		V        int         `json:"v"`
		Incident string      `json:"incident"`
		Revision int         `json:"revision"`
		Data     detect.Data `json:"data"`
	}{1, i.ID, i.Revision, i.Data}
}

// lines writes a JSON object whose last key holds a list, one element a line.
func lines(head any, key string, count int, at func(n int) any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(head); err != nil {
		return nil, fmt.Errorf("%s as JSON: %w", key, err)
	}
	b.Truncate(b.Len() - 2) // the brace and the line feed
	fmt.Fprintf(&b, ",%q:[\n", key)
	for n := range count {
		if err := e.Encode(at(n)); err != nil {
			return nil, fmt.Errorf("%s as JSON: %w", key, err)
		}
		if n < count-1 {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
	}
	b.WriteString("]}\n")
	return b.Bytes(), nil
}

// timeline adds inputs.json, and timeline.json by the slice replay over what the bundle holds: what a reader will get. timeline.csv
// has the same rows.
func (b *builder) timeline() error {
	inputs, err := b.inputsJSON()
	if err != nil {
		return err
	}
	if err := b.add("data/inputs.json", inputs); err != nil {
		return err
	}
	if b.story, err = replay(inputs, b.file(sourcesPath), b.raw); err != nil {
		return err
	}
	text, err := b.story.json()
	if err != nil {
		return err
	}
	if err := b.add("data/timeline.json", text); err != nil {
		return err
	}
	t := b.newTable("data/timeline.csv", "row", "time", "what", "basis", "seen_by", "prefix", "message", "detail")
	for n, r := range b.story.events {
		message := ""
		if r.message != 0 {
			message = strconv.FormatUint(r.message, 10)
		}
		if err := t.add(strconv.Itoa(n+1), r.at.String(), r.what, r.basis, r.seen, r.prefix, message, r.detail); err != nil {
			return err
		}
	}
	return t.done()
}

// inputsJSON writes inputs.json.
func (b *builder) inputsJSON() ([]byte, error) {
	in := Inputs{V: 1, Replay: []string{"slice"}, Incident: *b.inc, Members: b.members, Configuration: b.configuration, Inputs: []Input{}, Data: b.inc.Data}
	full := b.inc.Data == detect.Archive && b.configuration != nil && len(b.inputs) > 0
	for _, f := range b.inputs {
		in.Inputs = append(in.Inputs, Input{cell(f.Name), cell(f.Collector), cell(f.Project), f.SHA256, f.Bytes, f.Format, instant(f.First), instant(f.Last)})
		full = full && f.SHA256 != "" && f.Project != ""
	}
	if full {
		in.Replay = append(in.Replay, "full")
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(in); err != nil {
		return nil, fmt.Errorf("inputs.json: %w", err)
	}
	return buf.Bytes(), nil
}
