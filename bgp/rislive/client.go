package rislive

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/corewatch/corewatch/bgp/spill"
)

// Endpoint is RIPE NCC's public service.
const Endpoint = "wss://ris-live.ripe.net/v1/ws/"

// Options say what to ask the service for. The zero value asks for everything.
type Options struct {
	Endpoint string   // default Endpoint; ws:// is refused unless the host is a loopback address
	Client   string   // names this program to the service, as its operators ask for
	Host     string   // one collector, such as "rrc21"; empty: all
	Prefixes []string // with all more specifics; empty: all
	// What waits for Poll is kept in Memory octets (default 16 MiB), then in SpillBytes of the file Spill (empty: none). What comes beyond is lost until half of
	// it was taken, which is a gap of every collector heard, and is told.
	Memory     int64
	Spill      string
	SpillBytes int64
	Dial       time.Duration // to connect; default 20 s
	// Silent is how long the connection stands without any frame, or of a stream that must speak (no Prefixes) without one about routes; default 60 s. The
	// service is asked to answer three times as often.
	Silent time.Duration
	Retry  time.Duration // longest pause between attempts; default 60 s
}

// Kind says what an Event is.
type Kind uint8

const (
	Record Kind = iota + 1 // an MRT record of a collector
	Gap                    // messages of a collector were missed, from now until its next record
)

// Event is one thing that happened on the stream, in order.
type Event struct {
	Kind      Kind
	Collector string
	Raw       []byte // Record: the MRT record
	Why       string // Gap
}

// Status is how the connection is.
type Status struct {
	Connected bool
	Since     time.Time // connected or not
	Last      time.Time // last frame
	Err       error     // why it is not connected, or what the service complained about last
	Counts    Counts
	Waiting   spill.Figures // what was not yet taken
	Attempts  uint64
	Late      uint64 // messages that the service heard more than LateAfter before they came; they stand where they came
	Lost      uint64 // records for which there was no room, or that could not be read back
}

// Client keeps a connection to the service and holds what it says until it is taken.
type Client struct {
	opt       Options
	subscribe []byte
	queue     *spill.Queue

	// Run's own.
	heard map[string]bool // collectors of which a record came since the last gap
	order []string        // of heard
	over  bool            // there is no room: what comes is lost

	unread []string // Poll's own: collectors that are to be told of as missed

	mu     sync.Mutex // guards status
	status Status
}

const (
	maxFrame   = 4 << 20
	maxHeard   = 1000
	firstRetry = time.Second
)

// New makes a client. It connects when Run is called. The error says which option cannot be used.
func New(opt Options) (*Client, error) {
	if opt.Endpoint == "" {
		opt.Endpoint = Endpoint
	}
	if opt.Memory <= 0 {
		opt.Memory = 16 << 20
	}
	if opt.Spill == "" {
		opt.SpillBytes = 0
	}
	for d, def := range map[*time.Duration]time.Duration{&opt.Dial: 20 * time.Second, &opt.Silent: time.Minute, &opt.Retry: time.Minute} {
		if *d <= 0 {
			*d = def
		}
	}
	u, err := url.Parse(opt.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("RIS Live: endpoint %q is no address", opt.Endpoint)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); u.Scheme != "wss" && (u.Scheme != "ws" || err != nil || !addr.IsLoopback()) {
		return nil, fmt.Errorf("RIS Live: endpoint %q: want wss://, or ws:// on a loopback address", opt.Endpoint)
	}
	if opt.Client != "" {
		q := u.Query()
		q.Set("client", opt.Client)
		u.RawQuery = q.Encode()
	}
	opt.Endpoint = u.String()
	data := map[string]any{"socketOptions": map[string]bool{"includeRaw": true}}
	if opt.Host != "" {
		data["host"] = opt.Host
	}
	if len(opt.Prefixes) > 0 {
		data["prefix"], data["moreSpecific"] = opt.Prefixes, true
	}
	subscribe, err := json.Marshal(map[string]any{"type": "ris_subscribe", "data": data})
	if err != nil {
		return nil, err
	}
	c := &Client{opt: opt, subscribe: subscribe, heard: map[string]bool{}, queue: spill.New(opt.Spill, opt.Memory, opt.SpillBytes)}
	c.status.Since = time.Now()
	return c, nil
}

// Run connects, and connects again whenever the connection ends, until ctx does.
func (c *Client) Run(ctx context.Context) {
	pause := firstRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		c.lost(err)
		if time.Since(began) > c.opt.Retry {
			pause = firstRetry
		}
		select { // not all clients at the same instant
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
		pause = min(2*pause, c.opt.Retry)
	}
}

// connection connects once and reads until the connection ends, and says why it did.
func (c *Client) connection(ctx context.Context) error {
	c.mu.Lock()
	c.status.Attempts++
	c.mu.Unlock()
	dial, cancel := context.WithTimeout(ctx, c.opt.Dial)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	conn, res, err := websocket.Dial(dial, c.opt.Endpoint, &websocket.DialOptions{HTTPClient: client, CompressionMode: websocket.CompressionContextTakeover})
	if res != nil && res.Body != nil {
		res.Body.Close()
	}
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrame)
	if err := conn.Write(dial, websocket.MessageText, c.subscribe); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	c.connected()
	return c.read(ctx, conn)
}

func (c *Client) read(ctx context.Context, conn *websocket.Conn) error {
	var d Decoder
	base := c.Status().Counts
	var w watch
	w.heard()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go w.run(watching, conn, c.opt.Silent)
	var buf []byte
	for {
		// A context that can end costs as much for each frame as the frame itself: the watch closes the connection instead.
		_, r, err := conn.Reader(context.Background())
		if err == nil {
			buf, err = appendAll(buf[:0], r)
		}
		switch {
		case w.silent.Load():
			return fmt.Errorf("no message for %s", c.opt.Silent)
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("reading: %w", err)
		}
		collector, rec, err := d.Decode(buf)
		if rec != nil || len(c.opt.Prefixes) > 0 {
			w.heard()
		}
		c.put(collector, rec, err, base.add(d.Counts))
	}
}

// appendAll reads to the end, into memory that is there.
func appendAll(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// watch ends a connection that says nothing for too long.
type watch struct {
	last   atomic.Int64 // when a frame about routes came, or any that a stream of some prefixes sends, in nanoseconds since 1970
	silent atomic.Bool
}

func (w *watch) heard() { w.last.Store(time.Now().UnixNano()) }

// run watches until ctx ends, and then closes the connection, too. It sends the service's own ping, which the service answers with a frame: so a
// connection that is dead is known from one that has nothing to say.
func (w *watch) run(ctx context.Context, conn *websocket.Conn, silent time.Duration) {
	tick := time.NewTicker(max(silent/12, time.Millisecond))
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			conn.CloseNow()
			return
		case <-tick.C:
		}
		if time.Since(time.Unix(0, w.last.Load())) > silent {
			w.silent.Store(true)
			conn.CloseNow()
			return
		}
		if n%4 == 0 {
			sending, cancel := context.WithTimeout(ctx, silent)
			err := conn.Write(sending, websocket.MessageText, []byte(`{"type":"ping"}`))
			cancel()
			if err != nil {
				return // the connection is closed, and the reader finds out
			}
		}
	}
}

// LateAfter is how long a message may be under way before it is counted as late.
const LateAfter = 5 * time.Minute

// heardAt is the time of a record, to the second: when the collector had the message, as the service says.
func heardAt(rec []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint32(rec)), 0) }

// put queues a record.
func (c *Client) put(collector string, rec []byte, err error, counts Counts) {
	lost := uint64(0)
	if rec != nil {
		var qerr error
		if lost, qerr = c.keep(collector, rec); err == nil {
			err = qerr
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.status.Last, c.status.Counts = now, counts
	if rec != nil && now.Sub(heardAt(rec)) > LateAfter {
		c.status.Late++
	}
	c.status.Lost += lost
	if err != nil && !errors.Is(err, ErrMalformed) {
		c.status.Err = err
	}
}

// keep queues a record, and gives 1 when it is lost.
func (c *Client) keep(collector string, rec []byte) (uint64, error) {
	if c.over {
		f := c.queue.Figures()
		memory, disk := c.queue.Limits()
		if 2*(f.Memory+f.Disk) > memory+disk {
			return 1, nil
		}
		c.over = false
	}
	ok, err := c.queue.Put(byte(Record), collector, rec, false)
	if !ok {
		c.over = true
		c.gaps("the monitor is slower than the stream, and what waits for it has filled its room")
		return 1, err
	}
	if !c.heard[collector] && len(c.order) < maxHeard {
		name := strings.Clone(collector)
		c.heard[name] = true
		c.order = append(c.order, name)
	}
	return 0, nil
}

// gaps tells, behind what was received, that more of every collector heard was sent and is not there.
func (c *Client) gaps(why string) {
	for _, name := range c.order {
		if _, err := c.queue.Put(byte(Gap), name, []byte("RIS Live: "+why), true); err != nil { // memory is left for it
			continue
		}
	}
	c.order = c.order[:0]
	clear(c.heard)
}

func (c *Client) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Connected, c.status.Since, c.status.Err = true, time.Now(), nil
}

// lost notes that the connection broke.
func (c *Client) lost(err error) {
	c.gaps(line(err.Error()))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Connected {
		c.status.Connected, c.status.Since = false, time.Now()
	}
	c.status.Err = err
}

// Poll gives what came since, in order, until take says false. Raw is valid during the call. The error is about the file of what waits.
// Of which collectors records were in what cannot be read is not known: each has a gap, behind what was given before.
func (c *Client) Poll(take func(Event) bool) error {
	if !c.tellUnread(take) {
		return nil
	}
	err := c.queue.Take(func(kind byte, name string, content []byte) bool {
		if Kind(kind) == Gap {
			return take(Event{Kind: Gap, Collector: name, Why: string(content)})
		}
		return take(Event{Kind: Record, Collector: name, Raw: content})
	})
	if err != nil {
		c.unread = c.queue.Names()
		c.tellUnread(take)
	}
	return err
}

// tellUnread gives the gaps of what could not be read back; false when there are more.
func (c *Client) tellUnread(take func(Event) bool) bool {
	for len(c.unread) > 0 {
		name := c.unread[0]
		c.unread = c.unread[1:]
		if !take(Event{Kind: Gap, Collector: name, Why: "RIS Live: what waited on the disk cannot be read back"}) {
			return false
		}
	}
	return true
}

// Limits are the octets that may wait in memory and on the disk.
func (c *Client) Limits() (memory, disk int64) { return c.queue.Limits() }

// Status is how the connection is now.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Waiting = c.queue.Figures()
	s.Lost += s.Waiting.Unread
	return s
}

// add is the counts of two connections together.
func (c Counts) add(d Counts) Counts {
	c.Frames += d.Frames
	c.Messages += d.Messages
	c.States += d.States
	c.Rebuilt += d.Rebuilt
	c.Disagreed += d.Disagreed
	c.Own += d.Own
	c.Sent += d.Sent
	c.Other += d.Other
	c.Malformed += d.Malformed
	return c
}
