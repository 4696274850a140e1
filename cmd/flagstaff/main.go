// Command flagstaff serves feature flags, and looks after the database it keeps them in. This package reads flags, the
// environment and the config file, builds everything, runs it and stops it; what it builds knows nothing of either.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/flagstaff-io/flagstaff/admin/store"
)

// The exit codes. They are part of the interface: see `flagstaff --help`.
const (
	exitOK          = 0
	exitFailure     = 1   // something broke while running, or a health check failed
	exitUsage       = 2   // a flag, a variable, the config file or the input is wrong
	exitDatabase    = 3   // the database cannot be reached, or cannot be migrated
	exitListen      = 4   // the address cannot be listened on
	exitInterrupted = 130 // a second signal cut the drain short
)

const description = `Feature flags for unmodified Flagsmith SDKs, from memory.

With nothing set, "flagstaff serve" listens on :8000, keeps an SQLite file in ./flagstaff-data, and on its first start makes
a demo project and prints the keys to it. Every setting is a flag, a variable and a key of the config file (--config, JSON:
{"listen": ":9000"}); a flag wins over a variable, a variable over the file. "flagstaff check-config" shows what is in force.

Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration, 3 database, 4 address in use, 130 stopped by a
second signal.`

// cli is the command line.
type cli struct {
	Config configFile `help:"JSON file with settings; its keys are the names of the flags." placeholder:"FILE" env:"FLAGSTAFF_CONFIG"`

	Serve       serveCmd       `cmd:"" help:"Serve flags."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date, or back."`
	Bootstrap   bootstrapCmd   `cmd:"" help:"Fill an empty database: administrator, project, environments and example features. Does nothing to one that is not empty."`
	Evaluate    evaluateCmd    `cmd:"" help:"Evaluate contexts from standard input, one a line, without a server: why did this user get this flag?"`
	CheckConfig checkConfigCmd `cmd:"" help:"Show each effective setting of serve and where it comes from; exit 2 if one is wrong."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running server whether it is ready; exit 1 if not. For container health checks."`
	Version     versionCmd     `cmd:"" help:"Show the version."`
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exit carries an exit code through kong, which would end the process itself.
type exit int

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run is main with its surroundings as arguments.
func run(args []string, s streams) (code int) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exit:
			code = int(p)
		default:
			panic(p)
		}
	}()
	var root cli
	parser, err := kong.New(&root,
		kong.Name("flagstaff"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.ExplicitGroups(groups),
		kong.ValueFormatter(settingHelp),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Bind(s, &root),
	)
	if err != nil {
		panic(fmt.Sprintf("BUG: command line: %v", err))
	}
	forgetEmptyVariables(parser)
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "flagstaff: %v\n", err)
		return exitUsage
	}
	if err := command.Run(command); err != nil {
		fmt.Fprintf(s.err, "flagstaff: %v\n", err)
		return exitCode(err)
	}
	return exitOK
}

// coded is an error that knows its exit code.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

func exitCode(err error) int {
	var c coded
	switch {
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, store.ErrUnavailable):
		return exitDatabase
	}
	return exitFailure
}
