package reference

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
)

// Limits of a zone file. The reader of YAML is recursive: nesting is bounded before it sees the text.
const (
	maxZoneFile  = 256 << 10
	maxZoneLine  = 2048
	maxZoneDepth = 16
	maxZones     = 1000
)

// scalar is a plain value and the line it stands on. The text is taken as written, so that the country NO is not a boolean and a
// date is not a time.
type scalar struct {
	text string
	line int
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (s *scalar) UnmarshalYAML(n ast.Node) error {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return errors.New("value without a place")
	}
	s.line = t.Position.Line
	switch v := n.(type) {
	case *ast.StringNode:
		s.text = v.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s.text = t.Value
	default:
		return &lineError{s.line, errors.New("want a single value")}
	}
	return nil
}

// lineError is an error with the line it is about.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

type zoneFile struct {
	Zones []zoneEntry `yaml:"zones"`
}

type zoneEntry struct {
	Slug    scalar `yaml:"slug"`
	Name    scalar `yaml:"name"`
	Kind    scalar `yaml:"kind"`
	Since   scalar `yaml:"since"`
	Until   scalar `yaml:"until"`
	Members struct {
		Countries []scalar `yaml:"countries"`
		Regions   []scalar `yaml:"regions"`
		Networks  []scalar `yaml:"networks"`
		Prefixes  []scalar `yaml:"prefixes"`
	} `yaml:"members"`
	Sources []zoneSource `yaml:"sources"`
}

type zoneSource struct {
	Title     scalar   `yaml:"title"`
	URL       scalar   `yaml:"url"`
	File      scalar   `yaml:"file"`
	Retrieved scalar   `yaml:"retrieved"`
	Digest    scalar   `yaml:"digest"`
	Records   []scalar `yaml:"records"`
}

// ParseZones reads a zone file: YAML with one key, zones, and under it a list as in deploy/zones.example.yaml. Unknown and repeated
// keys, anchors, aliases and tags are errors; every zone is validated. Errors name the file, as name, and the line.
func ParseZones(name string, r io.Reader) (zones []entity.Zone, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxZoneFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(raw) > maxZoneFile {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, errTooLarge, maxZoneFile)
	}
	if err := checkNesting(raw); err != nil {
		return nil, place(name, err)
	}
	var f zoneFile
	if err := decodeYAML(raw, &f); err != nil {
		return nil, place(name, err)
	}
	if len(f.Zones) == 0 || len(f.Zones) > maxZones {
		return nil, fmt.Errorf("%s: %d zones; want 1 to %d", name, len(f.Zones), maxZones)
	}
	seen := map[string]int{}
	for i := range f.Zones {
		z, err := f.Zones[i].zone()
		if err != nil {
			return nil, place(name, err)
		}
		if before, twice := seen[z.Slug]; twice {
			return nil, fmt.Errorf("%s:%d: zone %q is already defined in line %d", name, f.Zones[i].Slug.line, z.Slug, before)
		}
		seen[z.Slug] = f.Zones[i].Slug.line
		zones = append(zones, z)
	}
	return zones, nil
}

// place turns a line into "name:line: ".
func place(name string, err error) error {
	var l *lineError
	if errors.As(err, &l) {
		return fmt.Errorf("%s:%d: %w", name, l.line, l.err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// checkNesting bounds what the recursive reader would have to follow: the length of a line (nested block lists fit in one),
// indentation, and open brackets. Brackets in quoted text count too, which only makes it stricter.
func checkNesting(raw []byte) error {
	depth := 0
	for i, line := range bytes.Split(raw, []byte("\n")) {
		text := bytes.TrimLeft(line, " ")
		dashes := len(text) - len(bytes.TrimLeft(text, "- ?:\t"))
		if len(line) > maxZoneLine || len(line)-len(text) > 8*maxZoneDepth || dashes > 2*maxZoneDepth {
			return &lineError{i + 1, fmt.Errorf("longer than %d bytes, or nested deeper than %d", maxZoneLine, maxZoneDepth)}
		}
		if bytes.HasPrefix(text, []byte("#")) {
			continue
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth--
			}
			if depth > maxZoneDepth || depth < -maxZoneDepth {
				return &lineError{i + 1, fmt.Errorf("brackets nested deeper than %d", maxZoneDepth)}
			}
		}
	}
	return nil
}

// decodeYAML decodes strictly. The library is given hostile text, so a panic in it becomes an error.
func decodeYAML(raw []byte, into any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable as YAML (%v)", p)
		}
	}()
	for _, t := range lexer.Tokenize(string(raw)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType:
			return &lineError{t.Position.Line, fmt.Errorf("%q: anchors, aliases, tags, merge keys and directives are not used here", t.Value)}
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict())
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		return yamlError(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return nil
}

var yamlPlace = regexp.MustCompile(`^\[(\d+):\d+\] `)

// yamlError keeps the line and the message of the library's error and drops its picture of the source.
func yamlError(err error) error {
	var l *lineError
	if errors.As(err, &l) {
		return l
	}
	text := yaml.FormatError(err, false, false)
	if m := yamlPlace.FindStringSubmatch(text); m != nil {
		var line int
		fmt.Sscanf(m[1], "%d", &line)
		return &lineError{line, errors.New(text[len(m[0]):])}
	}
	return errors.New(text)
}

// zone converts and validates one entry.
func (e *zoneEntry) zone() (entity.Zone, error) {
	z := entity.Zone{Slug: e.Slug.text, Name: e.Name.text, Kind: e.Kind.text}
	var err error
	if z.Since, err = day(e.Since); err != nil {
		return z, err
	}
	if z.Until, err = day(e.Until); err != nil {
		return z, err
	}
	for _, c := range e.Members.Countries {
		if _, ok := entity.CountryName(c.text); !ok {
			return z, &lineError{c.line, fmt.Errorf("country %q is not in ISO 3166-1", c.text)}
		}
		z.Countries = append(z.Countries, c.text)
	}
	for _, c := range e.Members.Regions {
		r, err := entity.ParseEntity(string(entity.TypeRegion) + ":" + c.text)
		if err != nil {
			return z, &lineError{c.line, err}
		}
		z.Regions = append(z.Regions, r.Code)
	}
	for _, n := range e.Members.Networks {
		as, err := entity.ParseNetwork(n.text)
		if err != nil {
			return z, &lineError{n.line, err}
		}
		z.Networks = append(z.Networks, as)
	}
	for _, p := range e.Members.Prefixes {
		prefix, err := bgp.ParsePrefix(p.text)
		if err != nil {
			return z, &lineError{p.line, err}
		}
		z.Prefixes = append(z.Prefixes, prefix)
	}
	for i := range e.Sources {
		s := &e.Sources[i]
		src := entity.Source{Title: s.Title.text, URL: s.URL.text, File: s.File.text, Digest: s.Digest.text}
		if src.Retrieved, err = day(s.Retrieved); err != nil {
			return z, err
		}
		for _, r := range s.Records {
			src.Records = append(src.Records, r.text)
		}
		z.Sources = append(z.Sources, src)
	}
	if err := z.Validate(); err != nil {
		if line := cmp.Or(e.Slug.line, e.Name.line, e.Kind.line); line != 0 {
			return z, &lineError{line, err}
		}
		return z, err
	}
	return z, nil
}

// day reads an optional date.
func day(s scalar) (entity.Day, error) {
	if s.line == 0 {
		return 0, nil
	}
	d, err := entity.ParseDay(s.text)
	if err != nil {
		return 0, &lineError{s.line, err}
	}
	return d, nil
}
