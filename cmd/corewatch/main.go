// Command corewatch is the monitor: it replays archives, watches live routing, serves pages and exports evidence.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type cli struct {
	Run       runCmd       `cmd:"" help:"Watch, and serve pages; without configuration: the built-in demonstration."`
	Replay    replayCmd    `cmd:"" help:"Read MRT archives or a scenario and print the incidents found in them."`
	Decode    decodeCmd    `cmd:"" help:"Print what MRT files say: for people, as JSON, or as bgpdump -m does."`
	Eval      evalCmd      `cmd:"" help:"Score the method against truth, beside the rules of others (docs/eval.md)."`
	Explain   explainCmd   `cmd:"" help:"Say why there was, or was not, an alert about a place or network at an instant."`
	Incidents incidentsCmd `cmd:"" help:"Read the incidents of a store."`
	Evidence  evidenceCmd  `cmd:"" help:"Freeze, export and replay the evidence behind an incident, and look after the ledger and its keys."`
	Hold      holdCmd      `cmd:"" help:"Keep what an incident rests on from being given up."`
	Reference referenceCmd `cmd:"" help:"Manage the tables that say which prefix belongs to which country and region."`
	Alerts    alertsCmd    `cmd:"" help:"Try subscriptions, and look after what is to be sent."`
	Config    configCmd    `cmd:"" help:"Check a configuration file, or print what is in force."`
	Doctor    doctorCmd    `cmd:"" help:"Try everything that the monitor needs of this machine and its network, and say what does not work."`
	Backup    backupCmd    `cmd:"" help:"Copy a store to a new file, also beside a running monitor."`
	Check     checkCmd     `cmd:"" help:"Verify everything that a store holds."`
	Version   versionCmd   `cmd:"" help:"Print the version, the commit, the method and the schema versions."`
}

type replayCmd struct {
	Config    string    `help:"Configuration file (docs/configuration.md)." type:"existingfile" placeholder:"FILE"`
	Files     []string  `arg:"" optional:"" name:"FILE" help:"[COLLECTOR=]FILE or directory; plain, gzip, bzip2 or zstd; - is standard input."`
	Archive   []string  `help:"Collector of RouteViews or RIPE RIS, such as route-views2 or rrc04: fetch --from until --until from its archive." placeholder:"COLLECTOR"`
	Cache     string    `help:"Folder for what --archive fetches (archive in the monitor's folder)." placeholder:"DIR"`
	Seed      []string  `help:"[COLLECTOR=]FILE or directory of table dumps: what the peers carried when the records begin." placeholder:"RIB"`
	Reference string    `help:"Folder of reference tables of the event's time." type:"existingdir" placeholder:"DIR"`
	From      time.Time `help:"Ignore records before this time (RFC 3339)." format:"2006-01-02T15:04:05Z07:00"`
	Until     time.Time `help:"Ignore records from this time on (RFC 3339)." format:"2006-01-02T15:04:05Z07:00"`
	JSON      bool      `name:"json" help:"Print one incident a line as JSON."`
	Snapshot  string    `help:"Write the tables as they are at the end to this folder, as table dumps that --seed reads." placeholder:"DIR"`
	Store     string    `help:"Keep incidents, samples and evidence in this folder; interrupted, the same command goes on." placeholder:"DIR"`
	Fresh     bool      `help:"Set aside what is in the folder of --store, and begin anew."`
}

// Validate makes a replay of nothing an error of usage.
func (c *replayCmd) Validate() error {
	if len(c.Files) == 0 && len(c.Archive) == 0 {
		return errors.New("name files to read, or --archive COLLECTOR with --from and --until")
	}
	if c.Cache != "" && len(c.Archive) == 0 {
		return errors.New("--cache goes with --archive")
	}
	return nil
}

func (c *replayCmd) Run(ctx context.Context, log zerolog.Logger) error {
	return app.Replay{
		Config: c.Config, Files: c.Files, Seeds: c.Seed, Archives: c.Archive, Cache: c.Cache, Reference: c.Reference, From: c.From, Until: c.Until, JSON: c.JSON, Store: c.Store, Fresh: c.Fresh, Snapshot: c.Snapshot,
		Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr), Log: log,
	}.Run(ctx)
}

type runCmd struct {
	Config string `help:"Configuration file (docs/configuration.md)." type:"existingfile" placeholder:"FILE"`
	Listen string `help:"Address of the pages (127.0.0.1:8480)." placeholder:"ADDR"`
	Data   string `help:"Folder of the store (data)." placeholder:"DIR"`
}

func (c *runCmd) Run(ctx context.Context, log zerolog.Logger) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	return app.Monitor{
		Config: c.Config, Listen: c.Listen, Data: c.Data, Archive: os.Getenv("COREWATCH_DATA"), Reload: again, Out: os.Stdout, Log: log,
	}.Run(ctx)
}

type incidentsCmd struct {
	List struct {
		Store  string `help:"Folder of the store." default:"data" placeholder:"DIR"`
		JSON   bool   `name:"json" help:"One incident a line as JSON."`
		Faults bool   `help:"Monitor faults too."`
	} `cmd:"" help:"List the incidents, newest first."`
	Show struct {
		ID    string `arg:"" help:"Incident id."`
		Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
		JSON  bool   `name:"json" help:"As JSON."`
	} `cmd:"" help:"Show one incident with its revisions."`
	Context struct {
		ID contextOf `arg:""`
	} `cmd:"" help:"What people wrote about an incident, apart from what was measured."`
}

func (c *incidentsCmd) Run(kctx *kong.Context, ctx context.Context) error {
	if name := kctx.Selected().Name; kctx.Selected().Parent.Name != "incidents" { // context has a Run of its own
		return nil
	} else if name == "show" {
		return app.ShowIncident(ctx, c.Show.Store, c.Show.ID, c.Show.JSON, os.Stdout)
	}
	return app.ListIncidents(ctx, c.List.Store, c.List.Faults, c.List.JSON, os.Stdout)
}

type referenceCmd struct {
	Update struct {
		From string `help:"delegated-extended file, folder or https URL; several separated by commas." required:"" placeholder:"FILE|URL"`
		Dir  string `help:"Folder of reference tables to write to." default:"data/reference" placeholder:"DIR"`
	} `cmd:"" help:"Take registry statistics into the folder of reference tables."`
	Show struct {
		Dir string `help:"Folder of reference tables." default:"data/reference" placeholder:"DIR"`
	} `cmd:"" help:"Verify a folder of reference tables and zones, and say what is in it."`
}

func (c *referenceCmd) Run(kctx *kong.Context, ctx context.Context) error {
	if kctx.Selected().Name == "show" {
		return app.ShowReference(c.Show.Dir, os.Stdout)
	}
	return app.UpdateReference(ctx, c.Update.Dir, c.Update.From, os.Stdout)
}

type backupCmd struct {
	Out   string `arg:"" help:"File to write; it must not exist."`
	Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
}

func (c *backupCmd) Run(ctx context.Context) error {
	if err := app.Backup(ctx, c.Store, c.Out); err != nil {
		return err
	}
	fmt.Println("backed up and verified:", c.Out)
	return nil
}

type checkCmd struct {
	Store string `help:"Folder of the store." default:"data" placeholder:"DIR"`
}

func (c *checkCmd) Run(ctx context.Context) error {
	if err := app.CheckStore(ctx, c.Store); err != nil {
		return err
	}
	fmt.Println("sound:", c.Store)
	return nil
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
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "corewatch:", strings.TrimSuffix(err.Error(), ": "+context.Canceled.Error()))
		return exitFailure
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
