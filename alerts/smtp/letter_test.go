package smtp

import (
	"bytes"
	"mime"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// hostile are names and notes as somebody might register them to get into a letter.
var hostile = []string{
	"x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>",
	"x\nSubject: another\n\nbody", "x\rTo: b@example.org", "\r\n.\r\nMAIL FROM:<a@b.c>", "=?utf-8?q?=0d=0aBcc:_a=40b.c?=", "=?utf-8?b?DQpCY2M6IGFAYi5j?=", "=\u200b?utf-8?b?DQpCY2M6IGFAYi5j?=",
	`<img src="https://evil.example/pixel">`, `</h1><a href="https://evil.example">click`, "javascript:alert(1)", "https://evil.example/login", `"><style>*{display:none}</style>`,
	"Pakistan\u202e(KP) desrever", "\u2067\u2066\u2069\u2069", "\u200f\u200e\u061c\ufeff", "پاکستان", "\x00\x01\x1b[31m", "a\u2028b\u2029c\u0085d",
	strings.Repeat("w", 5000), strings.Repeat("ا", 3000), strings.Repeat("a b ", 2000), "--corewatch-", "{{.Leave}}", "%0d%0aBcc:a@b.c", "\xff\xfe", "\u202e\ufffd\U000e0001",
}

// tags are the elements that the HTML part may have.
var tags = []string{"<!doctype", "<html", "</html", "<head", "</head", "<meta", "<title", "</title", "<body", "</body", "<div", "</div", "<h1", "</h1", "<p", "</p", "<br", "<a", "</a"}

var (
	tagForm  = regexp.MustCompile(`<[^>\s]*`)
	hrefForm = regexp.MustCompile(`\s(?:href|src|style|on[a-z]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]*)`)
)

// hold checks a letter made of anything: it parses, it has the header fields that we meant and each once, its lines are of mail's form, and its HTML has
// our elements and leads to our pages only.
func hold(t *testing.T, octets []byte, thread bool, links []string) {
	t.Helper()
	want := []string{
		"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Message-Id", "Mime-Version", "Precedence", "Subject", "To",
	}
	if thread {
		want = append(want, "In-Reply-To", "References")
		slices.Sort(want)
	}
	for i, l := range bytes.Split(octets, []byte("\r\n")) {
		if len(l) > 998 || bytes.ContainsAny(l, "\r\n\x00") || bytes.ContainsFunc(l, func(r rune) bool { return r > 0x7e }) {
			t.Fatalf("line %d is no line of a mail: %.200q", i, l)
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, values := range m.Header {
		got = append(got, name)
		if len(values) != 1 {
			t.Errorf("%s stands %d times", name, len(values))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("header fields %v, want %v", got, want)
	}
	for _, name := range []string{"From", "To"} {
		if list, err := m.Header.AddressList(name); err != nil || len(list) != 1 {
			t.Errorf("%s: %v %v", name, list, err)
		}
	}
	if _, err := m.Header.Date(); err != nil {
		t.Error(err)
	}
	decoder := mime.WordDecoder{}
	subject, err := decoder.DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, html := parts(t, octets)
	for what, s := range map[string]string{"subject": subject, "text": strings.ReplaceAll(text, "\r\n", ""), "html": strings.ReplaceAll(html, "\n", "")} {
		if i := strings.IndexFunc(s, func(r rune) bool {
			return r < ' ' && r != '\r' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == 0x2028 || r == 0x2029
		}); i >= 0 {
			t.Fatalf("%s holds %q", what, s[i:min(i+20, len(s))])
		}
	}
	if n := len([]rune(subject)); n > 2*mostSubject {
		t.Errorf("the subject has %d characters", n)
	}
	for _, tag := range tagForm.FindAllString(html, -1) {
		if !slices.Contains(tags, strings.TrimSuffix(strings.ToLower(tag), "/")) {
			t.Fatalf("the HTML holds %q:\n%s", tag, html)
		}
	}
	for _, a := range hrefForm.FindAllStringSubmatch(html, -1) {
		value := strings.Trim(a[1], `"'`)
		if strings.HasPrefix(strings.TrimSpace(a[0]), "style") && strings.Contains(letterHTML, value) {
			continue
		}
		value = strings.ReplaceAll(strings.ReplaceAll(value, "&amp;", "&"), "&#43;", "+")
		if strings.HasPrefix(strings.TrimSpace(a[0]), "href") && slices.Contains(links, value) {
			continue
		}
		// Text of a name can look like an attribute; then it is not inside a tag.
		if before := html[:strings.Index(html, a[0])]; strings.LastIndexByte(before, '<') > strings.LastIndexByte(before, '>') {
			t.Fatalf("the HTML holds %q", a[0])
		}
	}
}

// FuzzLetter: whatever stands in names, notes, IDs and addresses of pages, a letter is what we meant, or none is made.
func FuzzLetter(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, hostile[(i+1)%len(hostile)], s, s, i%2 == 0, i%3 == 0)
	}
	f.Add("Pakistan", "note", "0001", "https://monitor.example.org/i/PK-1/v2", false, false)
	s, err := New(options("127.0.0.1:25"))
	if err != nil {
		f.Fatal(err)
	}
	en, ar := words(f, "en"), words(f, "ar")
	f.Fuzz(func(t *testing.T, name, note, id, url string, arabic, digest bool) {
		w := en
		if arabic {
			w = ar
		}
		in := incident(name)
		in.Kind = detect.MonitorFault
		in.Revisions[0].Reason = note
		in.Coverage.Because = []string{note, name}
		other := incident(note)
		other.ID, other.Entity.Code, other.Method.Name = id, name, note
		m := &alerts.Message{
			ID: "0123456789abcdef", Receiver: "mail.a", At: time.Unix(1900000000, 0), Digest: digest,
			Items: []alerts.Item{{Incident: in, Occasion: alerts.Confirmed, Thread: id, URL: url}, {Incident: other, Occasion: alerts.Retracted, URL: url}},
		}
		if len(name)%2 == 0 {
			m.Items = m.Items[:1]
		}
		l := letter(m, &alerts.Recipient{Address: "a@example.net", Leave: leave}, w, "corewatch alerts")
		octets, err := s.build(l)
		if err != nil {
			t.Fatal(err)
		}
		hold(t, octets, idForm.MatchString(id), l.Links)
		l.ID, l.To, l.Leave = id, note, url
		if octets, err := s.build(l); err == nil {
			if !idForm.MatchString(id) || CheckAddress(note) != nil || url != "" && !link(url) {
				t.Fatalf("made of %q %q %q:\n%s", id, note, url, octets)
			}
		}
	})
}

// TestHostileNames: what somebody put into a name is in the letter as text, where it can be seen, and nowhere else.
func TestHostileNames(t *testing.T) {
	s, err := New(options("127.0.0.1:25"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "x\r\nBcc: victim@example.org\r\n\r\n<b>bold</b>"
	octets, err := s.build(&alerts.Letter{
		ID: "0001", At: time.Unix(1900000000, 0), To: "a@example.net", Words: words(t, "en"), Subject: "[CONFIRMED] " + name, Text: strings.ReplaceAll("Where: "+name, "\r\n", "\r"), Leave: leave,
	})
	if err != nil {
		t.Fatal(err)
	}
	h, text, html := parts(t, octets)
	if got := h.Get("Subject"); got != "[CONFIRMED] x Bcc: victim@example.org <b>bold</b>" {
		t.Errorf("%q", got)
	}
	if !strings.Contains(text, "Where: x Bcc: victim@example.org <b>bold</b>") || !strings.Contains(html, "Where: x Bcc: victim@example.org &lt;b&gt;bold&lt;/b&gt;") {
		t.Errorf("%s\n%s", text, html)
	}
}

// TestArabic: the HTML part runs from right to left and says its language; the subject can be read back.
func TestArabic(t *testing.T) {
	s, err := New(options("127.0.0.1:25"))
	if err != nil {
		t.Fatal(err)
	}
	w := words(t, "ar")
	octets, err := s.build(letter(message("0001", ""), &alerts.Recipient{Address: "a@example.net", Leave: leave}, w, "corewatch alerts"))
	if err != nil {
		t.Fatal(err)
	}
	h, _, html := parts(t, octets)
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || !strings.Contains(subject, "مؤكد") || h.Get("Content-Language") != "ar" {
		t.Errorf("%q %v", subject, err)
	}
	if !strings.Contains(html, `<html lang="ar" dir="rtl">`) {
		t.Error(html)
	}
}
