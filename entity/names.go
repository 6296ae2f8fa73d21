package entity

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:generate go run ./internal/gennames -out names.tsv

//go:embed names.tsv
var namesTSV string

// Disclaimer goes wherever country names or borders are shown.
const Disclaimer = "Country and region codes follow ISO 3166. Names and boundaries are shown for orientation only and do not imply " +
	"any opinion on the legal status of a country, territory, city or area, of its authorities, or on its frontiers."

type names struct {
	current []string          // ISO 3166-1 alpha-2, sorted
	name    map[string]string // current and former codes
}

var loadNames = sync.OnceValue(func() names {
	n, err := parseNames(namesTSV)
	if err != nil {
		panic("entity/names.tsv, which is built in, is damaged: " + err.Error()) // a test reads the same bytes: it cannot reach a user
	}
	return n
})

// parseNames reads lines of code, status ("current" or "former") and name, separated by tabs and sorted by code.
func parseNames(text string) (names, error) {
	n := names{name: make(map[string]string, 280)}
	last := ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || len(f[0]) != 2 || f[2] == "" || f[0] <= last {
			return names{}, fmt.Errorf("line %d: want code, status and name in ascending order of code", i+1)
		}
		last = f[0]
		n.name[f[0]] = f[2]
		switch f[1] {
		case "current":
			n.current = append(n.current, f[0])
		case "former":
		default:
			return names{}, fmt.Errorf("line %d: status %q", i+1, f[1])
		}
	}
	return n, nil
}

// CountryName is the English short name of an ISO 3166-1 alpha-2 code in upper case, current or withdrawn. "XK" (Kosovo) is
// user-assigned, not ISO 3166-1: ok is false, and no registry files under it.
func CountryName(code string) (name string, ok bool) {
	name, ok = loadNames().name[code]
	return name, ok
}

// CountryCodes lists the codes that are in ISO 3166-1 now, sorted. The caller may change the slice.
func CountryCodes() []string { return append([]string(nil), loadNames().current...) }

// knownCode gives a long-lived copy of a code that is or was in ISO 3166-1.
func knownCode(code string) (string, bool) {
	if _, ok := loadNames().name[code]; !ok {
		return "", false
	}
	return strings.Clone(code), true
}
