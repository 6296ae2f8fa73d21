package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The ClickHouse engine as a shared library, from npm: 178 MB to fetch, 566 MB on the disk. Tests look for it at engineFile
// (store/clickhouse/clickhousetest); it stays there until `make clean`.
const (
	enginePackage = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
	engineSHA256  = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5"
	engineFile    = toolDir + "/libchdb-26.7.3.so"
	engineTime    = 10 * time.Minute // on a slow line
)

// wantsEngine reports whether a test starts the engine, on a machine that it is made for and without a server named instead.
func wantsEngine(testSources []string) bool {
	return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" && os.Getenv("CLICKHOUSE_ADDR") == "" &&
		slices.ContainsFunc(testSources, func(s string) bool { return strings.Contains(s, "clickhousetest.Start(") })
}

// installEngine fetches the engine, unless it is there. What npm brought is used only when its digest is the pinned one.
func installEngine(ctx context.Context, r *runner) (err error) {
	if _, err := os.Stat(engineFile); err == nil {
		return nil
	}
	if err := os.MkdirAll(toolDir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(toolDir, "engine-") // on the same disk: the file is moved, not copied
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(r.out, "npm install "+enginePackage+" (178 MB)")
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	args := []string{"install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix", ".", enginePackage}
	if err := quiet(ctx, dir, nil, "npm", args...); err != nil {
		return err
	}
	return placeEngine(filepath.Join(dir, "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so"), engineSHA256, engineFile)
}

// placeEngine moves a file to its place when it has a digest.
func placeEngine(from, digest, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("%s has SHA-256 %s, not %s: it is not used", from, got, digest)
	}
	return os.Rename(from, to)
}
