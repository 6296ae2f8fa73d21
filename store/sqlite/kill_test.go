package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// kills is how often the writer is killed.
const kills = 24

// killBatch is how many samples and messages go with each step of the writer.
const killBatch = 40

// writeSteps is the writer that gets killed. Step n writes a revision, samples and messages that depend on n only, and says
// so after each call has returned.
func writeSteps(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir)
	if err != nil {
		return err
	}
	var n int
	if text, err := s.Meta(ctx, "step"); err == nil {
		if _, err := fmt.Sscan(text, &n); err != nil {
			return err
		}
	}
	for ; ; n++ {
		if err := s.SaveRevision(ctx, killIncident(n), members(200+n%50, n%40)); err != nil {
			return err
		}
		fmt.Printf("revision %d\n", n)
		if err := s.AppendSamples(ctx, killSamples(n)); err != nil {
			return err
		}
		fmt.Printf("samples %d\n", n)
		if err := s.AppendMessages(ctx, "evidence", killMessages(n)); err != nil {
			return err
		}
		fmt.Printf("messages %d\n", n)
		if err := s.SetMeta(ctx, "step", fmt.Sprint(n+1)); err != nil {
			return err
		}
	}
}

func killIncident(n int) *detect.Incident { return incident(n/10*5, n%10+1) }

func killSamples(n int) (list []detect.Sample) {
	for i := range killBatch {
		list = append(list, sample([]string{"country:PK", "country:IN"}[i%2], int64(n*killBatch+i)))
	}
	return list
}

func killMessages(n int) []bgp.Message {
	return messages(uint64(n*killBatch), uint64((n+1)*killBatch))
}

// TestKill kills the writing process at random moments and looks for everything that it had acknowledged.
func TestKill(t *testing.T) {
	if dir := os.Getenv("COREWATCH_TEST_KILL"); dir != "" {
		t.Fatal(writeSteps(dir)) // ends by SIGKILL only
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) // the moments are to differ from run to run
	done := map[string]int{"revision": -1, "samples": -1, "messages": -1}
	began := time.Now()
	lines := 0
	for kill := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "COREWATCH_TEST_KILL="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // it must never outlive the test
		sc := bufio.NewScanner(out)
		for wait := false; sc.Scan(); {
			if !wait { // the moment is counted from the first acknowledgement
				wait = true
				time.AfterFunc(time.Duration(r.Int64N(int64(120*time.Millisecond))), func() { _ = cmd.Process.Kill() })
			}
			var what string
			var n int
			if k, _ := fmt.Sscan(sc.Text(), &what, &n); k == 2 && done[what] < n {
				done[what] = n
				lines++
			} else if k != 2 {
				t.Errorf("kill %d: the writer said %q", kill, sc.Text())
			}
		}
		timer.Stop()
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("kill %d: the writer ended by itself: %v", kill, cmd.ProcessState)
		}
		afterKill(t, dir, done)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills in %.1f s, %d acknowledgements", kills, time.Since(began).Seconds(), lines)
	if lines < kills {
		t.Errorf("only %d acknowledgements", lines)
	}
}

// afterKill opens the store and compares it with what was acknowledged.
func afterKill(t *testing.T, dir string, done map[string]int) {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	check(t, s)
	for n := range done["revision"] + 1 {
		inc := killIncident(n)
		got, err := s.Revision(t.Context(), inc.ID, inc.Revision)
		if err != nil {
			t.Fatal(err)
		}
		if jsonOf(t, got) != jsonOf(t, inc) {
			t.Fatalf("step %d: another revision", n)
		}
	}
	// Members belong to the state they came with, acknowledged or the one that was under way.
	if n := done["revision"]; n >= 0 {
		inc, err := s.Incident(t.Context(), killIncident(n).ID)
		if err != nil {
			t.Fatal(err)
		}
		at := n/10*10 + inc.Revision - 1
		if got, err := s.Members(t.Context(), inc.ID); err != nil || at < n || at > n+1 || !reflect.DeepEqual(got, members(200+at%50, at%40)) {
			t.Fatalf("step %d: revision %d with %d members: %v", n, inc.Revision, len(got), err)
		}
	}
	have := map[string]map[int64]detect.Sample{}
	for n := range done["samples"] + 1 {
		for _, want := range killSamples(n) {
			if have[want.Entity] == nil {
				have[want.Entity] = map[int64]detect.Sample{}
				list, err := s.Samples(t.Context(), want.Entity, want.Signal, time.Time{}, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				for _, got := range list {
					have[want.Entity][got.At.Micros()] = got
				}
			}
			if have[want.Entity][want.At.Micros()] != want {
				t.Fatalf("step %d: the sample of %s is missing", n, want.At)
			}
		}
	}
	if done["messages"] < 0 {
		return
	}
	got := readMessages(t, s, "evidence")
	if len(got)%killBatch != 0 {
		t.Fatalf("half a call of messages was stored: %d", len(got))
	}
	for n := range done["messages"] + 1 {
		if len(got) < (n+1)*killBatch || !reflect.DeepEqual(got[n*killBatch:(n+1)*killBatch], killMessages(n)) {
			t.Fatalf("step %d: messages are missing", n)
		}
	}
}
