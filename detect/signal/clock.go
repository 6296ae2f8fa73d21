package signal

// Clock is what is known of the clock by which live messages are dated. It moves nothing that is counted: it lowers coverage.
type Clock uint8

const (
	// ClockGiven: the times are those of records, nobody's clock of today is behind them.
	ClockGiven Clock = iota
	// ClockRight: it is off by less than a second.
	ClockRight
	// ClockOff: by more.
	ClockOff
	// ClockUnknown: nobody could say.
	ClockUnknown
)

// SetClock says how the clock is from now on.
func (m *Monitor) SetClock(c Clock) { m.clock = c }

// CoverageReasons are those that lower the coverage of IPv4 now.
func (m *Monitor) CoverageReasons() []string { return m.coverage(m.fams[0]).Because }
