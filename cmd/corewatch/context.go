package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/corewatch/corewatch/evidence/annotation"
	"github.com/corewatch/corewatch/internal/app"
	"github.com/corewatch/corewatch/store/sqlite"
)

// contextOf is `corewatch incidents context ID …`.
type contextOf struct {
	ID       string            `arg:"" name:"id" help:"Incident id."`
	Show     contextShowCmd    `cmd:"" help:"Show what people wrote about the incident."`
	Add      contextAddCmd     `cmd:"" help:"Add what somebody said, with where it was said. It is held until a reviewer publishes it."`
	Correct  contextCorrectCmd `cmd:"" help:"Replace text and source of an item."`
	Publish  contextTurnCmd    `cmd:"" help:"Let an item be seen by all (role reviewer)."`
	Withdraw contextTurnCmd    `cmd:"" help:"Take an item back; it stays, marked."`
	Norm     contextTagCmd     `cmd:"" help:"Tag the incident with a norm that items name; without items: take the tag off."`
	Core     contextTagCmd     `cmd:"" help:"Tag it with an element of the public core: routing, naming, crypto, physical."`
	Impact   contextImpactCmd  `cmd:"" help:"Say what the incident did, by items that say so."`
}

type storeFolder struct {
	Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
}

// editor is who edits.
type editor struct {
	storeFolder
	Role   string `help:"In which role: editor, reviewer, operator or examiner." enum:"editor,reviewer,operator,examiner" required:""`
	Reason string `help:"Why, in one line." required:""`
}

func (e *editor) edit(ctx context.Context, id string, do func(*annotation.Document, annotation.Stamp) error) error {
	return app.EditContext(ctx, e.Store, id, func(d *annotation.Document) error { return do(d, app.Stamped(e.Role, e.Reason)) }, os.Stdout)
}

type contextShowCmd struct {
	storeFolder
	JSON   bool `name:"json" help:"As JSON."`
	Public bool `help:"Only what all may see."`
}

func (c *contextShowCmd) Run(of *contextOf, ctx context.Context) error {
	return app.ShowContext(ctx, c.Store, of.ID, c.Public, c.JSON, os.Stdout)
}

// said is a text and where it was said.
type said struct {
	Text      string    `help:"What was said, in one line." required:""`
	Citation  string    `help:"Who said it, where and when." required:""`
	URL       string    `name:"url" help:"Its address."`
	Retrieved time.Time `help:"When it was retrieved (RFC 3339)." format:"2006-01-02T15:04:05Z07:00"`
	Copy      string    `help:"File with the copy that was kept: its digest is entered." type:"existingfile" placeholder:"FILE"`
	Checked   bool      `help:"You have opened the source, and it says so."`
}

func (s *said) source() (src annotation.Source, err error) {
	src = annotation.Source{Citation: s.Citation, URL: s.URL, SourceChecked: s.Checked}
	if !s.Retrieved.IsZero() {
		src.RetrievedAt = s.Retrieved.UTC().Format(time.RFC3339)
	}
	if s.Copy != "" {
		f, err := os.Open(s.Copy)
		if err != nil {
			return src, err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return src, fmt.Errorf("reading %s: %w", s.Copy, err)
		}
		src.SHA256 = hex.EncodeToString(h.Sum(nil))
	}
	return src, nil
}

type contextAddCmd struct {
	editor
	said
	Kind string `help:"context, operator_statement, attribution (cited only) or dispute." enum:"context,operator_statement,attribution,dispute" default:"context"`
}

func (c *contextAddCmd) Run(of *contextOf, ctx context.Context) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	return c.edit(ctx, of.ID, func(d *annotation.Document, s annotation.Stamp) error {
		_, err := d.Add(s, annotation.Item{Kind: c.Kind, Text: c.Text, Source: src})
		return err
	})
}

type contextCorrectCmd struct {
	N int `arg:"" help:"Number of the item."`
	editor
	said
}

func (c *contextCorrectCmd) Run(of *contextOf, ctx context.Context) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	return c.edit(ctx, of.ID, func(d *annotation.Document, s annotation.Stamp) error { return d.Correct(s, c.N, c.Text, src) })
}

type contextTurnCmd struct {
	N int `arg:"" help:"Number of the item."`
	editor
}

func (c *contextTurnCmd) Run(of *contextOf, ctx context.Context) error {
	return c.edit(ctx, of.ID, func(d *annotation.Document, s annotation.Stamp) error {
		if c == &of.Publish {
			return d.Publish(s, c.N)
		}
		return d.Withdraw(s, c.N)
	})
}

type contextTagCmd struct {
	Tag string `arg:"" help:"Such as 13f, or routing."`
	editor
	Items []int `help:"Numbers of the items that say so." placeholder:"N"`
}

func (c *contextTagCmd) Run(of *contextOf, ctx context.Context) error {
	return c.edit(ctx, of.ID, func(d *annotation.Document, s annotation.Stamp) error {
		if c == &of.Norm {
			return d.Norm(s, c.Tag, c.Items)
		}
		return d.Element(s, c.Tag, c.Items)
	})
}

type contextImpactCmd struct {
	Field string `arg:"" help:"people, critical_infrastructure, government_services, technical_infrastructure or responders." enum:"people,critical_infrastructure,government_services,technical_infrastructure,responders"`
	editor
	Text  string `help:"What it did, in one line."`
	Items []int  `help:"Numbers of the items that say so; none: take it back." placeholder:"N"`
}

func (c *contextImpactCmd) Run(of *contextOf, ctx context.Context) error {
	return c.edit(ctx, of.ID, func(d *annotation.Document, s annotation.Stamp) error {
		return d.Assess(s, annotation.Finding{Field: c.Field, Text: c.Text, Items: c.Items})
	})
}

type holdCmd struct {
	Add     holdPutCmd  `cmd:"" help:"Keep everything received live from a day before an incident on, whatever keep says."`
	Release holdPutCmd  `cmd:"" help:"Lift the hold."`
	List    holdListCmd `cmd:"" help:"Print every hold that was put and lifted."`
}

type holdPutCmd struct {
	ID string `arg:"" help:"Incident id."`
	editor
}

func (c *holdPutCmd) Run(of *holdCmd, ctx context.Context) error {
	return app.PutHold(ctx, c.Store, sqlite.Hold{Incident: c.ID, Held: c == &of.Add, At: time.Now(), Role: c.Role, Reason: c.Reason}, os.Stdout)
}

type holdListCmd struct{ storeFolder }

func (c *holdListCmd) Run(ctx context.Context) error {
	return app.ListHolds(ctx, c.Store, os.Stdout)
}
