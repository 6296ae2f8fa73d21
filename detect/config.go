package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// MethodName and MethodVersion name the rules; both are part of every incident and of its id.
const (
	MethodName    = "expected-peers"
	MethodVersion = "1"
)

// Config holds the numbers of the method. Shares are fractions, durations are seconds. Its digest is in every incident.
type Config struct {
	CountryShare     float64 `json:"country_share"`      // low branch: this share of prefixes and of units
	CountryPrefixes  int     `json:"country_prefixes"`   // and at least so many prefixes
	CountryOrigins   int     `json:"country_origins"`    // of at least so many origins
	CountryHighShare float64 `json:"country_high_share"` // high branch: this share of prefixes
	SmallCountry     int     `json:"small_country"`      // a country with fewer prefixes than this
	SmallShare       float64 `json:"small_share"`        // needs this share of them
	SmallPrefixes    int     `json:"small_prefixes"`     // and at least so many
	NetworkShare     float64 `json:"network_share"`      // of units or of prefixes, whichever is more
	NetworkUnits     int64   `json:"network_units"`
	SmallNetwork     int     `json:"small_network"`   // a network with fewer prefixes than this is lost only when all are gone
	LearningFactor   float64 `json:"learning_factor"` // multiplies the shares of a country's floors while a feed without a RIB is young
	BaselineMinutes  int     `json:"baseline_minutes"`
	SuspectAfter     int     `json:"suspect_after_s"`
	ConfirmAfter     int     `json:"confirm_after_s"`
	ConfirmMeanLoss  float64 `json:"confirm_mean_loss"`
	MemberWindow     int     `json:"member_window_s"` // members are those lost at most so long before t0
	RecoveringShare  float64 `json:"recovering_share"`
	CloseShare       float64 `json:"close_share"`
	CloseAfter       int     `json:"close_after_s"`
	PermanentAfter   int     `json:"permanent_after_s"`
	EpisodeRise      float64 `json:"episode_rise"`
	EpisodeAfter     int     `json:"episode_after_s"`
	EpisodeHistory   int     `json:"episode_history_min"` // minutes of level inside the incident before an episode can open
	TitleShare       float64 `json:"title_share"`         // one origin with this share of the loss names the title
	MinObservable    float64 `json:"min_observable"`      // below this observable share of its units an entity cannot open an incident
	UnstableShare    float64 `json:"unstable_share"`      // above this unobservable share it is shown as unstable, never as normal

	// The band (section 4): what is usual for the entity, over which an alert must rise as well as over its floor.
	BandWeeks     int     `json:"band_weeks"`   // countries: by hour of the week, over so many weeks; 0: no band
	BandDays      int     `json:"band_days"`    // networks: one band over so many days; 0: no band
	BandHistory   float64 `json:"band_history"` // of these minutes, the share that must have been sampled
	BandQuantile  float64 `json:"band_quantile"`
	BandMADFactor float64 `json:"band_mad_factor"` // median absolute deviations added to the quantile
	CountryCap    float64 `json:"country_cap"`     // a band is never higher than this
	NetworkCap    float64 `json:"network_cap"`

	// The test for slow declines (section 4): a one-sided CUSUM of the level over its median.
	SlowReference int     `json:"slow_reference_h"` // hours of the median; 0: no test
	SlowHistory   int     `json:"slow_history_h"`   // hours of these that must have been sampled
	SlowRecent    int     `json:"slow_recent_h"`    // until then: hours before the one under way whose lowest level stands in for it; 0: no test
	SlowAllowance float64 `json:"slow_allowance"`   // of the floor's share: rise over the median that does not count
	SlowThreshold int     `json:"slow_threshold_m"` // the sum that decides, in minutes times the floor's share

	// Settling (section 5).
	StayShare     float64 `json:"stay_share"`      // a network that has lost this share keeps absent members; a country always does
	SettledAfter  int     `json:"settled_after_s"` // without a change, for the loss to be settled
	SettledChange float64 `json:"settled_change"`  // a larger move of the level is a change
}

// DefaultConfig is the published method.
func DefaultConfig() Config {
	return Config{
		CountryShare: 0.03, CountryPrefixes: 8, CountryOrigins: 3,
		CountryHighShare: 0.30, SmallCountry: 16, SmallShare: 0.90, SmallPrefixes: 3,
		NetworkShare: 0.05, NetworkUnits: 3, SmallNetwork: 3, LearningFactor: 3,
		BaselineMinutes: 15, SuspectAfter: 15, ConfirmAfter: 180, ConfirmMeanLoss: 0.8, MemberWindow: 300,
		RecoveringShare: 0.5, CloseShare: 0.9, CloseAfter: 900, PermanentAfter: 86400,
		EpisodeRise: 0.05, EpisodeAfter: 15, EpisodeHistory: 60,
		TitleShare: 0.9, MinObservable: 0.5, UnstableShare: 0.2,
		BandWeeks: 8, BandDays: 28, BandHistory: 0.9, BandQuantile: 0.999, BandMADFactor: 3, CountryCap: 0.10, NetworkCap: 0.30,
		SlowReference: 48, SlowHistory: 12, SlowRecent: 1, SlowAllowance: 1, SlowThreshold: 5,
		StayShare: 0.5, SettledAfter: 7 * 86400, SettledChange: 0.01,
	}
}

// Digest is the lower-case hex SHA-256 of the configuration's JSON (and of extra, the other configurations that decide, in order).
func (c Config) Digest(extra ...any) string {
	h := sha256.New()
	for _, v := range append([]any{c}, extra...) {
		b, err := json.Marshal(v)
		if err != nil { // plain structs of numbers: cannot fail; keep the digest honest if it ever does
			b = []byte(err.Error())
		}
		h.Write(b)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
