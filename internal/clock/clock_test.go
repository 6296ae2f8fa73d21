package clock

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve is an NTP server on a loopback address whose clock is off by so much (RFC 5905 section 7.3).
func serve(t *testing.T, off time.Duration) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stamp := func(at time.Time) uint64 {
		at = at.Add(off)
		return uint64(at.Unix()+2208988800)<<32 | uint64(at.Nanosecond())<<32/1e9
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, who, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			out := make([]byte, 48)
			out[0], out[1], out[2], out[3] = 4<<3|4, 2, 6, 0xec // version 4, server; stratum 2
			copy(out[12:], "TEST")
			now := stamp(time.Now())
			binary.BigEndian.PutUint64(out[16:], stamp(time.Now().Add(-time.Second)))
			copy(out[24:], b[40:48])
			binary.BigEndian.PutUint64(out[32:], now)
			binary.BigEndian.PutUint64(out[40:], now)
			if _, err := conn.WriteTo(out, who); err != nil {
				return
			}
		}
	}()
	return conn.LocalAddr().String()
}

func silent(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

// TestServers: the median of at least three that answer; one that is wrong moves nothing, and too few, or no majority, is not known.
func TestServers(t *testing.T) {
	for name, c := range map[string]struct {
		off  []time.Duration
		dead int
		want time.Duration
		why  string
	}{
		"right":            {off: []time.Duration{0, 0, 0}},
		"two minutes slow": {off: []time.Duration{2 * time.Minute, 2 * time.Minute, 2 * time.Minute}, want: 2 * time.Minute},
		"one server lies":  {off: []time.Duration{0, time.Hour, 0}},
		"one is dead":      {off: []time.Duration{0, 0}, dead: 1, why: "2 of 3 servers answer"},
		"no two agree":     {off: []time.Duration{0, time.Hour, -time.Hour}, why: "disagree"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opt Options
			for _, d := range c.off {
				opt.Servers = append(opt.Servers, serve(t, d))
			}
			for range c.dead {
				opt.Servers = append(opt.Servers, silent(t))
			}
			r := New(opt).ask(t.Context())
			if r.Known != (c.why == "") || !strings.Contains(r.Why, c.why) || (r.Offset-c.want).Abs() > 300*time.Millisecond {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestChrony: what the daemon says is taken when it is synchronised and sure; else the servers are asked, and when there are none it says why.
func TestChrony(t *testing.T) {
	const good = "C0000201,ntp.example,2,1792620000.123456789,-0.000012345,0.000001,0.000020,1.5,0.001,0.02,0.010,0.002,64.2,Normal\n"
	program := func(text, code string) string {
		name := filepath.Join(t.TempDir(), "chronyc")
		if err := os.WriteFile(name, []byte("#!/bin/sh\n[ \"$*\" = \"-c tracking\" ] || exit 9\nprintf '%s' '"+text+"'\nexit "+code+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for text, want := range map[string]string{
		good: "",
		strings.Replace(good, "Normal", "Not synchronised", 1): "not synchronised",
		strings.Replace(good, "0.002,64.2", "3.5,64.2", 1):     "may itself be 3.5 s off",
		strings.Replace(good, "-0.000012345", "x", 1):          "field 5",
		"506 Cannot talk to daemon":                            "fields",
	} {
		r := New(Options{Chronyc: program(text, "0")}).ask(t.Context())
		if r.Known != (want == "") || !strings.Contains(r.Why, want) {
			t.Errorf("%s: %+v", text, r)
		}
	}
	if d, err := tracking(strings.Replace(good, "-0.000012345", "2.5", 1)); err != nil || d != 2500*time.Millisecond {
		t.Errorf("%v %v", d, err)
	}
	r := New(Options{Chronyc: program("", "1"), Servers: []string{serve(t, 0), serve(t, 0), serve(t, 0)}}).ask(t.Context())
	if !r.Known || r.From != "3 NTP servers" {
		t.Errorf("%+v", r)
	}
	if r := New(Options{}).ask(t.Context()); r.Known || !strings.Contains(r.Why, "no NTP servers are configured") {
		t.Errorf("%+v", r)
	}
}

func FuzzTracking(f *testing.F) {
	f.Add("C0000201,ntp.example,2,1792620000.1,-0.000012345,0.000001,0.000020,1.5,0.001,0.02,0.010,0.002,64.2,Normal\n")
	f.Fuzz(func(t *testing.T, line string) {
		if d, err := tracking(line); err == nil && d.Abs() > 2e9*time.Second {
			t.Error(d)
		}
	})
}
