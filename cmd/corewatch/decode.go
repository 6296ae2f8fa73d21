package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/app"
)

type decodeCmd struct {
	Files   []string `arg:"" name:"FILE" help:"[COLLECTOR=]FILE or directory; plain, gzip, bzip2 or zstd; - is standard input."`
	Bgpdump bool     `short:"m" name:"bgpdump" xor:"format" help:"Print the lines that bgpdump -m prints (docs/bgpdump-differences.md)."`
	JSON    bool     `name:"json" xor:"format" help:"Print one elem a line as JSON (docs/decode.md)."`
}

func (c *decodeCmd) Run(ctx context.Context, log zerolog.Logger) error {
	// A reader that has seen enough, as in `corewatch decode FILE | head`, is an error of the write then, and ends the run in quiet.
	signal.Ignore(syscall.SIGPIPE)
	return app.Decode{
		Files: c.Files, Bgpdump: c.Bgpdump, JSON: c.JSON, Out: os.Stdout, Err: os.Stderr, Terminal: terminal(os.Stderr), Log: log,
	}.Run(ctx)
}
