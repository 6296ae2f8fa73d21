package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

type healthPage struct {
	page
	Phase      string
	Progress   string
	Started    time.Time
	EventTime  time.Time
	Sources    []sourceRow
	SourceLine string
	Copies     []sourceRow
	Collectors []collectorRow
	Peers      []healthPeer
	Inputs     []inputRow
	MoreInputs int
	InputSum   string
	PeerSum    string
	Live       *livePage
	Ledger     *ledgerPage
}

// ledgerPage is what the page shows of the ledger.
type ledgerPage struct {
	Origin, Records, Waiting string
	Failing, Behind          bool
	Last                     time.Time
}

func ledgerRow(l *LedgerStatus) *ledgerPage {
	if l == nil {
		return nil
	}
	n := l.Records - l.Signed + int64(l.Waiting)
	return &ledgerPage{clean(l.Origin), grouped(l.Signed), grouped(n), l.Failing, n > 0, l.Last}
}

type collectorRow struct {
	Name, Project        string
	Sessions, Voting     int
	Files                int
	First, Last          time.Time
	Elems                uint64
	Malformed, Skipped   uint64
	ElemText, Malformedt string
}

type healthPeer struct {
	AS, Name, Collector, Addr, State, Class, Note string
	Since, Last                                   time.Time
	V4, V6, Messages, Dup, Lag                    string
	Faults                                        int
}

type inputRow struct {
	Name, Collector, Format, SHA, Bytes, Elems string
	Malformed                                  uint64
	First, Last                                time.Time
}

// ledgerJSON is the ledger in /healthz.
type ledgerJSON struct {
	Origin  string      `json:"origin,omitempty"`
	Records int64       `json:"records"`
	Signed  int64       `json:"signed_records"`
	Waiting int         `json:"waiting_records"`
	Last    detect.Time `json:"last_checkpoint,omitzero"`
	Failing bool        `json:"failing,omitempty"`
}

// maxInputs is how many input files the page lists.
const maxInputs = 40

func (s *Server) health(w http.ResponseWriter, r *http.Request, st site) error {
	ctx := r.Context()
	peers, err := st.lib.Peers(ctx)
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	inputs, err := st.lib.Inputs(ctx)
	if err != nil {
		return fmt.Errorf("inputs: %w", err)
	}
	status := s.deps.Status()
	v := &healthPage{page: s.newPage(st, r, s.cat.text("health.title"), "health")}
	if !st.demo {
		v.Phase, v.Started, v.EventTime = s.word("phase", status.Phase), status.Started, status.EventTime
		if status.Phase == "replaying" {
			v.Progress = share(int64(status.Progress*1000), 1000)
		}
		v.Sources = s.sources()
		v.SourceLine = s.sourceLine(v.Sources)
		v.Copies = s.sourceRows(status.Copies)
		v.Live = s.livePage(status.Live)
		v.Ledger = ledgerRow(status.Ledger)
	}
	at := map[string]int{}
	row := func(name string) *collectorRow {
		i, ok := at[name]
		if !ok {
			i = len(v.Collectors)
			at[name] = i
			v.Collectors = append(v.Collectors, collectorRow{Name: clean(name)})
		}
		return &v.Collectors[i]
	}
	for _, in := range inputs {
		c := row(in.Collector)
		c.Files++
		c.Elems += in.Elems
		c.Malformed += in.Malformed
		c.Skipped += in.Skipped
		if in.Project != "" {
			c.Project = clean(in.Project)
		}
		if in.First != 0 && (c.First.IsZero() || in.First.Time().Before(c.First)) {
			c.First = in.First.Time()
		}
		if in.Last != 0 && in.Last.Time().After(c.Last) {
			c.Last = in.Last.Time()
		}
	}
	voting := 0
	figures := map[bgp.Peer]PeerFigures{}
	if v.Live != nil {
		for _, p := range status.Live.Peers {
			figures[p.Peer] = p
		}
	}
	for _, p := range peers {
		c := row(p.Peer.Collector)
		c.Sessions++
		class := "mid"
		switch p.State {
		case "up":
			class = "good"
		case "down", "mass-withdrawing":
			class = "bad"
		}
		if p.State == "up" && p.Note == "" {
			c.Voting++
			voting++
		}
		h := healthPeer{
			AS: asn(p.Peer.AS), Collector: clean(p.Peer.Collector), State: s.word("peerstate", p.State), Class: class, Note: clean(p.Note), Faults: p.Faults,
			Name: clean(s.deps.Names("network:" + asn(p.Peer.AS))), V4: grouped(p.KnownV4), V6: grouped(p.KnownV6), Messages: grouped(p.Messages), Dup: share(int64(p.Duplicates), int64(p.Withdrawals)),
		}
		if p.Peer.Addr.IsValid() {
			h.Addr = p.Peer.Addr.String()
		}
		if p.Since != 0 {
			h.Since = p.Since.Time()
		}
		if p.LastMessage != 0 {
			h.Last = p.LastMessage.Time()
		}
		if x, ok := figures[p.Peer]; ok { // newer than what the store has
			h.Last, h.Lag = x.Last.Time(), length(micros(x.Lag))
		}
		v.Peers = append(v.Peers, h)
	}
	sort.SliceStable(v.Collectors, func(i, k int) bool { return v.Collectors[i].Name < v.Collectors[k].Name })
	for i := range v.Collectors {
		v.Collectors[i].ElemText, v.Collectors[i].Malformedt = grouped(v.Collectors[i].Elems), grouped(v.Collectors[i].Malformed)
	}
	v.PeerSum = s.cat.text("health.peers.sum", grouped(voting), grouped(len(peers)))
	var bytes int64
	for i, in := range inputs {
		bytes += in.Bytes
		if i >= maxInputs {
			continue
		}
		x := inputRow{Name: clean(in.Name), Collector: clean(in.Collector), Format: clean(in.Format), SHA: clean(in.SHA256), Bytes: grouped(in.Bytes), Elems: grouped(in.Elems), Malformed: in.Malformed}
		if in.First != 0 {
			x.First, x.Last = in.First.Time(), in.Last.Time()
		}
		v.Inputs = append(v.Inputs, x)
	}
	v.MoreInputs = max(0, len(inputs)-maxInputs)
	v.InputSum = s.cat.text(s.cat.count("health.inputs.sum", len(inputs)), grouped(len(inputs)), grouped(bytes))
	return s.render(w, r, "health.html", v)
}

// healthz answers a load balancer and a prober: 200 while the store answers and the process has not failed. Sources that are not
// connected are named but are no reason to take the pages away: what is stored stays readable.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	st := s.deps.Status()
	type source struct {
		Name   string      `json:"name"`
		State  string      `json:"state"`
		Detail string      `json:"detail,omitempty"`
		Last   detect.Time `json:"last,omitzero"`
	}
	out := struct {
		Status    string      `json:"status"`
		Reason    string      `json:"reason,omitempty"`
		Phase     string      `json:"phase"`
		Progress  float64     `json:"progress,omitempty"`
		EventTime detect.Time `json:"event_time,omitzero"`
		Started   detect.Time `json:"started,omitzero"`
		Software  string      `json:"software"`
		Commit    string      `json:"commit,omitempty"`
		Data      detect.Data `json:"data"`
		Sources   []source    `json:"sources"`
		Copies    []source    `json:"copies,omitempty"`
		Ledger    *ledgerJSON `json:"ledger,omitempty"`
		Live      *liveJSON   `json:"live,omitempty"`
	}{
		Status: "ok", Phase: st.Phase, Progress: st.Progress, Software: st.Software, Commit: st.Commit, Data: st.Data,
		EventTime: instant(st.EventTime), Started: instant(st.Started), Sources: []source{},
	}
	for _, x := range st.Sources {
		if x.State != "connected" && x.State != "done" && x.State != "off" && x.State != "demo" {
			out.Status, out.Reason = "degraded", "a source is not connected"
		}
		out.Sources = append(out.Sources, source{x.Name, x.State, x.Detail, instant(x.Last)})
	}
	for _, x := range st.Copies {
		if x.State != "connected" && out.Status == "ok" {
			out.Status, out.Reason = "degraded", "what is kept is not copied"
		}
		out.Copies = append(out.Copies, source{x.Name, x.State, x.Detail, instant(x.Last)})
	}
	if l := st.Ledger; l != nil {
		out.Ledger = &ledgerJSON{l.Origin, l.Records, l.Signed, l.Waiting, instant(l.Last), l.Failing}
		if l.Failing && out.Status == "ok" {
			out.Status, out.Reason = "degraded", "the ledger cannot be written"
		}
	}
	out.Live = liveFacts(st.Live)
	code := http.StatusOK
	if _, _, err := s.deps.Live.Incidents(r.Context(), Query{Limit: 1}); err != nil {
		s.log.Error().Err(err).Msg("store does not answer")
		code, out.Status, out.Reason = http.StatusServiceUnavailable, "failing", "the store does not answer"
	}
	if st.Phase == "failed" {
		code, out.Status, out.Reason = http.StatusServiceUnavailable, "failing", "the detector has stopped"
	}
	w.Header().Set("Cache-Control", "no-store")
	body, err := json.Marshal(out)
	if err != nil {
		s.fail(w, r, site{lib: s.deps.Live}, fmt.Errorf("healthz: %w", err))
		return
	}
	s.send(w, r, code, "application/json", append(body, '\n'))
}

func instant(t time.Time) detect.Time {
	if t.IsZero() {
		return detect.Time{}
	}
	return detect.At(t)
}
