//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Namespaces and folders are called cwlab-PID-...: who made them can be seen, and whether it still lives.
const namespacePrefix = "cwlab-"

// network is a switch and the machines behind it, each in a namespace of its own.
type network struct {
	t    *testing.T
	name string
	dir  string // files of the machines
}

// lacking says why the lab cannot be here, or "".
var lacking = sync.OnceValue(func() string {
	for _, p := range []string{"ip", "bird", "birdc", "vtysh", "exabgp", "go"} {
		if _, err := exec.LookPath(p); err != nil {
			return p + " is not installed (Debian: bird2 frr exabgp iproute2)"
		}
	}
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	sweep(0)
	name := fmt.Sprintf("%s%d-try", namespacePrefix, os.Getpid())
	defer removeNamespace(name)
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return "no network namespace can be made: " + strings.TrimSpace(string(out))
	}
	return ""
})

// need skips the test where the lab cannot be, and fails where it must.
func need(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("routing lab: left out of short runs")
	}
	switch why := lacking(); {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal("CI=true and " + why)
	default:
		t.Skip("routing lab: " + why)
	}
}

func newNetwork(t *testing.T, name string) *network {
	t.Helper()
	dir, err := newFolder(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // routers run as users of their own
		t.Fatal(err)
	}
	n := &network{t, fmt.Sprintf("%s%d-%s-", namespacePrefix, os.Getpid(), name), dir}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the files of the lab are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	n.add("switch")
	n.ip("-n", n.name+"switch", "link", "add", "br0", "type", "bridge")
	n.ip("-n", n.name+"switch", "link", "set", "br0", "up")
	return n
}

// add makes a namespace, which goes with the test.
func (n *network) add(machine string) {
	n.t.Helper()
	name := n.name + machine
	n.t.Cleanup(func() { removeNamespace(name) })
	n.ip("netns", "add", name)
	n.ip("-n", name, "link", "set", "lo", "up")
}

// machine makes one with addresses on the network.
func (n *network) machine(name string, hosts ...int) {
	n.t.Helper()
	n.add(name)
	at := n.name + name
	n.ip("-n", n.name+"switch", "link", "add", name, "type", "veth", "peer", "name", "e0", "netns", at)
	n.ip("-n", n.name+"switch", "link", "set", name, "master", "br0", "up")
	n.ip("-n", at, "link", "set", "e0", "up")
	for _, h := range hosts {
		n.ip("-n", at, "address", "add", addr4(h)+"/24", "dev", "e0")
		n.ip("-n", at, "address", "add", addr6(h)+"/64", "dev", "e0", "nodad")
	}
}

func addr4(host int) string { return fmt.Sprintf("192.0.2.%d", host) }
func addr6(host int) string { return fmt.Sprintf("2001:db8:ffff::%d", host) }

// cut pulls the cable of a machine; join puts it back.
func (n *network) cut(machine string) {
	n.ip("-n", n.name+"switch", "link", "set", machine, "down")
}

func (n *network) join(machine string) {
	n.ip("-n", n.name+"switch", "link", "set", machine, "up")
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.CommandContext(n.t.Context(), "ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (n *network) path(parts ...string) string {
	return filepath.Join(append([]string{n.dir}, parts...)...)
}

// file writes a file of the lab and gives its path.
func (n *network) file(name, text string) string {
	n.t.Helper()
	if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return n.path(name)
}

// in runs a command on a machine and gives what it prints.
func (n *network) in(machine string, args ...string) []byte {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name + machine}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s on %s: %v: %s", strings.Join(args, " "), machine, err, out)
	}
	return out
}

// removeNamespace ends what still runs in a namespace and takes it away.
func removeNamespace(name string) {
	if out, err := exec.Command("ip", "netns", "pids", name).Output(); err == nil {
		for _, f := range strings.Fields(string(out)) {
			if pid, err := strconv.Atoi(f); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	_ = exec.Command("ip", "netns", "delete", name).Run() // one that was never made cannot be deleted
}

// newFolder makes one that sweep finds.
func newFolder(name string) (string, error) {
	return os.MkdirTemp("", fmt.Sprintf("%s%d-%s-", namespacePrefix, os.Getpid(), name))
}

// sweep removes the namespaces and files of one test program, and those of programs that are gone: one that was killed, or that failed and left its
// files to be read.
func sweep(whose int) {
	stale := func(name string) bool {
		rest, ours := strings.CutPrefix(name, namespacePrefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		return ours && err == nil && (pid == whose || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH))
	}
	if out, err := exec.Command("ip", "netns", "list").Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); stale(name) {
				removeNamespace(name)
			}
		}
	}
	if folders, err := filepath.Glob(filepath.Join(os.TempDir(), namespacePrefix+"*")); err == nil {
		for _, f := range folders {
			if stale(filepath.Base(f)) {
				_ = os.RemoveAll(f)
			}
		}
	}
}
