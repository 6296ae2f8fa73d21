package alerts

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/corewatch/corewatch/detect"
)

//go:embed messages/*.tsv
var messages embed.FS

// Words are the texts of one language.
type Words struct {
	text map[string]string
	rtl  bool
}

// Language reads a built-in language: "en" or "ar". What it lacks is said in English.
func Language(lang string) (*Words, error) {
	w := &Words{text: map[string]string{}, rtl: lang == "ar"}
	for _, l := range []string{"en", lang} {
		raw, err := messages.ReadFile("messages/" + l + ".tsv")
		if err != nil {
			return nil, fmt.Errorf("language %q: there are no messages in it", lang)
		}
		for i, line := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			key, text, ok := strings.Cut(line, "\t")
			if !ok {
				return nil, fmt.Errorf("messages/%s.tsv line %d: want key, tab, text", l, i+1)
			}
			w.text[key] = text
		}
	}
	return w, nil
}

// say fills a message. Each argument is cleaned, and isolated where the language runs the other way, so that none changes what stands around it.
func (w *Words) say(key string, args ...string) string {
	text := w.text[key]
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		if w.rtl {
			a = "\u2068" + a + "\u2069"
		}
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", a)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

const (
	nameLength = 120
	fewParts   = 10
	fewItems   = 20
)

// Plain makes text from outside harmless in any channel of plain text: one line, no control characters or marks that turn the direction, and
// not longer than a name is.
func Plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > nameLength {
		s = string(r[:nameLength]) + "…"
	}
	return strings.TrimSpace(s)
}

// place names what an incident is about.
func place(e detect.Entity) string {
	if name := Plain(e.Name); name != "" && name != e.Code {
		return name + " (" + Plain(e.Code) + ")"
	}
	return Plain(e.Code)
}

// Line is the message in one line.
func (w *Words) Line(m *Message) string {
	switch {
	case len(m.Items) == 0:
		return ""
	case len(m.Items) == 1 && !m.Digest:
		return w.line(&m.Items[0])
	}
	var names []string
	for i := range m.Items[:min(len(m.Items), many)] {
		names = append(names, place(m.Items[i].Incident.Entity))
	}
	if more := len(m.Items) + m.More - len(names); more > 0 {
		names = append(names, w.say("more", strconv.Itoa(more)))
	}
	if m.Digest {
		return w.say("line.digest", strconv.Itoa(len(m.Items)+m.More), strings.Join(names, ", "))
	}
	return w.say("line.many", w.text["occasion."+string(m.Items[0].Occasion)], strconv.Itoa(len(m.Items)+m.More), strings.Join(names, ", "))
}

func (w *Words) line(i *Item) string {
	in := &i.Incident
	key, third := "line", w.size(in)
	switch {
	case in.Kind == detect.MonitorFault && i.Occasion != Over && len(in.Revisions) > 0:
		key, third = "line.fault", Plain(in.Revisions[len(in.Revisions)-1].Reason)
	case i.Occasion == Over:
		key, third = "line.over", length(in)
	case i.Occasion == Retracted || i.Occasion == LostSight:
		key = "line." + string(i.Occasion)
	}
	return w.say(key, w.text["occasion."+string(i.Occasion)], place(in.Entity), third, in.Start.Time.String())
}

// largest is the reading with the largest share lost.
func largest(in *detect.Incident) *detect.Signal {
	var best *detect.Signal
	for i := range in.Signals {
		if best == nil || in.Signals[i].LostShare > best.LostShare {
			best = &in.Signals[i]
		}
	}
	return best
}

func (w *Words) size(in *detect.Incident) string {
	s := largest(in)
	if s == nil || s.Prefixes.Expected == 0 {
		return w.text["size.none"]
	}
	return w.say("size", count(s.Prefixes.Lost), count(s.Prefixes.Expected), family(s.Signal), percent(float64(s.Prefixes.Lost)/float64(s.Prefixes.Expected)))
}

// Short is a text to paste into a group chat: what is known, how well, and where to look it up.
func (w *Words) Short(m *Message) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Line(m))
	for i := range m.Items[:min(len(m.Items), fewItems)] {
		item := &m.Items[i]
		if len(m.Items) > 1 || m.Digest {
			fmt.Fprintln(&b, "- "+w.line(item))
		} else {
			fmt.Fprintln(&b, w.coverage(&item.Incident))
			if item.Occasion == Retracted {
				fmt.Fprintln(&b, w.text["retracted.do"])
			}
		}
		if item.URL != "" {
			fmt.Fprintln(&b, item.URL)
		}
	}
	return b.String()
}

// Full is everything a message says, as plain text.
func (w *Words) Full(m *Message) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Line(m))
	for i := range m.Items {
		fmt.Fprintln(&b)
		if i == fewItems {
			fmt.Fprintln(&b, w.say("more", strconv.Itoa(len(m.Items)+m.More-i)))
			break
		}
		w.full(&b, &m.Items[i], len(m.Items) > 1 || m.Digest)
	}
	return b.String()
}

func (w *Words) full(b *strings.Builder, item *Item, headed bool) {
	in := &item.Incident
	put := func(s string) { b.WriteString(s + "\n") }
	if headed {
		put(w.line(item))
	}
	put(w.say("head.place", place(in.Entity), w.text["type."+in.Entity.Type], Plain(in.Entity.Code)))
	put(w.say("head.start", in.Start.Time.String(), earliest(in.Start), latest(in.Start)))
	switch {
	case in.End != nil && !in.State.Open():
		put(w.say("head.end", in.End.Time.String(), earliest(*in.End), latest(*in.End), length(in)))
	case len(in.Revisions) > 0:
		put(w.say("head.open", in.Revisions[len(in.Revisions)-1].At.String()))
	}
	for i := range in.Signals {
		s := &in.Signals[i]
		text := w.say("plane.bgp", family(s.Signal), count(s.Observed), count(s.Expected), strings.TrimPrefix(s.Unit, "slash"), count(s.Expected-s.Observed),
			count(s.ASNs.Voting), count(s.ASNs.Expected), count(s.ASNs.Needed))
		if s.Unobservable > 0 {
			text += w.say("plane.bgp.unknown", count(s.Unobservable))
		}
		put(text)
	}
	put(w.text["plane.probes"])
	if n := len(in.Parts); n > 0 {
		var list []string
		for i := range in.Parts[:min(n, fewParts)] {
			p := &in.Parts[i]
			list = append(list, w.say("part", place(p.Entity), count(p.Lost), count(p.Expected)))
		}
		if n > fewParts {
			list = append(list, w.say("more", strconv.Itoa(n-fewParts)))
		}
		put(w.say("parts", strings.Join(list, "; ")))
	}
	put(w.coverage(in))
	put(w.text["unknown"])
	if in.Evidence != nil {
		put(w.say("evidence", count(in.Evidence.Messages), in.Evidence.SHA256))
	}
	put(w.say("revision", strconv.Itoa(in.Revision), in.ID, string(in.Data)))
	put(w.say("method", in.Method.Name, in.Method.Version))
	if item.Occasion == Retracted {
		put(w.text["retracted.do"])
	}
	if item.URL != "" {
		put(item.URL)
	}
}

func (w *Words) coverage(in *detect.Incident) string {
	if in.Coverage.Level == "full" {
		return w.text["coverage.full"]
	}
	return w.say("coverage.reduced", Plain(strings.ReplaceAll(strings.Join(in.Coverage.Because, ", "), "_", " ")))
}

func earliest(i detect.Interval) string {
	if i.Earliest.IsZero() {
		return i.Time.String()
	}
	return i.Earliest.String()
}

func latest(i detect.Interval) string {
	if i.Latest.IsZero() {
		return i.Time.String()
	}
	return i.Latest.String()
}

// length is how long an incident lasted, to the minute.
func length(in *detect.Incident) string {
	if in.End == nil {
		return "?"
	}
	d := in.End.Time.Sub(in.Start.Time.Time).Round(time.Minute)
	switch {
	case d < time.Minute:
		return "< 1 min"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func family(signal string) string {
	if strings.HasSuffix(signal, "v6") {
		return "IPv6"
	}
	return "IPv4"
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }

// count groups digits with commas.
func count[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
