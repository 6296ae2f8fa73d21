// Command configpage writes the table of keys in docs/configuration.md from the structs that the configuration is read into: `make method`.
//
// A key is the JSON name of a field, below the name of its section; its meaning is the field's comment, its default what conf.Default gives.
// What stands outside the two marks of the page is written by hand. A test keeps the page and the code together.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/corewatch/corewatch/internal/conf"
)

func main() {
	const page = "docs/configuration.md"
	old, err := os.ReadFile(page)
	if err == nil {
		var text []byte
		if text, err = rewrite(".", old); err == nil && !bytes.Equal(text, old) {
			err = os.WriteFile(page, text, 0o644)
			fmt.Println("rewrote", page)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "configpage: %v\n", err)
		os.Exit(1)
	}
}

const (
	beginMark = "<!-- keys: written by make method -->\n"
	endMark   = "<!-- end of keys -->\n"
)

// rewrite gives the page with the table of the code in root, the folder of the module.
func rewrite(root string, page []byte) ([]byte, error) {
	head, rest, ok := strings.Cut(string(page), beginMark)
	_, tail, closed := strings.Cut(rest, endMark)
	if !ok || !closed {
		return nil, fmt.Errorf("the page has not both marks %q and %q", strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	w := writer{root: root, comments: map[string]map[string]map[string]string{}}
	w.out.WriteString("| key | default | meaning |\n|---|---|---|\n")
	if err := w.fields("", reflect.ValueOf(conf.Default())); err != nil {
		return nil, err
	}
	return []byte(head + beginMark + w.out.String() + endMark + tail), nil
}

type writer struct {
	root     string
	comments map[string]map[string]map[string]string // by package path, struct and field
	out      strings.Builder
}

const (
	module  = "github.com/corewatch/corewatch/" // the path in front of our packages' folders
	confPkg = module + "internal/conf"
)

// fields writes a row for each field of a struct, and those of the structs below it.
func (w *writer) fields(prefix string, v reflect.Value) error {
	about, err := w.of(v.Type())
	if err != nil {
		return err
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if f.Anonymous { // its keys are those of the struct around it
			if err := w.fields(prefix, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		key, meaning := prefix+name, about[f.Name]
		if name == "" || meaning == "" {
			return fmt.Errorf("%s.%s: wants a json name and a comment that says what it means", v.Type(), f.Name)
		}
		given, err := json.Marshal(v.Field(i).Interface())
		if err != nil {
			return err
		}
		below, mark := f.Type, "."
		for below.Kind() == reflect.Pointer || below.Kind() == reflect.Slice {
			if below.Kind() == reflect.Slice {
				mark = "[]."
			}
			below = below.Elem()
		}
		section := below.Kind() == reflect.Struct && (below.PkgPath() == confPkg || below.PkgPath() == module+"alerts")
		published := below.Kind() == reflect.Struct && strings.HasPrefix(below.PkgPath(), module+"detect") // its tables are those of method.md
		text := "`" + string(given) + "`"
		switch {
		case section, published, string(given) == `""`, string(given) == "null", string(given) == "[]":
			text = ""
		}
		fmt.Fprintf(&w.out, "| `%s` | %s | %s |\n", key, text, strings.ReplaceAll(meaning, "|", "\\|"))
		if !section {
			continue
		}
		inner := reflect.Zero(below)
		if f.Type.Kind() == reflect.Struct {
			inner = v.Field(i)
		}
		if err := w.fields(key+mark, inner); err != nil {
			return err
		}
	}
	return nil
}

// of gives the comments on the fields of a struct, from its source.
func (w *writer) of(t reflect.Type) (map[string]string, error) {
	pkg := strings.TrimPrefix(t.PkgPath(), module)
	if w.comments[pkg] == nil {
		w.comments[pkg] = map[string]map[string]string{}
		files, err := filepath.Glob(filepath.Join(w.root, filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range file.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
					for _, s := range g.Specs {
						w.note(pkg, s.(*ast.TypeSpec))
					}
				}
			}
		}
	}
	about := w.comments[pkg][t.Name()]
	if about == nil {
		return nil, fmt.Errorf("no source of %s below %s", t, w.root)
	}
	return about, nil
}

func (w *writer) note(pkg string, spec *ast.TypeSpec) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	about := map[string]string{}
	for _, f := range st.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, n := range f.Names {
			about[n.Name] = strings.Join(strings.Fields(text), " ")
		}
	}
	w.comments[pkg][spec.Name.Name] = about
}
