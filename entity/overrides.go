package entity

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Override says in which country a network's routes are counted, whatever the other tables say.
type Override struct {
	AS      uint32
	Country string // ISO 3166-1 alpha-2, current or withdrawn
	Source  string // where this is known from; cleaned with CleanName
}

// Overrides is a set of Override, one a network. It is immutable and safe for concurrent use.
type Overrides struct {
	list []Override // ascending by AS
	ref  Reference
}

// Reference identifies the file.
func (o *Overrides) Reference() Reference { return o.ref }

// All lists the overrides in ascending order of AS; the caller may change the slice.
func (o *Overrides) All() []Override { return slices.Clone(o.list) }

// Lookup finds the override of a network; a nil set has none.
func (o *Overrides) Lookup(as uint32) (Override, bool) {
	if o == nil {
		return Override{}, false
	}
	i, ok := slices.BinarySearchFunc(o.list, as, func(a Override, b uint32) int { return compareAS(a.AS, b) })
	if !ok {
		return Override{}, false
	}
	return o.list[i], true
}

func compareAS(a, b uint32) int { return cmp.Compare(a, b) }

// OverridesHeader is the first line of an overrides file.
const OverridesHeader = "network,country,source"

// Limits of an overrides file.
const (
	maxOverrides     = 200_000
	maxOverridesSize = 16 << 20
)

// ErrNotOverrides is wrapped by errors that mean that the input is something else altogether.
var ErrNotOverrides = errors.New("not an overrides file")

// ParseOverrides reads CSV (RFC 4180) whose first line is OverridesHeader; lines that begin with "#" are comments. Every row
// must have a source, and a network may occur once. Errors name the file, as name, and the line.
func ParseOverrides(name string, r io.Reader, ref Reference) (*Overrides, error) {
	limited := &io.LimitedReader{R: r, N: maxOverridesSize + 1}
	c := csv.NewReader(limited)
	c.Comment, c.FieldsPerRecord, c.ReuseRecord = '#', -1, true
	o := &Overrides{ref: ref}
	first := true
	lineOf := map[uint32]int{}
	for {
		f, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s:%d: %w", name, bad.Line, bad.Err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := c.FieldPos(0)
		if first {
			if strings.TrimPrefix(strings.Join(f, ","), "\ufeff") != OverridesHeader {
				return nil, fmt.Errorf("%s:%d: %w: the first line must be %q", name, line, ErrNotOverrides, OverridesHeader)
			}
			first = false
			continue
		}
		row, err := parseOverride(f)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if before, twice := lineOf[row.AS]; twice {
			return nil, fmt.Errorf("%s:%d: AS%d was already given in line %d", name, line, row.AS, before)
		}
		if len(o.list) == maxOverrides {
			return nil, fmt.Errorf("%s:%d: more than %d overrides", name, line, maxOverrides)
		}
		lineOf[row.AS] = line
		o.list = append(o.list, row)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxOverridesSize)
	}
	if first {
		return nil, fmt.Errorf("%s: %w: it is empty", name, ErrNotOverrides)
	}
	slices.SortFunc(o.list, func(a, b Override) int { return compareAS(a.AS, b.AS) })
	return o, nil
}

func parseOverride(f []string) (Override, error) {
	if len(f) != 3 {
		return Override{}, fmt.Errorf("%d fields, want 3: %s", len(f), OverridesHeader)
	}
	as, err := ParseNetwork(strings.TrimSpace(f[0]))
	if err != nil {
		return Override{}, err
	}
	code, ok := knownCode(strings.ToUpper(strings.TrimSpace(f[1])))
	if !ok {
		return Override{}, fmt.Errorf("country %q is not in ISO 3166-1", short(f[1]))
	}
	source := CleanName(f[2])
	if source == "" {
		return Override{}, errors.New("source is empty: say where this is known from")
	}
	return Override{AS: as, Country: code, Source: source}, nil
}
