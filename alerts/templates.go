package alerts

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"unicode"

	"github.com/corewatch/corewatch/detect"
)

// Text is what a template of the operator is given, and all that it can reach: finished text in the receiver's language, and words to ask about. Text from outside
// is inert in it. A field may be added; none is removed or changes its meaning.
type Text struct {
	Line     string // the built-in form in one line,
	Short    string // for a group chat,
	Full     string // and whole
	Language string // en, ar
	Items    []TextItem
	More     int // incidents beside those in Items
}

// TextItem is one incident of a Text. What is not known is empty.
type TextItem struct {
	Line string // the built-in form in one line

	ID       string
	Revision string
	URL      string
	Occasion string // code: suspected, confirmed, grew, again, over, retracted, lost_sight
	State    string // code: suspected, partial, confirmed, recovering, closed, retracted
	Kind     string // code: outage, monitor_fault
	Type     string // code: country, region, network, zone, prefix, peer, collector
	Data     string // code: live; synthetic of a try
	Severity string // 1 to 4
	Coverage string // code: full, reduced
	First    bool   // nothing was said of it before

	OccasionWord string // the word of the language
	StateWord    string
	TypeWord     string
	Place        string // name and code
	Code         string
	Began        string // UTC, as all times
	BeganFirst   string // bounds of the beginning
	BeganLast    string
	Ended        string
	EndedFirst   string
	EndedLast    string
	Lasted       string // how long, when it is over
	Lost         string // prefixes of the family that lost the larger share
	Expected     string // of so many observable ones
	Share        string // 11.1 %
	Family       string // IPv4, IPv6

	Size         string   // sentences of the built-in forms
	Planes       []string // which agree, each with its denominators, and which did not take part
	Parts        []string
	CoverageText string
	NotKnown     string
	Evidence     string
	SHA256       string // of the evidence
	RevisionText string
	Method       string
	PassOn       string // of a retraction: a request to pass it on
}

// forms are the forms of a text that may be overridden, with how many octets each may have.
var forms = map[string]int{"line": 1 << 10, "short": 8 << 10, "full": 64 << 10}

// languages are those there is a built-in catalogue for.
var languages = []string{"en", "ar"}

// maxTemplate bounds the file of a template.
const maxTemplate = 64 << 10

// Templates are texts of the operator, which stand in for built-in ones. Where one fails, the built-in text is said and Failure tells of it.
type Templates struct {
	list map[string]*template.Template // by form and language, "short.en"

	mu     sync.Mutex // guards failed
	failed error      // the last failure
}

// LoadTemplates reads a folder: FORM.LANGUAGE.tmpl, such as short.en.tmpl, of the forms line, short and full. Each is tried on examples of
// every occasion. Errors name the file.
func LoadTemplates(dir string) (*Templates, error) {
	t := &Templates{list: map[string]*template.Template{}}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, n := range names {
		key, ok := strings.CutSuffix(n.Name(), ".tmpl")
		if !ok {
			continue
		}
		file := filepath.Join(dir, n.Name())
		form, lang, _ := strings.Cut(key, ".")
		if forms[form] == 0 || !slices.Contains(languages, lang) {
			return nil, fmt.Errorf("templates: %s: want FORM.LANGUAGE.tmpl with line, short or full, and %s", file, strings.Join(languages, " or "))
		}
		text, err := readBounded(file, maxTemplate)
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		if t.list[key], err = parseTemplate(n.Name(), string(text)); err != nil {
			return nil, fmt.Errorf("templates: %s: %w", file, err)
		}
		w, err := Language(lang)
		if err != nil {
			return nil, err
		}
		for _, m := range examples() {
			if _, err := t.run(key, w.textOf(m)); err != nil {
				return nil, fmt.Errorf("templates: %s: %w", file, err)
			}
		}
	}
	return t, nil
}

func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: larger than %d octets", file, most)
	}
	return b, err
}

// calls are the functions that a template may use: none of them does more work than its arguments are long.
var calls = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index"}

// parseTemplate refuses what would let a template run without end: templates in templates, and repetition of anything but the lists it is given.
func parseTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return nil, errors.New("want one template, without define and block")
	}
	return t, soundNode(t.Root)
}

func soundNode(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, x := range n.Nodes {
			if err := soundNode(x); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return soundNode(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			for _, a := range c.Args {
				if err := soundNode(a); err != nil {
					return err
				}
			}
		}
	case *parse.ChainNode:
		return soundNode(n.Node)
	case *parse.IdentifierNode:
		if !slices.Contains(calls, n.Ident) {
			return fmt.Errorf("%s is not one of %s", n.Ident, strings.Join(calls, ", "))
		}
	case *parse.IfNode:
		return errors.Join(soundNode(n.Pipe), soundNode(n.List), soundNode(n.ElseList))
	case *parse.WithNode:
		return errors.Join(soundNode(n.Pipe), soundNode(n.List), soundNode(n.ElseList))
	case *parse.RangeNode:
		for _, c := range n.Pipe.Cmds {
			name := ""
			switch a := c.Args[0].(type) {
			case *parse.FieldNode:
				name = a.Ident[len(a.Ident)-1]
			case *parse.VariableNode:
				name = a.Ident[len(a.Ident)-1]
			}
			if len(n.Pipe.Cmds) != 1 || len(c.Args) != 1 || !slices.Contains([]string{"Items", "Planes", "Parts"}, name) {
				return fmt.Errorf("range %s: want one of the lists Items, Planes and Parts", n.Pipe)
			}
		}
		return errors.Join(soundNode(n.List), soundNode(n.ElseList))
	case *parse.TemplateNode:
		return fmt.Errorf("template %q: want no templates in templates", n.Name)
	}
	return nil
}

// Failure is the last failure of a template while it was used; nil: none.
func (t *Templates) Failure() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// bounded is a writer that takes so much and no more.
type bounded struct {
	b    strings.Builder
	most int
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		return 0, fmt.Errorf("more than %d octets of text", w.most)
	}
	return w.b.Write(p)
}

// run executes a template. What comes out is as harmless as what went in: of control characters only line feeds, and no marks that turn the
// direction of what follows.
func (t *Templates) run(key string, data *Text) (string, error) {
	form, _, _ := strings.Cut(key, ".")
	w := &bounded{most: forms[form]}
	if err := t.list[key].Execute(w, data); err != nil {
		return "", err
	}
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && form == "line", r == '\t':
			return ' '
		case unicode.IsControl(r) && r != '\n', r >= '\u202a' && r <= '\u202e', r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, w.b.String())
	if form == "line" {
		text = strings.TrimSpace(text)
	}
	if strings.TrimSpace(text) == "" {
		return "", errors.New("it gives no text")
	}
	return text, nil
}

// Use makes the texts of templates stand in for built-in ones; nil: none do.
func (w *Words) Use(t *Templates) { w.templates = t }

// own is a form of a message as the operator's template has it; false: there is none, or it failed.
func (w *Words) own(form string, m *Message) (string, bool) {
	t, key := w.templates, form+"."+w.lang
	if t == nil || t.list[key] == nil || len(m.Items) == 0 {
		return "", false
	}
	text, err := t.run(key, w.textOf(m))
	if err != nil {
		t.mu.Lock()
		t.failed = fmt.Errorf("%s.tmpl: %w", key, err)
		t.mu.Unlock()
		return "", false
	}
	return text, true
}

// textOf is what a template is given of a message.
func (w *Words) textOf(m *Message) *Text {
	plain := *w
	plain.templates = nil
	w = &plain
	t := &Text{Line: w.Line(m), Short: w.Short(m), Full: w.Full(m), Language: w.lang, More: m.More}
	for i := range m.Items {
		t.Items = append(t.Items, w.itemOf(&m.Items[i]))
	}
	return t
}

func (w *Words) itemOf(i *Item) TextItem {
	in := &i.Incident
	t := TextItem{
		Line: w.line(i), ID: in.ID, Revision: strconv.Itoa(in.Revision), URL: i.URL, Occasion: string(i.Occasion), State: string(in.State), Kind: string(in.Kind),
		Type: in.Entity.Type, Data: string(in.Data), Severity: strconv.Itoa(in.Severity), Coverage: in.Coverage.Level, First: i.First,
		OccasionWord: w.text["occasion."+string(i.Occasion)], StateWord: w.word("state.", string(in.State)), TypeWord: w.text["type."+in.Entity.Type],
		Place: w.isolate(place(in.Entity)), Code: w.isolate(Inert(in.Entity.Code)),
		Began: w.isolate(in.Start.Time.String()), BeganFirst: w.isolate(earliest(in.Start)), BeganLast: w.isolate(latest(in.Start)),
		Size: w.size(in), CoverageText: w.coverage(in), NotKnown: w.text["unknown"], RevisionText: w.say("revision", strconv.Itoa(in.Revision), in.ID, string(in.Data)),
		Method: w.say("method", in.Method.Name, in.Method.Version),
	}
	if in.Kind == detect.MonitorFault {
		t.NotKnown = w.text["fault.not"]
	}
	if in.End != nil && !in.State.Open() {
		t.Ended, t.EndedFirst, t.EndedLast, t.Lasted = w.isolate(in.End.Time.String()), w.isolate(earliest(*in.End)), w.isolate(latest(*in.End)), w.length(in)
	}
	if s := largest(in); s != nil && s.Prefixes.Expected > 0 {
		t.Lost, t.Expected, t.Family = w.isolate(count(s.Prefixes.Lost)), w.isolate(count(s.Prefixes.Expected)), family(s.Signal)
		t.Share = w.isolate(percent(float64(s.Prefixes.Lost) / float64(s.Prefixes.Expected)))
	}
	for k := range in.Signals {
		t.Planes = append(t.Planes, w.plane(&in.Signals[k]))
	}
	if p := w.planes(in); p != "" {
		t.Planes = append(t.Planes, p, w.text["plane.probes"])
	}
	t.Parts = w.parts(in)
	if in.Evidence != nil {
		t.Evidence, t.SHA256 = w.say("evidence", count(in.Evidence.Messages), in.Evidence.SHA256), in.Evidence.SHA256
	}
	if i.Occasion == Retracted {
		t.PassOn = w.text["retracted.do"]
	}
	return t
}
