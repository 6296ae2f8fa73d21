package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/internal/conf"
)

// TestDoctor: each thing that does not work is named with what to do, a source that is away is a warning, and nothing is changed.
func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	mrtFolder, file := t.TempDir(), filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sources := "sources:\n  - {collector: rc0, folder: " + mrtFolder + "}\n"
	for name, c := range map[string]struct {
		conf, listen, data string
		check, level, want string
		unfit              bool
	}{
		"sound":             {sources, "127.0.0.1:0", dir + "/a/b", "rc0", fine, "can be read", false},
		"no such key":       {"no_such: 1\n", "", "", "configuration", failure, "no_such", true},
		"a port in use":     {sources, taken.Addr().String(), dir + "/a", "pages", failure, "in use by another program", true},
		"no such tables":    {"reference: " + dir + "/none\n", "127.0.0.1:0", dir + "/a", "reference tables", failure, "no such file", true},
		"a file as folder":  {sources, "127.0.0.1:0", file + "/a", "data folder", failure, "not a directory", true},
		"a folder is away":  {"sources:\n  - {collector: rc0, folder: " + dir + "/none}\n", "127.0.0.1:0", dir + "/a", "rc0", warning, "no such file", false},
		"a service is away": {"sources:\n  - ris_live: {endpoint: 'ws://" + closed.Addr().String() + "/'}\n", "127.0.0.1:0", dir + "/a", "RIPE RIS Live", warning, "refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(c.conf), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := Doctor{Config: path, Listen: c.listen, Data: c.data, JSON: true, Out: &out}.Run(t.Context())
			if errors.Is(err, ErrUnfit) != c.unfit {
				t.Errorf("%v: %s", err, &out)
			}
			var all []Finding
			if err := json.Unmarshal(out.Bytes(), &all); err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range all {
				if f.Check == c.check {
					found = f.Level == c.level && strings.Contains(f.Detail, c.want) && (f.Do == "") == (f.Level == fine)
				}
			}
			if !found {
				t.Errorf("%q is not %s with %q: %s", c.check, c.level, c.want, &out)
			}
			if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
				t.Error("it made the data folder")
			}
		})
	}
}

// TestDumpConfig: what is printed is a file that says the same.
func TestDumpConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := "detect: {country_share: 0.05}\nsources:\n  - ris_live: {host: rrc04, prefixes: ['192.0.2.0/24', '2001:db8::/32']}\n  - {collector: a, folder: /var/spool/a}\n  - {collector: own, peering: {as: 64512, router_id: 192.0.2.9, connect_retry: 90s, neighbours: [{address: 192.0.2.1, as: 64500, hold: 0s}]}}\npages: {operator: 'A: #\"b\"'}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := conf.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := DumpConfig(path, &out); err != nil {
		t.Fatal(err)
	}
	if got, err := conf.Parse(out.Bytes()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v\n%s", err, got, want, &out)
	}
	out.Reset()
	if err := CheckConfig(path, &out); err != nil || !strings.Contains(out.String(), "3 live sources") {
		t.Errorf("%v %s", err, &out)
	}
}
