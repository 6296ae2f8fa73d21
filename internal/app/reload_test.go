package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/entity"
)

// logText is a log that a test waits for.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// await waits for a text, and forgets what was written up to it.
func (l *logText) await(t *testing.T, want string) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l.mu.Lock()
		if i := strings.Index(l.b.String(), want); i >= 0 {
			l.b.Next(i + len(want))
			l.mu.Unlock()
			return
		}
		text := l.b.String()
		l.mu.Unlock()
		if time.Now().After(limit) {
			t.Fatalf("%q does not come: %s", want, text)
		}
	}
}

// TestReload: a signal puts the tables in force that the folder holds now, what cannot be used changes nothing, and what needs a restart is named.
func TestReload(t *testing.T) {
	dir, tables := t.TempDir(), t.TempDir()
	file, overrides := filepath.Join(dir, "corewatch.yaml"), filepath.Join(tables, "overrides.csv")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := fmt.Sprintf("reference: %s\nsources:\n  - {collector: rc0, folder: %s}\n", tables, t.TempDir())
	write(overrides, entity.OverridesHeader+"\nAS65001,LI,test\n")
	write(file, base)

	log := &logText{}
	again, ended, ready := make(chan os.Signal, 1), make(chan error, 1), make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	data := t.TempDir()
	m := Monitor{Config: file, Listen: "127.0.0.1:0", Data: data, Reload: again, Out: log, Log: zerolog.New(log), Ready: func(a string) { ready <- a }}
	go func() { ended <- m.Run(ctx) }()
	defer stop()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // from then on the folder is not read but for a signal
		if kept, _ := filepath.Glob(filepath.Join(data, liveFolder, keptTables, "[0-9a-f]*")); len(kept) == 1 {
			break
		} else if time.Now().After(limit) {
			t.Fatal("the tables are not kept")
		}
	}
	write(file, base+"detect: {country_share: 2}\n")
	again <- syscall.SIGHUP
	log.await(t, "detect.country_share")
	write(file, base+"detect: {country_share: 0.5}\n")
	write(overrides, entity.OverridesHeader+"\nAS65001\n")
	again <- syscall.SIGHUP
	log.await(t, "after a restart only: detect")
	log.await(t, "overrides.csv")
	log.await(t, "changed nothing")
	write(overrides, entity.OverridesHeader+"\nAS65001,AD,test\n")
	again <- syscall.SIGHUP
	log.await(t, "read anew")
	time.Sleep(3 * time.Second) // the journal is written once a second
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	followed, err := collect.Follow(filepath.Join(data, liveFolder))
	if err != nil {
		t.Fatal(err)
	}
	defer followed.Close()
	changes := 0
	e, err := followed.Next()
	for ; err == nil; e, err = followed.Next() {
		if e.Kind == order.Control && e.Name == controlReference {
			changes++
		}
	}
	if changes != 1 {
		t.Errorf("%d changes of tables in the journal, %v", changes, err)
	}
}
