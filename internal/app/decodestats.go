package app

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp/dump"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// outcome of a record, or of a stretch of bytes.
const (
	parsed = iota
	skipped
	malformed
	outcomes
)

var outcomeNames = [outcomes]string{"parsed", "skipped", "malformed"}

// maxPlaces bounds the list of damaged places; the counters go on.
const maxPlaces = 20

// decodeStats is what became of every byte of the input: bytes adds up to read.
type decodeStats struct {
	read    int64 // decompressed
	bytes   [outcomes]int64
	records [outcomes]uint64
	kinds   [6]struct{ records [outcomes]uint64 } // by recordKind
	reasons [outcomes]map[string]uint64
	tears   uint64 // stretches that are not records: their bytes are malformed, and they are not among the records
	broken  uint64 // files that could not be opened, or whose source broke off
	places  []string
	more    uint64 // places not listed
}

// recordKinds names MRT types.
var recordKinds = [...]string{"BGP", "TABLE_DUMP", "TABLE_DUMP_V2", "BGP4MP", "BGP4MP_ET", "other"}

func recordKind(typ uint16) int {
	switch typ {
	case mrt.TypeBGP:
		return 0
	case mrt.TypeTableDump:
		return 1
	case mrt.TypeTableDumpV2:
		return 2
	case mrt.TypeBGP4MP:
		return 3
	case mrt.TypeBGP4MPET:
		return 4
	}
	return 5
}

// record counts a record by what decoding and printing it gave.
func (s *decodeStats) record(file string, rec *mrt.Record, c *mrt.Content, err error) {
	o, reason := parsed, ""
	switch {
	case errors.Is(err, dump.ErrMessageType):
		o, reason = skipped, err.Error()
	case err != nil:
		o, reason = malformed, err.Error()
		s.place(fmt.Sprintf("%s: record at byte %d: %v", file, rec.Offset, err))
	case c.Kind == mrt.Skipped:
		o, reason = skipped, c.Reason
	}
	s.bytes[o] += int64(len(rec.Raw))
	s.records[o]++
	s.kinds[recordKind(rec.Type)].records[o]++
	if reason != "" {
		s.because(o, reason)
	}
}

func (s *decodeStats) because(o int, reason string) {
	if s.reasons[o] == nil {
		s.reasons[o] = map[string]uint64{}
	}
	s.reasons[o][reason]++
}

func (s *decodeStats) torn(file string, e *mrt.TornError) {
	s.tears++
	s.bytes[malformed] += e.Length
	s.because(malformed, "bytes that are no record ("+e.Kind.String()+")")
	s.place(file + ": " + e.Error())
}

func (s *decodeStats) unreadable(file string, err error) {
	s.broken++
	s.place(fmt.Sprintf("%s: %v", file, err))
}

func (s *decodeStats) place(text string) {
	if len(s.places) == maxPlaces {
		s.more++
		return
	}
	s.places = append(s.places, text)
}

func (w *decoding) damaged() bool { return w.stats.records[malformed]+w.stats.tears+w.stats.broken > 0 }

// summary tells on Err what was read.
func (w *decoding) summary() {
	s := &w.stats
	fmt.Fprintf(w.Err, "files: %d, %d unreadable\n", w.files, s.broken)
	fmt.Fprintf(w.Err, "records: %d parsed, %d skipped, %d malformed; %d torn places\n", s.records[parsed], s.records[skipped], s.records[malformed], s.tears)
	for i, k := range s.kinds {
		if n := k.records; n != [outcomes]uint64{} {
			fmt.Fprintf(w.Err, "  %s: %d parsed, %d skipped, %d malformed\n", recordKinds[i], n[parsed], n[skipped], n[malformed])
		}
	}
	fmt.Fprintf(w.Err, "bytes: %d = %d parsed + %d skipped + %d malformed\n", s.read, s.bytes[parsed], s.bytes[skipped], s.bytes[malformed])
	for o := skipped; o <= malformed; o++ {
		for _, r := range slices.Sorted(maps.Keys(s.reasons[o])) {
			fmt.Fprintf(w.Err, "  %s: %s: %d\n", outcomeNames[o], r, s.reasons[o][r])
		}
	}
	for _, p := range s.places {
		fmt.Fprintf(w.Err, "  %s\n", p)
	}
	if s.more > 0 {
		fmt.Fprintf(w.Err, "  … and %d more\n", s.more)
	}
	fmt.Fprintf(w.Err, "time: %.1f s\n", time.Since(w.began).Seconds())
}
