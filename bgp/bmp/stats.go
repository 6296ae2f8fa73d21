package bmp

import (
	"maps"
	"net/netip"
	"time"

	"github.com/corewatch/corewatch/bgp/wire"
)

// Stats is how a station is. All counts are since it began.
type Stats struct {
	Listening string        // the address; empty when it does not
	Err       error         // why not
	Refused   uint64        // connections from an address that is not on the list, or without a valid certificate
	Limited   uint64        // connections beyond the bounds
	Silent    uint64        // connections that said nothing, or no BMP, in time
	Routers   []RouterStats // in order of collector
}

// RouterStats is how one router is.
type RouterStats struct {
	Collector string
	Address   netip.Addr
	SysName   string // as it calls and describes itself
	SysDescr  string
	Connected bool
	Since     time.Time     // connected or not
	Why       string        // it is not connected; names no address
	Last      time.Time     // last message
	Lag       time.Duration // how old the last Route Monitoring was by the router's clock; hours while it sends its tables
	Sessions  int           // up, the Loc-RIBs included
	Stale     int           // of which nothing is known since the connection was lost
	Waiting   int           // octets of records not yet taken
	Counts    Counts
	Families  map[wire.Family]uint64 // messages about families that are not kept, by the first of them
	Reported  map[string]uint64      // statistics of the router, summed over its sessions; the words are those of the RFCs
}

// Counts are messages of one router by what became of them.
type Counts struct {
	Connections     uint64
	Messages        uint64 // all of them
	Records         uint64 // MRT records made of them
	Initiations     uint64
	NoInitiation    uint64 // connections that began with another message
	Ups, Downs      uint64 // Peer Up and Peer Down
	Monitored       uint64 // Route Monitoring
	Reports         uint64 // Statistics Report
	Mirrored        uint64 // Route Mirroring; not used
	MirroredErrors  uint64 // of them about a message that the router found malformed
	MirroredLost    uint64 // and that say that the router could not mirror all
	Duplicates      uint64 // Peer Up of a session that is up, unchanged
	UnknownPeers    uint64 // Peer Down and statistics of a session that is not up
	Orphans         uint64 // BGP messages of a session that is not up: nobody said how they are written, and they are not used
	Refused         uint64 // sessions, and messages of tables, beyond the bounds
	Contradictions  uint64 // headers that contradict the octets behind them or the Peer Up
	Halved          uint64 // BGP messages that took two records, because one family has path identifiers and the other not
	Unwritable      uint64 // BGP messages that have no form in MRT
	Unsupported     uint64 // BGP messages with families that are not kept
	Malformed       uint64
	UnknownType     uint64 // messages of a type nobody knows
	UnknownPeerType uint64
}

func (r *router) unsupported(f wire.Family) {
	r.stats.Counts.Unsupported++
	if _, known := r.families[f]; known || len(r.families) < maxFamilies {
		r.families[f]++
	}
}

// told is a copy of the router's state for others.
func (r *router) told() RouterStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.stats
	out.Waiting = r.queue.in.size()
	out.Families = maps.Clone(r.families)
	out.Reported = map[string]uint64{}
	for _, s := range r.order {
		if s.stale {
			out.Stale++
			continue
		}
		out.Sessions++
		for i, name := range statistics {
			if name != "" && s.stats[i] > 0 {
				out.Reported[name] += s.stats[i]
			}
		}
	}
	return out
}
