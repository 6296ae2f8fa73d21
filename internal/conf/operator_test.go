package conf

import (
	"strings"
	"testing"
)

// TestOperator: a block that could not stand in a bundle is an error that names its key.
func TestOperator(t *testing.T) {
	good := "operator: {name: A Watch, contact: mail@a.example, licence: CC-BY-4.0, policy: 'https://a.example/c', url: 'https://a.example', time_stamps: [{name: one, url: 'http://tsa.example'}, {name: two-2, url: 'https://b.example/tsa', ca: x.pem}]}"
	c, err := Parse([]byte(good))
	if err != nil || len(c.Operator.TimeStamps) != 2 || c.Operator.Name != "A Watch" {
		t.Fatalf("%+v, %v", c.Operator, err)
	}
	for text, want := range map[string]string{
		"operator: {contact: x}":                                                                                             "operator.name: missing",
		"operator: {name: A, contact: x}":                                                                                    "no contact or no licence",
		"operator: {name: A, licence: x}":                                                                                    "no contact or no licence",
		"operator: {name: \"A\\nB\", contact: x, licence: y}":                                                                "operator.name",
		"operator: {name: A, contact: \" x\", licence: y}":                                                                   "operator.contact",
		"operator: {name: " + strings.Repeat("A", 301) + ", contact: x, licence: y}":                                         "operator.name",
		"operator: {name: A, contact: x, licence: y, url: 'ftp://a'}":                                                        "operator.url",
		"operator: {name: A, contact: x, licence: y, policy: 'https://u:p@a'}":                                               "operator.policy",
		"operator: {name: A, contact: x, licence: y, time_stamps: [{name: A B, url: 'http://t'}]}":                           "time_stamps[0].name",
		"operator: {name: A, contact: x, licence: y, time_stamps: [{name: a, url: t}]}":                                      "time_stamps[0].url",
		"operator: {name: A, contact: x, licence: y, time_stamps: [{name: a, url: 'http://t'}, {name: a, url: 'http://t'}]}": "stands twice",
		"operator: {name: A, contact: x, licence: y, time_stamp: []}":                                                        "unknown key",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	var many []string
	for range 9 {
		many = append(many, "{name: a, url: 'http://t'}")
	}
	if _, err := Parse([]byte("operator: {name: A, contact: x, licence: y, time_stamps: [" + strings.Join(many, ", ") + "]}")); err == nil {
		t.Error("nine authorities are accepted")
	}
}
