package main

import (
	"context"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/internal/app"
)

type subscribersCmd struct {
	Config string `help:"Configuration file with the mail server." type:"existingfile" required:"" placeholder:"FILE"`
	Store  string `help:"Folder of the store; a monitor may be running on it." default:"data" placeholder:"DIR"`
	List   struct {
		Reveal bool `help:"Print addresses; who did so is noted."`
	} `cmd:"" help:"List subscribers and requests, and what operators did."`
	Add struct {
		Country  []string `help:"Country code, such as PK." placeholder:"CC"`
		Zone     []string `help:"Zone of the reference folder." placeholder:"SLUG"`
		Network  []string `help:"Network, such as AS64500." placeholder:"AS"`
		Prefix   []string `help:"Prefix." placeholder:"P"`
		Kind     []string `help:"Kind of incidents, such as monitor_fault." placeholder:"KIND"`
		Severity int      `help:"At least this severe, 1 to 4." placeholder:"N"`
		Stage    string   `help:"suspected: from the first suspicion on." placeholder:"STAGE"`
		Coverage string   `help:"full: only what full coverage saw." placeholder:"LEVEL"`
		Quiet    string   `help:"Hours in which letters wait, such as 22:00-06:00." placeholder:"HOURS"`
		Except   int      `help:"Severity from which they do not wait all the same." placeholder:"N"`
		Language string   `help:"Of the letters: en or ar." default:"en"`
		Digest   string   `help:"One letter an hour or a day: hourly or daily." placeholder:"HOW"`
		At       string   `help:"Time of a daily letter, such as 08:00." placeholder:"TIME"`
		Timezone string   `help:"Of these times, such as Asia/Karachi." placeholder:"ZONE"`
	} `cmd:"" help:"Ask the owners of addresses, on standard input, one a line, to confirm."`
	Remove struct {
		ID string `arg:"" help:"As list prints it."`
	} `cmd:"" help:"Erase one subscriber or request."`
	Forget struct {
		All bool `help:"Everybody; needs no key."`
	} `cmd:"" help:"Erase all about addresses, on standard input, one a line."`
}

func (c *subscribersCmd) run(ctx context.Context, name string) error {
	s := app.Subscribers{Config: c.Config, Store: c.Store, Out: os.Stdout, Log: zerolog.New(os.Stderr).With().Timestamp().Logger()}
	switch name {
	case "list":
		return s.List(ctx, c.List.Reveal)
	case "add":
		return s.Add(ctx, os.Stdin, c.request())
	case "remove":
		return s.Remove(ctx, c.Remove.ID)
	}
	if c.Forget.All {
		return s.ForgetAll(ctx)
	}
	return s.Forget(ctx, os.Stdin)
}

// request is what add asks for; the addresses are still to come.
func (c *subscribersCmd) request() alerts.Request {
	a := &c.Add
	r := alerts.Request{Language: a.Language, Subscription: alerts.Subscription{
		Countries: a.Country, Zones: a.Zone, Networks: a.Network, Prefixes: a.Prefix, Kinds: a.Kind, Severity: a.Severity, Stage: a.Stage, Coverage: a.Coverage,
	}}
	if a.Digest != "" || a.At != "" || a.Quiet == "" {
		r.Digest = alerts.Digest{Every: a.Digest, At: a.At, TimeZone: a.Timezone}
	}
	if a.Quiet != "" || a.Except != 0 {
		from, until, _ := strings.Cut(a.Quiet, "-")
		r.Quiet = alerts.Quiet{From: from, Until: until, TimeZone: a.Timezone, Except: a.Except}
	}
	return r
}
