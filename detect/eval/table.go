package eval

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is figures in rows and columns. Cells are values that know both forms: text, and JSON with counts and bounds.
type Table struct {
	Title   string   `json:"title"`
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
	Note    string   `json:"note,omitempty"` // how to read it
}

// Row is one line of a table.
type Row struct {
	Name  string         `json:"name"`
	Cells []fmt.Stringer `json:"cells"`
}

// Count is a number in a table.
type Count int

// String is the number.
func (c Count) String() string { return strconv.Itoa(int(c)) }

// Text is a word or more in a table.
type Text string

// String is the text.
func (t Text) String() string { return string(t) }

// Add appends a row.
func (t *Table) Add(name string, cells ...fmt.Stringer) {
	t.Rows = append(t.Rows, Row{Name: name, Cells: cells})
}

// Seconds makes a spread of durations in seconds.
func Seconds(all []float64) Spread {
	p := Spread{all: all}
	p.settle()
	return p
}

// WriteText writes the table aligned for a terminal.
func (t *Table) WriteText(w io.Writer) error {
	var b strings.Builder
	t.text(&b)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table %q: %w", t.Title, err)
	}
	return nil
}

func (t *Table) text(b *strings.Builder) {
	b.WriteString(t.Title + "\n\n")
	writeColumns(b, t.lines())
	if t.Note != "" {
		b.WriteString("\n" + t.Note + "\n")
	}
}

func (t *Table) lines() [][]string {
	out := [][]string{append([]string{""}, t.Columns...)}
	for _, r := range t.Rows {
		line := []string{r.Name}
		for _, c := range r.Cells {
			line = append(line, c.String())
		}
		out = append(out, line)
	}
	return out
}

// Markdown is the table as a document has it, with its title in front.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString("**" + t.Title + "**\n\n")
	for i, line := range t.lines() {
		for _, cell := range line {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", "\\|") + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(line)) + "|\n")
		}
	}
	if t.Note != "" {
		b.WriteString("\n" + t.Note + "\n")
	}
	return b.String()
}

// writeColumns aligns the cells and drops columns that are empty throughout.
func writeColumns(b *strings.Builder, table [][]string) {
	var width []int
	for _, line := range table {
		for i, cell := range line {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		var text strings.Builder
		for i, cell := range line {
			if width[i] == 0 {
				continue
			}
			if i > 0 {
				text.WriteString("  ")
			}
			text.WriteString(cell)
			text.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString(strings.TrimRight(text.String(), " "))
		b.WriteString("\n")
	}
}
