package main

import (
	"context"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/corewatch/corewatch/internal/app"
)

type alertsCmd struct {
	DryRun struct {
		Config string        `help:"Configuration file with the subscriptions." type:"existingfile" required:"" placeholder:"FILE"`
		Store  string        `help:"Folder of the store." default:"data" placeholder:"DIR"`
		Since  time.Duration `help:"Only so long before the newest revision, such as 720h; without it, all." placeholder:"D"`
		JSON   bool          `name:"json" help:"One message a line as JSON."`
		Files  []string      `arg:"" optional:"" name:"file" help:"[COLLECTOR=]FILE|DIR: recorded messages to replay instead of reading a store."`
	} `cmd:"" help:"Print what the subscriptions would have sent of what stands in a store, or of recorded messages."`
	List struct {
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"List what waits to be sent, and what was given up."`
	Retry struct {
		Store string `help:"Folder of the store; no monitor may be running on it." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"Let what was given up wait to be sent again."`
	Feeds struct {
		Config string `help:"Configuration file that names the feeds; without one, a feed of all incidents." type:"existingfile" placeholder:"FILE"`
		Store  string `help:"Folder of the store." default:"data" placeholder:"DIR"`
		Out    string `help:"Folder to write into; without it, the configuration's." placeholder:"DIR"`
	} `cmd:"" help:"Write the feeds as files."`
	Try struct {
		Receiver string `arg:"" help:"Name of the receiver."`
		Config   string `help:"Configuration file with the subscriptions." type:"existingfile" required:"" placeholder:"FILE"`
	} `cmd:"" help:"Send one message that says it is a try."`
}

func (c *alertsCmd) Run(kctx *kong.Context, ctx context.Context) error {
	switch kctx.Selected().Name {
	case "dry-run":
		return app.AlertsDryRun(ctx, c.DryRun.Config, c.DryRun.Store, c.DryRun.Files, c.DryRun.Since, c.DryRun.JSON, os.Stdout, os.Stderr)
	case "feeds":
		return app.AlertsFeeds(ctx, c.Feeds.Config, c.Feeds.Store, c.Feeds.Out, os.Stderr)
	case "list":
		return app.AlertsWaiting(ctx, c.List.Store, os.Stdout)
	case "retry":
		return app.AlertsRetry(ctx, c.Retry.Store, os.Stdout)
	}
	return app.AlertsTry(ctx, c.Try.Config, c.Try.Receiver, os.Stdout)
}
