package entity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a name from outside, in characters.
const maxName = 120

// CleanName makes a name from outside safe to show: control characters, invisible format characters (which include the
// bidirectional overrides that turn text around them), private-use characters and broken UTF-8 are dropped, at most two combining
// marks stay on a letter, runs of white space become one space, and the result is cut to 120 characters. It is idempotent.
func CleanName(s string) string {
	var b strings.Builder
	space, marks, n := false, 0, 0
	for i := 0; i < len(s) && n < maxName; {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			space = n > 0
			continue
		case r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			continue
		case unicode.In(r, unicode.M):
			if marks++; marks > 2 || n == 0 {
				continue
			}
		default:
			marks = 0
		}
		if space {
			if n+1 == maxName {
				break
			}
			b.WriteByte(' ')
			n++
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
