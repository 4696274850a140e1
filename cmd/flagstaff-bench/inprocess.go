package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/bench"
	"github.com/flagstaff-io/flagstaff/bench/floor"
)

// inProcess measures what a request costs where nothing but the server runs: no system call, no generator.
type inProcess struct {
	repeat   int           // each benchmark; the median counts
	each     time.Duration // length of one
	profiles string        // directory for CPU profiles; "": none
}

// profileTime is long enough for a sampling profiler.
const profileTime = 3 * time.Second

// lasting makes testing.Benchmark last so long.
func lasting(d time.Duration) error { return flag.Set("test.benchtime", d.String()) }

// captured is what the server answered to a scenario over the network.
type captured struct {
	scenario bench.Scenario
	expected []bench.Expect
	typical  bench.Answer
}

// sizes are the lengths of the answers on the wire. Header fields are as long in each: what differs in them are dates.
func (c *captured) sizes() []int {
	sizes := make([]int, len(c.expected))
	for i, e := range c.expected {
		sizes[i] = c.typical.HeaderBytes - digits(len(c.typical.Body)) + digits(e.Length) + e.Length
	}
	return sizes
}

// digits is the length of a Content-Length.
func digits(n int) int { return len(fmt.Sprint(n)) }

// run fills in the outcomes, which belong to the captured scenarios one by one.
func (p *inProcess) run(ctx context.Context, n *node, all []captured, outcomes []bench.Outcome) (err error) {
	testing.Init()
	if err := lasting(p.each); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ours := newHandoff()
	served := make(chan error, 1)
	go func() { served <- n.serve(ctx, ours) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	for i := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress("in process: %s", all[i].scenario.Name)
		if err := p.measure(ours, n.handler, &all[i], &outcomes[i]); err != nil {
			return fmt.Errorf("%s, in process: %w", all[i].scenario.Name, err)
		}
	}
	return nil
}

// measure runs the three benchmarks of a scenario in turns, so that what else the machine does hits all alike.
func (p *inProcess) measure(ours *handoff, handler fasthttp.RequestHandler, c *captured, out *bench.Outcome) (err error) {
	bare := newHandoff()
	server := floor.NewServer(floor.Whole(c.typical))
	served := make(chan error, 1)
	go func() { served <- server.Serve(bare) }()
	defer func() { err = errors.Join(err, server.Shutdown(), <-served) }()
	contexts, err := parsed(c.scenario.Requests)
	if err != nil {
		return err
	}
	sizes, bareSizes := c.sizes(), make([]int, len(c.expected))
	for i := range bareSizes { // bare answers the same to all
		bareSizes[i] = c.typical.HeaderBytes + len(c.typical.Body)
	}
	benchmarks := []struct {
		name string
		to   **bench.Op
		run  func() (cost, error)
	}{
		{"served", &out.Served, func() (cost, error) { return ours.benchmark(&c.scenario, sizes) }},
		{"bare", &out.ServedBare, func() (cost, error) { return bare.benchmark(&c.scenario, bareSizes) }},
		{"handler", &out.Handler, func() (cost, error) { return handlerOnly(handler, c, contexts) }},
	}
	costs := make([][]cost, len(benchmarks))
	for range p.repeat {
		for i, b := range benchmarks {
			one, err := b.run()
			if err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			costs[i] = append(costs[i], one)
		}
	}
	for i, b := range benchmarks {
		*b.to = median(costs[i])
	}
	if p.profiles != "" {
		return p.profile(ours, &c.scenario, sizes)
	}
	return nil
}

// profile runs the server's benchmark once more, longer, under the CPU profiler.
func (p *inProcess) profile(ours *handoff, s *bench.Scenario, sizes []int) (err error) {
	if err := os.MkdirAll(p.profiles, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(p.profiles, strings.NewReplacer(",", "", " ", "-").Replace(s.Name)+".pprof"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lasting(profileTime); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lasting(p.each)) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	_, err = ours.benchmark(s, sizes)
	return err
}

// median sums up repeated benchmarks. Time is CPU time where that is known: on a machine with other work to do it is what a
// request costs, and where there is none the two are the same.
func median(costs []cost) *bench.Op {
	var ns, allocs, size []float64
	for _, c := range costs {
		n := float64(c.N)
		spent := c.cpu
		if spent == 0 {
			spent = c.T
		}
		ns = append(ns, float64(spent.Nanoseconds())/n)
		allocs = append(allocs, float64(c.MemAllocs)/n)
		size = append(size, float64(c.MemBytes)/n)
	}
	return &bench.Op{
		Nanoseconds: bench.SpreadOf(ns).Median,
		Bytes:       bench.SpreadOf(size).Median,
		Allocs:      bench.SpreadOf(allocs).Median,
	}
}

// handlerOnly calls the handler with requests that were read before. What fasthttp parses only when asked (the query) was
// parsed then, too.
func handlerOnly(handler fasthttp.RequestHandler, c *captured, contexts []*fasthttp.RequestCtx) (cost, error) {
	var failed error
	result, err := measured(func(b *testing.B, loop func() bool) {
		next := 0
		for loop() {
			index := 0
			if order := c.scenario.Order; len(order) > 0 {
				index = int(order[next])
				if next++; next == len(order) {
					next = 0
				}
			}
			ctx := contexts[index]
			handler(ctx)
			if got, want := ctx.Response.StatusCode(), c.scenario.Status; got != want {
				failed = fmt.Errorf("request %d: status %d, want %d", index, got, want)
				b.FailNow()
			}
			if got, want := len(ctx.Response.Body()), c.expected[index].Length; got != want {
				failed = fmt.Errorf("request %d: body of %d bytes, want %d", index, got, want)
				b.FailNow()
			}
			ctx.Response.Reset()
		}
	})
	return result, errors.Join(failed, err)
}

// parsed reads requests as a server would.
func parsed(requests [][]byte) ([]*fasthttp.RequestCtx, error) {
	contexts := make([]*fasthttp.RequestCtx, len(requests))
	for i, text := range requests {
		var r fasthttp.Request
		if err := r.Read(bufio.NewReaderSize(bytes.NewReader(text), 64<<10)); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		contexts[i] = new(fasthttp.RequestCtx)
		contexts[i].Init(&r, nil, nil)
	}
	return contexts, nil
}
