package visibility

import "reflect"

// Given names the fields of this package that are no state of a table: its maker sets them, or they hold nothing between two calls. All others are its state, for whoever keeps it
// over a restart.
func Given() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[Config]():    {"OnUnits"},
		reflect.TypeFor[Table]():     {"share", "batch"},
		reflect.TypeFor[matrix]():    {"aged"},
		reflect.TypeFor[directory](): {"onUnits"},
	}
}
