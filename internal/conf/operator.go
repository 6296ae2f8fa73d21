package conf

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Operator is who answers for what is published. Without it nothing is signed: every export of evidence is an unsigned draft.
type Operator struct {
	Name       string      `json:"name"`        // of the person or organisation; empty: nobody, and nothing is signed
	Contact    string      `json:"contact"`     // how readers and those who ask for a correction reach it
	Licence    string      `json:"licence"`     // under which terms bundles are given away: an SPDX identifier such as CC-BY-4.0, or words
	Policy     string      `json:"policy"`      // address of its rules for corrections (docs/corrections.md)
	URL        string      `json:"url"`         // address of its pages, for citations
	TimeStamps []TimeStamp `json:"time_stamps"` // authorities that are asked for RFC 3161 time stamps when a version is frozen: at most 8
}

// TimeStamp is an RFC 3161 time stamp authority.
type TimeStamp struct {
	Name string `json:"name"` // in the names of files: 1 to 32 characters of a-z 0-9 -
	URL  string `json:"url"`  // that takes requests by POST
	CA   string `json:"ca"`   // file of its CA certificates, PEM: its stamps are checked with them, and they are put into bundles; empty: neither
}

// maxStamps bounds how many authorities are asked, maxWord a value that stands in a bundle.
const maxStamps, maxWord = 8, 300

var stampName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (o Operator) check() error {
	for key, v := range map[string]string{"name": o.Name, "contact": o.Contact, "licence": o.Licence, "policy": o.Policy, "url": o.URL} {
		if len(v) > maxWord || strings.TrimSpace(v) != v || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("operator.%s: %.80q; want printable text of at most %d octets", key, v, maxWord)
		}
	}
	switch {
	case o.Name == "" && (o.Contact != "" || o.Licence != "" || o.Policy != "" || o.URL != "" || len(o.TimeStamps) > 0):
		return fmt.Errorf("operator.name: missing; who is it that publishes?")
	case o.Name != "" && (o.Contact == "" || o.Licence == ""):
		return fmt.Errorf("operator: %s has no contact or no licence; both are needed before anything is signed", o.Name)
	case len(o.TimeStamps) > maxStamps:
		return fmt.Errorf("operator.time_stamps: %d; want at most %d", len(o.TimeStamps), maxStamps)
	}
	for key, v := range map[string]string{"policy": o.Policy, "url": o.URL} {
		if v != "" && !webAddress(v) {
			return fmt.Errorf("operator.%s: %q; want an address such as https://watch.example/corrections", key, v)
		}
	}
	for i, s := range o.TimeStamps {
		at := fmt.Sprintf("operator.time_stamps[%d]", i)
		switch {
		case !stampName.MatchString(s.Name):
			return fmt.Errorf("%s.name: %q; want 1 to 32 characters of a-z 0-9 -", at, s.Name)
		case !webAddress(s.URL):
			return fmt.Errorf("%s.url: %q; want an address such as https://tsa.example/", at, s.URL)
		case len(s.CA) > maxText:
			return fmt.Errorf("%s.ca: longer than %d octets", at, maxText)
		}
		for _, other := range o.TimeStamps[:i] {
			if other.Name == s.Name {
				return fmt.Errorf("%s.name: %q stands twice", at, s.Name)
			}
		}
	}
	return nil
}

// webAddress reports whether a text is an http or https address without a user.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil
}
