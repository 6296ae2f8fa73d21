package schematest

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Schema is a loaded schema. It does not change after Load and is safe for concurrent use.
type Schema struct {
	root     value
	patterns map[string]*regexp.Regexp
	others   map[string]*Schema // by the name under which this one refers to them
}

// keywords are those that check enforces; the last line are annotations.
var keywords = []string{
	"$ref", "type", "const", "enum", "anyOf", "format",
	"properties", "required", "items", "minItems", "maxItems", "uniqueItems",
	"minimum", "maximum", "pattern", "minLength", "maxLength",
	"$schema", "$id", "$defs", "$comment", "title", "description",
}

// Load reads a schema. A keyword outside the known part, a broken pattern, and a reference that leads nowhere are errors.
func Load(b []byte) (*Schema, error) { return load(b, nil) }

func load(b []byte, others map[string]*Schema) (*Schema, error) {
	root, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	s := &Schema{root: root, patterns: map[string]*regexp.Regexp{}, others: others}
	if d := root.get("$schema"); d == nil || d.text != "https://json-schema.org/draft/2020-12/schema" {
		return nil, fmt.Errorf("schema: it is not of draft 2020-12")
	}
	if err := s.load(&root, "#"); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return s, nil
}

func (s *Schema) load(v *value, at string) error {
	if v.kind != 'o' {
		return fmt.Errorf("%s: a schema must be an object here", at)
	}
	for i, key := range v.keys {
		if !slices.Contains(keywords, key) {
			return fmt.Errorf("%s: keyword %q is not among those that this package checks", at, key)
		}
		val, err := &v.vals[i], error(nil)
		switch key {
		case "properties", "$defs":
			for j := range val.vals {
				if err = s.load(&val.vals[j], at+"/"+key+"/"+val.keys[j]); err != nil {
					return err
				}
			}
		case "anyOf":
			for j := range val.vals {
				if err = s.load(&val.vals[j], fmt.Sprintf("%s/anyOf/%d", at, j)); err != nil {
					return err
				}
			}
		case "items":
			err = s.load(val, at+"/items")
		case "pattern":
			s.patterns[val.text], err = regexp.Compile(val.text)
		case "$ref":
			if s.resolve(val.text) == nil && s.others[val.text] == nil {
				err = fmt.Errorf("reference %q leads nowhere", val.text)
			}
		case "format":
			if val.text != "date-time" {
				err = fmt.Errorf("format %q is not among those that this package checks", val.text)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

// resolve follows "#/$defs/name", the only form of reference within a schema.
func (s *Schema) resolve(ref string) *value {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	if defs := s.root.get("$defs"); ok && defs != nil {
		return defs.get(name)
	}
	return nil
}

// Validate checks a document as any reader may: keys that the schema does not name are allowed. The error names the place.
func (s *Schema) Validate(doc []byte) error {
	v, err := parse(doc)
	if err != nil {
		return err
	}
	return s.check(&s.root, &v, "incident")
}

func (s *Schema) check(schema, v *value, at string) error {
	for i, key := range schema.keys {
		if err := s.keyword(key, &schema.vals[i], v, at); err != nil {
			return err
		}
	}
	return nil
}

// keyword applies one keyword. Keywords about one kind of value say nothing about others (JSON Schema Core section 7.6.1).
func (s *Schema) keyword(key string, arg, v *value, at string) error {
	switch key {
	case "$ref":
		if o := s.others[arg.text]; o != nil {
			return o.check(&o.root, v, at)
		}
		return s.check(s.resolve(arg.text), v, at)
	case "type":
		if !isType(v, arg.text) {
			return fmt.Errorf("%s: want %s, got %s", at, arg.text, v.appendJSON(nil))
		}
	case "const":
		if string(arg.appendJSON(nil)) != string(v.appendJSON(nil)) {
			return fmt.Errorf("%s: want %s, got %s", at, arg.appendJSON(nil), v.appendJSON(nil))
		}
	case "enum":
		if !slices.ContainsFunc(arg.vals, func(a value) bool { return string(a.appendJSON(nil)) == string(v.appendJSON(nil)) }) {
			return fmt.Errorf("%s: %s is not among the values listed", at, v.appendJSON(nil))
		}
	case "anyOf":
		var last error
		for i := range arg.vals {
			if last = s.check(&arg.vals[i], v, at); last == nil {
				return nil
			}
		}
		return last
	}
	switch v.kind {
	case 'o':
		return s.object(key, arg, v, at)
	case 'a':
		return s.array(key, arg, v, at)
	case 's':
		return s.text(key, arg, v, at)
	case 'n':
		return number(key, arg, v, at)
	}
	return nil
}

func (s *Schema) object(key string, arg, v *value, at string) error {
	switch key {
	case "properties":
		for i, k := range v.keys {
			if p := arg.get(k); p != nil {
				if err := s.check(p, &v.vals[i], at+"."+k); err != nil {
					return err
				}
			}
		}
	case "required":
		for _, k := range arg.vals {
			if v.get(k.text) == nil {
				return fmt.Errorf("%s: key %q is missing", at, k.text)
			}
		}
	}
	return nil
}

func (s *Schema) array(key string, arg, v *value, at string) error {
	switch key {
	case "items":
		for i := range v.vals {
			if err := s.check(arg, &v.vals[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "minItems", "maxItems":
		return limit(key == "minItems", arg, int64(len(v.vals)), at, "items")
	case "uniqueItems":
		seen := map[string]bool{}
		for i := range v.vals {
			e := string(v.vals[i].appendJSON(nil))
			if arg.yes && seen[e] {
				return fmt.Errorf("%s: %s stands twice", at, e)
			}
			seen[e] = true
		}
	}
	return nil
}

func (s *Schema) text(key string, arg, v *value, at string) error {
	switch key {
	case "pattern":
		if !s.patterns[arg.text].MatchString(v.text) {
			return fmt.Errorf("%s: %q does not match %s", at, v.text, arg.text)
		}
	case "minLength", "maxLength":
		return limit(key == "minLength", arg, int64(utf8.RuneCountInString(v.text)), at, "characters")
	case "format":
		if _, err := time.Parse(time.RFC3339, v.text); err != nil {
			return fmt.Errorf("%s: %q is not a time: %w", at, v.text, err)
		}
	}
	return nil
}

func number(key string, arg, v *value, at string) error {
	if key != "minimum" && key != "maximum" {
		return nil
	}
	got, bound := rational(v), rational(arg)
	if c := got.Cmp(bound); key == "minimum" && c < 0 || key == "maximum" && c > 0 {
		return fmt.Errorf("%s: %s is beyond the %s of %s", at, v.text, key, arg.text)
	}
	return nil
}

// limit compares a count with a bound of the schema.
func limit(least bool, arg *value, n int64, at, what string) error {
	c := rational(arg).Cmp(new(big.Rat).SetInt64(n))
	if least && c > 0 || !least && c < 0 {
		return fmt.Errorf("%s: %d %s, the bound is %s", at, n, what, arg.text)
	}
	return nil
}

// rational is the exact number. JSON's syntax was checked when it was parsed, and parse refuses numbers that would be huge.
func rational(v *value) *big.Rat {
	r, ok := new(big.Rat).SetString(v.text)
	if !ok {
		return new(big.Rat)
	}
	return r
}

func isType(v *value, name string) bool {
	switch name {
	case "object":
		return v.kind == 'o'
	case "array":
		return v.kind == 'a'
	case "string":
		return v.kind == 's'
	case "boolean":
		return v.kind == 'b'
	case "number":
		return v.kind == 'n'
	case "integer":
		return v.kind == 'n' && rational(v).IsInt()
	}
	return false
}
