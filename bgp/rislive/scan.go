package rislive

import (
	"encoding/json"
	"strings"
)

// scan reads a frame of the form that the service usually sends, in one pass and without a copy of its parts: plain JSON of ris_message with the
// keys that are known, each once, texts without escapes, and no nulls. It reports false for everything else, right or wrong, and then says nothing: encoding/json
// reads that. Where it reports true, m is what encoding/json would give; a fuzz test holds them together.
func scan(text string, m *message) bool {
	s := scanner{text: text, m: m}
	return s.frame() && s.blank() == 0
}

// scanner is one pass over a frame.
type scanner struct {
	text string
	at   int
	m    *message
	seen uint32 // keys met, one bit each
}

// blank passes over white space and gives the octet that follows, 0 at the end.
func (s *scanner) blank() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take passes over one octet, if it is next.
func (s *scanner) take(c byte) bool {
	if s.blank() != c {
		return false
	}
	s.at++
	return true
}

// str reads a text of printable ASCII without escapes.
func (s *scanner) str() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	from := s.at
	n := strings.IndexByte(s.text[from:], '"')
	if n < 0 {
		return "", false
	}
	v := s.text[from : from+n]
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '\\' {
			return "", false
		}
	}
	s.at = from + n + 1
	return v, true
}

// number reads a number without an exponent.
func (s *scanner) number() (string, bool) {
	s.blank()
	from := s.at
	whole := s.digits()
	if whole == 0 || whole > 1 && s.text[from] == '0' {
		return "", false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return "", false
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		return "", false
	}
	return s.text[from:s.at], true
}

func (s *scanner) digits() int {
	from := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at - from
}

// object reads members; each gets the key and reads the value.
func (s *scanner) object(member func(key string) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		key, ok := s.str()
		if !ok || !s.take(':') || !member(key) {
			return false
		}
		if !s.take(',') {
			return s.take('}')
		}
	}
}

// array reads elements.
func (s *scanner) array(element func() bool) bool {
	if !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if !s.take(',') {
			return s.take(']')
		}
	}
}

// once reports whether a key is met for the first time.
func (s *scanner) once(bit uint32) bool {
	if s.seen&bit != 0 {
		return false
	}
	s.seen |= bit
	return true
}

const (
	seenType = 1 << iota
	seenData
	seenTimestamp
	seenPeer
	seenASN
	seenHost
	seenKind
	seenState
	seenDirection
	seenRaw
	seenPath
	seenAnnouncements
	seenWithdrawals
)

func (s *scanner) frame() bool {
	return s.object(func(key string) bool {
		switch key {
		case "type":
			v, ok := s.str()
			return ok && v == "ris_message" && s.once(seenType)
		case "data":
			return s.once(seenData) && s.object(s.member)
		}
		return false
	}) && s.seen&(seenType|seenData) == seenType|seenData
}

// member reads a member of data.
func (s *scanner) member(key string) bool {
	text := func(to *string, bit uint32) (ok bool) {
		*to, ok = s.str()
		return ok && s.once(bit)
	}
	m := s.m
	switch key {
	case "timestamp":
		v, ok := s.number()
		m.Timestamp = json.Number(v)
		return ok && s.once(seenTimestamp)
	case "peer":
		return text(&m.Peer, seenPeer)
	case "peer_asn":
		s.blank()
		from := s.at
		_, ok := s.str()
		if !ok {
			_, ok = s.number()
		}
		m.PeerASN = jsonText(s.text[from:s.at])
		return ok && s.once(seenASN)
	case "host":
		return text(&m.Host, seenHost)
	case "type":
		return text(&m.Type, seenKind)
	case "state":
		return text(&m.State, seenState)
	case "direction":
		return text(&m.Direction, seenDirection)
	case "raw":
		return text(&m.Raw, seenRaw)
	case "path":
		s.blank()
		from := s.at
		ok := s.array(s.hop)
		m.Path = jsonText(s.text[from:s.at])
		return ok && s.once(seenPath)
	case "announcements":
		return s.once(seenAnnouncements) && s.array(s.announcement)
	case "withdrawals":
		return s.once(seenWithdrawals) && s.texts(&m.Withdrawals)
	case "id", "origin", "aggregator":
		_, ok := s.str()
		return ok
	case "med", "local_pref":
		_, ok := s.number()
		return ok
	case "community":
		return s.array(s.hop)
	}
	return false
}

// hop reads a number, or an array of them.
func (s *scanner) hop() bool {
	if s.blank() != '[' {
		_, ok := s.number()
		return ok
	}
	return s.array(func() bool {
		_, ok := s.number()
		return ok
	})
}

func (s *scanner) texts(to *[]string) bool {
	if *to == nil {
		*to = []string{}
	}
	return s.array(func() bool {
		v, ok := s.str()
		*to = append(*to, v)
		return ok
	})
}

func (s *scanner) announcement() bool {
	list := &s.m.Announcements
	if n := len(*list); n < cap(*list) { // with the memory of an earlier frame's
		*list = (*list)[:n+1]
		a := &(*list)[n]
		a.NextHop, a.Prefixes = "", a.Prefixes[:0]
	} else {
		*list = append(*list, announcement{})
	}
	a := &(*list)[len(*list)-1]
	hop, prefixes := false, false
	return s.object(func(key string) (ok bool) {
		switch {
		case key == "next_hop" && !hop:
			hop = true
			a.NextHop, ok = s.str()
			return ok
		case key == "prefixes" && !prefixes:
			prefixes = true
			return s.texts(&a.Prefixes)
		}
		return false
	})
}
