package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/bench"
)

type runCmd struct {
	Quick       bool           `help:"Half a minute instead of about two, with coarser figures: for CI."`
	Strict      bool           `help:"Exit 3 when a goal is missed."`
	Only        *regexp.Regexp `help:"Scenarios whose name matches." placeholder:"REGEXP"`
	Rounds      int            `help:"Rounds over TCP, of each server in each scenario." default:"31" placeholder:"N"`
	Round       time.Duration  `help:"Length of a round." default:"120ms" placeholder:"DURATION"`
	Connections int            `short:"c" help:"Connections, with a request at a time on each." default:"32" placeholder:"N"`
	NoInProcess bool           `help:"Only throughput over TCP."`
	NoTCP       bool           `help:"Only the costs in process."`
	Profiles    string         `help:"Directory for a CPU profile of each scenario in process." placeholder:"DIR"`
	Flagstaff   string         `help:"The binary to measure. Empty: it is built." placeholder:"FILE"`
	Results     string         `help:"Directory for the raw samples." default:"bench/results" placeholder:"DIR"`
}

// serverEnv puts each server on one core.
var serverEnv = []string{"GOMAXPROCS=1"}

// timeLimit bounds the whole run, whatever hangs.
const timeLimit = 10 * time.Minute

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Run measures, prints the table and writes the raw samples.
func (c *runCmd) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "flagstaff-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	report := &bench.Report{
		Started: time.Now(), Machine: bench.ThisMachine(), LoadBefore: bench.LoadAverage(), Environment: describe,
		Connections: c.Connections,
	}
	if err := c.measure(ctx, dir, report); err != nil {
		return err
	}
	report.Took = time.Since(report.Started).Seconds()
	report.LoadAfter = bench.LoadAverage()
	if err := report.WriteMarkdown(os.Stdout); err != nil {
		return err
	}
	path, err := report.WriteJSON(c.Results)
	if err != nil {
		return fmt.Errorf("raw samples: %w", err)
	}
	progress("raw samples: %s", path)
	if c.Strict && !report.Met() {
		return errMissed
	}
	return nil
}

// measure goes from an empty directory to a filled report.
func (c *runCmd) measure(ctx context.Context, dir string, report *bench.Report) (err error) {
	binary, err := c.build(ctx, dir)
	if err != nil {
		return err
	}
	progress("creating the environment")
	database := "sqlite://" + filepath.Join(dir, "bench.db")
	st, err := store.Open(ctx, store.Config{URL: database})
	if err != nil {
		return err
	}
	closeStore := func() error { err := st.Close(); st = nil; return err }
	defer func() {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	made, err := createEnvironment(ctx, st)
	if err != nil {
		return err
	}
	n, err := newNode(ctx, st, made)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := closeStore(); err != nil { // before the server opens the file
		return err
	}

	server, address, err := startFlagstaff(ctx, binary, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	all, err := c.capture(ctx, address, &made.site)
	if err != nil {
		return err
	}
	for i := range all {
		a := &all[i]
		report.Outcomes = append(report.Outcomes, bench.Outcome{
			Name: a.scenario.Name, Goal: a.scenario.Goal, HeaderBytes: a.typical.HeaderBytes, BodyBytes: len(a.typical.Body),
		})
	}
	if !c.NoInProcess {
		p := inProcess{repeat: 9, each: 60 * time.Millisecond, profiles: c.Profiles}
		if c.Quick {
			p.repeat, p.each = 3, 20*time.Millisecond
		}
		if err := p.run(ctx, n, all, report.Outcomes); err != nil {
			return err
		}
	}
	if c.NoTCP {
		return nil
	}
	return c.compare(ctx, dir, all, address, server.PID(), report)
}

// build makes the binary as the Makefile does.
func (c *runCmd) build(ctx context.Context, dir string) (string, error) {
	if c.Flagstaff != "" {
		return filepath.Abs(c.Flagstaff)
	}
	progress("building flagstaff")
	binary := filepath.Join(dir, "flagstaff")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.release=bench", "-o", binary,
		"github.com/flagstaff-io/flagstaff/cmd/flagstaff")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startFlagstaff starts `flagstaff serve` with its defaults on a free port, and finds the port in its log.
func startFlagstaff(ctx context.Context, binary, database string) (*bench.Process, string, error) {
	var address string
	ready := func(line string) bool {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "listening" {
			return false
		}
		address = entry.Address
		return true
	}
	env := append([]string{"FLAGSTAFF_CONFIG=", "DATABASE_URL=" + database}, serverEnv...)
	p, err := bench.Start(ctx, ready, env, binary, "serve", "--listen=127.0.0.1:0", "--log-format=json", "--no-bootstrap")
	return p, address, err
}

// capture asks for everything once and keeps what the answers must be.
func (c *runCmd) capture(ctx context.Context, address string, site *bench.Site) ([]captured, error) {
	scenarios, err := bench.Flagsmith(ctx, address, site)
	if err != nil {
		return nil, err
	}
	var all []captured
	for _, s := range scenarios {
		if c.Only != nil && !c.Only.MatchString(s.Name) {
			continue
		}
		one := captured{scenario: s}
		if one.expected, err = bench.Learn(ctx, address, s.Requests, s.Status); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if one.typical, err = bench.Fetch(ctx, address, s.Requests[bench.Typical(s.Order, one.expected)]); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no scenario matches %q", c.Only)
	}
	return all, nil
}

// compare measures throughput: the server, the bare handler and the one that sends the body only, in turns.
func (c *runCmd) compare(ctx context.Context, dir string, all []captured, address string, pid int, report *bench.Report) (err error) {
	answers := make([]bench.Answer, len(all))
	for i := range all {
		answers[i] = all[i].typical
	}
	bare, addresses, err := startBare(ctx, dir, answers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Stop()) }()

	// Many short rounds rather than a few long ones: what disturbs one then disturbs its neighbours alike, and the median of the
	// ratios is not moved by a few that were hit. One core is the server's; the generator must not take it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, runtime.NumCPU()-1)))
	rounds := bench.Rounds{Count: c.Rounds, Each: c.Round, WarmUp: 2 * c.Round}
	if c.Quick {
		rounds = bench.Rounds{Count: 9, Each: 60 * time.Millisecond, WarmUp: 60 * time.Millisecond}
	}
	report.Rounds, report.RoundLength = rounds.Count, rounds.Each.Seconds()

	progress("over TCP: nothing")
	nothing := bench.Load{Address: addresses.Nothing, Requests: all[0].scenario.Requests[:1], Connections: c.Connections}
	ceiling, err := bench.Compare(ctx, []bench.Target{{Name: "nothing", Load: nothing, PID: bare.PID()}}, rounds)
	if err != nil {
		return err
	}
	report.Ceiling = ceiling[0]
	for i := range all {
		s := &all[i].scenario
		progress("over TCP: %s", s.Name)
		ours := bench.Load{Address: address, Requests: s.Requests, Order: s.Order, Expect: all[i].expected, Connections: c.Connections}
		whole, bodyOnly := ours, ours
		whole.Address, bodyOnly.Address = addresses.Whole[i], addresses.BodyOnly[i]
		whole.Expect = all[i].expected[bench.Typical(s.Order, all[i].expected):][:1]
		bodyOnly.Expect = whole.Expect
		samples, err := bench.Compare(ctx, []bench.Target{
			{Name: "bare", Load: whole, PID: bare.PID()},
			{Name: "flagstaff", Load: ours, PID: pid},
			{Name: "bare, body only", Load: bodyOnly, PID: bare.PID()},
		}, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		o := &report.Outcomes[i]
		o.Bare, o.Ours, o.BodyOnly = samples[0], samples[1], samples[2]
	}
	return nil
}
