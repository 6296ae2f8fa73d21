package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/internal/app"
)

// monitorFolder says whose keys and ledger are meant.
type monitorFolder struct {
	Config string `help:"Configuration file (docs/configuration.md)." type:"existingfile" placeholder:"FILE"`
	Data   string `help:"Folder of the monitor (data)." placeholder:"DIR"`
}

func (m *monitorFolder) keys() app.KeyFolder { return app.KeyFolder{Config: m.Config, Data: m.Data} }

type fsckCmd struct {
	monitorFolder
	Checkpoint []string `help:"File with an older checkpoint of the ledger: prove that it grew out of it." type:"existingfile" placeholder:"FILE"`
	Key        []string `help:"Public key of the ledger, as evidence keys list prints it (those in the folder of the keys)." placeholder:"KEY"`
	Quick      bool     `help:"Do not read the content of segments."`
}

func (c *fsckCmd) Run(ctx context.Context) error {
	return app.Fsck{
		Config: c.Config, Data: c.Data, Checkpoints: c.Checkpoint, Keys: c.Key, Quick: c.Quick, Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr),
	}.Run(ctx)
}

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"Print the public keys, and when each signs."`
	Rotate keysRotateCmd `cmd:"" help:"Make a new key; the one before signs beside it for a while."`
}

type keysListCmd struct{ monitorFolder }

func (c *keysListCmd) Run() error { return app.ListKeys(c.keys(), os.Stdout) }

type keysRotateCmd struct {
	monitorFolder
	Purpose string        `help:"What it signs: ledger or bundle." enum:"ledger,bundle" default:"ledger"`
	Overlap time.Duration `help:"How long the key before goes on signing." default:"720h" placeholder:"720h"`
}

func (c *keysRotateCmd) Run() error {
	return app.RotateKeys(c.keys(), keys.Purpose(c.Purpose), c.Overlap, os.Stdout)
}

type proofCmd struct {
	monitorFolder
	ID       string `arg:"" help:"Incident id."`
	Revision int    `help:"Its revision (the last one)." placeholder:"N"`
	Record   string `help:"Write the record that the proof is about to this file; it must not exist." placeholder:"FILE"`
}

func (c *proofCmd) Run(ctx context.Context) (err error) {
	var record io.Writer
	if c.Record != "" {
		f, err := os.OpenFile(c.Record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		record = f
	}
	return app.ProveRevision(ctx, c.keys(), c.ID, c.Revision, record, os.Stdout)
}
