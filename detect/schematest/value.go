package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds how deep a document may nest.
const maxDepth = 64

// value is a JSON value that keeps the order of keys and the spelling of numbers. Exactly one kind is set.
type value struct {
	kind byte // 'o' object, 'a' array, 's' string, 'n' number, 'b' boolean, 'z' null
	keys []string
	vals []value // of an object, beside keys; of an array
	text string  // of a string, or the spelling of a number
	yes  bool
}

// get is the value of a key, nil when the object lacks it.
func (v *value) get(key string) *value {
	for i, k := range v.keys {
		if k == key {
			return &v.vals[i]
		}
	}
	return nil
}

// parse reads one JSON document. A key that an object has twice is an error: readers would disagree about which counts.
func parse(b []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return value{}, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value{}, errors.New("not JSON: something follows the document")
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return value{}, err
	}
	switch t := t.(type) {
	case string:
		return value{kind: 's', text: t}, nil
	case json.Number:
		if len(t) > 40 || strings.ContainsAny(t.String(), "eE") {
			return value{}, fmt.Errorf("number %.40s: more than 40 digits, or an exponent", t)
		}
		return value{kind: 'n', text: t.String()}, nil
	case bool:
		return value{kind: 'b', yes: t}, nil
	case json.Delim:
		return parseInside(d, t, depth)
	}
	return value{kind: 'z'}, nil
}

// parseInside reads what follows an opening bracket, and the closing one.
func parseInside(d *json.Decoder, open json.Delim, depth int) (value, error) {
	v := value{kind: 'a'}
	if open == '{' {
		v.kind = 'o'
	}
	for d.More() {
		if v.kind == 'o' {
			t, err := d.Token()
			if err != nil {
				return value{}, err
			}
			key, _ := t.(string) // the decoder gives nothing else here
			if v.get(key) != nil {
				return value{}, fmt.Errorf("key %q stands twice in one object", key)
			}
			v.keys = append(v.keys, key)
		}
		e, err := parseValue(d, depth+1)
		if err != nil {
			return value{}, err
		}
		v.vals = append(v.vals, e)
	}
	_, err := d.Token()
	return v, err
}

// appendJSON writes the value without white space, as encoding/json does with HTML escaping off.
func (v *value) appendJSON(b []byte) []byte {
	switch v.kind {
	case 's':
		return appendString(b, v.text)
	case 'n':
		return append(b, v.text...)
	case 'b':
		return fmt.Append(b, v.yes)
	case 'z':
		return append(b, "null"...)
	}
	open, end := byte('['), byte(']')
	if v.kind == 'o' {
		open, end = '{', '}'
	}
	b = append(b, open)
	for i := range v.vals {
		if i > 0 {
			b = append(b, ',')
		}
		if v.kind == 'o' {
			b = append(appendString(b, v.keys[i]), ':')
		}
		b = v.vals[i].appendJSON(b)
	}
	return append(b, end)
}

func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		return b
	}
	return append(b, bytes.TrimRight(out.Bytes(), "\n")...)
}
