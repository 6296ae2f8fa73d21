// Package entity holds the words for what corewatch watches: countries, regions, networks, prefixes and zones, and the dated reference
// tables that say which prefix belongs to which of them.
//
// Nothing here reads a disk, a socket or a clock: tables come from an io.Reader or are built in. Loading and updating them is
// the work of entity/reference. Every table carries its vintage, because a mapping of today is wrong about an event of 2008.
package entity

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// Type says what kind of thing an Entity is. The list is open: readers must ignore types they do not know.
type Type string

// The types of entity and the form of their codes.
const (
	TypeCountry   Type = "country"   // ISO 3166-1 alpha-2, "PK"
	TypeRegion    Type = "region"    // ISO 3166-2, "PK-SD"
	TypeNetwork   Type = "network"   // "AS17563", no leading zeros, never asdot
	TypePrefix    Type = "prefix"    // CIDR, IPv6 as in RFC 5952
	TypeZone      Type = "zone"      // slug of a Zone
	TypeCollector Type = "collector" // as its project names it, "route-views2"
	TypePeer      Type = "peer"      // "<collector>/AS<n>/<address>"
	TypeService   Type = "service"   // id of a probe target
	TypeMonitor   Type = "monitor"   // a part of the monitor itself, "disk"
)

// Entity names one thing that can be watched. Two entities are the same when Type and Code are; Name is only for reading.
type Entity struct {
	Type Type   `json:"type"`
	Code string `json:"code"`
	Name string `json:"name,omitempty"`
}

// String is the form ParseEntity reads, "country:PK".
func (e Entity) String() string { return string(e.Type) + ":" + e.Code }

// Country is the entity of an ISO 3166-1 alpha-2 code, with its name when the code is known.
func Country(code string) Entity {
	name, _ := CountryName(code)
	return Entity{Type: TypeCountry, Code: code, Name: name}
}

// Network is the entity of an AS number. Its name is left to whoever has a Networks table.
func Network(as uint32) Entity { return Entity{Type: TypeNetwork, Code: NetworkCode(as)} }

// NetworkCode writes an AS number as "AS<number>" in decimal (asplain, RFC 5396).
func NetworkCode(as uint32) string { return "AS" + strconv.FormatUint(uint64(as), 10) }

// ParseNetwork reads "AS17563" or "17563". AS 0 is an error: RFC 7607 forbids it as an origin.
func ParseNetwork(s string) (uint32, error) {
	digits := s
	if len(s) > 2 && strings.EqualFold(s[:2], "AS") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '+' {
		return 0, fmt.Errorf("network %q: want AS1 to AS4294967295", short(s))
	}
	return uint32(n), nil
}

var (
	slugForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	regionForm = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,3}$`)
	idForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
)

// maxCode bounds the length of any entity code in bytes.
const maxCode = 128

// ParseEntity reads "<type>:<code>", for example "country:PK" or "network:AS17563", and gives the code in its canonical form.
// It checks the form of every code, and for countries and the country part of regions also that the code exists.
func ParseEntity(s string) (Entity, error) {
	kind, code, ok := strings.Cut(s, ":")
	if !ok || code == "" {
		return Entity{}, fmt.Errorf("entity %q: want <type>:<code>, for example country:PK or network:AS64500", short(s))
	}
	if len(code) > maxCode {
		return Entity{}, fmt.Errorf("entity %q: code is longer than %d bytes", short(s), maxCode)
	}
	e := Entity{Type: Type(kind), Code: code}
	bad := func(want string) (Entity, error) {
		return Entity{}, fmt.Errorf("entity %q: want %s", short(s), want)
	}
	switch e.Type {
	case TypeCountry:
		e.Code = strings.ToUpper(code)
		name, known := CountryName(e.Code)
		if !known {
			return bad("an ISO 3166-1 alpha-2 country code")
		}
		e.Name = name
	case TypeRegion:
		e.Code = strings.ToUpper(code)
		if !regionForm.MatchString(e.Code) {
			return bad("an ISO 3166-2 region code, for example region:PK-SD")
		}
		if _, known := CountryName(e.Code[:2]); !known {
			return bad("a region code that begins with an ISO 3166-1 country code")
		}
	case TypeNetwork:
		as, err := ParseNetwork(code)
		if err != nil {
			return Entity{}, err
		}
		e.Code = NetworkCode(as)
	case TypePrefix:
		p, err := bgp.ParsePrefix(code)
		if err != nil {
			return Entity{}, err
		}
		e.Code = p.String()
	case TypeZone:
		if !slugForm.MatchString(code) {
			return bad("a zone slug of a-z, 0-9 and single hyphens")
		}
	case TypePeer:
		if !validPeer(code) {
			return bad("<collector>/AS<n>/<address>")
		}
	case TypeCollector, TypeService, TypeMonitor:
		if !idForm.MatchString(code) {
			return bad("an id of letters, digits and . _ : / @ -")
		}
	default:
		return bad("a type that is one of country, region, network, prefix, zone, collector, peer, service")
	}
	return e, nil
}

// validPeer checks the code that bgp.Peer.String writes.
func validPeer(code string) bool {
	parts := strings.Split(code, "/")
	if len(parts) != 3 || !idForm.MatchString(parts[0]) || !strings.HasPrefix(parts[1], "AS") {
		return false
	}
	as, err := ParseNetwork(parts[1])
	if err != nil || NetworkCode(as) != parts[1] {
		return false
	}
	a, err := netip.ParseAddr(parts[2])
	return err == nil && a.String() == parts[2]
}

// short cuts a string from outside for use in an error message.
func short(s string) string {
	const most = 48
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
