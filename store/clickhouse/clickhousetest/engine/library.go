package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the ClickHouse engine as a shared library (chdb.h, stable since version 3). It runs one statement at a time.
type library struct {
	folder string // for blocks under way

	mu   sync.Mutex // guards conn: the library's sessions are not made for several threads
	conn unsafe.Pointer

	closeConn func(conn unsafe.Pointer)
	query     func(conn, text unsafe.Pointer, textLen uint64, format unsafe.Pointer, formatLen uint64) unsafe.Pointer
	destroy   func(result unsafe.Pointer)
	buffer    func(result unsafe.Pointer) unsafe.Pointer
	length    func(result unsafe.Pointer) uint64
	failure   func(result unsafe.Pointer) string
}

// openLibrary loads the shared library and opens the database that it keeps in a folder.
func openLibrary(file, folder string) (*library, error) {
	h, err := purego.Dlopen(file, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", file, err)
	}
	var connect func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	l := &library{folder: folder}
	purego.RegisterLibFunc(&connect, h, "chdb_connect")
	purego.RegisterLibFunc(&l.closeConn, h, "chdb_close_conn")
	purego.RegisterLibFunc(&l.query, h, "chdb_query_n")
	purego.RegisterLibFunc(&l.destroy, h, "chdb_destroy_query_result")
	purego.RegisterLibFunc(&l.buffer, h, "chdb_result_buffer")
	purego.RegisterLibFunc(&l.length, h, "chdb_result_length")
	purego.RegisterLibFunc(&l.failure, h, "chdb_result_error")

	var pin runtime.Pinner // what C reads must not move during the call
	defer pin.Unpin()
	var argv []unsafe.Pointer
	for _, a := range []string{"clickhouse", "--path=" + folder} {
		text := append([]byte(a), 0)
		pin.Pin(&text[0])
		argv = append(argv, unsafe.Pointer(&text[0]))
	}
	argc := len(argv)
	argv = append(argv, nil)
	pin.Pin(&argv[0])
	if l.conn = connect(int32(argc), unsafe.Pointer(&argv[0])); l.conn == nil {
		return nil, fmt.Errorf("the engine does not open the database in %s", folder)
	}
	return l, nil
}

// run executes one statement, of which everything behind the newline after FORMAT is data, and gives its result in a format.
func (l *library) run(statement []byte, format string) ([]byte, error) {
	if len(statement) == 0 {
		return nil, &fault{codeSyntax, "Empty query"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := []byte(format)
	// chdb_connect gives a pointer to the session, and chdb_query_n wants the session.
	result := l.query(*(*unsafe.Pointer)(l.conn), unsafe.Pointer(&statement[0]), uint64(len(statement)), unsafe.Pointer(&name[0]), uint64(len(name)))
	runtime.KeepAlive(statement)
	runtime.KeepAlive(name)
	if result == nil {
		return nil, &fault{codeUnknown, "the engine gave no result"}
	}
	defer l.destroy(result)
	if said := l.failure(result); said != "" {
		return nil, errors.New(said)
	}
	n := l.length(result)
	if n == 0 {
		return nil, nil
	}
	out := make([]byte, n) // the result is freed
	copy(out, unsafe.Slice((*byte)(l.buffer(result)), n))
	return out, nil
}

// insert runs a statement with {file} in it, which is the name of a file with data in Native format: the library would take data behind a
// statement for further statements.
func (l *library) insert(statement string, data []byte) error {
	f, err := os.CreateTemp(l.folder, "block-*.native")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = l.run([]byte(strings.ReplaceAll(statement, "{file}", "'"+f.Name()+"'")+" FORMAT Native"), "Null")
	return err
}

// close writes out what is in memory. No statement may follow.
func (l *library) close() {
	l.mu.Lock()
	l.closeConn(l.conn)
}
