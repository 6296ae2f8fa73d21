// Package snapshot writes what the visibility tables hold at an instant as TABLE_DUMP_V2 files (RFC 6396 section 4.3), one for each
// collector: any tool that reads table dumps can read them, and a later run can begin with them.
//
// A snapshot holds announced routes and nothing else. What was withdrawn, and what is expected, is not in the format: a run that
// begins with a snapshot expects what is in it. Next hops, communities and the other attributes are not kept by the tables;
// ORIGIN says INCOMPLETE, which means learned by other means (RFC 4271 section 4.3).
package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
)

// Table is what a snapshot reads: visibility.Table has it. All tables of one snapshot give a session the same PeerID.
type Table interface {
	InOrder() iter.Seq[visibility.RowID]
	Announced(visibility.RowID) iter.Seq[visibility.Route]
	Prefix(visibility.RowID) bgp.Prefix
	Peers() int
	PeerName(visibility.PeerID) bgp.Peer
}

// View is the view name of the files, for readers who wonder about AS 23456 in a path.
const View = "corewatch: announced routes; AS23456 stands for hops that were not kept"

// Counts is what was written.
type Counts struct {
	Peers, Prefixes, Routes int
	Paths                   int // routes whose whole AS path is known; the others have the neighbour and the origin only
}

// ErrEmpty says that the collector has no announced route.
var ErrEmpty = errors.New("snapshot: no announced route of this collector")

// Collectors names the collectors of the tables' sessions in order of first appearance.
func Collectors(tables ...Table) (names []string) {
	seen := map[string]bool{}
	for _, t := range tables {
		for p := range t.Peers() {
			if name := t.PeerName(visibility.PeerID(p)).Collector; name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// Write writes the routes of one collector as of an instant, prefixes in the order of bgp.Prefix.Compare, table by table. A route's time is
// when its cell was announced as far as that is kept, else the instant itself.
func Write(w io.Writer, at bgp.Micros, collector string, tables ...Table) (n Counts, err error) {
	index := map[visibility.PeerID]uint16{}
	var peers []mrt.TablePeer
	for _, t := range tables {
		for p := range t.Peers() {
			id := visibility.PeerID(p)
			name := t.PeerName(id)
			if _, ok := index[id]; ok || name.Collector != collector {
				continue
			}
			index[id] = uint16(len(peers))
			peers = append(peers, mrt.TablePeer{Addr: name.Addr, AS: name.AS})
		}
	}
	n.Peers = len(peers)
	out, err := mrt.NewTableWriter(w, at, netip.Addr{}, View, peers)
	if err != nil {
		return n, fmt.Errorf("snapshot of %s: %w", collector, err)
	}
	var entries []mrt.TableEntry
	var attrs []byte
	for _, t := range tables {
		for r := range t.InOrder() {
			entries, attrs = entries[:0], attrs[:0]
			for route := range t.Announced(r) {
				i, ok := index[route.Peer]
				if !ok {
					continue
				}
				if len(route.Path) > 0 {
					n.Paths++
				}
				begin := len(attrs)
				attrs = appendAttrs(attrs, route, peers[i].AS)
				since := route.Since
				if since == 0 {
					since = at
				}
				entries = append(entries, mrt.TableEntry{Peer: i, Originated: since, Attrs: attrs[begin:len(attrs):len(attrs)]})
			}
			if len(entries) == 0 {
				continue
			}
			if err := out.Put(t.Prefix(r), entries); err != nil {
				return n, fmt.Errorf("snapshot of %s: %w", collector, err)
			}
			n.Prefixes++
			n.Routes += len(entries)
		}
	}
	if n.Routes == 0 {
		return n, fmt.Errorf("%w: %s", ErrEmpty, collector)
	}
	return n, nil
}

const (
	asTrans    = 23456 // RFC 6793 section 9: stands for an AS number that cannot be written
	incomplete = 2
	sequence   = 2
)

// appendAttrs appends ORIGIN and AS_PATH.
func appendAttrs(b []byte, r visibility.Route, neighbour uint32) []byte {
	b = append(b, 0x40, 1, 1, incomplete)
	path := r.Path
	var stand [3]uint32
	if len(path) == 0 {
		switch r.Origin {
		case neighbour:
			path = append(stand[:0], neighbour)
		case 0:
			path = append(stand[:0], neighbour, asTrans)
		default:
			path = append(stand[:0], neighbour, asTrans, r.Origin)
		}
	}
	b = append(b, 0x50, 2, 0, 0) // extended length
	start := len(b)
	b = appendPath(b, path)
	binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
	return b
}

// maxSegment is the most AS numbers that one segment holds.
const maxSegment = 255

// appendPath appends the value of an AS_PATH with four-octet AS numbers from the words of EncodePath.
func appendPath(b []byte, words []uint32) []byte {
	if len(words) == 0 || words[0] != 0 {
		return appendSegment(b, sequence, words)
	}
	for words = words[1:]; len(words) > 0; {
		n := min(int(words[0]&0xffff), len(words)-1)
		b = appendSegment(b, byte(words[0]>>16), words[1:1+n])
		words = words[1+n:]
	}
	return b
}

func appendSegment(b []byte, kind byte, as []uint32) []byte {
	for len(as) > 0 {
		n := min(len(as), maxSegment)
		b = append(b, kind, byte(n))
		for _, a := range as[:n] {
			b = binary.BigEndian.AppendUint32(b, a)
		}
		as = as[n:]
	}
	return b
}

// MaxPath is how many words EncodePath gives at most: a path that is longer is not kept.
const MaxPath = 512

// EncodePath writes a path as the words that Table.SetPath keeps and Write reads: the AS numbers of a path that is one sequence as
// they are; else 0, which no path holds, and for each segment its type and length in one word and its AS numbers. It returns dst[:0]
// for the empty path and for one of more than MaxPath words.
func EncodePath(dst []uint32, p wire.Path) []uint32 {
	dst = dst[:0]
	plain := true
	for kind, as := range p.Segments() {
		if kind != wire.ASSequence {
			plain = false
			break
		}
		for a := range as {
			dst = append(dst, a)
		}
	}
	if !plain {
		dst = append(dst[:0], 0)
		for kind, as := range p.Segments() {
			head := len(dst)
			dst = append(dst, uint32(kind)<<16)
			for a := range as {
				dst = append(dst, a)
			}
			dst[head] |= uint32(len(dst) - head - 1)
		}
	}
	if len(dst) > MaxPath || plain && len(dst) > 0 && dst[0] == 0 {
		return dst[:0]
	}
	return dst
}
