package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// regionRow is a region of a country at its newest sample, with the incident about it that matters most.
type regionRow struct {
	Name, Code string // Name is empty when only the code is known
	Visible    int64
	Whole      int64
	Note       string // unstable, or no data
	Incident   *incidentRow
	lost       float64
	open       int // severity of an open incident
}

// mostRegions bounds the rows of the table; those with incidents and the largest losses come first.
const mostRegions = 60

// regions are the regions of a country that the store has samples of; all is the newest sample of every entity.
func (s *Server) regions(ctx context.Context, st site, code string, all []detect.Sample) (rows []regionRow, more int, err error) {
	for _, p := range all {
		if !strings.HasPrefix(p.Entity, "region:"+code+"-") {
			continue
		}
		r := regionRow{Code: clean(strings.TrimPrefix(p.Entity, "region:")), Visible: int64(p.Prefixes - p.LostPrefixes), Whole: int64(p.Prefixes)}
		if p.Prefixes > 0 {
			r.lost = float64(p.LostPrefixes) / float64(p.Prefixes)
		}
		switch {
		case p.NoData || p.Prefixes <= 0 && !s.unstable(p):
			r.Note, r.Visible, r.Whole = s.cat.text("nodata"), 0, 0
		case s.unstable(p):
			r.Note = s.cat.text("unstable.word")
		}
		list, _, err := st.lib.Incidents(ctx, Query{Entity: p.Entity, Kinds: []string{string(detect.Outage)}, Limit: 5})
		if err != nil {
			return nil, 0, fmt.Errorf("incidents of %s: %w", p.Entity, err)
		}
		if in := foremost(list); in != nil {
			row := s.incidentRow(st, in)
			r.Incident, r.Name = &row, clean(in.Entity.Name)
			if in.State.Open() {
				r.open = in.Severity
			}
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b regionRow) int {
		return cmp.Or(cmp.Compare(b.open, a.open), cmp.Compare(b.lost, a.lost), cmp.Compare(a.Code, b.Code))
	})
	more = max(0, len(rows)-mostRegions)
	return rows[:len(rows)-more], more, nil
}
