package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// clock are the functions of package time that read or wait for the machine's clock. A pure package gets its time with its
// input: an incident found in a replay must be the incident that was found live.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// checkPure refuses, in the code of pure packages, the machine's clock and go statements: with goroutines the order of two
// results would depend on the scheduler.
func checkPure(s source) (bad []string) {
	if s.isTest() || !slices.Contains(pure, s.pkg) {
		return nil
	}
	local := importName(s.ast, "time")
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			bad = append(bad, fmt.Sprintf("%s: go statement in %s, which is pure", s.at(n), s.pkg))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && local != "" && x.Name == local && slices.Contains(clock, n.Sel.Name) {
				bad = append(bad, fmt.Sprintf("%s: time.%s in %s, where time is data", s.at(n), n.Sel.Name, s.pkg))
			}
		}
		return true
	})
	if local == "." {
		bad = append(bad, fmt.Sprintf("%s: dot import of time in %s", s.path, s.pkg))
	}
	return bad
}

// importName is the name under which a file knows a standard package, or "" when it does not import it.
func importName(f *ast.File, path string) string {
	for _, i := range f.Imports {
		if i.Path.Value == `"`+path+`"` {
			if i.Name != nil {
				return i.Name.Name
			}
			return path[strings.LastIndexByte(path, '/')+1:]
		}
	}
	return ""
}

// checkDocs refuses exported identifiers without a comment. For a constant, a variable or a type in a group the comment of the
// group is enough. Commands and generated files have no readers of their identifiers and are left out.
func checkDocs(s source) (bad []string) {
	if s.isTest() || s.ast.Name.Name == "main" || ast.IsGenerated(s.ast) {
		return nil
	}
	say := func(n ast.Node, what string) {
		bad = append(bad, fmt.Sprintf("%s: %s has no comment", s.at(n), what))
	}
	for _, d := range s.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if receiver := receiverName(d); d.Name.IsExported() && empty(d.Doc) && (d.Recv == nil || ast.IsExported(receiver)) {
				say(d, strings.TrimPrefix(receiver+"."+d.Name.Name, "."))
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				checkSpec(d, spec, say)
			}
		}
	}
	return bad
}

func checkSpec(d *ast.GenDecl, spec ast.Spec, say func(ast.Node, string)) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && empty(d.Doc) && empty(spec.Doc) && empty(spec.Comment) {
			say(spec, spec.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && empty(d.Doc) && empty(spec.Doc) && empty(spec.Comment) {
				say(spec, name.Name)
			}
		}
	}
}

func empty(c *ast.CommentGroup) bool { return c == nil || strings.TrimSpace(c.Text()) == "" }

// receiverName is the type a method belongs to, without pointer and type parameters; "" for a function.
func receiverName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// checkPackageDocs refuses a package none of whose files says what it is for.
func checkPackageDocs(all []source) (bad []string) {
	documented, order := map[string]bool{}, []string(nil)
	for _, s := range all {
		if s.isTest() {
			continue
		}
		if _, known := documented[s.pkg]; !known {
			order = append(order, s.pkg)
			documented[s.pkg] = false
		}
		if !empty(s.ast.Doc) {
			documented[s.pkg] = true
		}
	}
	for _, p := range order {
		if !documented[p] {
			bad = append(bad, p+": no file has a package comment")
		}
	}
	return bad
}
