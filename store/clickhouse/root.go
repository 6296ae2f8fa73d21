// Package clickhouse writes incidents with their revisions, and samples, into a ClickHouse server, beside the store that is read. It keeps no
// state of its own: whoever writes says which store the rows are from and which version of it they are. A block that comes again, whole or
// as another block, counts once (docs/clickhouse.md).
//
// No foreign type leaves this package, and no password: errors name the server and what could not be done.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// Limits of time. A server that does not answer for so long is gone, for this connection.
const (
	dialTimeout  = 10 * time.Second
	queryTimeout = 60 * time.Second
)

// Store is one connection to a server, made when it is needed. It is safe for concurrent use: one statement runs after another.
type Store struct {
	conf Config

	mu   sync.Mutex // guards what follows
	conn *ch.Client // nil when there is none
	id   string     // of the database that conn leads to
}

// New prepares a store; it reads the secrets and connects to nothing.
func New(conf Config) (*Store, error) {
	if err := conf.complete(); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	return &Store{conf: conf}, nil
}

// Name says which database is written, for people.
func (s *Store) Name() string { return s.conf.Database + " at " + s.conf.Address }

// Connect makes sure of a connection, brings the schema up to date when it is a new one, and gives the name that the database has of its own:
// another one means another database, which has nothing of what was written before.
func (s *Store) Connect(ctx context.Context) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		if err := s.ping(ctx); err != nil {
			s.drop()
			return "", s.failure("asking", err)
		}
		return s.id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	s.conn, err = ch.Dial(ctx, ch.Options{
		Address: s.conf.Address, User: s.conf.User, Password: s.conf.password, TLS: s.conf.tls, ClientName: "corewatch",
		Compression: ch.CompressionLZ4, DialTimeout: dialTimeout, HandshakeTimeout: dialTimeout, ReadTimeout: queryTimeout,
	})
	if err != nil {
		s.conn = nil
		return "", s.failure("connecting", err)
	}
	if err := s.migrate(ctx); err != nil {
		s.drop()
		return "", s.failure("schema", err)
	}
	if s.id, err = s.identity(ctx); err != nil {
		s.drop()
		return "", s.failure("identity", err)
	}
	return s.id, nil
}

// ping asks whether the server is there. The caller holds mu.
func (s *Store) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

// Close ends the connection. It may be made again with Connect.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	return nil
}

// drop closes the connection, if there is one. The caller holds mu.
func (s *Store) drop() {
	if s.conn != nil {
		_ = s.conn.Close() // what was not acknowledged is written again
		s.conn = nil
	}
}

// ErrNotConnected: Connect comes first, and again after a failure.
var ErrNotConnected = errors.New("not connected")

// Refused is the server's answer to a statement that it did not carry out.
type Refused struct {
	Code    int    // ClickHouse's number of the error
	Message string // ClickHouse's words
}

// Error gives both.
func (e *Refused) Error() string {
	return fmt.Sprintf("the server refuses (code %d): %s", e.Code, e.Message)
}

// maxSaid bounds what is repeated of the server's words: with a stack trace they are pages.
const maxSaid = 500

// failure names the place of an error, and puts those of the library into our words.
func (s *Store) failure(what string, err error) error {
	if e, ok := ch.AsException(err); ok {
		said := e.Message
		if len(said) > maxSaid {
			said = said[:maxSaid] + "…"
		}
		err = &Refused{int(e.Code), said}
	}
	return fmt.Errorf("clickhouse %s: %s: %w", s.Name(), what, err)
}

// do runs one statement. A failure that is not the server's answer leaves the connection in a state that nobody knows: it is closed. The
// caller holds mu.
func (s *Store) do(ctx context.Context, q ch.Query) error {
	if s.conn == nil || s.conn.IsClosed() {
		return ErrNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err := s.conn.Do(ctx, q)
	if err != nil && !ch.IsException(err) {
		s.drop()
	}
	return err
}

// exec runs a statement without a result. The caller holds mu.
func (s *Store) exec(ctx context.Context, text string) error {
	return s.do(ctx, ch.Query{Body: text})
}

// strings runs a statement whose columns are strings, and gives its rows. The caller holds mu.
func (s *Store) strings(ctx context.Context, text string, columns ...string) (rows [][]string, err error) {
	cols := make([]proto.ColStr, len(columns))
	var result proto.Results
	for i, name := range columns {
		result = append(result, proto.ResultColumn{Name: name, Data: &cols[i]})
	}
	err = s.do(ctx, ch.Query{Body: text, Result: result, OnResult: func(context.Context, proto.Block) error {
		for r := range cols[0].Rows() {
			row := make([]string, len(cols))
			for i := range cols {
				row[i] = cols[i].Row(r)
			}
			rows = append(rows, row)
		}
		return nil
	}})
	return rows, err
}
