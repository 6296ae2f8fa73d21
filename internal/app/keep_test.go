package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/store/sqlite"
)

// cutRun is a replay into a store that can be cut off.
type cutRun struct {
	Replay
	every bgp.Micros // event time between checkpoints; 0: the default
	each  func(*signal.Monitor, bgp.Micros)
	log   bytes.Buffer
}

var (
	errCut  = errors.New("cut off") // as by the death of the process: no checkpoint is written
	elapsed = regexp.MustCompile(`(?m)^time: .*$`)
)

// upTo runs until the event time end (0: to the end of the input); killed: without the checkpoint of an orderly interrupt. It gives what was
// printed, with the summary; nothing when it was cut off.
func (r *cutRun) upTo(t *testing.T, end bgp.Micros, killed bool) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.log.Reset()
	r.Log = zerolog.New(&r.log)
	j, err := r.journal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := j.rec.close(); err != nil {
			t.Error(err)
		}
	}()
	if j.keep.wall = 0; r.every != 0 {
		j.keep.every = r.every
	}
	j.each = func(m *signal.Monitor, now bgp.Micros) {
		if r.each != nil {
			r.each(m, now)
		}
		switch {
		case end == 0 || now < end:
		case killed:
			j.rec.err = errCut
		default:
			cancel()
		}
	}
	res, err := j.run(ctx)
	if end != 0 && err != nil {
		if want := map[bool]error{true: errCut, false: context.Canceled}[killed]; !errors.Is(err, want) {
			t.Fatal(err)
		}
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var out, sum bytes.Buffer
	r.Out, r.Err, r.JSON = &out, &sum, true
	if err := r.print(res); err != nil {
		t.Fatal(err)
	}
	return out.String() + elapsed.ReplaceAllString(sum.String(), "")
}

// contents is everything that a store holds, as text.
func contents(t *testing.T, dir string) string {
	t.Helper()
	ctx := t.Context()
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b strings.Builder
	say := func(what string, v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", what, text)
	}
	rec := &recorder{ctx: ctx, store: s}
	err = rec.incidents(func(inc *detect.Incident) error {
		say(inc.ID, inc, nil)
		for n := range inc.Revision {
			r, err := s.Revision(ctx, inc.ID, n+1)
			say(" revision", r, err)
		}
		members, err := s.Members(ctx, inc.ID)
		say(" members", members, err)
		_, err = s.Messages(ctx, inc.ID, func(m bgp.Message) error {
			say(" message", m, nil)
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	entities, err := s.SampleEntities(ctx)
	say("entities", entities, err)
	for _, e := range entities {
		for _, sig := range []string{"bgp.v4", "bgp.v6"} {
			list, err := s.Samples(ctx, e, sig, time.Time{}, time.Time{})
			say("samples", list, err)
		}
	}
	peers, err := s.Peers(ctx)
	say("peers", peers, err)
	at, err := s.PeersAt(ctx)
	say("peers at", at, err)
	inputs, err := s.Inputs(ctx)
	say("inputs", inputs, err)
	refs, err := s.References(ctx)
	for i := range refs {
		refs[i].FirstUsed = 0 // wall clock
	}
	say("references", refs, err)
	return b.String()
}

// same compares what two runs printed and stored, and names the first line that differs.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s: %d and %d lines; line %d is\n%.600s\nwant\n%.600s", what, len(a), len(b), i, a[i], b[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", what, len(a), len(b))
}

// cutInputs are, but in a short run, the demonstration, keeping AS paths, and the first hours of the two archives, one of them with a table dump before it.
func cutInputs(t *testing.T, hours int) (out []Replay) {
	t.Helper()
	if testing.Short() {
		t.Log("did not run: restarts in the demonstration and in hours of rv2008 and rrc04 (short run)")
		return []Replay{{Files: []string{scenarioFile(t, outages())}}}
	}
	out = append(out, Replay{Files: []string{filepath.Join("..", "..", "detect", "scenario", "demo", "pakistan-2008.txt")}, Snapshot: t.TempDir()})
	dir := dataDir()
	if dir == "" {
		t.Log("did not run: restarts in hours of rv2008 and rrc04 (no COREWATCH_DATA)")
		return out
	}
	for collector, folder := range map[string]string{"route-views2": "rv2008", "rrc04": "rrc04"} {
		list, err := os.ReadDir(filepath.Join(dir, "mrt", folder))
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{"rv2008": 4, "rrc04": 12}[folder] * hours
		var r Replay
		for _, f := range list[:min(n, len(list))] {
			r.Files = append(r.Files, collector+"="+filepath.Join(dir, "mrt", folder, f.Name()))
		}
		if folder == "rrc04" { // the first files give a table dump, the others begin with it
			seed := Replay{Files: r.Files[:3], Snapshot: t.TempDir(), Out: io.Discard, Err: io.Discard, Log: zerolog.Nop()}
			if err := seed.Run(t.Context()); err != nil && !errors.Is(err, ErrTorn) {
				t.Fatal(err)
			}
			r.Files, r.Seeds = r.Files[3:], []string{collector + "=" + seed.Snapshot}
		}
		out = append(out, r)
	}
	return out
}

// lastState is the last checkpoint of a store's folder: position, baselines and everything in memory.
func lastState(t *testing.T, dir string) string {
	t.Helper()
	c, err := readCheckpoint(filepath.Join(dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c.position)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\nbaselines %x\nstate of %d octets %x", text, sha256.Sum256(c.baselines), c.unpacked, sha256.Sum256(c.state))
}

// TestRestartsChangeNothing cuts runs off at chosen moments, by an interrupt or by the death of the process, and goes on: what is printed,
// what the store holds in the end and every octet in memory are the same as without.
func TestRestartsChangeNothing(t *testing.T) {
	oneGoroutine(t)
	for _, r := range cutInputs(t, 1) {
		whole := &cutRun{Replay: r}
		whole.Store = t.TempDir()
		var first, last bgp.Micros
		whole.each = func(_ *signal.Monitor, now bgp.Micros) {
			if first == 0 {
				first = now
			}
			last = now
		}
		want := whole.upTo(t, 0, false)
		stored := contents(t, whole.Store)
		if strings.Count(want, "\n") < 6 || len(stored) < 10_000 {
			t.Fatalf("too little to compare: %d and %d octets", len(want), len(stored))
		}
		draw := rand.New(rand.NewPCG(4, uint64(last)))
		cut := &cutRun{Replay: r, every: 17 * 60 * bgp.Second}
		cut.Store = t.TempDir()
		at := first
		for n := range 4 {
			at += 1 + bgp.Micros(draw.Int64N(int64(last-first)/3))
			if at >= last {
				break
			}
			if cut.upTo(t, at, n%2 == 1) != "" {
				t.Fatal("it was not cut off")
			}
			if n > 0 && !strings.Contains(cut.log.String(), "resuming at ") {
				t.Errorf("it does not say that it resumes: %s", &cut.log)
			}
		}
		got := cut.upTo(t, 0, false)
		same(t, "printed", got, want)
		same(t, "stored", contents(t, cut.Store), stored)
		same(t, "the state at the end", lastState(t, cut.Store), lastState(t, whole.Store))
		if again := cut.upTo(t, 0, false); again != want || !strings.Contains(cut.log.String(), "complete up to") {
			t.Errorf("a run that is complete: %s", &cut.log)
		}
	}
}
