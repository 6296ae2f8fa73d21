package conf

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

const (
	dayS  = 24 * 3600
	yearS = 366 * dayS
	peers = 100_000 // more ASes than the internet has at all collectors together
	count = 1_000_000
)

// most is the largest value of each whole number; the smallest is 0. Beyond these a number means nothing, or asks for memory without end.
var most = map[string]int64{
	"detect.country_prefixes":    count,
	"detect.country_origins":     count,
	"detect.small_country":       count,
	"detect.small_prefixes":      count,
	"detect.network_units":       count,
	"detect.small_network":       count,
	"detect.baseline_minutes":    240, // each signal that has lost something keeps a level for every minute
	"detect.suspect_after_s":     dayS,
	"detect.confirm_after_s":     dayS,
	"detect.member_window_s":     dayS,
	"detect.close_after_s":       7 * dayS,
	"detect.permanent_after_s":   yearS,
	"detect.episode_after_s":     dayS,
	"detect.episode_history_min": 24 * 60, // an incident keeps the levels of a day
	"detect.band_weeks":          52,
	"detect.band_days":           364,
	"detect.slow_reference_h":    52 * 7 * 24,
	"detect.slow_history_h":      52 * 7 * 24,
	"detect.slow_recent_h":       7 * 24,
	"detect.slow_threshold_m":    7 * 24 * 60,
	"detect.settled_after_s":     yearS,

	"peers.min_voters":         peers,
	"peers.small_voters":       peers,
	"peers.stale_after_s":      dayS,
	"peers.spoke_within_s":     dayS,
	"peers.fresh_s":            dayS,
	"peers.collector_gap_s":    dayS,
	"peers.mass_window_s":      3600, // each withdrawal within it is remembered
	"peers.mass_min":           count,
	"peers.mass_always":        count,
	"peers.mass_give_up_s":     yearS,
	"peers.resync_max_s":       7 * dayS,
	"peers.retire_after_s":     yearS,
	"peers.learn_for_s":        30 * dayS,
	"peers.settle_for_s":       30 * dayS,
	"peers.full_voters":        peers,
	"peers.full_collectors":    peers,
	"peers.full_projects":      peers,
	"peers.trace_window_s":     2 * 3600, // all raw messages within it are kept in memory
	"peers.sample_heartbeat_s": dayS,
}

// Check holds every number to its range: shares lie in 0 to 1, factors in 1 to 100, whole numbers in 0 to what most says. The error names
// the key and the range.
func Check(engine detect.Config, health signal.Config) error {
	if err := bounds("detect", engine); err != nil {
		return err
	}
	return bounds("peers", health)
}

func bounds(section string, config any) error {
	v := reflect.ValueOf(config)
	for i := range v.NumField() {
		key := section + "." + v.Type().Field(i).Tag.Get("json")
		switch f := v.Field(i); f.Kind() {
		case reflect.Float64:
			low, high, what := 0.0, 1.0, "share"
			if strings.HasSuffix(key, "_factor") {
				low, high, what = 1, 100, "factor"
			}
			if x := f.Float(); !(x >= low && x <= high) {
				return fmt.Errorf("%s: %v; want a %s of %g to %g", key, x, what, low, high)
			}
		case reflect.Int, reflect.Int64:
			if x := f.Int(); x < 0 || x > most[key] {
				return fmt.Errorf("%s: %d; want 0 to %s", key, x, thousands(most[key]))
			}
		default:
			return fmt.Errorf("%s: a %s has no bounds", key, f.Kind())
		}
	}
	return nil
}

// thousands groups digits with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
