package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// account is who may log in.
type account struct{ user, password string }

// session is one connection of the native protocol.
type session struct {
	conn    net.Conn
	lib     *library
	who     account
	version string // of the engine
	in      *proto.Reader
	out     proto.Buffer
	pack    *compress.Writer
	level   int // protocol version that both sides know
}

func newSession(c net.Conn, l *library, who account, version string) *session {
	return &session{conn: c, lib: l, who: who, version: version, in: proto.NewReader(c), pack: compress.NewWriter(compress.LevelZero, compress.LZ4)}
}

// Codes of errors, as the engine's own are numbered.
const (
	codeSyntax         = 62
	codeUnknownSetting = 115
	codeNotImplemented = 48
	codeWrongPassword  = 516
	codeUnknown        = 1002
)

// fault is an error as the engine words its own.
type fault struct {
	code int
	text string
}

// Error implements error.
func (f *fault) Error() string { return fmt.Sprintf("Code: %d. DB::Exception: %s", f.code, f.text) }

// serve speaks until the other side goes away.
func (s *session) serve() error {
	defer s.conn.Close()
	if err := s.greet(); err != nil {
		return err
	}
	for {
		code, err := s.in.UVarInt()
		if err != nil {
			return err
		}
		switch proto.ClientCode(code) {
		case proto.ClientCodePing:
			proto.ServerCodePong.Encode(&s.out)
			err = s.flush()
		case proto.ClientCodeQuery:
			err = s.query()
		case proto.ClientCodeCancel, proto.ClientCodeHello: // what is to be cancelled has ended; ch-go sends an octet 0 before a cancel
		default:
			err = fmt.Errorf("packet of unknown kind %d", code)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) flush() error {
	_, err := s.conn.Write(s.out.Buf)
	s.out.Reset()
	return err
}

// greet is the handshake.
func (s *session) greet() error {
	code, err := s.in.UVarInt()
	if err != nil {
		return err
	}
	if proto.ClientCode(code) != proto.ClientCodeHello {
		return fmt.Errorf("packet %d where a hello is due", code)
	}
	var hello proto.ClientHello
	if err := hello.Decode(s.in); err != nil {
		return err
	}
	s.level = min(hello.ProtocolVersion, proto.Version)
	if (account{hello.User, hello.Password}) != s.who {
		return errors.Join(s.refuse(&fault{codeWrongPassword, hello.User + ": Authentication failed: password is incorrect, or there is no user with such name."}), io.EOF)
	}
	answer := proto.ServerHello{Name: "ClickHouse", Revision: proto.Version, Timezone: "UTC", DisplayName: "libchdb"}
	_, _ = fmt.Sscanf(s.version, "%d.%d.%d", &answer.Major, &answer.Minor, &answer.Patch)
	answer.EncodeAware(&s.out, s.level)
	if err := s.flush(); err != nil {
		return err
	}
	if proto.FeatureAddendum.In(s.level) {
		_, err = s.in.Str() // quota key
	}
	return err
}

// refuse sends an exception; the connection goes on.
func (s *session) refuse(why error) error {
	e := proto.Exception{Name: "DB::Exception", Message: why.Error()}
	var code int
	if _, err := fmt.Sscanf(why.Error(), "Code: %d.", &code); err == nil {
		e.Code = proto.Error(code)
	}
	proto.ServerCodeException.Encode(&s.out)
	e.EncodeAware(&s.out, s.level)
	return s.flush()
}

func (s *session) done() error {
	proto.ServerCodeEndOfStream.Encode(&s.out)
	return s.flush()
}

// insertInto recognises the only form of insert that is understood: blocks follow.
var insertInto = regexp.MustCompile(`(?is)^\s*INSERT\s+INTO\s+([^\s(]+)\s*\(([^)]*)\)\s*VALUES\s*$`)

// query runs a statement.
func (s *session) query() error {
	var q proto.Query
	if err := q.DecodeAware(s.in, s.level); err != nil {
		return err
	}
	packed := q.Compression == proto.CompressionEnabled
	for { // external tables; the end is a block without columns
		rows, _, err := s.block(packed)
		if err != nil {
			return err
		}
		if rows == nil {
			break
		}
	}
	if len(q.Parameters) > 0 {
		return s.refuse(&fault{codeNotImplemented, "parameters are not understood here"})
	}
	if m := insertInto.FindStringSubmatch(q.Body); m != nil {
		return s.insert(m[1], m[2], q.Settings, packed)
	}
	if len(q.Settings) > 0 {
		return s.refuse(&fault{codeUnknownSetting, "settings are understood with INSERT only"})
	}
	result, err := s.lib.run([]byte(q.Body), "Native")
	if err != nil {
		return s.refuse(err)
	}
	for r := proto.NewReader(bytes.NewReader(result)); ; {
		var b proto.Block
		var cols proto.Results
		err := b.DecodeRawBlock(r, 0, cols.Auto())
		if errors.Is(err, io.EOF) {
			return s.done()
		}
		if err != nil {
			return s.refuse(&fault{codeNotImplemented, "a result that is not understood here: " + err.Error()})
		}
		if err := s.send(&b, input(cols), packed); err != nil {
			return err
		}
	}
}

// input turns columns that were read into columns that can be written.
func input(cols proto.Results) []proto.InputColumn {
	in := make([]proto.InputColumn, len(cols))
	for i, c := range cols {
		in[i] = proto.InputColumn{Name: c.Name, Data: c.Data.(proto.ColInput)} // every column type of proto is both
	}
	return in
}

// send sends a block of a result.
func (s *session) send(b *proto.Block, cols []proto.InputColumn, packed bool) error {
	proto.ServerCodeData.Encode(&s.out)
	s.out.PutString("") // no temporary table
	b.Info = proto.BlockInfo{BucketNum: -1}
	if !packed {
		if err := b.EncodeBlock(&s.out, s.level, cols); err != nil {
			return err
		}
		return s.flush()
	}
	var plain proto.Buffer
	if err := b.EncodeBlock(&plain, s.level, cols); err != nil {
		return err
	}
	if err := s.pack.Compress(plain.Buf); err != nil {
		return err
	}
	s.out.PutRaw(s.pack.Data)
	return s.flush()
}

// block reads a data packet; its columns are nil at the end of the data.
func (s *session) block(packed bool) (cols proto.Results, rows int, err error) {
	code, err := s.in.UVarInt()
	if err != nil {
		return nil, 0, err
	}
	if proto.ClientCode(code) != proto.ClientCodeData {
		return nil, 0, fmt.Errorf("packet %d where data are due", code)
	}
	var head proto.ClientData
	if err := head.DecodeAware(s.in, s.level); err != nil {
		return nil, 0, err
	}
	if packed {
		s.in.EnableCompression()
		defer s.in.DisableCompression()
	}
	var b proto.Block
	if err := b.DecodeBlock(s.in, s.level, cols.Auto()); err != nil {
		return nil, 0, err
	}
	if b.End() {
		return nil, 0, nil
	}
	return cols, b.Rows, nil
}

// header is a column without rows: the server's answer to an insert is the list of its columns.
type header struct {
	proto.ColStr
	kind proto.ColumnType
}

// Type implements proto.ColInput.
func (h *header) Type() proto.ColumnType { return h.kind }

// insert takes blocks and hands each to the engine as it is: one part a partition, and the settings of the client, deduplication tokens
// among them, apply to it.
func (s *session) insert(table, columns string, settings []proto.Setting, packed bool) error {
	text, err := s.lib.run([]byte("DESCRIBE TABLE "+table), "TSVRaw")
	if err != nil {
		return s.refuse(err)
	}
	kinds := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		kinds[f[0]] = f[1]
	}
	var list []proto.InputColumn
	for name := range strings.SplitSeq(columns, ",") {
		name = strings.Trim(strings.TrimSpace(name), "`\"")
		if kinds[name] == "" {
			return s.refuse(&fault{codeSyntax, "table " + table + " has no column " + name})
		}
		list = append(list, proto.InputColumn{Name: name, Data: &header{kind: proto.ColumnType(kinds[name])}})
	}
	if err := s.send(&proto.Block{Columns: len(list)}, list, packed); err != nil {
		return err
	}
	var clauses []string
	for _, v := range settings {
		clauses = append(clauses, v.Key+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Value)+"'")
	}
	into := "INSERT INTO " + table + " (" + columns + ") FROM INFILE {file}"
	if len(clauses) > 0 {
		into += " SETTINGS " + strings.Join(clauses, ", ")
	}
	var failed error
	for {
		cols, rows, err := s.block(packed)
		if err != nil {
			return err
		}
		if cols == nil {
			break
		}
		if rows == 0 || failed != nil {
			continue
		}
		var b proto.Buffer
		if err := (proto.Block{Columns: len(cols), Rows: rows}).EncodeRawBlock(&b, 0, input(cols)); err != nil {
			failed = &fault{codeNotImplemented, err.Error()}
			continue
		}
		failed = s.lib.insert(into, b.Buf)
	}
	if failed != nil {
		return s.refuse(failed)
	}
	return s.done()
}
