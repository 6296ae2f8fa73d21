package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/internal/app"
)

type alertsCmd struct {
	DryRun struct {
		Config string   `help:"Configuration file with the subscriptions." type:"existingfile" required:"" placeholder:"FILE"`
		Store  string   `help:"Folder of the store." default:"data" placeholder:"DIR"`
		Since  length   `help:"Only so long before the newest revision, such as 30d or 12h; without it, all." placeholder:"D"`
		JSON   bool     `name:"json" help:"One message a line as JSON."`
		Files  []string `arg:"" optional:"" name:"file" help:"[COLLECTOR=]FILE|DIR: recorded messages to replay instead of reading a store."`
	} `cmd:"" help:"Print what the subscriptions would have sent of what stands in a store, or of recorded messages."`
	List struct {
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"List what waits to be sent, and what was given up."`
	Retry struct {
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
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
	Silence     silenceCmd     `cmd:"" help:"Hold back messages for a time."`
	Ack         ackCmd         `cmd:"" help:"Say that somebody knows of an incident: no more of it until it is more severe, or over."`
	Maintenance maintenanceCmd `cmd:"" help:"Note work that was announced, on the monitor or on a network."`
	Subscribers subscribersCmd `cmd:"" help:"List, add and erase those who are told by mail."`
	Log         struct {
		JSON  bool   `name:"json" help:"One order a line as JSON."`
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"List every silence, acknowledgement, maintenance and early end there ever was: who, when, why."`
	Held struct {
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
		Limit int    `help:"At most so many." default:"100"`
	} `cmd:"" help:"List what was held back by orders, newest first, and what became of it."`
}

func (c *alertsCmd) Run(kctx *kong.Context, ctx context.Context) error {
	if parent := kctx.Selected().Parent; parent != nil && parent.Name == "subscribers" {
		return c.Subscribers.run(ctx, kctx.Selected().Name)
	}
	if group, name, ok := strings.Cut(strings.TrimPrefix(kctx.Command(), "alerts "), " "); ok {
		name, _, _ = strings.Cut(name, " ")
		switch group {
		case "silence":
			return c.Silence.run(ctx, name, alerts.Silence, alerts.Order{Receiver: c.Silence.Add.Receiver, Incident: c.Silence.Add.Incident, Entity: c.Silence.Add.Entity}, c.Silence.Add.span)
		case "ack":
			return c.Ack.run(ctx, name, alerts.Ack, alerts.Order{Receiver: c.Ack.Add.Receiver, Incident: c.Ack.Add.Incident}, c.Ack.Add.span)
		case "maintenance":
			a := &c.Maintenance.Add
			return c.Maintenance.run(ctx, name, alerts.Maintenance, alerts.Order{Receiver: a.Receiver, Entity: a.Entity, Monitor: a.Monitor, By: a.By, Cited: a.Cite}, a.span)
		}
	}
	switch kctx.Selected().Name {
	case "log":
		return app.AlertsOrders(ctx, c.Log.Store, "", true, c.Log.JSON, os.Stdout)
	case "held":
		return app.AlertsLog(ctx, c.Held.Store, c.Held.Limit, os.Stdout)
	case "dry-run":
		return app.AlertsDryRun(ctx, c.DryRun.Config, c.DryRun.Store, c.DryRun.Files, time.Duration(c.DryRun.Since), c.DryRun.JSON, os.Stdout, os.Stderr)
	case "feeds":
		return app.AlertsFeeds(ctx, c.Feeds.Config, c.Feeds.Store, c.Feeds.Out, os.Stderr)
	case "list":
		return app.AlertsWaiting(ctx, c.List.Store, os.Stdout)
	case "retry":
		return app.AlertsRetry(ctx, c.Retry.Store, os.Stdout)
	}
	return app.AlertsTry(ctx, c.Try.Config, c.Try.Receiver, os.Stdout)
}

// span is for how long an order holds, and who gives it.
type span struct {
	Who   string    `help:"Who says so; it is kept." required:"" placeholder:"NAME"`
	Why   string    `help:"Why; it is kept." required:"" placeholder:"TEXT"`
	From  time.Time `help:"When it begins, as 2026-11-22T08:00:00Z; without it, now." placeholder:"TIME"`
	Until time.Time `help:"When it ends; at most 30 days after it begins." placeholder:"TIME" xor:"end"`
	For   length    `help:"How long it holds, such as 4h or 7d, instead of --until." placeholder:"D" xor:"end"`
	Store string    `help:"Folder of the store, of a running monitor or not." default:"data" placeholder:"DIR"`
}

// orders are the commands that all kinds of orders have.
type orders struct {
	List struct {
		All   bool   `help:"Also what is over, and what ended it."`
		JSON  bool   `name:"json" help:"One order a line as JSON."`
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"List what holds or is to come."`
	End struct {
		N     int64  `arg:"" help:"Number of the order."`
		Who   string `help:"Who says so; it is kept." required:"" placeholder:"NAME"`
		Why   string `help:"Why; it is kept." required:"" placeholder:"TEXT"`
		Store string `help:"Folder of the store, of a running monitor or not." default:"data" placeholder:"DIR"`
	} `cmd:"" help:"End an order now. It stays in the list of all."`
}

type silenceCmd struct {
	Add struct {
		Receiver string `help:"Only for this receiver." placeholder:"NAME"`
		Incident string `help:"Only about this incident." placeholder:"ID"`
		Entity   string `help:"Only about this entity, as country:PK or network:AS64500." placeholder:"KEY"`
		span
	} `cmd:"" help:"Hold back what is said of an entity or incident, or to a receiver. Whoever was told of something is still told its end."`
	orders
}

type ackCmd struct {
	Add struct {
		Incident string `arg:"" help:"Its id."`
		Receiver string `help:"Only for this receiver." placeholder:"NAME"`
		span
	} `cmd:"" help:"Acknowledge an incident."`
	orders
}

type maintenanceCmd struct {
	Add struct {
		Monitor  bool   `help:"Of the monitor: its faults and troubles are held back."`
		Entity   string `help:"Of this network, as network:AS64500: what is said of it names the announcement, and nothing is held back. With --monitor: only faults about it, as collector:rrc00." placeholder:"KEY"`
		By       string `help:"Who announced it." placeholder:"NAME"`
		Cite     string `help:"Where that can be read." placeholder:"URL"`
		Receiver string `help:"Only for this receiver." placeholder:"NAME"`
		span
	} `cmd:"" help:"Note work that was announced."`
	orders
}

// run does one of the commands. o says what a new order is about.
func (c *orders) run(ctx context.Context, name string, kind alerts.OrderKind, o alerts.Order, s span) error {
	switch name {
	case "list":
		return app.AlertsOrders(ctx, c.List.Store, kind, c.List.All, c.List.JSON, os.Stdout)
	case "end":
		return app.AlertsOrder(ctx, c.End.Store, alerts.Order{Kind: alerts.EndOrder, Who: c.End.Who, Why: c.End.Why, Ends: c.End.N}, 0, os.Stdout)
	}
	o.Kind, o.Who, o.Why, o.From, o.Until = kind, s.Who, s.Why, s.From, s.Until
	return app.AlertsOrder(ctx, s.Store, o, time.Duration(s.For), os.Stdout)
}
