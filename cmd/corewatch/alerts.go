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
	} `cmd:"" help:"Print what the subscriptions would have sent of what stands in a store."`
	List struct {
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"List what waits to be sent, and what was given up."`
	Retry struct {
		Store string `help:"Folder of the store; no monitor may be running on it." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"Let what was given up wait to be sent again."`
	Try struct {
		Receiver string `arg:"" help:"Name of the receiver."`
		Config   string `help:"Configuration file with the subscriptions." type:"existingfile" required:"" placeholder:"FILE"`
	} `cmd:"" help:"Send one message that says it is a try."`
	Subscribers subscribersCmd `cmd:"" help:"List, add and erase those who are told by mail."`
}

func (c *alertsCmd) Run(kctx *kong.Context, ctx context.Context) error {
	if parent := kctx.Selected().Parent; parent != nil && parent.Name == "subscribers" {
		return c.Subscribers.run(ctx, kctx.Selected().Name)
	}
	switch kctx.Selected().Name {
	case "dry-run":
		return app.AlertsDryRun(ctx, c.DryRun.Config, c.DryRun.Store, c.DryRun.Since, c.DryRun.JSON, os.Stdout, os.Stderr)
	case "list":
		return app.AlertsWaiting(ctx, c.List.Store, os.Stdout)
	case "retry":
		return app.AlertsRetry(ctx, c.Retry.Store, os.Stdout)
	}
	return app.AlertsTry(ctx, c.Try.Config, c.Try.Receiver, os.Stdout)
}
