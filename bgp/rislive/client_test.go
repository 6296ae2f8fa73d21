package rislive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// service is a RIS Live of the test's own, on a loopback address. Each connection plays the next script.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []map[string]any
	scripts []func(context.Context, *websocket.Conn)
}

func serve(t *testing.T, scripts ...func(context.Context, *websocket.Conn)) *service {
	s := &service{scripts: scripts}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_, b, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var asked map[string]any
		if err := json.Unmarshal(b, &asked); err != nil {
			t.Errorf("subscription %s: %v", b, err)
		}
		s.mu.Lock()
		n := len(s.asked)
		s.asked = append(s.asked, asked)
		s.mu.Unlock()
		if n < len(s.scripts) {
			s.scripts[n](r.Context(), conn)
		} else {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) endpoint() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// say sends n withdrawals of different prefixes as one collector.
func say(collector string, n int) func(context.Context, *websocket.Conn) {
	return func(ctx context.Context, c *websocket.Conn) {
		for i := range n {
			frame := fmt.Sprintf(`{"type":"ris_message","data":{"timestamp":1700000000.5,"peer":"192.0.2.1","peer_asn":"64496","host":"%s.ripe.net","type":"UPDATE","withdrawals":["10.%d.%d.0/24"]}}`,
				collector, i/256%256, i%256)
			if c.Write(ctx, websocket.MessageText, []byte(frame)) != nil {
				return
			}
		}
	}
}

// run starts a client and gives it with what stops it.
func run(t *testing.T, opt Options) *Client {
	t.Helper()
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("the client did not stop")
		}
	})
	return c
}

// take polls until n events came.
func take(t *testing.T, c *Client, n int) (out []Event) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(out) < n; time.Sleep(time.Millisecond) {
		if err := c.Poll(func(e Event) bool {
			e.Raw = bytes.Clone(e.Raw)
			out = append(out, e)
			return len(out) < n
		}); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d events; %+v", len(out), n, c.Status())
		}
	}
	return out
}

// A connection that ends is a gap of every collector that was heard on it, told behind what was received; then it goes on.
func TestReconnectIsAGap(t *testing.T) {
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		say("rrc00", 3)(ctx, c)
		say("rrc21", 2)(ctx, c)
	}, say("rrc00", 1), func(ctx context.Context, c *websocket.Conn) {
		say("rrc21", 1)(ctx, c)
		<-ctx.Done()
	})
	c := run(t, Options{Endpoint: s.endpoint(), Client: "corewatch-test", Prefixes: []string{"10.0.0.0/8"}, Retry: 10 * time.Millisecond})
	var got []string
	for _, e := range take(t, c, 10) {
		got = append(got, fmt.Sprintf("%d %s", e.Kind, e.Collector))
	}
	if want := "1 rrc00,1 rrc00,1 rrc00,1 rrc21,1 rrc21,2 rrc00,2 rrc21,1 rrc00,2 rrc00,1 rrc21"; strings.Join(got, ",") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, ","), want)
	}
	if err := c.Poll(func(e Event) bool { t.Errorf("one more: %+v", e); return true }); err != nil {
		t.Error(err)
	}
	st := c.Status()
	if !st.Connected || st.Counts.Messages != 7 || st.Attempts != 3 || st.Waiting.Memory != 0 {
		t.Errorf("%+v", st)
	}
	asked := fmt.Sprint(s.asked[0])
	if !strings.Contains(asked, "10.0.0.0/8") || !strings.Contains(asked, "includeRaw:true") || !strings.Contains(asked, "moreSpecific:true") {
		t.Errorf("asked for %s", asked)
	}
}

// Messages that come late, or twice, are records as any other, where they came: only when they came is known for sure. Late ones are counted.
func TestLateAndTwice(t *testing.T) {
	frame := func(ago time.Duration, kind string) []byte {
		return fmt.Appendf(nil, `{"type":"ris_message","data":{"timestamp":%d.5,"peer":"192.0.2.7","peer_asn":"1140","id":"192.0.2.7-1","host":"rrc03.ripe.net","type":"UPDATE",%s}}`, time.Now().Add(-ago).Unix(), kind)
	}
	gone, there := `"path":[],"withdrawals":["44.32.91.0/24"]`, `"path":[1140,64512],"announcements":[{"next_hop":"192.0.2.7","prefixes":["44.32.91.0/24"]}]`
	frames := [][]byte{frame(0, gone), frame(25*time.Minute, there), frame(25*time.Minute, there), frame(time.Minute, gone)}
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		for _, f := range frames {
			_ = c.Write(ctx, websocket.MessageText, f)
		}
		<-ctx.Done()
	})
	c := run(t, Options{Endpoint: s.endpoint()})
	var got []string
	for _, e := range take(t, c, len(frames)) {
		got = append(got, elems(t, e.Raw)...)
	}
	const down, up = "1140 192.0.2.7 withdraw 44.32.91.0/24 0", "1140 192.0.2.7 announce 44.32.91.0/24 64512"
	if want := []string{down, up, up, down}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if st := c.Status(); st.Late != 2 || st.Counts.Messages != 4 {
		t.Errorf("%+v", st)
	}
}

// Silence, although the connection stands, ends it; what the service complains about is shown.
func TestSilenceAndComplaint(t *testing.T) {
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		say("rrc00", 1)(ctx, c)
		_ = c.Write(ctx, websocket.MessageText, []byte(`{"type":"ris_error","data":{"message":"too slow"}}`))
		<-ctx.Done()
	})
	c := run(t, Options{Endpoint: s.endpoint(), Silent: 200 * time.Millisecond, Retry: 10 * time.Millisecond})
	events := take(t, c, 2)
	if events[1].Kind != Gap || !strings.Contains(events[1].Why, "no message for") {
		t.Errorf("%+v", events)
	}
	if st := c.Status(); st.Counts.Own != 1 {
		t.Errorf("%+v", st)
	}
}

// A consumer that does not take its records fills the memory, then the file, and then loses records, which it is told behind those that it still gets. When
// it has taken half, the stream goes on.
func TestSlowConsumer(t *testing.T) {
	const n = 50_000
	next := make(chan struct{})
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		say("rrc00", n)(ctx, c)
		<-next
		say("rrc00", 10)(ctx, c)
		<-ctx.Done()
	})
	c := run(t, Options{Endpoint: s.endpoint(), Memory: 1, Spill: filepath.Join(t.TempDir(), "spill"), SpillBytes: 1 << 20})
	for end := time.Now().Add(time.Minute); c.Status().Counts.Messages < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", c.Status())
		}
	}
	st := c.Status()
	if st.Lost == 0 || st.Waiting.Spilled == 0 || st.Waiting.Disk > 1<<20 || st.Waiting.Memory > 3<<20 || !st.Connected {
		t.Errorf("%+v", st)
	}
	kept := int(n - st.Lost)
	got := take(t, c, kept+1)
	for i, e := range got {
		if (e.Kind == Gap) != (i == kept) || e.Collector != "rrc00" {
			t.Fatalf("%d of %d is %+v", i, kept, e)
		}
	}
	if !strings.Contains(got[kept].Why, "slower than the stream") {
		t.Error(got[kept].Why)
	}
	close(next)
	if again := take(t, c, 10); again[9].Kind != Record || c.Status().Lost != st.Lost {
		t.Errorf("%+v", c.Status())
	}
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{"http://x/", "ws://ris-live.ripe.net/", "ws://localhost/", "wss://", "::"} {
		if _, err := New(Options{Endpoint: bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if _, err := New(Options{}); err != nil {
		t.Error(err)
	}
}

// TestUnread: when what waited on the disk cannot be read back, each collector has a gap and the records are counted as lost.
func TestUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spill")
	c, err := New(Options{Memory: 1, Spill: path, SpillBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for ; c.Status().Waiting.Spilled == 0; n++ {
		c.put([]string{"rrc00", "rrc01"}[n%2], make([]byte, 1000), nil, Counts{})
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	gaps, records := map[string]int{}, uint64(0)
	for range 4 { // one event a call at first
		first := true
		_ = c.Poll(func(e Event) bool {
			if e.Kind == Gap {
				gaps[e.Collector]++
				first = !first
				return first
			}
			records++
			return true
		})
	}
	if st := c.Status(); gaps["rrc00"] != 1 || gaps["rrc01"] != 1 || st.Lost == 0 || st.Lost+records != n {
		t.Errorf("%d records of %d, gaps %v, %+v", records, n, gaps, st)
	}
}
