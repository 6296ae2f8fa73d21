package main

import (
	"context"
	"os"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type evalCmd struct {
	Suite     string `arg:"" name:"SUITE" help:"rv2008, beacons, faults, scenarios, synthetic, or all." enum:"rv2008,beacons,faults,scenarios,synthetic,all"`
	Data      string `help:"Folder of the measurement data that rv2008 and beacons read." type:"existingdir" env:"COREWATCH_DATA" placeholder:"DIR"`
	Reference string `help:"Folder of reference tables; without it reference/as2org of the data." type:"existingdir" placeholder:"DIR"`
	Scenarios string `help:"Folder of scenario files." default:"detect/scenario/testdata" placeholder:"DIR"`
	Seeds     int    `help:"Draws of the seeded suites; 0 is each suite's own number." default:"0" placeholder:"N"`
	Seed      uint64 `help:"The first draw." default:"1" placeholder:"S"`
	JSON      bool   `name:"json" help:"Print one document as JSON."`
	Write     string `help:"Write the report as a document to this file, too." placeholder:"FILE"`
}

func (c *evalCmd) Run(ctx context.Context, log zerolog.Logger) error {
	return app.Eval{
		Suite: c.Suite, Data: c.Data, Reference: c.Reference, Scenarios: c.Scenarios, Seeds: c.Seeds, Seed: c.Seed, JSON: c.JSON, Write: c.Write,
		Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr), Log: log,
	}.Run(ctx)
}
