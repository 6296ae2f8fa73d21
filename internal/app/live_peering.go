package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/peering"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// peeringSource are the monitor's own BGP sessions: the collector is the monitor itself.
type peeringSource struct {
	collector string
	as        uint32
	speaker   *peering.Speaker

	// Owned by the goroutine that polls.
	up     map[bgp.Peer]bool // sessions that are established, as far as their records were given
	before map[bgp.Peer]bool // those of the last run that are not back, and not known to be lost
	first  time.Time         // first poll
}

// backWithin is how long after its start the monitor waits for the sessions that it had before. All that a session said is unknown from the
// start on; who is back by then has had no loss of its own.
const backWithin = 2 * time.Minute

func newPeeringSource(c conf.Source, log zerolog.Logger) (*peeringSource, error) {
	p := c.Peering
	opt := peering.Options{
		Listen: p.Listen, AS: p.AS, Retry: time.Duration(p.ConnectRetry), Log: log.With().Str("collector", c.Collector).Logger(),
	}
	opt.RouterID, _ = netip.ParseAddr(p.RouterID) // checked when the file was read
	for _, n := range p.Neighbours {
		to := peering.Neighbour{
			AS: n.AS, Port: n.Port, Passive: n.Passive, Hold: time.Duration(conf.DefaultHold), AddPath: n.AddPath,
			TTLSecurity: n.TTLSecurity, MaxRoutes: n.MaxRoutes, MaxSessions: n.MaxSessions,
		}
		to.Address, _ = netip.ParseAddr(n.Address)
		to.Range, _ = netip.ParsePrefix(n.Range)
		to.Local, _ = netip.ParseAddr(n.Local)
		if n.Hold != nil {
			to.Hold = time.Duration(*n.Hold)
		}
		if n.PasswordFile != "" {
			var err error
			if to.Password, err = password(n.PasswordFile, log); err != nil {
				return nil, fmt.Errorf("%s: neighbour %s%s: %w", c.Collector, n.Address, n.Range, err)
			}
		}
		opt.Neighbours = append(opt.Neighbours, to)
	}
	speaker, err := peering.New(opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Collector, err)
	}
	return &peeringSource{collector: c.Collector, as: p.AS, speaker: speaker, up: map[bgp.Peer]bool{}, before: map[bgp.Peer]bool{}}, nil
}

// password is the first line of a file, which shall hold nothing else.
func password(name string, log zerolog.Logger) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Mode().Perm()&0o077 != 0 {
		log.Warn().Str("file", name).Msgf("others can read this password; chmod 600 would stop that (mode %o)", st.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 || bytes.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("password_file %s: want one line, of 1 to 80 octets", name)
	}
	return string(text), nil
}

func (s *peeringSource) name() string { return s.collector }

// feed: its sessions have hold times of their own; the collector is watched as any.
func (s *peeringSource) feed() signal.Feed { return signal.Feed{Tables: true} }

func (s *peeringSource) poll(now time.Time, take func(received) bool) error {
	if s.first.IsZero() {
		s.first = now
	}
	more := true
	s.speaker.Poll(func(e peering.Event) bool {
		switch e.State {
		case 0:
		case bgp.Established:
			s.up[e.Peer] = true
			delete(s.before, e.Peer)
		default:
			delete(s.up, e.Peer)
		}
		more = take(received{collector: s.collector, raw: e.Raw})
		return more
	})
	if more && now.Sub(s.first) >= backWithin {
		if err := s.stayedAway(now, take); err != nil {
			return err
		}
	}
	return s.speaker.Status().ListenErr
}

// stayedAway records the end of the sessions that were established when the monitor stopped, and are not back.
func (s *peeringSource) stayedAway(now time.Time, take func(received) bool) error {
	for _, p := range sorted(s.before) {
		raw, err := mrt.AppendStateChange(nil, bgp.MicrosOf(now), mrt.Envelope{PeerAS: p.AS, PeerAddr: p.Addr, LocalAS: s.as}, bgp.Established, 1)
		if err != nil {
			return err
		}
		delete(s.before, p)
		if !take(received{collector: s.collector, raw: raw}) {
			break
		}
	}
	return nil
}

func sorted(set map[bgp.Peer]bool) []bgp.Peer {
	return slices.SortedFunc(maps.Keys(set), func(a, b bgp.Peer) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.AS, b.AS))
	})
}

// longestPosition is less than a control event of the journal may have. All sessions there may be fit into it; with those of a run before that had
// other neighbours they might not.
const longestPosition = 60_000

// position names the sessions that are established: each as AS number, slash, address.
func (s *peeringSource) position() string {
	all := maps.Clone(s.up)
	maps.Copy(all, s.before)
	var b strings.Builder
	for _, p := range sorted(all) {
		if b.Len() < longestPosition {
			fmt.Fprintf(&b, "%d/%s ", p.AS, p.Addr)
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

func (s *peeringSource) resume(position string) {
	for word := range strings.FieldsSeq(position) {
		number, addr, _ := strings.Cut(word, "/")
		as, err := strconv.ParseUint(number, 10, 32)
		at, aerr := netip.ParseAddr(addr)
		if errors.Join(err, aerr) == nil {
			s.before[bgp.Peer{AS: uint32(as), Addr: at}] = true
		}
	}
}

// maxTold bounds how many neighbours a page names.
const maxTold = 5

// status is for the pages.
func (s *peeringSource) status() web.SourceStatus {
	st := s.speaker.Status()
	out := web.SourceStatus{Name: s.collector, State: "connecting"}
	up, routes, about, told, left := 0, 0, "", []string{}, 0
	for _, n := range st.Neighbours {
		if n.Last.After(out.Last) {
			out.Last = n.Last
		}
		if n.State == bgp.Established {
			up++
			if routes += n.Routes; n.Estimated {
				about = "about "
			}
			continue
		}
		if len(told) == maxTold {
			left++
			continue
		}
		told = append(told, away(n))
	}
	if up > 0 {
		out.State = "connected"
	}
	out.Detail = fmt.Sprintf("%d of %d BGP sessions established, %s%d routes", up, len(st.Neighbours), about, routes)
	if st.ListenErr != nil {
		told = append(told, "nobody can connect: "+public(st.ListenErr))
		if up == 0 {
			out.State = "unreachable"
		}
	}
	if left > 0 {
		told = append(told, fmt.Sprintf("and %d others", left))
	}
	if len(told) > 0 {
		out.Detail += "; " + strings.Join(told, "; ")
	}
	return out
}

// away says in words what is the matter with a neighbour.
func away(n peering.NeighbourStatus) string {
	text := fmt.Sprintf("AS%d %s: ", n.AS, n.Address)
	switch {
	case !n.Restart.IsZero():
		return text + "restarting, and to be back by " + n.Restart.UTC().Format(time.TimeOnly)
	case n.Err != nil:
		return text + public(n.Err)
	case n.State == 3: // Active: it is for the neighbour to connect
		return text + "has not connected"
	}
	return text + "connecting"
}
