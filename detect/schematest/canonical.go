package schematest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// maxDecimals is how many digits a number may have after its point: shares are rounded to four.
const maxDecimals = 4

// Canonical checks a document as this program must write it: valid, no key that the schema does not name, the keys of every object
// in the schema's order, nothing null or empty, no white space, at most four decimals and none of them a trailing zero.
func (s *Schema) Canonical(line []byte) error {
	v, err := parse(line)
	if err != nil {
		return err
	}
	if err := s.check(&s.root, &v, "incident"); err != nil {
		return err
	}
	if again := v.appendJSON(nil); !bytes.Equal(again, line) {
		return fmt.Errorf("incident: not in its shortest form on one line: want %s", again)
	}
	return s.canonical(&s.root, &v, "incident")
}

func (s *Schema) canonical(schema, v *value, at string) error {
	if ref := schema.get("$ref"); ref != nil {
		schema = s.resolve(ref.text)
	}
	switch v.kind {
	case 'z':
		return fmt.Errorf("%s: null; what is not known must be absent", at)
	case 's':
		if v.text == "" {
			return fmt.Errorf("%s: empty text; what is not known must be absent", at)
		}
	case 'n':
		if _, decimals, ok := strings.Cut(v.text, "."); ok && (len(decimals) > maxDecimals || strings.HasSuffix(decimals, "0")) {
			return fmt.Errorf("%s: %s has more than %d decimals or a trailing zero", at, v.text, maxDecimals)
		}
	case 'a':
		items := schema.get("items")
		if len(v.vals) == 0 || items == nil {
			return fmt.Errorf("%s: an empty list, or one that the schema does not describe", at)
		}
		for i := range v.vals {
			if err := s.canonical(items, &v.vals[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case 'o':
		return s.canonicalObject(schema, v, at)
	}
	return nil
}

func (s *Schema) canonicalObject(schema, v *value, at string) error {
	known := schema.get("properties")
	if len(v.keys) == 0 || known == nil {
		return fmt.Errorf("%s: an empty object, or one that the schema does not describe", at)
	}
	last := -1
	for i, k := range v.keys {
		n := slices.Index(known.keys, k)
		switch {
		case n < 0:
			return fmt.Errorf("%s: the schema does not name key %q", at, k)
		case n < last:
			return fmt.Errorf("%s: key %q stands after %q, want the order of the schema", at, k, known.keys[last])
		}
		last = n
		if err := s.canonical(&known.vals[n], &v.vals[i], at+"."+k); err != nil {
			return err
		}
	}
	return nil
}

// Keys lists the keys of the object at a dotted path ("" for the incident, "signals.asns") in canonical order, and which of them are
// required. A path leads through lists to their items. It is nil where the schema describes no object.
func (s *Schema) Keys(path string) (keys, required []string) {
	at := &s.root
	for name := range strings.SplitSeq(path, ".") {
		if name != "" {
			props := at.get("properties")
			if props == nil || props.get(name) == nil {
				return nil, nil
			}
			at = props.get(name)
		}
		for at.get("$ref") != nil || at.get("items") != nil {
			if ref := at.get("$ref"); ref != nil {
				at = s.resolve(ref.text)
				continue
			}
			at = at.get("items")
		}
	}
	props := at.get("properties")
	if props == nil {
		return nil, nil
	}
	if r := at.get("required"); r != nil {
		for _, k := range r.vals {
			required = append(required, k.text)
		}
	}
	return slices.Clone(props.keys), required
}
