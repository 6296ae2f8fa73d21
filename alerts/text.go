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
	text      map[string]string
	rtl       bool
	lang      string
	templates *Templates // the operator's own texts; nil: none
}

// Language reads a built-in language: "en" or "ar". What it lacks is said in English.
func Language(lang string) (*Words, error) {
	w := &Words{text: map[string]string{}, rtl: lang == "ar", lang: lang}
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
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", w.isolate(a))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// isolate keeps the direction of a text that is put into another to itself (UAX #9, FSI and PDI): a name in Arabic in an English sentence, and every
// number, time and name in an Arabic one.
func (w *Words) isolate(s string) string {
	if s == "" || !w.rtl && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
	}) {
		return s
	}
	return "\u2068" + s + "\u2069"
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

// inertRunes are what a chat system, a Markdown reader or a mail program makes a link, a mention or a format of, and what stands for each: it looks alike
// and does nothing.
var inertRunes = map[rune]rune{
	'<': '‹', '>': '›', '[': '［', ']': '］', '*': '＊', '`': '｀', '~': '～', '|': '｜', '@': '＠', '#': '＃', '\\': '＼',
}

// Inert is Plain, for text that ends in a group chat or in a template of somebody else: what is from outside (names of networks, notes) formats,
// links and calls nobody. The exact name stands in the incident itself.
func Inert(s string) string {
	s = Plain(s)
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		inside := i > 0 && i+1 < len(rs) && word(rs[i-1]) && word(rs[i+1])
		switch {
		case inertRunes[r] != 0:
			r = inertRunes[r]
		case r == '_' && !inside: // within a word, as in AS_NAME, it formats nothing
			r = '＿'
		case r == '/' && (i > 0 && rs[i-1] == '/' || i+1 < len(rs) && rs[i+1] == '/'): // a link
			r = '／'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// place names what an incident is about.
func place(e detect.Entity) string {
	if name := Inert(e.Name); name != "" && name != e.Code {
		return name + " (" + Inert(e.Code) + ")"
	}
	return Inert(e.Code)
}

// Line is the message in one line.
func (w *Words) Line(m *Message) string {
	if text, ok := w.own("line", m); ok {
		return text
	}
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
	case in.Kind == MonitorTrouble && i.Occasion == Over:
		key, third = "line.trouble.over", w.length(in)
	case in.Kind == detect.MonitorFault && i.Occasion == Over:
		key, third = "line.fault.over", w.length(in)
	case (in.Kind == detect.MonitorFault || in.Kind == MonitorTrouble) && len(in.Revisions) > 0:
		key, third = "line.fault", Inert(in.Revisions[len(in.Revisions)-1].Reason)
	case i.Occasion == Over:
		key, third = "line.over", w.length(in)
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
	if text, ok := w.own("short", m); ok {
		return text
	}
	var b strings.Builder
	fmt.Fprintln(&b, w.Line(m))
	for i := range m.Items[:min(len(m.Items), fewItems)] {
		item := &m.Items[i]
		if len(m.Items) > 1 || m.Digest {
			fmt.Fprintln(&b, "- "+w.line(item))
		} else {
			w.brief(&b, &item.Incident)
			w.announced(&b, item)
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

// brief is what a line lacks: the bounds of the start, the planes, how well it was seen, and by what it can be checked.
func (w *Words) brief(b *strings.Builder, in *detect.Incident) {
	fmt.Fprintln(b, w.say("short.start", earliest(in.Start), latest(in.Start)))
	if in.Kind == detect.MonitorFault {
		fmt.Fprintln(b, w.text["fault.not"])
		return
	}
	if planes := w.planes(in); planes != "" {
		fmt.Fprintln(b, planes)
	}
	fmt.Fprintln(b, w.coverage(in))
	fmt.Fprintln(b, w.text["short.unknown"])
	if in.Evidence != nil {
		fmt.Fprintln(b, w.say("short.revision", strconv.Itoa(in.Revision), in.Evidence.SHA256))
	}
}

// Full is everything a message says, as plain text.
func (w *Words) Full(m *Message) string {
	if text, ok := w.own("full", m); ok {
		return text
	}
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
	put(w.say("head.place", place(in.Entity), w.text["type."+in.Entity.Type], Inert(in.Entity.Code)))
	if in.Kind == MonitorTrouble {
		w.trouble(b, item)
		return
	}
	put(w.say("head.state", w.word("state.", string(in.State)), strconv.Itoa(in.Severity)))
	put(w.say("head.start", in.Start.Time.String(), earliest(in.Start), latest(in.Start)))
	switch {
	case in.End != nil && !in.State.Open():
		put(w.say("head.end", in.End.Time.String(), earliest(*in.End), latest(*in.End), w.length(in)))
	case len(in.Revisions) > 0:
		put(w.say("head.open", in.Revisions[len(in.Revisions)-1].At.String()))
	}
	for i := range in.Signals {
		put(w.plane(&in.Signals[i]))
	}
	if planes := w.planes(in); planes != "" {
		put(planes)
		put(w.text["plane.probes"])
	}
	if list := w.parts(in); list != nil {
		put(w.say("parts", strings.Join(list, "; ")))
	}
	w.announced(b, item)
	if in.Kind == detect.MonitorFault {
		put(w.text["fault.not"])
	} else {
		put(w.coverage(in))
		put(w.text["unknown"])
	}
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

// plane is what one plane shows, with its denominators.
func (w *Words) plane(s *detect.Signal) string {
	text := w.say("plane.bgp", family(s.Signal), count(s.Observed), count(s.Expected), strings.TrimPrefix(s.Unit, "slash"), count(s.Expected-s.Observed),
		count(s.ASNs.Voting), count(s.ASNs.Expected), count(s.ASNs.Needed))
	if s.Unobservable > 0 {
		text += w.say("plane.bgp.unknown", count(s.Unobservable))
	}
	return text
}

// parts are the networks that lost the most.
func (w *Words) parts(in *detect.Incident) (list []string) {
	n := len(in.Parts)
	for i := range in.Parts[:min(n, fewParts)] {
		p := &in.Parts[i]
		list = append(list, w.say("part", place(p.Entity), count(p.Lost), count(p.Expected)))
	}
	if n > fewParts {
		list = append(list, w.say("more", strconv.Itoa(n-fewParts)))
	}
	return list
}

// trouble is what a message says of one of the monitor's own.
func (w *Words) trouble(b *strings.Builder, item *Item) {
	in := &item.Incident
	for i := range in.Revisions {
		fmt.Fprintln(b, in.Revisions[i].At.String()+"  "+oneLine(in.Revisions[i].Reason))
	}
	fmt.Fprintln(b, w.text["trouble"])
	fmt.Fprintln(b, w.say("revision", strconv.Itoa(in.Revision), in.ID, string(in.Data)))
}

// announced names the work that was announced beforehand.
func (w *Words) announced(b *strings.Builder, item *Item) {
	for _, a := range item.Announced {
		fmt.Fprintln(b, w.say("announced", Inert(a.Entity), detect.At(a.From).String(), detect.At(a.Until).String(), oneLine(a.By), oneLine(a.Cited)))
	}
}

func (w *Words) coverage(in *detect.Incident) string {
	if in.Kind == MonitorTrouble {
		return w.text["trouble"]
	}
	if in.Coverage.Level == "full" {
		return w.text["coverage.full"]
	}
	return w.say("coverage.reduced", strings.Join(w.because(in), w.text["comma"]))
}

// because are the reasons of a reduced coverage.
func (w *Words) because(in *detect.Incident) (list []string) {
	for _, r := range in.Coverage.Because {
		list = append(list, w.word("because.", r))
	}
	return list
}

// word is a word of an open enumeration in the language, or as it stands.
func (w *Words) word(group, code string) string {
	if text := w.text[group+code]; text != "" {
		return text
	}
	return Inert(strings.ReplaceAll(code, "_", " "))
}

// planes says which planes show the loss and which do not: only those that were asked can agree.
func (w *Words) planes(in *detect.Incident) string {
	v4, v6 := false, false
	for i := range in.Signals {
		if family(in.Signals[i].Signal) == "IPv6" {
			v6 = true
		} else {
			v4 = true
		}
	}
	switch {
	case v4 && v6:
		return w.text["planes.both"]
	case v4:
		return w.say("planes.one", "IPv4", "IPv6")
	case v6:
		return w.say("planes.one", "IPv6", "IPv4")
	}
	return ""
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
func (w *Words) length(in *detect.Incident) string {
	if in.End == nil {
		return "?"
	}
	d := in.End.Time.Sub(in.Start.Time.Time).Round(time.Minute)
	n := func(d time.Duration) string { return strconv.Itoa(int(d)) }
	switch {
	case d < time.Minute:
		return w.text["length.short"]
	case d < time.Hour:
		return w.say("length.min", n(d/time.Minute))
	case d < 48*time.Hour:
		return w.say("length.h", n(d/time.Hour), n(d%time.Hour/time.Minute))
	}
	return w.say("length.d", n(d/(24*time.Hour)), n(d%(24*time.Hour)/time.Hour))
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
