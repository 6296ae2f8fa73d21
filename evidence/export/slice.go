package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
)

// Inputs is inputs.json: what the slice replay needs beside the messages, and what a full replay must fetch.
type Inputs struct {
	V             int             `json:"v"`
	Replay        []string        `json:"replay"` // "slice", and "full" where every input can be fetched
	Incident      detect.Incident `json:"incident"`
	Members       []detect.Member `json:"members"`
	Configuration json.RawMessage `json:"configuration,omitempty"` // that decided: {"detect":…,"peers":…}; absent when it is not known
	Inputs        []Input         `json:"inputs"`
	Data          detect.Data     `json:"data"`
}

// Input is a file or stream that the run read.
type Input struct {
	Name      string `json:"name"`
	Collector string `json:"collector"`
	Project   string `json:"project,omitempty"`
	SHA256    string `json:"sha256,omitempty"` // of the file as stored; absent for a stream
	Bytes     int64  `json:"bytes"`
	Format    string `json:"format"`
	First     string `json:"first,omitempty"` // record times
	Last      string `json:"last,omitempty"`
}

// slice follows the members of an incident through its raw messages: what can be said from these alone.
type slice struct {
	rows    map[bgp.Prefix]*sliceRow
	decoder map[string]*mrt.Decoder // by collector
	update  wire.Update
	unread  int // messages that are whole and hold no route we can read: table dumps without their index
}

// sliceRow is one member prefix.
type sliceRow struct {
	m        *detect.Member
	peers    map[string]bool // withdrawn, of those that said something
	networks map[uint32]*sessions
	away     int // networks that withdrew it and have not announced it again
	witness  event
	half     event
	most     event
	back     event
}

// sessions counts the sessions of one AS with a prefix. It is away when none of those that spoke carries it.
type sessions struct{ carried, withdrawn int }

// event is something that a message did.
type event struct {
	at    detect.Time
	seq   uint64
	count int
	set   bool
}

func newSlice(members []detect.Member) (*slice, error) {
	s := &slice{rows: make(map[bgp.Prefix]*sliceRow, len(members)), decoder: map[string]*mrt.Decoder{}}
	for i := range members {
		p, err := bgp.ParsePrefix(members[i].Prefix)
		if err != nil {
			return nil, fmt.Errorf("member %d: %w", i+1, err)
		}
		s.rows[p] = &sliceRow{m: &members[i], peers: map[string]bool{}, networks: map[uint32]*sessions{}}
	}
	return s, nil
}

// add takes the next message. peer is the code of the session that it came from: records do not name their collector.
func (s *slice) add(seq uint64, peer string, rec *mrt.Record) error {
	collector, _, _ := strings.Cut(peer, "/")
	dec := s.decoder[collector]
	if dec == nil {
		dec = &mrt.Decoder{}
		s.decoder[collector] = dec
	}
	var c mrt.Content
	if err := dec.Decode(rec, &c); err != nil || c.Kind != mrt.Message {
		s.unread++
		return nil
	}
	if err := s.update.Parse(c.BGP, c.Opts); err != nil {
		s.unread++
		return nil
	}
	if want := (bgp.Peer{Collector: collector, AS: c.PeerAS, Addr: c.PeerAddr}).String(); want != peer {
		return fmt.Errorf("message %d is by %s, sources.csv says %s", seq, want, peer)
	}
	at := detect.At(rec.Time.Time().Truncate(time.Second))
	var e bgp.Elem
	for s.update.Next(&e) {
		if r := s.rows[e.Prefix]; r != nil && e.Cause != bgp.CauseMulticast {
			r.change(e.Kind == bgp.Withdraw, at, seq, peer, c.PeerAS)
		}
	}
	return nil
}

// change applies what a peer said about the prefix.
func (r *sliceRow) change(withdrew bool, at detect.Time, seq uint64, peer string, as uint32) {
	n := r.networks[as]
	if n == nil {
		n = &sessions{}
		r.networks[as] = n
	}
	was := n.carried == 0 && n.withdrawn > 0
	if before, spoke := r.peers[peer]; spoke && before {
		n.withdrawn--
	} else if spoke {
		n.carried--
	}
	if r.peers[peer] = withdrew; withdrew {
		n.withdrawn++
	} else {
		n.carried++
	}
	if is := n.carried == 0; is != was {
		if r.away--; is {
			r.away += 2
		}
	}
	here := event{at, seq, r.away, true}
	if withdrew && !r.witness.set && peer == r.m.FirstPeer && at.String() == r.m.FirstWithdrawal.String() {
		r.witness = here
	}
	if r.away > r.most.count {
		r.most = here
	}
	switch enough := r.m.Expected > 0 && 2*r.away >= r.m.Expected; {
	case enough && !r.half.set:
		r.half = here
	case enough:
		r.back = event{}
	case r.half.set && !r.back.set:
		r.back = here
	}
}

// timelineRows are the rows that follow from the messages, in the members' order.
func (s *slice) timelineRows(members []detect.Member) (rows []moment) {
	for _, m := range members {
		p, err := bgp.ParsePrefix(m.Prefix)
		if err != nil {
			continue // newSlice has refused it
		}
		r := s.rows[p]
		of := func(e event) string {
			return fmt.Sprintf("withdrawn by %d networks, %d were expected to carry it", e.count, m.Expected)
		}
		add := func(e event, rank int, what, detail string) {
			if e.set {
				rows = append(rows, moment{at: e.at, rank: rank, what: what, basis: fromMessages, prefix: m.Prefix, message: e.seq, detail: detail})
			}
		}
		add(r.half, 4, "prefix_half", of(r.half))
		add(r.most, 9, "prefix_most", of(r.most))
		add(r.back, 10, "prefix_half_back", of(r.back))
	}
	return rows
}

// Timeline makes the octets of timeline.json out of those of inputs.json, sources.csv and the raw messages: the slice replay. It
// checks every message against its row of sources.csv. The same octets give the same octets.
func Timeline(inputs, sources, raw []byte) ([]byte, error) {
	t, err := replay(inputs, sources, raw)
	if err != nil {
		return nil, err
	}
	return t.json()
}

// replayed is a timeline and what it was made of.
type replayed struct {
	in     Inputs
	slice  *slice
	events []moment
}

func replay(inputs, sources, raw []byte) (*replayed, error) {
	t := &replayed{}
	if err := json.Unmarshal(inputs, &t.in); err != nil {
		return nil, fmt.Errorf("inputs.json: %w", err)
	}
	if t.in.V != 1 {
		return nil, fmt.Errorf("inputs.json is of version %d; this program knows 1", t.in.V)
	}
	var err error
	if t.slice, err = newSlice(t.in.Members); err != nil {
		return nil, fmt.Errorf("inputs.json: %w", err)
	}
	if err := t.read(sources, raw); err != nil {
		return nil, err
	}
	t.events = order(slices.Concat(milestones(&t.in.Incident, t.in.Members), memberMoments(t.in.Members, t.slice), t.slice.timelineRows(t.in.Members)))
	return t, nil
}

// read goes through the messages and their rows side by side.
func (t *replayed) read(sources, raw []byte) error {
	rows := csv.NewReader(bytes.NewReader(sources))
	rows.ReuseRecord = true
	if bytes.HasPrefix(sources, []byte("# ")) {
		rows.Comment = '#'
	}
	if _, err := rows.Read(); err != nil {
		return fmt.Errorf("sources.csv has no header: %w", err)
	}
	records := mrt.NewBytesReader(raw)
	for {
		row, err := rows.Read()
		rec, rerr := records.Next()
		switch {
		case errors.Is(err, io.EOF) && errors.Is(rerr, io.EOF):
			return nil
		case err != nil || rerr != nil:
			return fmt.Errorf("messages and rows of sources.csv do not go together: %w", errors.Join(err, rerr))
		}
		seq, err := strconv.ParseUint(row[0], 10, 64)
		if err != nil {
			return fmt.Errorf("sources.csv: %w", err)
		}
		if row[7] != sha256Hex(rec.Raw) {
			return fmt.Errorf("message %d is not the one that sources.csv says", seq)
		}
		if err := t.slice.add(seq, unguarded(row[2]), rec); err != nil {
			return err
		}
	}
}

// unguarded takes off the apostrophe that formulaSafe puts before a cell.
func unguarded(cell string) string { return strings.TrimPrefix(cell, "'") }
