package visibility

import "reflect"

// Given names the fields of this package that are no state of a table: its maker sets them. All others are its state, for whoever keeps it
// over a restart.
func Given() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[Config]():    {"OnUnits"},
		reflect.TypeFor[directory](): {"onUnits"},
	}
}
