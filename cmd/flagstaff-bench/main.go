// Command flagstaff-bench measures Flagstaff beside a bare fasthttp handler that sends the same bytes, and any other server
// by itself. What measures is package bench, over the network; this package makes the environment, builds and starts the
// servers, and runs what has to be in one process with the code it measures.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

const description = `Measures Flagstaff beside a bare fasthttp handler that sends the same bytes.

"flagstaff-bench" alone makes an environment of 100 features, 20 segments and 10 multivariate features in a temporary
database, starts "flagstaff serve" on it and the bare handler beside it, and prints a table. Only loopback is used. A missed
goal is marked, and is an error with --strict.`

type cli struct {
	Run  runCmd  `cmd:"" default:"withargs" help:"Compare Flagstaff with the bare handler (the default)."`
	Bare bareCmd `cmd:"" help:"Serve captured answers from bare handlers. Run starts this."`
	Load loadCmd `cmd:"" help:"Send one request to a URL as fast as it is answered."`
}

// errMissed ends the program with a status of its own, without a message: the table says it.
var errMissed = errors.New("a goal was missed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var root cli
	command := kong.Parse(&root,
		kong.Name("flagstaff-bench"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	err := command.Run()
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errMissed):
		os.Exit(3)
	default:
		fmt.Fprintf(os.Stderr, "flagstaff-bench: %v\n", err)
		os.Exit(1)
	}
}
