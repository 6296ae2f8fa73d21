// Command corewatch is the monitor: it replays archives, watches live routing, serves pages and exports evidence.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type cli struct {
	Replay  replayCmd  `cmd:"" help:"Read MRT archives and print the incidents found in them."`
	Version versionCmd `cmd:"" help:"Print the version, the commit, the method and the schema versions."`
}

type replayCmd struct {
	Files     []string  `arg:"" name:"FILE" help:"[COLLECTOR=]FILE or directory; plain, gzip, bzip2 or zstd; - is standard input."`
	Reference string    `help:"Folder of reference tables of the event's time." type:"existingdir" placeholder:"DIR"`
	From      time.Time `help:"Ignore records before this time (RFC 3339)." format:"2006-01-02T15:04:05Z07:00"`
	Until     time.Time `help:"Ignore records from this time on (RFC 3339)." format:"2006-01-02T15:04:05Z07:00"`
	JSON      bool      `name:"json" help:"Print one incident a line as JSON."`
	Store     string    `help:"Keep incidents, samples and evidence in this folder." placeholder:"DIR"`
}

func (c *replayCmd) Run(ctx context.Context, log zerolog.Logger) error {
	return app.Replay{
		Files: c.Files, Reference: c.Reference, From: c.From, Until: c.Until, JSON: c.JSON, Store: c.Store,
		Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr), Log: log,
	}.Run(ctx)
}

type versionCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

func (c *versionCmd) Run() error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(app.Info())
	}
	v := app.Info()
	_, err := fmt.Printf("corewatch %s (%s)\nmethod %s\nincident schema %s\n", v.Version, v.Commit, v.Method, v.Schemas["incident"])
	return err
}

// Exit codes of the machine interface.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitTorn    = 3
)

func main() { os.Exit(run()) }

func run() int {
	var c cli
	parser, err := kong.New(&c, kong.Name("corewatch"), kong.UsageOnError(),
		kong.Description("Watches the public core of the internet and says, with proof, when and where it breaks."))
	if err != nil {
		fmt.Fprintln(os.Stderr, "corewatch:", err)
		return exitFailure
	}
	kctx, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "corewatch:", err)
		fmt.Fprintln(os.Stderr, "try: corewatch --help")
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: !terminal(os.Stderr), TimeFormat: "15:04:05"}).With().Timestamp().Logger()
	kctx.BindTo(ctx, (*context.Context)(nil))
	kctx.Bind(log)
	switch err := kctx.Run(); {
	case err == nil:
		return exitOK
	case errors.Is(err, app.ErrTorn):
		return exitTorn
	default:
		fmt.Fprintln(os.Stderr, "corewatch:", err)
		return exitFailure
	}
}

// terminal reports whether a stream is a terminal, where a bar can be drawn and colour read.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
