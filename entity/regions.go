package entity

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// Region is a first-level division of a country.
type Region struct {
	Code string // ISO 3166-2, "PK-SD"
	Name string // as the table writes it, cleaned with CleanName
}

// Country is the ISO 3166-1 code of the country that the region is part of.
func (r Region) Country() string { return r.Code[:2] }

// Entity is the region's entity.
func (r Region) Entity() Entity { return Entity{Type: TypeRegion, Code: r.Code, Name: r.Name} }

// Regions says in which region each prefix is used, on the table's day. It is immutable and safe for concurrent use.
type Regions struct {
	regions []Region
	rows    []regionRow // ascending by prefix
	lengths [2][]uint8  // by family: the lengths that occur, longest first
	source  string
	licence string
	ref     Reference
}

type regionRow struct {
	prefix bgp.Prefix
	region uint16 // index into Regions.regions
	line   uint32 // of the file
}

// Reference identifies the table.
func (t *Regions) Reference() Reference { return t.ref }

// Source says where the table is from, Licence under which terms, both in its maker's words.
func (t *Regions) Source() string { return t.source }

// Licence says under which terms the table may be used.
func (t *Regions) Licence() string { return t.licence }

// Size is the number of prefixes and of different regions.
func (t *Regions) Size() (prefixes, regions int) { return len(t.rows), len(t.regions) }

// Region is the region of the longest entry that covers p whole; ok is false when none does. A nil table knows none.
func (t *Regions) Region(p bgp.Prefix) (r Region, ok bool) {
	if t == nil || !p.Valid() {
		return Region{}, false
	}
	for _, n := range t.lengths[family(p)] {
		if int(n) > p.Len() {
			continue
		}
		if i, found := t.find(p.Shorten(int(n))); found {
			return t.regions[t.rows[i].region], true
		}
	}
	return Region{}, false
}

func (t *Regions) find(p bgp.Prefix) (int, bool) {
	return sort.Find(len(t.rows), func(i int) int { return p.Compare(t.rows[i].prefix) })
}

// RegionsHeader is the first line of a regions file that is no comment.
const RegionsHeader = "prefix,region,name"

// Limits of a regions file. A table of the whole routed space by /24 would have some 12 million rows: join neighbours.
const (
	maxRegionRows    = 2 << 20
	maxRegions       = 10_000 // ISO 3166-2 has about 5,000 codes
	maxRegionsSize   = 128 << 20
	maxRegionsHead   = 100 // comment lines before the header
	maxRegionsPerRow = 1024
)

// ErrNotRegions is wrapped by errors that mean that the input is something else altogether.
var ErrNotRegions = errors.New("not a regions file")

// ParseRegions reads comment lines "# vintage: YYYY-MM-DD", "# source: ..." and "# licence: ...", all three required, then RegionsHeader
// and rows of CSV (RFC 4180): a prefix without host bits, an ISO 3166-2 code and the region's name. Further lines that begin with "#"
// are comments. A prefix may occur once, and a region has one name; it may be left out after the first. ref gets the vintage. Errors
// name the file, as name, and the line.
func ParseRegions(name string, r io.Reader, ref Reference) (*Regions, error) {
	limited := &io.LimitedReader{R: r, N: maxRegionsSize + 1}
	p := regionsParser{t: &Regions{ref: ref}, index: map[string]uint16{}}
	err := p.read(bufio.NewReader(limited))
	if limited.N == 0 {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxRegionsSize)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, p.line, err)
	}
	return p.t, nil
}

type regionsParser struct {
	t     *Regions
	line  int
	index map[string]uint16 // by code; look-ups only
}

func (p *regionsParser) read(r *bufio.Reader) error {
	if err := p.head(r); err != nil {
		return err
	}
	c := csv.NewReader(r)
	c.Comment, c.FieldsPerRecord, c.ReuseRecord = '#', -1, true
	before := p.line
	for {
		f, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			p.line = before + bad.Line
			return bad.Err
		}
		if err != nil {
			return err
		}
		line, _ := c.FieldPos(0)
		p.line = before + line
		if err := p.row(f); err != nil {
			return err
		}
	}
	return p.finish()
}

// head reads the comments that say what the table is, and the header.
func (p *regionsParser) head(r *bufio.Reader) error {
	for p.line = 1; p.line <= maxRegionsHead; p.line++ {
		text, err := shortLine(r)
		if err != nil {
			return err
		}
		if p.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == RegionsHeader {
			return p.complete()
		}
		comment, ok := strings.CutPrefix(text, "#")
		if !ok {
			return fmt.Errorf("%w: want comments that begin with #, then %q", ErrNotRegions, RegionsHeader)
		}
		key, value, _ := strings.Cut(comment, ":")
		value = CleanName(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "vintage":
			d, err := ParseDay(value)
			if err != nil {
				return fmt.Errorf("vintage: %w", err)
			}
			p.t.ref.Vintage = d.String()
		case "source":
			p.t.source = value
		case "licence", "license":
			p.t.licence = value
		}
	}
	return fmt.Errorf("%w: no line %q among the first %d", ErrNotRegions, RegionsHeader, maxRegionsHead)
}

// shortLine reads a line of the head, without its end.
func shortLine(r *bufio.Reader) (string, error) {
	raw, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(raw) == 0:
		return "", fmt.Errorf("%w: it ends before %q", ErrNotRegions, RegionsHeader)
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: a line too long", ErrNotRegions)
	case err != nil && !errors.Is(err, io.EOF):
		return "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}

func (p *regionsParser) complete() error {
	for _, x := range []struct{ what, have string }{{"vintage", p.t.ref.Vintage}, {"source", p.t.source}, {"licence", p.t.licence}} {
		if x.have == "" {
			return fmt.Errorf("no line \"# %s: ...\" before %q: a table must say when and where it is from, and under which terms", x.what, RegionsHeader)
		}
	}
	return nil
}

func (p *regionsParser) row(f []string) error {
	if len(f) != 3 {
		return fmt.Errorf("%d fields, want 3: %s", len(f), RegionsHeader)
	}
	if len(f[0])+len(f[1])+len(f[2]) > maxRegionsPerRow {
		return fmt.Errorf("a row of more than %d bytes", maxRegionsPerRow)
	}
	prefix, err := bgp.ParsePrefix(strings.TrimSpace(f[0]))
	if err != nil {
		return err
	}
	i, err := p.region(strings.ToUpper(strings.TrimSpace(f[1])), CleanName(f[2]))
	if err != nil {
		return err
	}
	if len(p.t.rows) == maxRegionRows {
		return fmt.Errorf("more than %d prefixes; join neighbours of one region", maxRegionRows)
	}
	p.t.rows = append(p.t.rows, regionRow{prefix, i, uint32(p.line)})
	return nil
}

// region finds or makes a region.
func (p *regionsParser) region(code, name string) (uint16, error) {
	i, known := p.index[code]
	if known {
		if have := p.t.regions[i].Name; name != "" && name != have {
			return 0, fmt.Errorf("region %s is called %q here and %q above", code, short(name), short(have))
		}
		return i, nil
	}
	e, err := ParseEntity(string(TypeRegion) + ":" + code)
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, fmt.Errorf("region %s has no name at its first row", code)
	}
	if len(p.t.regions) == maxRegions {
		return 0, fmt.Errorf("more than %d regions", maxRegions)
	}
	i = uint16(len(p.t.regions))
	p.t.regions = append(p.t.regions, Region{Code: strings.Clone(e.Code), Name: name})
	p.index[p.t.regions[i].Code] = i
	return i, nil
}

// finish orders the rows for the search and refuses a prefix that is there twice.
func (p *regionsParser) finish() error {
	t := p.t
	if len(t.rows) == 0 {
		return errors.New("no prefix")
	}
	slices.SortFunc(t.rows, func(a, b regionRow) int {
		if c := a.prefix.Compare(b.prefix); c != 0 {
			return c
		}
		return int(a.line) - int(b.line)
	})
	var seen [2][129]bool
	for i, r := range t.rows {
		if i > 0 && t.rows[i-1].prefix == r.prefix {
			p.line = int(r.line)
			return fmt.Errorf("%s was already given in line %d", r.prefix, t.rows[i-1].line)
		}
		seen[family(r.prefix)][r.prefix.Len()] = true
	}
	for f := range seen {
		for n := len(seen[f]) - 1; n >= 0; n-- {
			if seen[f][n] {
				t.lengths[f] = append(t.lengths[f], uint8(n))
			}
		}
	}
	return nil
}
