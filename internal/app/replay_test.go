package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// dataDir is the folder of real measurement data, "" on a machine without it.
func dataDir() string {
	if d := os.Getenv("COREWATCH_DATA"); d != "" {
		return d
	}
	if d, err := filepath.Abs("../../../shared/data"); err == nil {
		if _, err := os.Stat(d); err == nil {
			return d
		}
	}
	return ""
}

// BenchmarkReplay replays real hours of route-views2, decompression included.
func BenchmarkReplay(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: replay of rv2008 (no COREWATCH_DATA)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "mrt", "rv2008", "updates.20080220.0[0-9]*"))
	if err != nil || len(files) == 0 {
		b.Fatal("no files of rv2008", err)
	}
	for b.Loop() {
		var out, errs bytes.Buffer
		if err := (Replay{Files: files, JSON: true, Out: &out, Err: &errs, Log: zerolog.Nop()}).Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecord is BenchmarkReplay with a store.
func BenchmarkRecord(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: replay of rv2008 (no COREWATCH_DATA)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "mrt", "rv2008", "updates.20080220.0[0-9]*"))
	if err != nil || len(files) == 0 {
		b.Fatal("no files of rv2008", err)
	}
	for b.Loop() {
		var out, errs bytes.Buffer
		if err := (Replay{Files: files, JSON: true, Store: b.TempDir(), Out: &out, Err: &errs, Log: zerolog.Nop()}).Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
