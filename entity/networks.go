package entity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// NetworkInfo is what a table knows about an AS. Names are cleaned with CleanName; any field but AS may be empty.
type NetworkInfo struct {
	AS      uint32
	Name    string // short name of the AS, "PIE-PK"
	Org     string // name of the organisation that holds it
	Country string // of the organisation, ISO 3166-1 alpha-2: where it is registered, not where its routers are
}

// Networks maps AS numbers to names and countries. It is immutable and safe for concurrent use.
type Networks struct {
	list []NetworkInfo // ascending by AS
	ref  Reference
}

// Reference identifies the table.
func (n *Networks) Reference() Reference { return n.ref }

// Len is the number of networks.
func (n *Networks) Len() int { return len(n.list) }

// Lookup finds a network; a nil table knows none.
func (n *Networks) Lookup(as uint32) (NetworkInfo, bool) {
	if n == nil {
		return NetworkInfo{}, false
	}
	i, ok := slices.BinarySearchFunc(n.list, as, func(a NetworkInfo, b uint32) int { return compareAS(a.AS, b) })
	if !ok {
		return NetworkInfo{}, false
	}
	return n.list[i], true
}

// Entity is the network's entity, named by its organisation, else by the AS's own name, else by number only.
func (n *Networks) Entity(as uint32) Entity {
	e := Network(as)
	if info, ok := n.Lookup(as); ok {
		e.Name = info.Org
		if e.Name == "" {
			e.Name = info.Name
		}
	}
	return e
}

// Limits of an AS to organisation file; the one of October 2021 has 194,228 lines of at most about 400 bytes.
const (
	maxAS2OrgLine  = 16 << 10
	maxAS2OrgLines = 2 << 20
)

// ErrNotAS2Org is wrapped by errors that mean that the input is something else altogether.
var ErrNotAS2Org = errors.New("not a CAIDA AS to organisation file")

// ParseAS2Org reads CAIDA's AS to organisation mapping, as JSON lines or in the older pipe-separated form with "# format:"
// lines. Organisations and networks may come in any order. ref names the table; when it has no vintage, the newest "changed" date
// in the file is taken, which is at most a few days before the file's own. Errors name the file, as name, and the line.
func ParseAS2Org(name string, r io.Reader, ref Reference) (*Networks, error) {
	p := as2orgParser{orgs: map[string]org{}, ases: map[uint32]asRow{}}
	line, err := eachLine(r, maxAS2OrgLine, maxAS2OrgLines, p.line)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	if len(p.ases) == 0 {
		return nil, fmt.Errorf("%s: %w: it names no network", name, ErrNotAS2Org)
	}
	if ref.Vintage == "" {
		ref.Vintage = p.newest.String()
	}
	n := &Networks{ref: ref, list: make([]NetworkInfo, 0, len(p.ases))}
	for as, row := range p.ases {
		o := p.orgs[row.org]
		n.list = append(n.list, NetworkInfo{AS: as, Name: row.name, Org: o.name, Country: o.country})
	}
	slices.SortFunc(n.list, func(a, b NetworkInfo) int { return compareAS(a.AS, b.AS) })
	return n, nil
}

type org struct{ name, country string }

type asRow struct{ name, org string }

type as2orgParser struct {
	orgs   map[string]org
	ases   map[uint32]asRow
	newest Day
	pipe   []string // columns of the pipe form's current section
}

func (p *as2orgParser) line(text string) error {
	text = strings.TrimSuffix(text, "\r")
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case strings.HasPrefix(text, "#"):
		if columns, ok := strings.CutPrefix(strings.ReplaceAll(text, " ", ""), "#format:"); ok {
			p.pipe = strings.Split(columns, "|")
			if !slices.Contains(p.pipe, "aut") && !slices.Contains(p.pipe, "org_name") {
				return fmt.Errorf("%w: format line %q has neither aut nor org_name", ErrNotAS2Org, short(text))
			}
		}
		return nil
	case strings.HasPrefix(text, "{"):
		return p.jsonLine(text)
	case p.pipe != nil:
		return p.pipeLine(text)
	}
	return fmt.Errorf("%w: neither JSON nor after a \"# format:\" line", ErrNotAS2Org)
}

func (p *as2orgParser) jsonLine(text string) error {
	var row struct {
		ASN            json.RawMessage `json:"asn"`
		Name           string          `json:"name"`
		Country        string          `json:"country"`
		OrganizationID string          `json:"organizationId"`
		Changed        string          `json:"changed"`
		Type           string          `json:"type"`
	}
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		return fmt.Errorf("%w: %w", ErrNotAS2Org, err)
	}
	switch row.Type {
	case "ASN":
		return p.addAS(strings.Trim(string(row.ASN), `"`), row.Name, row.OrganizationID, row.Changed)
	case "Organization":
		return p.addOrg(row.OrganizationID, row.Name, row.Country, row.Changed)
	}
	return fmt.Errorf("%w: type %q is neither ASN nor Organization", ErrNotAS2Org, short(row.Type))
}

func (p *as2orgParser) pipeLine(text string) error {
	f := strings.Split(text, "|")
	if len(f) != len(p.pipe) {
		return fmt.Errorf("%d fields, the format line has %d", len(f), len(p.pipe))
	}
	at := func(column string) string {
		if i := slices.Index(p.pipe, column); i >= 0 {
			return f[i]
		}
		return ""
	}
	if slices.Contains(p.pipe, "aut") {
		return p.addAS(at("aut"), at("aut_name"), at("org_id"), at("changed"))
	}
	return p.addOrg(at("org_id"), at("org_name"), at("country"), at("changed"))
}

func (p *as2orgParser) addAS(as, name, org, changed string) error {
	n, err := ParseNetwork(as)
	if err != nil {
		return err
	}
	if err := p.date(changed); err != nil {
		return err
	}
	p.ases[n] = asRow{name: CleanName(name), org: org}
	return nil
}

func (p *as2orgParser) addOrg(id, name, country, changed string) error {
	if id == "" {
		return errors.New("organisation without an id")
	}
	if err := p.date(changed); err != nil {
		return err
	}
	code, _ := knownCode(strings.ToUpper(country)) // the data has blanks, "EU", and worse: no country then
	p.orgs[id] = org{name: CleanName(name), country: code}
	return nil
}

func (p *as2orgParser) date(changed string) error {
	if changed == "" {
		return nil
	}
	d, err := parseCompactDay(changed)
	if err != nil {
		return err
	}
	p.newest = max(p.newest, d)
	return nil
}
