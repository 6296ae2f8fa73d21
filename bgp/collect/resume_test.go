package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestResume breaks a merge off behind every record in turn and goes on from what was written down: what follows, and all that is known in
// the end, is as if it had not been broken off.
func TestResume(t *testing.T) {
	torn := at(3, 4)
	folder := tree(t, map[string]string{
		"a/1": at(0, 2, 2, 9), "a/2": "", "a/3": at(1, 3) + "garbage that is no record", "a/4": zip(t, at(8, 10, 11)), "a/5": at(12),
		"b/1": at(2, 2, 5), "b/2": torn[:len(torn)-3], "c/1": at(7, 1, 13),
	})
	files := func() []File {
		list, err := Expand([]string{folder})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	type end struct {
		Given  []string
		Files  []bgp.Input
		Counts Counts
		Broken []string
	}
	rest := func(m *Merger, most int) (e end) {
		for len(e.Given) != most {
			it, err := m.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			it.Input.Parsed++ // as whoever reads does
			e.Given = append(e.Given, fmt.Sprint(it.Index, it.Record.Time, it.Record.Raw))
		}
		for _, f := range m.Files() {
			e.Files = append(e.Files, f.Input)
		}
		e.Counts = m.Counts()
		for _, err := range m.Broken() {
			e.Broken = append(e.Broken, err.Error())
		}
		return e
	}
	m := NewMerger(files(), Options{})
	want := rest(m, -1)
	m.Close()
	if len(want.Given) < 14 || want.Counts.Torn+want.Counts.Unreadable < 2 {
		t.Fatalf("%+v", want)
	}
	for n := range len(want.Given) + 1 {
		m := NewMerger(files(), Options{})
		first := rest(m, n)
		text, err := json.Marshal(m.Position())
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		var p Position
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		if m, err = Resume(files(), p); err != nil {
			t.Fatalf("behind record %d: %v", n, err)
		}
		got := rest(m, -1)
		m.Close()
		got.Given = append(first.Given, got.Given...)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("broken off behind record %d:\n%+v\nwant\n%+v", n, got, want)
		}
	}
}

// TestResumeRefused: a position of other files is not gone on from.
func TestResumeRefused(t *testing.T) {
	list := func(files map[string]string) []File {
		l, err := Expand([]string{tree(t, files)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	m := NewMerger(list(map[string]string{"a/1": at(0, 1, 2), "a/2": at(3)}), Options{})
	for range 2 {
		if _, err := m.Next(); err != nil {
			t.Fatal(err)
		}
	}
	p := m.Position()
	m.Close()
	for what, files := range map[string]map[string]string{
		"fewer":   {"a/1": at(0, 1, 2)},
		"renamed": {"a/1": at(0, 1, 2), "a/3": at(3)},
		"shorter": {"a/1": at(0), "a/2": at(3)},
	} {
		if _, err := Resume(list(files), p); !errors.Is(err, ErrPosition) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.Files[0].Latest = false
	p.Files[1] = FilePosition{Input: p.Files[1].Input, Read: 1, Latest: true}
	if _, err := Resume(list(map[string]string{"a/1": at(0, 1, 2), "a/2": at(3)}), p); !errors.Is(err, ErrPosition) {
		t.Errorf("a position that no merge gives: %v", err)
	}
}
