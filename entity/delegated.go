package entity

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// Kind is the resource a delegation is about.
type Kind uint8

// The kinds of resource in a delegated file.
const (
	KindASN Kind = iota + 1
	KindIPv4
	KindIPv6
)

// String is the word used in delegated files.
func (k Kind) String() string {
	switch k {
	case KindASN:
		return "asn"
	case KindIPv4:
		return "ipv4"
	case KindIPv6:
		return "ipv6"
	}
	return "unknown"
}

// Record is one delegation (status allocated or assigned) of a registry's statistics file.
type Record struct {
	Registry string // as written: "afrinic", "apnic", "arin", "lacnic", "ripencc"
	Country  string // ISO 3166-1 alpha-2; empty when the file names none (see Delegated)
	Kind     Kind
	AS       uint32 // first AS number, KindASN only
	Count    uint64 // AS numbers, or IPv4 addresses; 0 for IPv6
	Day      Day    // of the delegation; zero when the file leaves it out

	first, last uint64 // keys as in span, for IPv4 and IPv6
}

// Prefixes is the address range as CIDR blocks, ascending: several when an IPv4 count is not a power of two or not aligned, at
// most 62. It is nil for AS numbers.
func (r Record) Prefixes() []bgp.Prefix {
	if r.Kind != KindIPv4 && r.Kind != KindIPv6 {
		return nil
	}
	width := 32
	if r.Kind == KindIPv6 {
		width = 64
	}
	var out []bgp.Prefix
	for first := r.first; ; {
		left := r.last - first // one less than what is left
		size := min(bits.TrailingZeros64(first), width, bits.Len64(left+1)-1)
		if left == ^uint64(0) {
			size = 64
		}
		if r.Kind == KindIPv4 {
			out = append(out, bgp.PrefixFrom4(uint32(first), uint8(32-size)))
		} else {
			out = append(out, bgp.PrefixFrom6(first, 0, uint8(64-size)))
		}
		step := uint64(1)<<size - 1
		if left == step {
			return out
		}
		first += step + 1
	}
}

// Delegated says what was in a delegated file.
type Delegated struct {
	Registry string // from the header
	Day      Day    // the header's end date: the day whose state the file shows
	Records  int    // delegations of every kind, given to the callback
	// Left out, by reason:
	Free        int // status available or reserved: nobody's
	OtherStatus int // a status this version does not know
	LongIPv6    int // IPv6 longer than /64
	// Delivered, but with an empty Country:
	NoCountry int // "ZZ" or nothing: the registry names no country
	Regional  int // "EU" and "AP": a region of the world, reserved in ISO 3166-1 and not a country
	Unlisted  int // any other code that never was in ISO 3166-1, for example the user-assigned "XK"
}

// Limits of a delegated file. The combined file of all registries has about 700,000 lines of at most 120 bytes.
const (
	maxDelegatedLine  = 1024
	maxDelegatedLines = 4 << 20
)

// ErrNotDelegated is wrapped by errors that mean that the input is something else altogether, not a damaged delegated file.
var ErrNotDelegated = errors.New("not an RIR delegated statistics file")

// ParseDelegated reads a registry's statistics file, "delegated" or "delegated-extended" (version 2 of the RIR statistics
// exchange format: pipe-separated; a header, summary lines, records), and calls each for every delegation in file order.
// An error from each stops the reading and is returned.
//
// Only the statuses allocated and assigned are delegations. Countries are turned to upper case; codes ISO 3166-1 has withdrawn
// since (a file of 2008 has "AN") are kept as they were true then. A file with fewer records than its summary lines promise is
// cut short and an error. Errors name the file, as name, and the line.
func ParseDelegated(name string, r io.Reader, each func(Record) error) (Delegated, error) {
	p := delegatedParser{each: each, promised: map[string]int{}, seen: map[string]int{}}
	line, err := eachLine(r, maxDelegatedLine, maxDelegatedLines, p.line)
	if err != nil {
		return p.info, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	if !p.header {
		return p.info, fmt.Errorf("%s: %w: it has no header line", name, ErrNotDelegated)
	}
	for _, kind := range []Kind{KindASN, KindIPv4, KindIPv6} {
		key := p.info.Registry + "|" + kind.String()
		if p.seen[key] < p.promised[key] {
			return p.info, fmt.Errorf("%s: cut short: its summary promises %d %s records, it has %d; fetch it again", name, p.promised[key], kind, p.seen[key])
		}
	}
	return p.info, nil
}

// eachLine calls fn with every line without its end, and gives the number of the last line it read.
func eachLine(r io.Reader, maxLine, maxLines int, fn func(string) error) (line int, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, min(maxLine+2, 64<<10)), maxLine+2)
	for s.Scan() {
		line++
		if line > maxLines {
			return line, fmt.Errorf("more than %d lines", maxLines)
		}
		if len(s.Bytes()) > maxLine {
			return line, fmt.Errorf("line is longer than %d bytes", maxLine)
		}
		if err := fn(s.Text()); err != nil {
			return line, err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return line + 1, fmt.Errorf("line is longer than %d bytes", maxLine)
	}
	return line, s.Err()
}

type delegatedParser struct {
	each           func(Record) error
	info           Delegated
	header         bool
	promised, seen map[string]int // "registry|kind" → records, whatever their status; a hostile file cannot grow them: see known
}

func (p *delegatedParser) line(text string) error {
	text = strings.TrimSuffix(text, "\r")
	if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	f := strings.Split(text, "|")
	switch {
	case !p.header:
		return p.readHeader(f)
	case len(f) >= 6 && f[5] == "summary":
		return p.readSummary(f)
	case len(f) >= 7:
		return p.readRecord(f)
	}
	return fmt.Errorf("%d fields; a record has at least 7: registry|country|type|start|value|date|status", len(f))
}

// readHeader reads version|registry|serial|records|startdate|enddate|UTCoffset.
func (p *delegatedParser) readHeader(f []string) error {
	if len(f) < 7 || !(f[0] == "2" || strings.HasPrefix(f[0], "2.")) || !idForm.MatchString(f[1]) || len(f[1]) > 16 {
		return fmt.Errorf("%w: the first line is not a version 2 header", ErrNotDelegated)
	}
	day, err := parseCompactDay(f[5])
	if err != nil {
		if day, err = parseCompactDay(f[2]); err != nil { // some old files date themselves only by their serial
			return fmt.Errorf("header has no end date: field 6 is %q", short(f[5]))
		}
	}
	p.header, p.info.Registry, p.info.Day = true, f[1], day
	return nil
}

// readSummary reads registry|*|type|*|count|summary.
func (p *delegatedParser) readSummary(f []string) error {
	n, err := strconv.ParseUint(f[4], 10, 31)
	if err != nil {
		return fmt.Errorf("summary count %q is not a number", short(f[4]))
	}
	if f[0] == p.info.Registry && kindOf(f[2]) != 0 {
		p.promised[f[0]+"|"+f[2]] = int(n)
	}
	return nil
}

func kindOf(s string) Kind {
	switch s {
	case "asn":
		return KindASN
	case "ipv4":
		return KindIPv4
	case "ipv6":
		return KindIPv6
	}
	return 0
}

// readRecord reads registry|cc|type|start|value|date|status[|opaque-id[|extensions...]].
func (p *delegatedParser) readRecord(f []string) error {
	r := Record{Registry: f[0], Kind: kindOf(f[2])}
	if r.Kind == 0 {
		return fmt.Errorf("type %q: want asn, ipv4 or ipv6", short(f[2]))
	}
	if f[0] == p.info.Registry {
		p.seen[f[0]+"|"+f[2]]++
	}
	switch f[6] {
	case "allocated", "assigned":
	case "available", "reserved":
		p.info.Free++
		return nil
	default:
		p.info.OtherStatus++
		return nil
	}
	if f[5] != "" && f[5] != "00000000" {
		day, err := parseCompactDay(f[5])
		if err != nil {
			return err
		}
		r.Day = day
	}
	if err := p.readCountry(&r, f[1]); err != nil {
		return err
	}
	if ok, err := p.readResource(&r, f[3], f[4]); !ok || err != nil {
		return err
	}
	p.info.Records++
	return p.each(r)
}

func (p *delegatedParser) readCountry(r *Record, code string) error {
	code = strings.ToUpper(code)
	switch code {
	case "", "ZZ":
		p.info.NoCountry++
		return nil
	case "EU", "AP":
		p.info.Regional++
		return nil
	}
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return fmt.Errorf("country %q: want two letters", short(code))
	}
	known, ok := knownCode(code)
	if !ok {
		p.info.Unlisted++
		return nil
	}
	r.Country = known // the table's own string: the line can be freed
	return nil
}

// readResource fills in what was delegated; ok is false when the record is left out.
func (p *delegatedParser) readResource(r *Record, start, value string) (ok bool, err error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return false, fmt.Errorf("value %q is not a number", short(value))
	}
	if r.Kind == KindASN {
		as, err := strconv.ParseUint(start, 10, 32)
		if err != nil || n == 0 || n > 1<<32 || as+n > 1<<32 {
			return false, fmt.Errorf("AS numbers %q, count %q: outside 0 to 4294967295", short(start), short(value))
		}
		r.AS, r.Count = uint32(as), n
		return true, nil
	}
	a, err := netip.ParseAddr(start)
	if err != nil || a.Is4() != (r.Kind == KindIPv4) || a.Zone() != "" {
		return false, fmt.Errorf("%q is not an %s address", short(start), r.Kind)
	}
	if r.Kind == KindIPv4 {
		b := a.As4()
		r.first = uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		if n == 0 || n > 1<<32 || r.first+n > 1<<32 {
			return false, fmt.Errorf("%s, count %d: outside the IPv4 space", a, n)
		}
		r.last, r.Count = r.first+n-1, n
		return true, nil
	}
	if n == 0 || n > 128 {
		return false, fmt.Errorf("IPv6 length %d: want 1 to 128", n)
	}
	prefix := netip.PrefixFrom(a, int(n))
	if prefix.Masked() != prefix {
		return false, fmt.Errorf("%s: bits set below the length", prefix)
	}
	if n > 64 {
		p.info.LongIPv6++
		return false, nil
	}
	r.first, r.last = keys(bgp.PrefixOf(prefix))
	return true, nil
}
