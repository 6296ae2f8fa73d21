package signal

import "reflect"

// Given names the fields of this package that are no state of a monitor: New is given them, or they hold nothing between two messages. All
// others are its state, for whoever keeps it over a restart. A new arena is begun after one: the messages in the old one are copied out.
func Given() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[Monitor](): {"places", "regional", "zoned", "sources", "sink", "OnSample"},
		reflect.TypeFor[trace]():   {"arena"},
	}
}
