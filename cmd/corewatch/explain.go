package main

import (
	"context"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type explainCmd struct {
	Entity    string    `help:"What to explain: country:PK, region:PK-SD, network:AS64500 or zone:SLUG." required:"" placeholder:"TYPE:CODE"`
	At        time.Time `help:"The instant (RFC 3339)." required:"" format:"2006-01-02T15:04:05Z07:00"`
	Config    string    `help:"Configuration file (docs/configuration.md)." type:"existingfile" placeholder:"FILE"`
	Store     string    `help:"Folder of a store: its records are replayed if they are as they were, else what it keeps is told." type:"existingdir" placeholder:"DIR"`
	Files     []string  `arg:"" optional:"" name:"FILE" help:"[COLLECTOR=]FILE or directory, or one scenario; plain, gzip, bzip2 or zstd; - is standard input."`
	Seed      []string  `help:"[COLLECTOR=]FILE or directory of table dumps: what the peers carried when the records begin." placeholder:"RIB"`
	Reference string    `help:"Folder of reference tables of the event's time." type:"existingdir" placeholder:"DIR"`
	From      time.Time `help:"Ignore records before this time (RFC 3339); without a table dump, leave at least 13 h." format:"2006-01-02T15:04:05Z07:00"`
	JSON      bool      `name:"json" help:"As JSON (docs/explain.md)."`
}

func (c *explainCmd) Run(ctx context.Context, log zerolog.Logger) error {
	return app.Explain{
		Entity: c.Entity, At: c.At, Config: c.Config, Store: c.Store, Files: c.Files, Seeds: c.Seed, Reference: c.Reference, From: c.From, JSON: c.JSON,
		Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr), Log: log,
	}.Run(ctx)
}
