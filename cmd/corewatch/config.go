package main

import (
	"context"
	"os"

	"github.com/alecthomas/kong"

	"github.com/corewatch/corewatch/internal/app"
)

type configCmd struct {
	Check struct {
		Config string `help:"Configuration file." type:"existingfile" required:"" placeholder:"FILE"`
	} `cmd:"" help:"Read a configuration file, and say what is wrong with it."`
	Dump struct {
		Config string `help:"Configuration file; without it, the defaults." type:"existingfile" placeholder:"FILE"`
	} `cmd:"" help:"Print everything as it is in force, as a configuration file."`
}

func (c *configCmd) Run(kctx *kong.Context) error {
	if kctx.Selected().Name == "dump" {
		return app.DumpConfig(c.Dump.Config, os.Stdout)
	}
	return app.CheckConfig(c.Check.Config, os.Stdout)
}

type doctorCmd struct {
	Config string `help:"Configuration file (docs/configuration.md)." type:"existingfile" placeholder:"FILE"`
	Listen string `help:"Address of the pages (127.0.0.1:8480)." placeholder:"ADDR"`
	Data   string `help:"Folder of the store (data)." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"As JSON."`
}

func (c *doctorCmd) Run(ctx context.Context) error {
	return app.Doctor{Config: c.Config, Listen: c.Listen, Data: c.Data, JSON: c.JSON, Out: os.Stdout}.Run(ctx)
}
