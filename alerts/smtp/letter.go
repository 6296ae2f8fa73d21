package smtp

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"

	"github.com/corewatch/corewatch/alerts"
)

//go:embed letter.html
var letterHTML string

var page = template.Must(template.New("letter").Parse(letterHTML))

const (
	mostSubject = 180
	mostLine    = 2000
	mostLines   = 2000
	mostThreads = 10
)

// idForm is the left part of a Message-ID.
var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,120}$`)

// build writes a letter: the same octets each time, but for the signatures, which hold the time they were made.
func (s *Server) build(l *alerts.Letter) ([]byte, error) {
	if err := CheckAddress(l.To); err != nil {
		return nil, fmt.Errorf("the address: %w", err)
	}
	if !idForm.MatchString(l.ID) {
		return nil, fmt.Errorf("the message's ID %.130q cannot stand in a header", l.ID)
	}
	lang, rtl := l.Words.Language()
	text := lines(l.Text)
	sum := sha256.Sum256([]byte(l.ID + "\n" + l.Text)) // no text holds the mark that divides the parts
	m := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithBoundary("corewatch-"+hex.EncodeToString(sum[:16])))
	m.SetAddrHeaderFromMailAddress(mail.HeaderFrom, &netmail.Address{Name: line(s.opt.From.Name, 80), Address: s.opt.From.Address})
	m.SetAddrHeaderFromMailAddress(mail.HeaderTo, &netmail.Address{Address: l.To})
	// What looks like an encoded word (RFC 2047) would be decoded by who reads the header, and could hold anything.
	subject := strings.ReplaceAll(line(l.Subject, mostSubject), "=?", "= ?")
	m.SetGenHeader(mail.HeaderSubject, subject)
	m.SetDateWithValue(l.At.UTC())
	m.SetGenHeader(mail.HeaderMessageID, s.messageID(l.ID))
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence is answered
	m.SetGenHeader("Content-Language", lang)
	if !l.Personal {
		m.SetGenHeader("List-Id", s.opt.Name+" <"+s.opt.List+">")
		m.SetGenHeader("Precedence", "list")
	}
	if l.Leave != "" {
		if !link(l.Leave) {
			return nil, errors.New("the address that ends a subscription cannot stand in a header")
		}
		m.SetGenHeader("List-Unsubscribe", "<"+l.Leave+">")
		m.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	var thread []string
	for _, id := range l.Thread {
		if ref := s.messageID(id); idForm.MatchString(id) && id != l.ID && len(thread) < mostThreads && !slices.Contains(thread, ref) {
			thread = append(thread, ref)
		}
	}
	if len(thread) > 0 {
		m.SetGenHeader("In-Reply-To", thread[0])
		m.SetGenHeader("References", strings.Join(thread, " "))
	}
	m.SetBodyString(mail.TypeTextPlain, strings.Join(text, "\r\n")+"\r\n")
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		Lang, Dir, Title string
		Blocks           [][]piece
	}{lang, direction(rtl), subject, blocks(text, l.Links)}); err != nil {
		return nil, err
	}
	m.AddAlternativeString(mail.TypeTextHTML, b.String())
	b.Reset()
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	if b.Len() > mostLetter {
		return nil, fmt.Errorf("the letter has %d octets; at most %d are sent", b.Len(), mostLetter)
	}
	return s.sign(b.Bytes())
}

func direction(rtl bool) string {
	if rtl {
		return "rtl"
	}
	return "ltr"
}

// messageID is the Message-ID of a letter, which receivers know it by.
func (s *Server) messageID(id string) string {
	return "<" + id + "@" + domainOf(s.opt.From.Address) + ">"
}

// link reports whether an address may be clicked on: of the web, and of characters that need no quoting anywhere.
func link(s string) bool {
	return len(s) < 500 && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"'\,`, r) })
}

// piece is a line of the HTML part; Href is set when the line is the address of a page.
type piece struct{ Text, Href string }

// blocks groups lines into paragraphs, which empty lines divide.
func blocks(text, links []string) (out [][]piece) {
	var block []piece
	for _, t := range append(slices.Clone(text), "") {
		switch {
		case t != "" && link(t) && slices.Contains(links, t):
			block = append(block, piece{t, t})
		case t == "--": // the mark of a signature in plain text
		case t != "":
			block = append(block, piece{Text: t})
		case len(block) > 0:
			out = append(out, block)
			block = nil
		}
	}
	return out
}

// lines makes a text fit for a letter: no control characters, nothing that turns the direction of what stands around it, bounded.
func lines(text string) (out []string) {
	for _, l := range strings.Split(text, "\n") {
		if len(out) == mostLines {
			break
		}
		out = append(out, line(l, mostLine))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// line makes one line of a text from anywhere. The marks of RFC 5322 that end a line, controls, and the embeddings and overrides of the direction are
// taken out; the isolates (U+2066 to U+2069), which the texts put around what they quote, end with their line.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x2066 && r <= 0x2069:
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}
