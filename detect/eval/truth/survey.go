package truth

import (
	"cmp"
	"slices"
)

// survey is the first walk: who names what, which cells were up before their first word, which sessions lost their table.
type survey struct{ *record }

func (v survey) lost(s int, _ int64) {
	x := &v.sessions[s]
	x.lost = true
	if x.known == 0 {
		return
	}
	x.known = 0
	v.result.SessionLosses++
	for i := range v.rows {
		if w := &v.rows[i]; s < len(w.cells) {
			w.cells[s] &= surveyBits
		}
	}
}

func (v survey) said(s int, n int32, e *elem, at int64) {
	w, x := &v.rows[n], &v.sessions[s]
	if w.since == 0 {
		w.since = at
	}
	cell := w.cell(s)
	old := *cell & stateBits
	if *cell&named == 0 {
		if !e.up && !x.lost {
			*cell |= fromStart
		}
		if e.key.family == 4 {
			x.named4++
		} else {
			x.named6++
		}
	}
	if old == unknown {
		x.known++
	}
	if e.up {
		*cell = *cell&surveyBits | named | up
		if old != up {
			w.count(e.origin)
		}
		return
	}
	*cell = *cell&surveyBits | named | down
	x.withdrawals++
	if old == down {
		x.repeats++
		return
	}
	x.withdrew(at)
}

func (x *session) withdrew(at int64) {
	if m := at - at%(60*second); m != x.minute {
		x.closeMinute()
		x.minute = m
	}
	x.inMinute++
}

func (x *session) closeMinute() {
	if x.inMinute >= lossPrefixes {
		x.heavy = append(x.heavy, minuteCount{x.minute, x.inMinute})
	}
	x.inMinute = 0
}

// count notes an origin. Only words that bring a prefix up count, so that a path that changes all day has no more say than one
// that does not.
func (w *row) count(origin uint32) {
	if origin == 0 {
		return
	}
	for i := range w.origins {
		if w.origins[i].as == origin {
			w.origins[i].n++
			return
		}
	}
	if len(w.origins) < maxOrigins {
		w.origins = append(w.origins, originCount{origin, 1})
	}
}

// origin is the one counted most often, the smaller on a tie; 0 when there is none.
func (w *row) origin() uint32 {
	if len(w.origins) == 0 {
		return 0
	}
	return slices.MinFunc(w.origins, func(a, b originCount) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.as, b.as))
	}).as
}

// conclude turns what the first walk counted into what the second needs.
func (v survey) conclude() {
	res := &v.result
	res.Sessions, res.ASNs = len(v.sessions), len(v.asns)
	for i := range v.sessions {
		x := &v.sessions[i]
		x.closeMinute()
		x.known = 0
		x.untrusted = x.withdrawals >= repeatMin && x.repeats*100 > x.withdrawals*repeatPercent
		if x.untrusted {
			res.UntrustedSessions++
		}
		for _, m := range x.heavy {
			if m.n*100 < (x.named4+x.named6)*lossPercent {
				continue
			}
			res.TableLosses = append(res.TableLosses, Loss{x.collector, x.as, x.addr, m.minute, m.n})
			b := span{m.minute - 60*second, m.minute + 120*second}
			if n := len(x.blind); n > 0 && x.blind[n-1].until >= b.from {
				x.blind[n-1].until = b.until
			} else {
				x.blind = append(x.blind, b)
			}
		}
	}
	for i := range v.rows {
		w := &v.rows[i]
		if w.key.family == 4 {
			res.Prefixes4++
		} else {
			res.Prefixes6++
		}
		for s := range w.cells {
			if w.cells[s]&named != 0 {
				v.named(s, w.key.family)
			}
		}
	}
	res.Carriers4 = carriers(v.asns, func(a *asn) int { return a.named4 })
	res.Carriers6 = carriers(v.asns, func(a *asn) int { return a.named6 })
}

func (v survey) named(s int, family uint8) {
	a := &v.asns[v.sessions[s].asn]
	if family == 4 {
		a.named4++
	} else {
		a.named6++
	}
}

// carriers is how many known carriers a prefix needs: two thirds, rounded up, of the ASNs that name at least half as many prefixes
// as the median ASN that names any (the lower of two medians), and at least minCarriers.
func carriers(asns []asn, names func(*asn) int) int {
	var n []int
	for i := range asns {
		if c := names(&asns[i]); c > 0 {
			n = append(n, c)
		}
	}
	if len(n) == 0 {
		return minCarriers
	}
	slices.Sort(n)
	median := n[(len(n)-1)/2]
	feeding := 0
	for _, c := range n {
		if 2*c >= median {
			feeding++
		}
	}
	return max(minCarriers, (2*feeding+2)/3)
}
