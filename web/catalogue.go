package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/web/figure"
)

// catalogue holds every text that a reader sees, by key, in one language. Files are messages/<language>.tsv: key, tab, text.
// {1}, {2} … stand for arguments; <b>, <i> and <bdi> are allowed and come only from the file, never from an argument.
type catalogue struct {
	lang string
	dir  string // "ltr" or "rtl"
	msgs map[string]string
}

// loadCatalogue reads a built-in language. Keys that it lacks are taken from English, so that a partial translation still works.
func loadCatalogue(lang string) (*catalogue, error) {
	c := &catalogue{lang: lang, dir: direction(lang), msgs: map[string]string{}}
	list := []string{"en"}
	if lang != "en" {
		list = append(list, lang)
	}
	for _, l := range list {
		raw, err := files.ReadFile("messages/" + l + ".tsv")
		if err != nil {
			return nil, fmt.Errorf("language %q: %w", l, err)
		}
		for i, line := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n") {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, text, ok := strings.Cut(line, "\t")
			if !ok || key == "" || text == "" {
				return nil, fmt.Errorf("messages/%s.tsv line %d: want key, tab, text", l, i+1)
			}
			c.msgs[key] = text
		}
	}
	return c, nil
}

// direction is the writing direction of a language (BCP 47 primary subtag).
func direction(lang string) string {
	switch primary, _, _ := strings.Cut(lang, "-"); primary {
	case "ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

// has reports whether there is a text for key.
func (c *catalogue) has(key string) bool { _, ok := c.msgs[key]; return ok }

// text is the message without markup, for titles, labels and files. An unknown key shows itself: it cannot hide in a test.
func (c *catalogue) text(key string, args ...any) string {
	return tags.Replace(fill(c.msgs[key], key, args, func(a any) string { return clean(fmt.Sprint(a)) }))
}

// html is the message with its markup. Arguments are escaped unless they are HTML that this package made.
func (c *catalogue) html(key string, args ...any) template.HTML {
	return template.HTML(fill(c.msgs[key], key, args, func(a any) string {
		if h, ok := a.(template.HTML); ok {
			return string(h)
		}
		return figure.Escape(clean(fmt.Sprint(a)))
	}))
}

// count picks the form of a message for a number: key.one or key.other; a language may add zero, two, few and many (CLDR).
func (c *catalogue) count(key string, n int) string {
	form := "other"
	if c.lang == "en" && n == 1 {
		form = "one"
	}
	if k := key + "." + form; c.has(k) {
		return k
	}
	return key + ".other"
}

var tags = strings.NewReplacer("<b>", "", "</b>", "", "<i>", "", "</i>", "", "<bdi>", "", "</bdi>", "")

func fill(text, key string, args []any, show func(any) string) string {
	if text == "" {
		text = key
	}
	for i, a := range args {
		hole := "{" + strconv.Itoa(i+1) + "}"
		if strings.Contains(text, hole) {
			// An argument may hold a brace: it is marked so that a later argument is never put into it.
			text = strings.ReplaceAll(text, hole, strings.ReplaceAll(show(a), "{", "\x00"))
		}
	}
	return strings.ReplaceAll(text, "\x00", "{")
}

// maxText bounds what an outside text may add to a page, in characters.
const maxText = 400

// clean makes a text from outside fit to be shown: no control or reordering characters, not longer than maxText.
func clean(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > maxText || r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd || figure.Reorders(r) {
			return -1
		}
		return r
	}, s)
}
