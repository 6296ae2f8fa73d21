package peering

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp/wire"
)

// What this side sends is made by GoBGP's packet library, and is all that it is used for. It is given only values of the configuration and
// numbers of this package: what a neighbour sends is read by bgp/wire alone, which is fuzzed, reads RFC 9072 and says which error an OPEN is.
// (docs/decisions/062-own-session.md)

// asTrans stands for an AS number that does not fit two octets: RFC 6793 section 9.
const asTrans = 23456

// built is a message as octets. A panic of the library is an error like any other.
func built(m *gobgp.BGPMessage) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("making a message: %v", p)
		}
	}()
	return m.Serialize()
}

// hello makes the OPEN for a neighbour. It says that this side understands all that a neighbour could use to tell it more, and, by a Graceful
// Restart capability without families, that it helps a neighbour to restart and never restarts so itself (RFC 4724 section 3).
func hello(o *Options, n *Neighbour, addPath bool) ([]byte, wire.Open, error) {
	caps := []gobgp.ParameterCapabilityInterface{
		gobgp.NewCapMultiProtocol(gobgp.RF_IPv4_UC),
		gobgp.NewCapMultiProtocol(gobgp.RF_IPv6_UC),
		gobgp.NewCapRouteRefresh(),
		gobgp.NewCapExtendedNexthop([]*gobgp.CapExtendedNexthopTuple{gobgp.NewCapExtendedNexthopTuple(gobgp.RF_IPv4_UC, gobgp.AFI_IP6)}),
		gobgp.NewCapUnknown(6, nil), // RFC 8654, which the library has no name for
		gobgp.NewCapGracefulRestart(false, true, 0, nil),
		gobgp.NewCapFourOctetASNumber(o.AS),
		gobgp.NewCapEnhancedRouteRefresh(),
	}
	if addPath {
		caps = append(caps, gobgp.NewCapAddPath([]*gobgp.CapAddPathTuple{
			gobgp.NewCapAddPathTuple(gobgp.RF_IPv4_UC, gobgp.BGP_ADD_PATH_RECEIVE),
			gobgp.NewCapAddPathTuple(gobgp.RF_IPv6_UC, gobgp.BGP_ADD_PATH_RECEIVE),
		}))
	}
	as := uint16(asTrans)
	if o.AS <= math.MaxUint16 {
		as = uint16(o.AS)
	}
	b, err := built(gobgp.NewBGPOpenMessage(as, uint16(n.Hold/time.Second), o.RouterID.String(),
		[]gobgp.OptionParameterInterface{gobgp.NewOptionParameterCapability(caps)}))
	if err != nil {
		return nil, wire.Open{}, err
	}
	said, err := wire.ParseOpen(b)
	return b, said, err
}

// fixed are the messages that never differ.
type fixed struct {
	keepalive []byte
	endOfRIB  map[wire.Family][]byte
	// refreshed are, by family, the two marks around an empty table: the answer to a request to send ours again (RFC 7313 section 4).
	refreshed map[wire.Family][]byte
}

func newFixed() (f fixed, err error) {
	if f.keepalive, err = built(gobgp.NewBGPKeepAliveMessage()); err != nil {
		return f, err
	}
	f.endOfRIB, f.refreshed = map[wire.Family][]byte{}, map[wire.Family][]byte{}
	for _, rf := range []gobgp.RouteFamily{gobgp.RF_IPv4_UC, gobgp.RF_IPv6_UC} {
		afi, safi := gobgp.RouteFamilyToAfiSafi(rf)
		family := wire.Family{AFI: afi, SAFI: safi}
		if f.endOfRIB[family], err = built(gobgp.NewEndOfRib(rf)); err != nil {
			return f, err
		}
		var marks []byte
		for _, subtype := range []uint8{refreshBegins, refreshEnds} {
			b, err := built(gobgp.NewBGPRouteRefreshMessage(afi, subtype, safi))
			if err != nil {
				return f, err
			}
			marks = append(marks, b...)
		}
		f.refreshed[family] = marks
	}
	return f, nil
}

// notification makes a NOTIFICATION. The data are cut where they would make it longer than a message may be.
func notification(f *fault) ([]byte, error) {
	return built(gobgp.NewBGPNotificationMessage(f.code, f.subcode, f.data[:min(len(f.data), 64)]))
}

// The subtypes of ROUTE-REFRESH: RFC 7313 section 3.2.
const (
	refreshAsked  = 0
	refreshBegins = 1
	refreshEnds   = 2
)

// refresh is what a ROUTE-REFRESH message says.
func refresh(msg []byte) (family wire.Family, subtype byte) {
	b := msg[headerLen:]
	return wire.Family{AFI: binary.BigEndian.Uint16(b), SAFI: b[3]}, b[2]
}
