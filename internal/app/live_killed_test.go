package app

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
)

// killedConfig is the method with its waits cut to seconds: the processes of the test live by the clock of the machine.
const killedConfig = `sources:
  - collector: rc0
    folder: %s
detect:
  suspect_after_s: 1
  confirm_after_s: 3
  close_after_s: 2
peers:
  settle_for_s: 0
  min_voters: 3
`

// killableMonitor is the monitor as a process of its own, which is killed and begun again.
type killableMonitor struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	addr string
}

func (k *killableMonitor) start() {
	k.t.Helper()
	k.cmd = exec.Command(os.Args[0], "-test.run=^TestLiveKilled$")
	k.cmd.Env = append(os.Environ(), "COREWATCH_TEST_LIVE="+k.dir)
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	if _, err := fmt.Fscanf(out, "%s\n", &k.addr); err != nil {
		k.t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
}

// end ends the process, with a signal that it cannot notice or with one that it can.
func (k *killableMonitor) end(with os.Signal) {
	k.t.Helper()
	if err := k.cmd.Process.Signal(with); err != nil {
		k.t.Fatal(err)
	}
	if err := k.cmd.Wait(); err != nil && with != os.Kill {
		k.t.Error(err)
	}
	k.addr = ""
}

// state is the state of the outage of AS65001, "" while there is none.
func (k *killableMonitor) state() string {
	res, err := http.Get("http://" + k.addr + "/api/v1/incidents?entity=network:AS65001")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var list struct{ Incidents []detect.Incident }
	if json.NewDecoder(res.Body).Decode(&list) != nil || len(list.Incidents) == 0 {
		return ""
	}
	if len(list.Incidents) > 1 {
		k.t.Errorf("%d incidents of one network", len(list.Incidents))
	}
	return string(list.Incidents[0].State)
}

// TestLiveKilled kills a monitor that watches a folder, at moments that nothing chose, while a network goes and comes back: there is one incident, with nothing
// lost or doubled, and the journal says the same as the store.
func TestLiveKilled(t *testing.T) {
	if dir := os.Getenv("COREWATCH_TEST_LIVE"); dir != "" {
		ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
		defer stop()
		m := Monitor{
			Config: filepath.Join(dir, "corewatch.yaml"), Listen: "127.0.0.1:0", Data: dir, Out: io.Discard, Log: zerolog.Nop(),
			Ready: func(addr string) { fmt.Println(addr) },
		}
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() || raceDetector { // each process plays its demonstration anew, which takes the race detector a minute
		t.Skip("did not run: a process that is killed (short run, or with the race detector)")
	}
	k := &killableMonitor{t: t, dir: t.TempDir()}
	folder := t.TempDir()
	told := &honest{seen: map[string]string{}}
	srv := httptest.NewServer(told)
	t.Cleanup(srv.Close)
	alertsTo := "alerts:\n  subscriptions:\n" + hooks(t, map[string]string{"desk": srv.URL}, "networks: [AS65001], stage: suspected, ")
	if err := os.WriteFile(filepath.Join(k.dir, "corewatch.yaml"), fmt.Appendf(nil, killedConfig+"%s", folder, alertsTo), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(folder, "updates"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	written := 0
	say := func(announce bool) { // 12 networks speak of 40 prefixes of AS65001 and 10 of AS65002, which stay
		for i := range 12 {
			as := uint16(64500 + i)
			for p := range 50 {
				msg := append([]byte{}, hexMessage(t, goodUpdate)...)
				origin, second := uint16(65001), byte(1)
				if p >= 40 {
					origin, second = 65002, 2
				}
				msg = msg[:len(msg)-3]
				copy(msg[32:], []byte{byte(as >> 8), byte(as), byte(origin >> 8), byte(origin)})
				msg = append(msg, 24, 10, second, byte(p))
				if !announce && p < 40 {
					msg = append(slices.Repeat([]byte{0xff}, 16), 0, 0, 2, 0, 4, 24, 10, second, byte(p), 0, 0)
				}
				msg[16], msg[17] = 0, byte(len(msg))
				env := mrt.Envelope{PeerAS: uint32(as), LocalAS: 64499, PeerAddr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), AS2: true}
				rec, err := mrt.AppendMessage(nil, bgp.Micros(time.Now().UnixMicro()), env, msg)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := file.Write(rec); err != nil {
					t.Fatal(err)
				}
				written++
			}
		}
	}
	limit := time.Now().Add(2 * time.Minute)
	kills, rng := 0, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	await := func(what string, most int, there func() bool) {
		t.Helper()
		due := time.Now().Add(time.Duration(200+rng.IntN(1500)) * time.Millisecond)
		for !there() {
			if time.Now().After(limit) {
				t.Fatalf("no %s: %s", what, k.state())
			}
			if time.Sleep(20 * time.Millisecond); most > 0 && time.Now().After(due) {
				k.end(os.Kill)
				kills, most = kills+1, most-1
				k.start()
				t.Logf("killed in %s: %q", what, k.state())
				due = time.Now().Add(time.Duration(100+rng.IntN(2000)) * time.Millisecond)
			}
		}
	}
	since := func(d time.Duration) func() bool {
		from := time.Now()
		return func() bool { return time.Since(from) > d }
	}
	// A table dump says what each network carries: without one nothing is expected for an hour.
	peers := make([]mrt.TablePeer, 12)
	for i := range peers {
		peers[i] = mrt.TablePeer{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), AS: uint32(64500 + i)}
	}
	table, err := mrt.NewTableWriter(file, bgp.Micros(time.Now().UnixMicro()), netip.Addr{}, "", peers)
	if err != nil {
		t.Fatal(err)
	}
	for p := range 50 {
		origin, second := byte(0xe9), byte(1) // 65001
		if p >= 40 {
			origin, second = 0xea, 2
		}
		var entries []mrt.TableEntry
		for i := range peers {
			attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0xfb, byte(0xf4 + i), 0, 0, 0xfd, origin, 0x40, 3, 4, 192, 0, 2, byte(i)}
			entries = append(entries, mrt.TableEntry{Peer: uint16(i), Originated: bgp.Micros(time.Now().UnixMicro()), Attrs: attrs})
		}
		if err := table.Put(bgp.PrefixFrom4(10<<24|uint32(second)<<16|uint32(p)<<8, 24), entries); err != nil {
			t.Fatal(err)
		}
	}
	written += 51
	k.start()
	t.Cleanup(func() {
		if k.addr != "" {
			k.end(os.Kill)
		}
	})
	await("quiet", 2, since(5*time.Second))
	say(false)
	await("outage", 3, func() bool { return k.state() == "confirmed" })
	k.end(os.Kill)
	k.start()
	say(true)
	await("end", 3, func() bool { return k.state() == "closed" })
	await("message of its end", 0, told.ended)
	k.end(syscall.SIGTERM)
	told.lived(t)

	store, err := sqlite.Open(t.Context(), k.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	list, _, err := store.Incidents(t.Context(), sqlite.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	out, err := Replay{Files: []string{filepath.Join(k.dir, liveFolder)}, Out: io.Discard, Err: io.Discard, Log: zerolog.Nop()}.follow(t.Context(), filepath.Join(k.dir, liveFolder))
	if err != nil {
		t.Fatal(err)
	}
	var stored, again []string
	for i := range list {
		line, err := list[i].JSON()
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, string(line))
	}
	for _, inc := range out.monitor.Engine().Incidents() {
		line, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, string(line))
	}
	slices.Sort(stored)
	slices.Sort(again)
	outages := strings.Count(strings.Join(stored, "\n"), `"kind":"outage"`)
	if !slices.Equal(stored, again) || outages != 1 {
		t.Errorf("%d outages in the store\n%s\nits journal\n%s", outages, strings.Join(stored, "\n"), strings.Join(again, "\n"))
	}
	if n := int(out.count.Parsed + out.count.Skipped + out.count.Malformed); n != written || out.count.Malformed != 0 {
		t.Errorf("%d records were written; %s", written, out.count)
	}
	t.Logf("killed %d times", kills+1)
}
