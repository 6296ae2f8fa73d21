package wire

import "slices"

// Session is what two OPEN messages agree on, seen by the one side, which receives: how to read what the other sends.
type Session struct {
	// Options are those of every UPDATE of the session. Path identifiers are agreed on for each family; of IPv4 and of IPv6 the
	// unicast family decides.
	Options Options
	// Families are those that both sides advertise, in the order of the remote side. A side that advertises none stands for
	// IPv4 unicast, which needs no capability (RFC 4271).
	Families []Family
	// MaxMessage is how many octets a message of the remote side other than OPEN and KEEPALIVE may have: 65,535 when the local
	// side says it takes them (RFC 8654), else 4,096.
	MaxMessage int
	// HoldTime is the lower of the two, in seconds; 0 is no keepalives (RFC 4271 section 4.2).
	HoldTime uint16
}

// Negotiate derives the session of two OPENs: local was sent by the side that receives, remote by its neighbour. Four-octet AS numbers
// are used when both advertise them (RFC 6793 section 4.1), path identifiers of a family when remote can send and local can
// receive them (RFC 7911 section 4). Neither OPEN is changed.
func Negotiate(local, remote *Open) Session {
	s := Session{MaxMessage: maxStandard, HoldTime: min(local.HoldTime, remote.HoldTime)}
	s.Options = Options{
		AS4:      local.AS4 && remote.AS4,
		AddPath4: addPath(local, remote, IPv4Unicast),
		AddPath6: addPath(local, remote, IPv6Unicast),
		IBGP:     local.AS == remote.AS,
	}
	if local.LongMessages {
		s.MaxMessage = maxExtended
	}
	for _, f := range families(remote) {
		if slices.Contains(families(local), f) {
			s.Families = append(s.Families, f)
		}
	}
	return s
}

// families are those an OPEN advertises: without capability 1, IPv4 unicast.
func families(o *Open) []Family {
	if len(o.Families) == 0 {
		return []Family{IPv4Unicast}
	}
	return o.Families
}

func addPath(local, remote *Open, f Family) bool {
	return slices.ContainsFunc(remote.AddPath, func(a FamilyAddPath) bool { return a.Family == f && a.Send }) &&
		slices.ContainsFunc(local.AddPath, func(a FamilyAddPath) bool { return a.Family == f && a.Receive })
}
