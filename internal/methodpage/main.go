// Command methodpage brings the numbers in docs/method.md to what the code has: `make method`.
//
// Two kinds of places are its own. In the tables of section 9 the second column of a row whose first is a key in backquotes; the heading
// above says which configuration is meant. And, anywhere, a number with a unit in front of a comment that names a key, as in
// `3 %<!--country_share-->`: the comment is not shown to readers. Keys of signal.Config begin with `peers.`, those of visibility.Config with
// `cells.`. A test keeps the page and the code together.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

func main() {
	const page = "docs/method.md"
	old, err := os.ReadFile(page)
	if err == nil {
		var text []byte
		if text, err = rewrite(old); err == nil && !bytes.Equal(text, old) {
			err = os.WriteFile(page, text, 0o644)
			fmt.Println("rewrote", page)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "methodpage: %v\n", err)
		os.Exit(1)
	}
}

// sections are the headings of the tables, and how their keys begin in a comment.
var sections = []struct{ heading, prefix string }{
	{"(`detect.Config`)", ""},
	{"(`signal.Config`)", "peers."},
	{"(`visibility.Config`)", "cells."},
}

// numbers are the published values by key.
func numbers() (map[string]json.Number, error) {
	all := map[string]json.Number{}
	for prefix, config := range map[string]any{"": detect.DefaultConfig(), "peers.": signal.DefaultConfig(), "cells.": visibility.Defaults()} {
		text, err := json.Marshal(config)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var fields map[string]any
		if err := d.Decode(&fields); err != nil {
			return nil, err
		}
		for k, v := range fields {
			if n, ok := v.(json.Number); ok {
				all[prefix+k] = n
			}
		}
	}
	return all, nil
}

var (
	row  = regexp.MustCompile("^\\| `([a-z_0-9]+)` \\| ([^|]*) \\|")
	mark = regexp.MustCompile(`([0-9][0-9,.]*)( (?:%|points?|s|min|minutes|h|hours|d|days|weeks))?<!--([a-zA-Z_.0-9]+)-->`)
	hint = regexp.MustCompile(`<!--[a-zA-Z_.0-9]+-->`)
)

// rewrite gives the page with every number as the code has it. The error names a key that does not exist, one that a table leaves out or
// has twice, or a mark behind something that is not a number.
func rewrite(page []byte) ([]byte, error) {
	all, err := numbers()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	table, inTable := "", false
	seen := map[string]bool{}
	for i, line := range strings.SplitAfter(string(page), "\n") {
		if strings.HasPrefix(line, "#") {
			inTable = false
			for _, s := range sections {
				if strings.Contains(line, s.heading) {
					table, inTable = s.prefix, true
				}
			}
		}
		if m := row.FindStringSubmatchIndex(line); inTable && m != nil {
			key := table + line[m[2]:m[3]]
			n, ok := all[key]
			if !ok || seen[key] {
				return nil, fmt.Errorf("line %d: %s is no key of this table, or stands in it twice", i+1, key)
			}
			seen[key] = true
			line = line[:m[4]] + n.String() + line[m[5]:]
		}
		marks := 0
		line = mark.ReplaceAllStringFunc(line, func(s string) string {
			marks++
			m := mark.FindStringSubmatch(s)
			n, ok := all[m[3]]
			if !ok {
				err = fmt.Errorf("line %d: %s is no key", i+1, m[3])
				return s
			}
			text, ferr := in(n, m[3], strings.TrimSpace(m[2]))
			if ferr != nil {
				err = fmt.Errorf("line %d: %w", i+1, ferr)
			}
			return text + m[2] + "<!--" + m[3] + "-->"
		})
		if err == nil && marks != len(hint.FindAllString(line, -1)) {
			err = fmt.Errorf("line %d: a mark that is not behind a number", i+1)
		}
		if err != nil {
			return nil, err
		}
		out.WriteString(line)
	}
	for key := range all {
		if !seen[key] && !strings.HasPrefix(key, "cells.") {
			return nil, fmt.Errorf("no table has a row for %s", key)
		}
	}
	return out.Bytes(), nil
}

// seconds are the units of time.
var seconds = map[string]float64{"s": 1, "min": 60, "minutes": 60, "h": 3600, "hours": 3600, "d": 86400, "days": 86400, "weeks": 7 * 86400}

// in writes a value in the unit that the page uses.
func in(n json.Number, key, unit string) (string, error) {
	v, err := n.Float64()
	if err != nil {
		return "", err
	}
	switch unit {
	case "%", "point", "points":
		v *= 100
	case "":
	default:
		own := 0.0
		switch {
		case strings.HasPrefix(key, "cells."):
			own = 1e-6
		case strings.HasSuffix(key, "_s"):
			own = 1
		case strings.HasSuffix(key, "_m"), strings.HasSuffix(key, "_min"), strings.HasSuffix(key, "_minutes"):
			own = 60
		case strings.HasSuffix(key, "_h"):
			own = 3600
		case strings.HasSuffix(key, "_days"):
			own = 86400
		case strings.HasSuffix(key, "_weeks"):
			own = 7 * 86400
		default:
			return "", fmt.Errorf("%s is no time", key)
		}
		v *= own / seconds[unit]
	}
	return grouped(v), nil
}

// grouped writes a number with commas between thousands, and no more decimals than it has.
func grouped(v float64) string {
	text := strconv.FormatFloat(v, 'g', 10, 64)
	if strings.Contains(text, "e") {
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	whole, frac, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if frac != "" {
		whole += "." + frac
	}
	return whole
}
