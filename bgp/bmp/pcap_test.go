package bmp

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// captures are the folders of shared captures, each a pcap with what another decoder read off it beside it.
func captures(t testing.TB) []string {
	t.Helper()
	files := captureFiles(t)
	if len(files) == 0 {
		t.Skip("no captures (COREWATCH_DATA): no BMP of real routers was read")
	}
	return files
}

func captureFiles(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(dir, "bmp", "netgauze", "*", "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// streams gives what each end of each TCP connection in a capture sent, in order of its first octet. Only what these captures hold is
// read: Ethernet, IPv4, no loss.
func streams(t testing.TB, file string) (out [][]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if m := binary.LittleEndian.Uint32(b); m != 0xa1b2c3d4 && m != 0xa1b23c4d || binary.LittleEndian.Uint32(b[20:]) != 1 {
		t.Fatalf("%s: not a little-endian capture of Ethernet", file)
	}
	type segment struct {
		seq  uint32
		data []byte
	}
	segments := map[string][]segment{}
	var order []string
	for b = b[24:]; len(b) > 16; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		frame := b[16 : 16+n]
		b = b[16+n:]
		ip := frame[14:]
		if binary.BigEndian.Uint16(frame[12:]) != 0x0800 || ip[9] != 6 {
			t.Fatalf("%s: a frame that is no TCP over IPv4", file)
		}
		tcp := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		data := tcp[int(tcp[12]>>4)*4:]
		if len(data) == 0 {
			continue
		}
		name := fmt.Sprintf("%x:%x", ip[12:20], tcp[:4])
		if segments[name] == nil {
			order = append(order, name)
		}
		segments[name] = append(segments[name], segment{binary.BigEndian.Uint32(tcp[4:]), data})
	}
	for _, name := range order {
		list := segments[name]
		slices.SortStableFunc(list, func(a, b segment) int { return int(int32(a.seq - b.seq)) })
		var all []byte
		next := list[0].seq
		for _, s := range list {
			if s.seq != next {
				t.Fatalf("%s: %s has a hole or an overlap at %d", file, name, s.seq)
			}
			all = append(all, s.data...)
			next += uint32(len(s.data))
		}
		out = append(out, all)
	}
	return out
}
