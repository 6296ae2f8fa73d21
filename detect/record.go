package detect

// Sample is one stored point of an entity's signal: the value with its denominators. Points are a minute apart, and denser
// inside an incident. Time series that a page draws are made of nothing else.
type Sample struct {
	Entity       string // Entity.Key, "country:PK"
	Signal       string // "bgp.v4", "bgp.v6"
	At           Time
	Expected     int64 // observable units (/24 or /48)
	Lost         int64 // of these, lost
	Unobservable int64 // units nobody could judge, not in Expected
	Prefixes     int32 // observable prefixes
	LostPrefixes int32 // of these, lost (deaggregated ones included)
	Voting       int32 // ASes that voted
	NoData       bool  // the feed was silent: nothing is known, neither up nor down
}

// Member is one prefix of an incident: the witness row behind its figures. Times are absent when they did not happen (yet).
type Member struct {
	Prefix          string   `json:"prefix"`
	Origin          uint32   `json:"origin,omitempty"`     // 0 when no announcement named one
	MovedFrom       uint32   `json:"moved_from,omitempty"` // it is up again under Origin, and was lost from this one
	Units           int64    `json:"units"`                // /24 or /48 blocks counted for this prefix
	Deaggregated    bool     `json:"deaggregated,omitempty"`
	FirstWithdrawal Time     `json:"first_withdrawal,omitzero"`
	FirstPeer       string   `json:"first_peer,omitempty"` // code of the peer that withdrew first
	LostAt          Time     `json:"lost_at"`
	BackAt          Time     `json:"back_at,omitzero"` // last time it was found announced again
	Withdrawn       int      `json:"withdrawn"`        // ASes that had withdrawn it, at its worst
	Expected        int      `json:"expected"`         // of so many that were expected and voting
	History         []Point  `json:"history,omitempty"`
	Peers           []string `json:"peers,omitempty"` // codes of the peers that withdrew it, ordered
}

// Point is one step of a prefix's visibility: from At on, Carried of Expected voting ASes carried it.
type Point struct {
	At       Time `json:"at"`
	Carried  int  `json:"carried"`
	Expected int  `json:"expected"`
}
