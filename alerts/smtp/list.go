package smtp

import (
	"context"
	"errors"
	"strings"

	"github.com/corewatch/corewatch/alerts"
)

// List tells subscribers: each gets a letter of his own. It is an alerts.Channel.
type List struct {
	Server *Server
	// To gives where a receiver is reached; an *alerts.Permanent says that he is not subscribed any more.
	To func(ctx context.Context, receiver string) (*alerts.Recipient, error)
	// Templates are the operator's own texts; nil: none.
	Templates *alerts.Templates
}

// Send implements alerts.Channel.
func (l *List) Send(ctx context.Context, m *alerts.Message) (string, error) {
	to, err := l.To(ctx, m.Receiver)
	if err != nil {
		return "", err
	}
	words, err := alerts.Language(to.Language)
	if err != nil {
		return "", &alerts.Permanent{Err: errors.New("the subscriber's language is not known")}
	}
	words.Use(l.Templates)
	return l.Server.Write(ctx, letter(m, to, words, l.Server.opt.Name))
}

// letter is the letter that tells a message.
func letter(m *alerts.Message, to *alerts.Recipient, words *alerts.Words, list string) *alerts.Letter {
	out := &alerts.Letter{ID: m.ID, At: m.At, To: to.Address, Words: words, Subject: words.Line(m), Leave: to.Leave, Links: []string{to.Leave}}
	for i := range m.Items {
		if u := m.Items[i].URL; u != "" {
			out.Links = append(out.Links, u)
		}
		if t := m.Items[i].Thread; t != "" {
			out.Thread = append(out.Thread, t)
		}
	}
	// The one-line form is the heading; an empty line divides it from the rest.
	head, rest, _ := strings.Cut(words.Full(m), "\n")
	out.Text = head + "\n\n" + strings.TrimLeft(rest, "\n") + "\n" + words.Footer(list, to.Leave)
	return out
}
