package peering

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
)

// received is what a program under measurement says of itself.
type received struct {
	Routes int           // in its table, all sessions together
	CPU    time.Duration // from the first connection on
	RSS    int64         // octets, at most
}

// benchSessions is how many routers feed, from 127.0.1.1 on, as AS 65001 on.
const benchSessions = 10

// receiverVariable asks the test program to be the receiver of a benchmark instead, and says how many routes will come.
const receiverVariable = "COREWATCH_BENCH_ROUTES"

// tableVariable says what the receiver does with a route: "decode" it only, "announce" it to the table as the monitor does, or "seed" the table with
// it as with an entry of a table dump.
const tableVariable = "COREWATCH_BENCH_TABLE"

// gobgpVariable is a folder with gobgpd and gobgp, as `go install github.com/osrg/gobgp/v3/cmd/...@v3.37.0` makes them.
const gobgpVariable = "COREWATCH_GOBGP"

// TestMain runs the tests, or the receiver: a process of its own, so that only what it does is measured.
func TestMain(m *testing.M) {
	if want, err := strconv.Atoi(os.Getenv(receiverVariable)); err == nil {
		if err := receive(want); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// receive is this package and what follows it, up to the table: socket, record, message, cell.
func receive(want int) error {
	opt := Options{AS: ownAS, RouterID: netip.MustParseAddr("10.0.0.9"), Listen: "127.0.0.1:0"}
	for i := range benchSessions {
		opt.Neighbours = append(opt.Neighbours, only(fmt.Sprintf("127.0.1.%d", i+1), uint32(65001+i)))
	}
	s, err := New(opt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.Run(ctx)
	for {
		s.mu.Lock()
		ready := len(s.listeners) > 0
		s.mu.Unlock()
		if ready {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(s.listeners[0].Addr())
	table := visibility.New(visibility.Config{})
	how := os.Getenv(tableVariable)
	count, decoded, failed := 0, 0, error(nil)
	var rec mrt.Record
	var dec mrt.Decoder
	var c mrt.Content
	var u wire.Update
	var e bgp.Elem
	ids := map[bgp.Peer]visibility.PeerID{}
	for count < want && failed == nil {
		s.Poll(func(ev Event) bool {
			id, ok := ids[ev.Peer]
			if !ok {
				id, failed = table.Peer(ev.Peer, 0)
				ids[ev.Peer] = id
			}
			if failed == nil {
				failed = rec.Parse(ev.Raw, 0)
			}
			if failed == nil {
				failed = dec.Decode(&rec, &c)
			}
			if failed != nil || c.Kind != mrt.Message || c.BGP[18] != wire.TypeUpdate {
				return failed == nil
			}
			if failed = u.Parse(c.BGP, c.Opts); failed != nil {
				return false
			}
			for u.Next(&e) {
				decoded++
				if how == "decode" {
					continue
				}
				r, err := table.Intern(e.Prefix)
				if err != nil {
					failed = err
					return false
				}
				if how == "seed" {
					table.Seed(r, id, e.Origin, rec.Time)
				} else {
					table.Announce(r, id, e.Origin, rec.Time)
				}
			}
			return true
		})
		if count = 0; how == "decode" {
			count = decoded
		}
		for _, id := range ids {
			count += table.Counters(id).Announced
		}
		time.Sleep(5 * time.Millisecond)
	}
	if failed != nil {
		return failed
	}
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return err
	}
	rss, err := mostMemory(os.Getpid())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(received{count, time.Duration(use.Utime.Nano() + use.Stime.Nano()), rss})
}

// mostMemory is the peak of a process's resident memory.
func mostMemory(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kb int64
	_, err = fmt.Sscanf(rest, "%d kB", &kb)
	return kb << 10, err
}

// feed is the table of one router as UPDATE messages: prefixes in runs of one to nine that share their attributes, paths of three to six networks,
// and up to eight communities; about 20 octets a route, as in a table of today. All routers see the same network at the end of a prefix's path.
func feed(as uint32, prefixes []bgp.Prefix) []byte {
	rng, world := rand.New(rand.NewPCG(uint64(as), 1)), rand.New(rand.NewPCG(1, 2))
	var out []byte
	for len(prefixes) > 0 {
		run := min(1+world.IntN(9), len(prefixes))
		hops := 3 + rng.IntN(4)
		seq := binary.BigEndian.AppendUint32([]byte{2, byte(hops)}, as)
		for range hops - 2 {
			seq = binary.BigEndian.AppendUint32(seq, 1000+rng.Uint32N(60_000))
		}
		seq = binary.BigEndian.AppendUint32(seq, 1000+world.Uint32N(60_000))
		attrs := [][]byte{origin, attribute(0x40, 2, seq...), nextHop}
		if n := rng.IntN(9); n > 0 {
			var list []byte
			for range n {
				list = binary.BigEndian.AppendUint32(list, rng.Uint32())
			}
			attrs = append(attrs, attribute(0xc0, 8, list...))
		}
		var nlri []byte
		for _, p := range prefixes[:run] {
			nlri = append(append(nlri, byte(p.Len())), p.Netip().Addr().AsSlice()[:(p.Len()+7)/8]...)
		}
		out = append(out, update(nlri, attrs...)...)
		prefixes = prefixes[run:]
	}
	return append(out, endOfRIB...)
}

// benchPrefixes are n prefixes, most of them /24.
func benchPrefixes(n int) []bgp.Prefix {
	rng := rand.New(rand.NewPCG(1, 1))
	seen := make(map[bgp.Prefix]bool, n)
	out := make([]bgp.Prefix, 0, n)
	for len(out) < n {
		length := uint8(24)
		if rng.IntN(10) < 4 {
			length = 16 + uint8(rng.IntN(8))
		}
		// 10/8 and 127/8, in which a server under measurement may have routes of its own, are left out
		if p := bgp.PrefixFrom4((11+rng.Uint32N(100))<<24|rng.Uint32()>>8, length); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// push lets all routers speak at once, and keeps their sessions until the test ends.
func push(b *testing.B, to string, streams [][]byte) {
	var all sync.WaitGroup
	for i, octets := range streams {
		all.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}
			conn, err := d.Dial("tcp", to)
			for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); conn, err = d.Dial("tcp", to) {
				time.Sleep(50 * time.Millisecond)
			}
			if err != nil {
				b.Error(err)
				return
			}
			b.Cleanup(func() { conn.Close() })
			go io.Copy(io.Discard, conn)
			o := usual(uint32(65001 + i))
			o.id = fmt.Sprintf("10.0.1.%d", i+1)
			for _, part := range [][]byte{append(o.octets(b), message(wire.TypeKeepalive)...), octets} {
				if _, err := conn.Write(part); err != nil {
					b.Error(err)
					return
				}
				time.Sleep(100 * time.Millisecond) // a server may not take an UPDATE together with the OPEN
			}
		})
	}
	all.Wait()
}

// ours measures this package and the table.
func ours(b *testing.B, how string, routes int, streams [][]byte) (got received) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", receiverVariable, routes), tableVariable+"="+how)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	r := bufio.NewReader(out)
	addr, err := r.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	push(b, strings.TrimSpace(addr), streams)
	if err := json.NewDecoder(r).Decode(&got); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return got
}

// gobgp337 measures GoBGP's server; ok is false where it is not installed.
func gobgp337(b *testing.B, routes int, streams [][]byte) (got received, ok bool) {
	dir := os.Getenv(gobgpVariable)
	server, err := exec.LookPath(filepath.Join(dir, "gobgpd"))
	if dir == "" || err != nil {
		b.Logf("GoBGP's server is not measured: %s is not a folder with gobgpd and gobgp v3.37.0", gobgpVariable)
		return got, false
	}
	const api, listen = "127.0.0.1:50951", 51179
	conf := fmt.Sprintf("[global.config]\nas = %d\nrouter-id = \"10.0.0.9\"\nport = %d\nlocal-address-list = [\"127.0.0.1\"]\n", ownAS, listen)
	for i := range streams {
		conf += fmt.Sprintf("[[neighbors]]\n[neighbors.config]\nneighbor-address = \"127.0.1.%d\"\npeer-as = %d\n[neighbors.transport.config]\npassive-mode = true\n", i+1, 65001+i)
	}
	file := filepath.Join(b.TempDir(), "gobgpd.toml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(server, "-f", file, "--api-hosts", api, "--pprof-disable", "-l", "error")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	push(b, fmt.Sprintf("127.0.0.1:%d", listen), streams)
	var last error
	for end := time.Now().Add(time.Minute); got.Routes < routes && time.Now().Before(end); time.Sleep(time.Second) {
		out, err := exec.Command(filepath.Join(dir, "gobgp"), "-p", "50951", "global", "rib", "summary", "-j").Output()
		if err != nil {
			last = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
			continue
		}
		var sum struct {
			Paths int `json:"num_path"`
		}
		if json.Unmarshal(bytes.TrimSpace(out), &sum) == nil {
			got.Routes = sum.Paths
		}
	}
	if got.Routes == 0 {
		b.Logf("GoBGP's server does not say how many routes it has: %v", last)
	}
	if got.RSS, err = mostMemory(cmd.Process.Pid); err != nil {
		b.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	got.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return got, true
}

// The goals for ten routers with a million routes each, that begin with their table as the monitor takes it ("seed").
const (
	goalRate   = 1.0 // million routes a CPU second, from the socket to the table
	goalMemory = 200 << 20
)

// BenchmarkSessions has ten routers send a table each, at once, and reports routes a CPU second from the socket to the table, and the most memory the
// process had; it fails where a goal is missed. full is a million routes a router; equal is as much as GoBGP's server can be given on a common machine, for both.
func BenchmarkSessions(b *testing.B) {
	prefixes := benchPrefixes(1_000_000)
	streams := func(n int) (list [][]byte, octets int) {
		for i := range benchSessions {
			list = append(list, feed(uint32(65001+i), prefixes[:n]))
			octets += len(list[i])
		}
		return list, octets
	}
	report := func(b *testing.B, who string, got received, want int) {
		b.Logf("%-8s %10d routes of %d, %.3f M routes per CPU second, %.0f octets of RSS a route, %d MiB RSS at most",
			who, got.Routes, want, float64(got.Routes)/got.CPU.Seconds()/1e6, float64(got.RSS)/float64(got.Routes), got.RSS>>20)
		if got.Routes != want {
			b.Errorf("%s has %d routes; %d were sent", who, got.Routes, want)
		}
	}
	for _, c := range []struct {
		name, how string
		routes    int
	}{
		{"equal", "announce", 20_000},
		{"full/decode", "decode", len(prefixes)},
		{"full/seed", "seed", len(prefixes)},
		{"full/announce", "announce", len(prefixes)},
	} {
		b.Run(c.name, func(b *testing.B) {
			list, octets := streams(c.routes)
			want := c.routes * benchSessions
			b.Logf("%d routers, %d routes, %.1f octets a route", benchSessions, want, float64(octets)/float64(want))
			for b.Loop() { // once: it takes longer than any -benchtime
				got := ours(b, c.how, want, list)
				report(b, "corewatch", got, want)
				b.ReportMetric(float64(got.Routes)/got.CPU.Seconds()/1e6, "Mroutes/cpu-s")
				b.ReportMetric(float64(got.RSS>>20), "MiB")
				if rate := float64(got.Routes) / got.CPU.Seconds() / 1e6; c.name == "full/seed" && (rate < goalRate || got.RSS > goalMemory) {
					b.Errorf("the goals are %v M routes per CPU second in %d MiB", goalRate, goalMemory>>20)
				}
			}
			b.ReportMetric(0, "ns/op")
			if c.name == "equal" {
				if got, ok := gobgp337(b, want, list); ok {
					report(b, "gobgpd", got, want)
				}
			}
		})
	}
}
