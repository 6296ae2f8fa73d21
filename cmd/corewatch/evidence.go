package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type evidenceCmd struct {
	Export struct {
		ID      string `arg:"" help:"Incident id."`
		Out     string `help:"Zip file to write; it must not exist." required:"" placeholder:"FILE"`
		Store   string `help:"Folder of the store." default:"data" placeholder:"DIR"`
		Version int    `help:"Number of a frozen version (the newest)." placeholder:"N"`
		Draft   bool   `help:"An unsigned draft of the last revision, also where a version was frozen."`
	} `cmd:"" help:"Write a bundle: the newest frozen version, or an unsigned draft (docs/evidence-format.md)."`
	Freeze struct {
		ID     string `arg:"" help:"Incident id."`
		Config string `help:"Configuration file with the operator block." type:"existingfile" required:"" placeholder:"FILE"`
		Store  string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"Sign, time-stamp, log and keep a version of an incident's evidence; again: ask for seals that are still to come."`
	Replay struct {
		Bundle    string   `arg:"" help:"Bundle." type:"existingfile"`
		Input     []string `help:"[COLLECTOR=]FILE or directory with the files that inputs.json lists: run the whole detector over them." placeholder:"FILE"`
		Seed      []string `help:"[COLLECTOR=]FILE or directory of the table dumps of the run." placeholder:"RIB"`
		Reference string   `help:"Folder of the reference tables of the run." type:"existingdir" placeholder:"DIR"`
	} `cmd:"" help:"Make the timeline of a bundle anew from its messages, and compare it."`
	Fsck  fsckCmd  `cmd:"" help:"Compare what is stored with what the ledger vouches for."`
	Keys  keysCmd  `cmd:"" help:"List and rotate the keys that sign."`
	Proof proofCmd `cmd:"" help:"Print the proof that a revision of an incident is in the ledger."`
}

func (c *evidenceCmd) Run(kctx *kong.Context, ctx context.Context, log zerolog.Logger) error {
	switch kctx.Selected().Name {
	case "freeze":
		return c.freeze(ctx, log)
	case "replay":
		return app.EvidenceReplay{Bundle: c.Replay.Bundle, Inputs: c.Replay.Input, Seeds: c.Replay.Seed, Reference: c.Replay.Reference, Out: os.Stdout, Log: log}.Run(ctx)
	case "export":
		return c.export(ctx)
	}
	return nil // the others have a Run of their own
}

func (c *evidenceCmd) export(ctx context.Context) error {
	e := c.Export
	sum, err := app.Export{Store: e.Store, ID: e.ID, Out: e.Out, Version: e.Version, Draft: e.Draft}.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, revision %d (%s), %d messages, %d bytes\n%s\n", e.Out, sum.Identifier, sum.Revision, sum.Data, sum.Messages, sum.Bytes, sum.BundleID)
	for _, w := range sum.Warnings {
		fmt.Fprintln(os.Stderr, "note:", w)
	}
	return nil
}

func (c *evidenceCmd) freeze(ctx context.Context, log zerolog.Logger) error {
	p, err := app.Publish{Config: c.Freeze.Config, Store: c.Freeze.Store, ID: c.Freeze.ID, Log: log}.Run(ctx)
	if err != nil {
		return err
	}
	word := "was frozen before"
	if p.New {
		word = "is frozen"
	}
	fmt.Printf("%s/v%d %s: revision %d, signed by %s\n%s\n", c.Freeze.ID, p.Version, word, p.Revision, p.Signer, p.BundleID)
	if p.Lacks != nil {
		fmt.Fprintln(os.Stderr, "note:", p.Lacks)
	}
	return nil
}
