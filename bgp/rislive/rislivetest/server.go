// Package rislivetest is a RIS Live of a test's own, on a loopback address. It speaks WebSocket itself (RFC 6455), so that sending costs a test
// little beside what it measures.
package rislivetest

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the service.
type Server struct {
	http *httptest.Server
}

// Conn is one client of it. Say and Flush are safe for concurrent use.
type Conn struct {
	Subscription string // what the client asked for

	mu  sync.Mutex
	net net.Conn
	w   *bufio.Writer
}

// Serve starts a service that calls talk for each client once it has subscribed; the connection ends when talk returns, and ctx with the
// client. Pings are answered as the real service does. It stops with the test.
func Serve(tb testing.TB, talk func(ctx context.Context, c *Conn)) *Server {
	s := &Server{}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, r2, err := upgrade(w, r)
		if err != nil {
			return
		}
		defer c.net.Close()
		first, err := read(r2)
		if err != nil {
			return
		}
		c.Subscription = first
		ctx, stop := context.WithCancel(tb.Context())
		defer stop()
		go func() {
			defer stop()
			for {
				text, err := read(r2)
				if err != nil {
					return
				}
				if strings.Contains(text, `"ping"`) && errors.Join(c.Say([]byte(`{"type":"pong","data":null}`)), c.Flush()) != nil {
					return
				}
			}
		}()
		talk(ctx, c)
	}))
	tb.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Endpoint is the service's address.
func (s *Server) Endpoint() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") }

func upgrade(w http.ResponseWriter, r *http.Request) (*Conn, *bufio.Reader, error) {
	h, ok := w.(http.Hijacker)
	if !ok || r.Header.Get("Sec-WebSocket-Key") == "" {
		http.Error(w, "want a WebSocket", http.StatusBadRequest)
		return nil, nil, errors.New("no WebSocket")
	}
	conn, rw, err := h.Hijack()
	if err != nil {
		return nil, nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return &Conn{net: conn, w: bufio.NewWriterSize(conn, 256<<10)}, rw.Reader, nil
}

// read gives the text of a client's next frame; clients mask what they send.
func read(r *bufio.Reader) (string, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return "", err
		}
		n := int64(head[1] & 0x7f)
		switch n {
		case 126:
			var b [2]byte
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return "", err
			}
			n = int64(binary.BigEndian.Uint16(b[:]))
		case 127:
			return "", errors.New("a frame of more than a test sends")
		}
		body := make([]byte, 4+n)
		if _, err := io.ReadFull(r, body); err != nil {
			return "", err
		}
		mask, text := body[:4], body[4:]
		for i := range text {
			text[i] ^= mask[i&3]
		}
		switch head[0] & 0x0f {
		case 1:
			return string(text), nil
		case 8:
			return "", io.EOF
		}
	}
}

// Say sends a frame with the next Flush, or before.
func (c *Conn) Say(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := [10]byte{0x81}
	n := 2
	switch {
	case len(frame) < 126:
		head[1] = byte(len(frame))
	case len(frame) < 1<<16:
		head[1] = 126
		binary.BigEndian.PutUint16(head[2:], uint16(len(frame)))
		n = 4
	default:
		head[1] = 127
		binary.BigEndian.PutUint64(head[2:], uint64(len(frame)))
		n = 10
	}
	if _, err := c.w.Write(head[:n]); err != nil {
		return err
	}
	_, err := c.w.Write(frame)
	return err
}

// Flush sends what was said. A client that does not read for 20 s is cut off, as the real service does.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	return c.w.Flush()
}
