//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	monitorHost = 1
	bmpPort     = 11019
	pages       = "127.0.0.1:8480"
	// getVariable has the test program print a page instead of testing: it can be run on the monitor's machine.
	getVariable = "COREWATCH_LAB_GET"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(getVariable); url != "" {
		os.Exit(get(url))
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-asked
		sweep(os.Getpid())
		os.Exit(1)
	}()
	code := m.Run()
	if path, err := program(); err == nil && lacking() == "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func get(url string) int {
	c := http.Client{Timeout: 5 * time.Second}
	res, err := c.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer res.Body.Close()
	if _, err := io.Copy(os.Stdout, io.LimitReader(res.Body, 1<<20)); err != nil {
		return 1
	}
	return 0
}

// lab is a network with the monitor and its routers.
type lab struct {
	*network
	monitor, bird, bgpd *process
	exa1, exa2          *exabgp
}

// program is the real one, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := newFolder("program")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "corewatch")
	out, err := exec.Command("go", "build", "-o", path, "github.com/corewatch/corewatch/cmd/corewatch").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// start starts everything, and waits until every session is established and every route is told. The routers come first: what they have when a session
// begins is a table to the monitor, and expected at once (docs/method.md, section 3, "Opening tables").
func start(t *testing.T, name string) *lab {
	t.Helper()
	need(t)
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	l := &lab{network: newNetwork(t, name)}
	l.machine("monitor", monitorHost)
	l.machine("bird", birdHost)
	l.machine("frr", frrHost)
	l.machine("exa1", append([]int{overBMP}, exa1Hosts...)...)
	l.machine("exa2", exa2Hosts...)
	l.startBIRD()
	l.startFRR()
	l.startExa1()
	l.startExa2()
	l.exa1.tell("announce", base, targets)
	l.exa2.tell("announce", base, targets)
	time.Sleep(3 * time.Second) // until they have read that
	l.startMonitor()
	l.established()
	l.routes(voters * (len(base) + len(targets)))
	time.Sleep(2 * time.Second) // the second in which the last came is applied when it is over
	return l
}

func (l *lab) startMonitor() {
	if err := os.Mkdir(l.path("tables"), 0o755); err != nil {
		l.t.Fatal(err)
	}
	overrides := "network,country,source\n"
	for as := range 3 {
		overrides += fmt.Sprintf("AS%d,%s,the lab\nAS%d,%s,the lab\n", 65001+as, countryV4, 65011+as, countryV6)
	}
	l.file(filepath.Join("tables", "overrides.csv"), overrides)
	var b strings.Builder
	fmt.Fprintf(&b, `listen: %s
data: %s
reference: %s
detect: {suspect_after_s: 2, confirm_after_s: 4, close_after_s: 3, learning_factor: 1}
peers: {settle_for_s: 1}
sources:
  - bmp: {listen: "%s:%d", plaintext: true, routers: [{address: %s, collector: frr}]}
  - collector: lab
    peering:
      listen: ":179"
      as: %d
      router_id: %s
      connect_retry: 1s
      neighbours:
        - {address: %s, as: %d, password_file: %s, add_path: true, hold: %s}
        - {address: %s, as: %d, passive: true, add_path: true, hold: %s}
`, pages, l.path("data"), l.path("tables"), addr4(monitorHost), bmpPort, addr4(frrHost), monitorAS, addr4(monitorHost),
		addr4(birdHost), birdAS, l.file("password", password+"\n"), hold, addr4(frrHost), frrAS, hold)
	for _, h := range slices.Concat(exa1Hosts, exa2Hosts) {
		at := addr4(h)
		if h == overIPv6 {
			at = addr6(h)
		}
		fmt.Fprintf(&b, "        - {address: %q, as: %d, passive: true, hold: %s}\n", at, exaAS(h), hold)
	}
	path, _ := program()
	l.monitor = l.run("monitor", "monitor", nil, path, "run", "--config", l.file("monitor.yaml", b.String()))
}

// corewatch runs another command of the program.
func (l *lab) corewatch(args ...string) []byte {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	path, _ := program()
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		l.t.Fatalf("corewatch %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

// patience is how long anything may take that the lab waits for.
const patience = 30 * time.Second

// wait asks until it is so. ask says, in words, how it is.
func (l *lab) wait(what string, ask func() (how string, ok bool)) {
	l.t.Helper()
	began := time.Now()
	end := began.Add(patience)
	for {
		how, ok := ask()
		if ok {
			l.t.Logf("%s: after %.1f s", what, time.Since(began).Seconds())
			return
		}
		select {
		case <-l.monitor.done:
			l.t.Fatalf("%s: the monitor has ended: %s", what, l.monitor.said())
		case <-time.After(300 * time.Millisecond):
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s: not after %s; %s\nthe monitor says:\n%s", what, patience, how, l.monitor.said())
		}
	}
}

// health is what the monitor says about each source.
func (l *lab) health() (details string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", "netns", "exec", l.name+"monitor", os.Args[0])
	c.Env = append(os.Environ(), getVariable+"=http://"+pages+"/healthz")
	out, err := c.Output()
	if err != nil {
		return "" // it is not serving yet
	}
	var page struct {
		Sources []struct{ Name, State, Detail string }
	}
	if err := json.Unmarshal(out, &page); err != nil {
		l.t.Fatalf("/healthz: %v: %s", err, out)
	}
	for _, s := range page.Sources {
		details += s.Name + " " + s.State + ": " + s.Detail + "\n"
	}
	return details
}

// established waits for all sessions.
func (l *lab) established() {
	l.t.Helper()
	want := fmt.Sprintf("%d of %d BGP sessions established", voters-1, voters-1)
	l.wait("sessions", func() (string, bool) {
		h := l.health()
		return h, strings.Contains(h, want) && strings.Contains(h, "1 routers connected")
	})
}

var routesHeld = regexp.MustCompile(`established, (\d+) routes`)

// routes waits until the sessions hold so many routes, and no other number.
func (l *lab) routes(want int) {
	l.t.Helper()
	l.wait(fmt.Sprintf("%d routes", want), func() (string, bool) {
		h := l.health()
		m := routesHeld.FindStringSubmatch(h)
		return h, m != nil && m[1] == strconv.Itoa(want)
	})
}

// incident is what the lab reads of one.
type incident struct {
	Kind, State string
	Entity      struct{ Type, Code string }
	Signals     []struct {
		Signal   string
		Prefixes struct{ Lost int }
		ASNs     struct{ Voting int }
	}
	Parts []struct{ Entity struct{ Code string } }
	line  string
}

type incidents []incident

// incidents reads the store, while the monitor writes it.
func (l *lab) incidents() (list incidents) {
	l.t.Helper()
	if _, err := os.Stat(l.path("data")); err != nil {
		return nil
	}
	for line := range bytes.Lines(l.corewatch("incidents", "list", "--json", "--faults", "--store", l.path("data"))) {
		var i incident
		if err := json.Unmarshal(line, &i); err != nil {
			l.t.Fatalf("%v: %s", err, line)
		}
		i.line = string(bytes.TrimSpace(line))
		list = append(list, i)
	}
	return list
}

// until waits for incidents.
func (l *lab) until(what string, ok func(incidents) bool) (list incidents) {
	l.t.Helper()
	l.wait(what, func() (string, bool) {
		list = l.incidents()
		var how strings.Builder
		for _, i := range list {
			how.WriteString(i.line + "\n")
		}
		return how.String(), ok(list)
	})
	return list
}

// outage finds that of an entity; an empty state is any.
func (in incidents) outage(kind, code, state string) *incident {
	for i := range in {
		if in[i].Kind == "outage" && in[i].Entity.Type == kind && in[i].Entity.Code == code && (state == "" || in[i].State == state) {
			return &in[i]
		}
	}
	return nil
}

// open is one that has not ended.
func (in incidents) open() *incident {
	for i := range in {
		if in[i].State != "closed" && in[i].State != "retracted" {
			return &in[i]
		}
	}
	return nil
}

// faults reports whether there is one about each AS.
func (in incidents) faults(ases ...int) bool {
	return !slices.ContainsFunc(ases, func(as int) bool {
		return !slices.ContainsFunc(in, func(i incident) bool {
			return i.Kind == "monitor_fault" && strings.Contains(i.Entity.Code, fmt.Sprintf("/AS%d/", as))
		})
	})
}
