// Package clickhousetest gives tests a ClickHouse server: the one that CLICKHOUSE_ADDR names, or the engine as a shared library behind a
// small server of the native protocol (./engine), a process that the test starts, kills and ends. docs/clickhouse.md says what tests with it
// prove.
package clickhousetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// Variables of the environment that name a server which is there already, and who may log in.
const (
	addressVariable  = "CLICKHOUSE_ADDR"
	userVariable     = "CLICKHOUSE_USER"
	passwordVariable = "CLICKHOUSE_PASSWORD"
)

// Below the module's folder: where `make test` puts the engine, and where the program before it is built.
const (
	libraryFile = "bin/tools/libchdb-26.7.3.so"
	programFile = "bin/tools/clickhouse-engine"
)

// startTime bounds how long the engine may take to start; it takes less than a second on an idle machine.
const startTime = 60 * time.Second

// Server is a server to test against. Its methods fail the test that started it.
type Server struct {
	Address, User, Password string
	Database                string // for this test alone

	t       testing.TB
	library string // the engine
	binary  string // the program before it; empty: the server is not ours
	folder  string
	cert    [2]string // files of certificate and key; empty: without TLS
	cmd     *exec.Cmd
	stdin   interface{ Close() error }
}

// Start gives a server with a database name of its own. Without one the test is skipped, or fails where CI=true.
func Start(t testing.TB) *Server { return start(t, "", "") }

// StartTLS gives a server of our own that speaks TLS with a certificate.
func StartTLS(t testing.TB, cert, key string) *Server { return start(t, cert, key) }

func start(t testing.TB, cert, key string) *Server {
	t.Helper()
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	s := &Server{t: t, User: "tester", Password: hex.EncodeToString(b[:]), Database: "corewatch_test_" + hex.EncodeToString(b[:4]), cert: [2]string{cert, key}}
	if a := os.Getenv(addressVariable); a != "" && cert == "" {
		s.Address, s.User, s.Password = a, os.Getenv(userVariable), os.Getenv(passwordVariable)
		t.Cleanup(func() { s.Strings("DROP DATABASE IF EXISTS " + s.Database) })
		return s
	}
	s.library, s.binary = build(t)
	s.folder = t.TempDir()
	s.run("127.0.0.1:0")
	t.Cleanup(s.end)
	return s
}

// Ours reports whether the server is a process of this test, which may kill it.
func (s *Server) Ours() bool { return s.binary != "" }

// root is the module's folder.
func root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no module around the test")
		}
	}
	return "", err
}

// build finds the engine and makes the program before it, unless it is up to date: without cgo, whatever the test is built with.
func build(t testing.TB) (library, binary string) {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	library, binary = filepath.Join(dir, filepath.FromSlash(libraryFile)), filepath.Join(dir, filepath.FromSlash(programFile))
	why := ""
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		why = "the engine is for linux/amd64"
	} else if _, err := os.Stat(library); err != nil {
		why = libraryFile + " is missing; `make test` installs it"
	}
	if why != "" && os.Getenv("CI") == "true" {
		t.Fatalf("CI=true and no ClickHouse: %s", why)
	} else if why != "" {
		t.Skipf("did not run: ClickHouse (%s; or name a server in %s)", why, addressVariable)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "github.com/corewatch/corewatch/store/clickhouse/clickhousetest/engine")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the engine: %v\n%s", err, out)
	}
	return library, binary
}

// run starts the engine and waits until it can be reached.
func (s *Server) run(listen string) {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "-lib", s.library, "-folder", s.folder, "-listen", listen, "-user", s.User, "-cert", s.cert[0], "-key", s.cert[1])
	s.cmd.Env = append(os.Environ(), "ENGINE_PASSWORD="+s.Password)
	s.cmd.Stderr = os.Stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.stdin = stdin
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		said <- line
	}()
	select {
	case line := <-said:
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
		if !ok {
			s.Kill()
			s.t.Fatalf("the engine does not start: %q", line)
		}
		s.Address = address
	case <-time.After(startTime):
		s.Kill()
		s.t.Fatalf("the engine does not start within %s", startTime)
	}
}

// Kill ends the server as a power cut would end its process.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		s.cmd = nil
	}
}

// Restart starts a killed server again, at the same address, on what it had on disk.
func (s *Server) Restart() {
	s.t.Helper()
	s.run(s.Address)
}

// Wipe starts a killed server again, at the same address, with nothing on disk.
func (s *Server) Wipe() {
	s.t.Helper()
	s.folder = s.t.TempDir()
	s.run(s.Address)
}

// end stops the server in order: its input ends.
func (s *Server) end() {
	if s.cmd == nil {
		return
	}
	_ = s.stdin.Close()
	done := make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(startTime):
		_ = s.cmd.Process.Kill()
		<-done
	}
}

// Strings runs a statement and gives its result, which must be one column of strings, or none.
func (s *Server) Strings(text string) (list []string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	c, err := ch.Dial(ctx, ch.Options{Address: s.Address, User: s.User, Password: s.Password, ReadTimeout: startTime})
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	defer c.Close()
	var col proto.ColStr
	q := ch.Query{Body: text, Result: proto.ResultColumn{Data: &col}, OnResult: func(context.Context, proto.Block) error {
		for i := range col.Rows() {
			list = append(list, col.Row(i))
		}
		return nil
	}}
	if err := c.Do(ctx, q); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return list
}

// String is Strings for one value.
func (s *Server) String(text string) string {
	s.t.Helper()
	list := s.Strings(text)
	if len(list) != 1 {
		s.t.Fatalf("%s gives %d rows", text, len(list))
	}
	return list[0]
}
