package conf

import (
	"errors"
	"fmt"
	"net"
	"reflect"
)

// ClickHouse is a server that incidents and samples are copied to, beside the store. Without an address there is none.
type ClickHouse struct {
	Address      string `json:"address"`       // host:port of the native protocol
	Database     string `json:"database"`      // made when it is missing
	User         string `json:"user"`          // who may make and write it
	PasswordFile string `json:"password_file"` // empty: no password
	TLS          *bool  `json:"tls"`           // absent: everywhere but on this machine
	TLSCA        string `json:"tls_ca"`        // file of authorities; empty: the system's
	TLSCert      string `json:"tls_cert"`      // file of a certificate of our own, for servers that ask for one
	TLSKey       string `json:"tls_key"`       // file of its key
	TLSName      string `json:"tls_name"`      // that the server's certificate has; empty: the host of the address
}

// maxText bounds an address, a name or a path.
const maxText = 4096

// clickHouse checks what can be checked without reading a file.
func clickHouse(c ClickHouse) error {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String && f.Len() > maxText {
			return fmt.Errorf("clickhouse.%s: longer than %d octets", v.Type().Field(i).Tag.Get("json"), maxText)
		}
	}
	if c.Address == "" {
		if c != Default().ClickHouse {
			return errors.New("clickhouse.address: missing; want HOST:PORT")
		}
		return nil
	}
	if host, port, err := net.SplitHostPort(c.Address); err != nil || host == "" || port == "" {
		return fmt.Errorf("clickhouse.address: %q; want HOST:PORT", c.Address)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("clickhouse.tls_cert, clickhouse.tls_key: one goes with the other")
	}
	return nil
}
