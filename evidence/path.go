package evidence

import (
	"fmt"
	"strings"
)

// MaxPath is the longest path of a file in a bundle, in octets.
const MaxPath = 200

// CheckPath reports why a path may not stand in a bundle; nil when it may. Allowed are one or more names of the characters
// A-Z a-z 0-9 . _ - joined by single slashes, none of which begins with a dot or a hyphen, up to MaxPath octets. So a path never
// leaves the folder it is unpacked into, never hides, is never taken for an option, and needs no quoting or escaping by any tool.
func CheckPath(p string) error {
	if p == "" {
		return fmt.Errorf("path is empty")
	}
	if len(p) > MaxPath {
		return fmt.Errorf("path of %d octets is longer than %d", len(p), MaxPath)
	}
	for name := range strings.SplitSeq(p, "/") {
		switch {
		case name == "":
			return fmt.Errorf("path %q has an empty name between slashes", p)
		case name[0] == '.' || name[0] == '-':
			return fmt.Errorf("path %q has a name that begins with %q", p, name[:1])
		}
		for i := range len(name) {
			c := name[i]
			if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
				return fmt.Errorf("path %q has a character outside A-Z a-z 0-9 . _ -", p)
			}
		}
	}
	return nil
}
