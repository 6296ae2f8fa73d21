package detect

import "reflect"

// Given names the fields of this package that are no state of an engine: its maker sets them. All others are its state, for whoever keeps
// it over a restart.
func Given() map[reflect.Type][]string {
	return map[reflect.Type][]string{reflect.TypeFor[Engine](): {"world", "sink"}}
}
