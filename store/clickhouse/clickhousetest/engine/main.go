// Command engine puts ClickHouse's native protocol over TCP in front of the ClickHouse engine as a shared library (libchdb.so), so that
// tests of store/clickhouse speak to a modern engine over a real connection, and can kill its process. It knows what those tests need:
// the handshake with a password, statements, inserts of blocks, compression, TLS. It is no server for anything else.
//
// It prints "listening ADDRESS" once it can be reached, and ends when its standard input ends: a test that dies leaves nothing behind.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// passwordVariable holds the password of the user: an argument could be read by everybody.
const passwordVariable = "ENGINE_PASSWORD"

func main() {
	lib := flag.String("lib", "", "libchdb.so")
	folder := flag.String("folder", "", "of the database")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	user := flag.String("user", "default", "who may log in")
	cert := flag.String("cert", "", "certificate (PEM); with it TLS is spoken, and nothing else")
	key := flag.String("key", "", "its key (PEM)")
	flag.Parse()
	fmt.Fprintln(os.Stderr, "engine:", serve(*lib, *folder, *listen, *user, *cert, *key))
	os.Exit(1)
}

// serve does not return but with an error.
func serve(lib, folder, listen, user, cert, key string) error {
	l, err := openLibrary(lib, folder)
	if err != nil {
		return err
	}
	version, err := l.run([]byte("SELECT version()"), "TSV")
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
		l.close()
		os.Exit(0)
	}()
	fmt.Printf("listening %s\n", ln.Addr())
	who := account{user, os.Getenv(passwordVariable)}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			s := newSession(c, l, who, strings.TrimSpace(string(version)))
			if err := s.serve(); err != nil && !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "engine:", err)
			}
		}()
	}
}
