package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/cespare/xxhash/v2"
)

// Load says what a Generator sends and where.
type Load struct {
	Address  string
	Requests [][]byte // formatted by FormatRequest
	// Order is the sequence of indexes into Requests that connections walk, each from another place. Nil: all in turn.
	Order []int32
	// Expect holds what the answer to each request must be. One for all is fine. Nil: the first answer's status and nothing else.
	Expect []Expect
	// Connections is how many requests are in flight. Zero: 1.
	Connections int
}

// wholeEvery is how often an answer's body is compared, not only its status and length. Every time would cost the generator as
// much as reading the bytes does.
const wholeEvery = 64

// Generator keeps connections to one server open. Close it. It runs one load at a time.
type Generator struct {
	load    Load
	workers []*worker
}

// worker drives one connection.
type worker struct {
	load    *Load
	conn    *conn
	next    int // place in the order
	sent    int64
	latency *hdrhistogram.Histogram

	requests, errors int64
	firstErr         error
}

// Latencies from 1 µs to 60 s, to within 1 %. Two figures keep a worker's histogram in the processor's cache.
const (
	minLatency     = int64(time.Microsecond)
	maxLatency     = int64(time.Minute)
	latencyFigures = 2
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(minLatency, maxLatency, latencyFigures)
}

// Dial opens the connections of a load.
func Dial(ctx context.Context, load Load) (*Generator, error) {
	if len(load.Requests) == 0 {
		panic("BUG: load without requests")
	}
	load.Connections = max(load.Connections, 1)
	if load.Order == nil {
		load.Order = make([]int32, len(load.Requests))
		for i := range load.Order {
			load.Order[i] = int32(i)
		}
	}
	g := &Generator{load: load}
	if len(load.Expect) == 0 {
		a, err := Fetch(ctx, load.Address, load.Requests[0])
		if err != nil {
			return nil, fmt.Errorf("first request to %s: %w", load.Address, err)
		}
		g.load.Expect = []Expect{{Status: a.Status, Length: -1}}
	}
	for i := range load.Connections {
		c, err := dial(ctx, load.Address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connection %d: %w", i, err), g.Close())
		}
		g.workers = append(g.workers, &worker{
			load: &g.load, conn: c, next: i * len(load.Order) / load.Connections, latency: newHistogram(),
		})
	}
	return g, nil
}

// Close closes the connections.
func (g *Generator) Close() error {
	var errs []error
	for _, w := range g.workers {
		errs = append(errs, w.conn.Close())
	}
	g.workers = nil
	return errors.Join(errs...)
}

// Run sends requests for d, or until ctx ends, and waits for the answers to the last of them.
func (g *Generator) Run(ctx context.Context, d time.Duration) Run {
	start := time.Now()
	giveUp := start.Add(d + patience)
	for _, w := range g.workers {
		_ = w.conn.SetDeadline(giveUp) // a closed connection shows at its next use
	}
	stop := context.AfterFunc(ctx, func() {
		for _, w := range g.workers {
			_ = w.conn.SetDeadline(time.Unix(1, 0))
		}
	})
	defer stop()
	var wg sync.WaitGroup
	for _, w := range g.workers {
		wg.Go(func() { w.run(ctx, start, d) })
	}
	wg.Wait()
	result := Run{Elapsed: time.Since(start), Latency: newHistogram()}
	for _, w := range g.workers {
		result.Requests += w.requests
		result.Errors += w.errors
		if result.FirstError == nil {
			result.FirstError = w.firstErr
		}
		result.Latency.Merge(w.latency)
	}
	return result
}

// Run is what came of one Generator.Run.
type Run struct {
	Requests   int64 // answered as expected
	Errors     int64
	FirstError error // an example
	Elapsed    time.Duration
	Latency    *hdrhistogram.Histogram // of Requests, in nanoseconds
}

// Rate is in requests a second.
func (r *Run) Rate() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// run sends one request after the other until d after start. due is when a request should be on its way; answers are late from
// there on.
func (w *worker) run(ctx context.Context, start time.Time, d time.Duration) {
	w.requests, w.errors, w.firstErr = 0, 0, nil
	w.latency.Reset()
	for due := time.Since(start); due < d; {
		index := w.load.Order[w.next]
		if w.next++; w.next == len(w.load.Order) {
			w.next = 0
		}
		r, err := w.conn.roundTrip(w.load.Requests[index])
		now := time.Since(start)
		if err == nil {
			err = w.check(&r, int(index))
		} else if ctx.Err() != nil {
			return
		} else if redialErr := w.redial(ctx); redialErr != nil {
			w.fail(errors.Join(err, redialErr))
			return
		}
		if err != nil {
			w.fail(err)
		} else {
			w.requests++
			_ = w.latency.RecordValue(min(int64(now-due), maxLatency)) // within range, so never an error
		}
		due = now
	}
}

func (w *worker) fail(err error) {
	w.errors++
	if w.firstErr == nil {
		w.firstErr = err
	}
}

// redial replaces a connection on which an exchange broke off: what else comes on it belongs to nobody.
func (w *worker) redial(ctx context.Context) error {
	_ = w.conn.Close()
	c, err := dialBounded(ctx, w.load.Address)
	if err != nil {
		return err
	}
	w.conn.Conn = c.Conn
	return nil
}

// check compares an answer with what is expected.
func (w *worker) check(r *reply, index int) error {
	want := &w.load.Expect[min(index, len(w.load.Expect)-1)]
	switch {
	case r.status != want.Status:
		return fmt.Errorf("request %d: status %d, want %d: %.200q", index, r.status, want.Status, r.body)
	case want.Length < 0:
		return nil
	case len(r.body) != want.Length:
		return fmt.Errorf("request %d: body of %d bytes, want %d", index, len(r.body), want.Length)
	}
	if w.sent++; w.sent%wholeEvery == 0 && xxhash.Sum64(r.body) != want.Sum {
		return fmt.Errorf("request %d: body differs from the first one", index)
	}
	return nil
}
