package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/conf"
)

func TestThisMachine(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for what, c := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"unknown":      {fstest.MapFS{}, 0},
		"all of it":    {fstest.MapFS{"proc/meminfo": file("MemTotal:       16384 kB\nMemFree: 1 kB\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 16 << 20},
		"a container":  {fstest.MapFS{"proc/meminfo": file("MemTotal: 16384 kB\n"), "sys/fs/cgroup/memory.max": file("4096000\n")}, 4096000},
		"no limit, v1": {fstest.MapFS{"proc/meminfo": file("MemTotal: 16384 kB\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 16 << 20},
		"nonsense":     {fstest.MapFS{"proc/meminfo": file("MemTotal: lots\nMemTotal: -4 kB\n"), "sys/fs/cgroup/memory.max": file("-1")}, 0},
	} {
		if m := thisMachine(c.root); m.memory != c.want || m.cpus != runtime.GOMAXPROCS(0) {
			t.Errorf("%s: %+v, want %d", what, m, c.want)
		}
	}
}

// TestDefaultSources: what a configuration without sources watches, and why, by the machine and the zones.
func TestDefaultSources(t *testing.T) {
	zones := func(members, since string) string {
		dir := t.TempDir()
		text := "zones:\n  - slug: example\n    name: Example\n    kind: example\n" + since + "    members:\n" + members +
			"    sources:\n      - title: example\n        url: https://example.org/\n        retrieved: 2026-01-01\n"
		if err := os.WriteFile(filepath.Join(dir, "zones.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	big, small := machine{4, 8 << 30}, machine{2, 64 << 30}
	for what, c := range map[string]struct {
		conf     conf.Config
		m        machine
		why      string
		sources  int
		prefixes int // -1: some
	}{
		"an empty list is nothing":   {conf.Config{Sources: []conf.Source{}}, big, "", 0, 0},
		"what is named is watched":   {conf.Config{Sources: []conf.Source{{Collector: "x", Folder: "y"}}}, big, "", 1, 0},
		"a large machine":            {conf.Config{}, big, "the whole world: this machine has 4 processors and 8.0 GiB", 1, 0},
		"too few processors":         {conf.Config{}, small, "nothing, by default: the whole world asks for 4 processors and 7 GiB, and this machine has 2 processors and 64.0 GiB", 0, 0},
		"too little memory":          {conf.Config{}, machine{8, 4 << 30}, "nothing, by default", 0, 0},
		"memory unknown":             {conf.Config{}, machine{8, 0}, "memory that it does not tell", 0, 0},
		"a zone":                     {conf.Config{Reference: zones("      prefixes: [192.0.2.0/24, \"2001:db8::/32\"]\n", "")}, small, "the zones configured (1, in 2 prefixes)", 1, 2},
		"a zone on a large machine":  {conf.Config{Reference: zones("      prefixes: [192.0.2.0/24]\n", "")}, big, "the whole world", 1, 0},
		"a country":                  {conf.Config{Reference: zones("      countries: [DJ]\n", "")}, small, "the zones configured (1, in ", 1, -1},
		"a country and a network":    {conf.Config{Reference: zones("      countries: [DJ]\n      networks: [AS64500]\n", "")}, small, "of example only what the tables say", 1, -1},
		"only a network":             {conf.Config{Reference: zones("      networks: [AS64500]\n", "")}, small, "no zone with prefixes", 0, 0},
		"a zone that is over":        {conf.Config{Reference: zones("      countries: [DJ]\n", "    until: 2020-01-01\n")}, small, "no zone with prefixes", 0, 0},
		"a country of many prefixes": {conf.Config{Reference: zones("      countries: [UA]\n", "")}, small, "the zones configured (1, in ", 1, -1},
		"too large a country":        {conf.Config{Reference: zones("      countries: [US]\n", "")}, small, "too large for a subscription", 0, 0},
	} {
		got, why, err := withDefaults(c.conf, c.m, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
		if err != nil || !strings.Contains(why, c.why) || (c.why == "") != (why == "") || len(got.Sources) != c.sources {
			t.Errorf("%s: %d sources, %q, %v", what, len(got.Sources), why, err)
			continue
		}
		if c.sources == 0 || got.Sources[0].RISLive == nil {
			continue
		}
		ris := got.Sources[0].RISLive
		if n := len(ris.Prefixes); c.prefixes >= 0 && n != c.prefixes || c.prefixes < 0 && (n == 0 || n > maxDefaultPrefixes) || ris.Seeded() != (n == 0) {
			t.Errorf("%s: %d prefixes, seeded %v", what, n, ris.Seeded())
		}
		if _, err := newRISSource(*ris, "", t.TempDir(), zerolog.Nop()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := withDefaults(conf.Config{Reference: filepath.Join(t.TempDir(), "none")}, small, time.Now()); err == nil {
		t.Error("a reference folder that is not there was read")
	}
}

// TestRunOffline: without a network the pages come up, say that the stream cannot be reached, and go on trying.
func TestRunOffline(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "corewatch.yaml")
	text := fmt.Sprintf("sources:\n  - ris_live: {endpoint: \"ws://%s/\", host: rrc04}\narchives: {ris: \"http://%s/\"}\n", nobody, nobody)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	m := Monitor{Config: config, Listen: "127.0.0.1:0", Data: t.TempDir(), Out: io.Discard, Log: zerolog.Nop(), Ready: func(addr string) { ready <- addr }}
	go func() { ended <- m.Run(ctx) }()
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, body := get(t, addr, "/health")
		if strings.Contains(body, "connection refused") && strings.Contains(body, "again within a minute") && !strings.Contains(body, nobody) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("after a minute /health says\n%s", body)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
