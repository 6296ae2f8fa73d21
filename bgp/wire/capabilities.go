package wire

import (
	"encoding/binary"
	"slices"
)

// Capability codes: the IANA registry "Capability Codes".
const (
	capMultiprotocol   = 1
	capRouteRefresh    = 2
	capExtendedNextHop = 5
	capExtendedMessage = 6
	capRole            = 9
	capGraceful        = 64
	capAS4             = 65
	capAddPath         = 69
	capEnhancedRefresh = 70
	capLongLived       = 71
	capFQDN            = 73
	capSoftwareVersion = 75
)

// Supported is what the capabilities of an OPEN say. A family that comes twice is listed once, as it came last.
type Supported struct {
	Families        []Family          // capability 1: RFC 4760 section 8
	RouteRefresh    bool              // capability 2: RFC 2918 section 2
	NextHops        []FamilyNextHop   // capability 5: RFC 8950 section 4
	LongMessages    bool              // capability 6: the speaker takes messages of up to 65,535 octets (RFC 8654)
	Role            Role              // capability 9: RFC 9234 section 4.1; the first of several that differ
	Graceful        *GracefulRestart  // capability 64: RFC 4724 section 3; nil when not advertised
	AS4             bool              // capability 65: RFC 6793 section 3
	AddPath         []FamilyAddPath   // capability 69: RFC 7911 section 4
	EnhancedRefresh bool              // capability 70: RFC 7313 section 3.1
	LongLived       []FamilyLongLived // capability 71: RFC 9494
	Host, Domain    string            // capability 73, FQDN; made printable, not to be trusted
	Software        string            // capability 75, software version; likewise

	longAS uint32 // of capability 65
}

// FamilyNextHop says that prefixes of a family may come with a next hop of another.
type FamilyNextHop struct {
	Family
	NextHop uint16 // AFI of the next hop
}

// FamilyAddPath says what a speaker does with path identifiers.
type FamilyAddPath struct {
	Family
	Receive, Send bool
}

// GracefulRestart is the capability of RFC 4724.
type GracefulRestart struct {
	Restarting   bool   // R: the speaker has restarted
	Notification bool   // N: a NOTIFICATION keeps routes too (RFC 8538)
	Time         uint16 // seconds the speaker needs at most
	Families     []FamilyGraceful
}

// FamilyGraceful is a family of which routes may be kept.
type FamilyGraceful struct {
	Family
	Forwarding bool // F: forwarding state has been kept through the restart
}

// FamilyLongLived is a family of which stale routes may be kept for long.
type FamilyLongLived struct {
	Family
	Forwarding bool   // F: forwarding state has been kept
	StaleTime  uint32 // seconds
}

// Role is what a speaker says it is to its neighbour. It is one more than the value in the message, so that the zero value is none.
type Role byte

// The roles: RFC 9234 section 4.1.
const (
	RoleNone Role = iota // not advertised
	RoleProvider
	RoleRouteServer
	RoleRouteServerClient
	RoleCustomer
	RolePeer
)

// String is the word of the RFC; empty for RoleNone.
func (r Role) String() string {
	names := [...]string{"", "Provider", "RS", "RS-Client", "Customer", "Peer"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// read takes in one capability. It is false when the value of a known one is malformed.
func (s *Supported) read(c Capability) bool {
	v := c.Value
	switch c.Code {
	case capMultiprotocol:
		if len(v) != 4 {
			return false
		}
		s.Families = put(s.Families, familyOf(v[0:2], v[3]), func(f Family) Family { return f })
	case capRouteRefresh:
		if len(v) > 0 {
			return false
		}
		s.RouteRefresh = true
	case capExtendedNextHop:
		return s.readNextHops(v)
	case capExtendedMessage:
		if len(v) > 0 {
			return false
		}
		s.LongMessages = true
	case capRole:
		if len(v) != 1 || v[0] > byte(RolePeer-1) || s.Role != RoleNone && s.Role != Role(v[0]+1) {
			return false
		}
		s.Role = Role(v[0] + 1)
	case capGraceful:
		return s.readGraceful(v)
	case capAS4:
		if len(v) != 4 {
			return false
		}
		s.AS4, s.longAS = true, binary.BigEndian.Uint32(v)
	case capAddPath:
		return s.readAddPath(v)
	case capEnhancedRefresh:
		if len(v) > 0 {
			return false
		}
		s.EnhancedRefresh = true
	case capLongLived:
		return s.readLongLived(v)
	case capFQDN:
		host, rest, ok := counted(v)
		domain, rest, ok2 := counted(rest)
		if !ok || !ok2 || len(rest) > 0 {
			return false
		}
		s.Host, s.Domain = printable(host), printable(domain)
	case capSoftwareVersion:
		version, rest, ok := counted(v)
		if !ok || len(rest) > 0 {
			return false
		}
		s.Software = printable(version)
	}
	return true
}

func familyOf(afi []byte, safi byte) Family {
	return Family{AFI: binary.BigEndian.Uint16(afi), SAFI: safi}
}

// put replaces the element of the same family, or adds e.
func put[E any](list []E, e E, family func(E) Family) []E {
	for i := range list {
		if family(list[i]) == family(e) {
			list[i] = e
			return list
		}
	}
	return append(list, e)
}

// counted splits a string off b that is preceded by its length in one octet.
func counted(b []byte) (s, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) > len(b)-1 {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	return b[1:end], b[end:], true
}

// readNextHops reads the triples of capability 5, in which the SAFI has two octets. A family may have several next hop families.
func (s *Supported) readNextHops(v []byte) bool {
	if len(v)%6 != 0 {
		return false
	}
	for ; len(v) > 0; v = v[6:] {
		n := FamilyNextHop{Family: familyOf(v, v[3]), NextHop: binary.BigEndian.Uint16(v[4:])}
		if v[2] == 0 && !slices.Contains(s.NextHops, n) {
			s.NextHops = append(s.NextHops, n)
		}
	}
	return true
}

// readGraceful reads capability 64; of several the last counts (RFC 4724).
func (s *Supported) readGraceful(v []byte) bool {
	if len(v) < 2 || len(v)%4 != 2 {
		return false
	}
	g := &GracefulRestart{Restarting: v[0]&0x80 != 0, Notification: v[0]&0x40 != 0, Time: binary.BigEndian.Uint16(v) & 0x0fff}
	for v = v[2:]; len(v) > 0; v = v[4:] {
		f := FamilyGraceful{Family: familyOf(v, v[2]), Forwarding: v[3]&0x80 != 0}
		g.Families = put(g.Families, f, func(f FamilyGraceful) Family { return f.Family })
	}
	s.Graceful = g
	return true
}

// readAddPath reads capability 69. A Send/Receive field other than 1, 2 and 3 makes the capability as good as unknown (RFC 7911
// section 4).
func (s *Supported) readAddPath(v []byte) bool {
	if len(v)%4 != 0 {
		return false
	}
	for i := 3; i < len(v); i += 4 {
		if v[i] < 1 || v[i] > 3 {
			return false
		}
	}
	for ; len(v) > 0; v = v[4:] {
		f := FamilyAddPath{Family: familyOf(v, v[2]), Receive: v[3]&1 != 0, Send: v[3]&2 != 0}
		s.AddPath = put(s.AddPath, f, func(f FamilyAddPath) Family { return f.Family })
	}
	return true
}

func (s *Supported) readLongLived(v []byte) bool {
	if len(v)%7 != 0 {
		return false
	}
	for ; len(v) > 0; v = v[7:] {
		f := FamilyLongLived{Family: familyOf(v, v[2]), Forwarding: v[3]&0x80 != 0, StaleTime: binary.BigEndian.Uint32(v[3:]) & 0xffffff}
		s.LongLived = put(s.LongLived, f, func(f FamilyLongLived) Family { return f.Family })
	}
	return true
}
