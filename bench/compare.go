package bench

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Target is one of the servers that are compared. Its answers to one request of the load need not be those of another target.
type Target struct {
	Name string
	Load Load
	PID  int // of its process; 0: its CPU time is not known
}

// Rounds says how targets take turns.
type Rounds struct {
	Count  int           // for each target
	Each   time.Duration // length of one
	WarmUp time.Duration // before the first
}

// Sample is one round of one target.
type Sample struct {
	Requests     int64   `json:"requests"`
	Errors       int64   `json:"errors"`
	Seconds      float64 `json:"seconds"`
	Rate         float64 `json:"rate"`          // requests a second
	ServerCPU    float64 `json:"server_cpu"`    // microseconds a request; 0 if not known
	ServerBusy   float64 `json:"server_busy"`   // cores' worth of CPU time that the server used
	GeneratorCPU float64 `json:"generator_cpu"` // microseconds a request
	P50          float64 `json:"p50"`           // milliseconds
	P99          float64 `json:"p99"`
	Max          float64 `json:"max"`
}

// Compare runs the targets in turns: A B C, then C B A, so that what slowly changes on the machine (other work, clock speed)
// hits all alike. The samples are by target and round. An answer that is not as expected ends it.
func Compare(ctx context.Context, targets []Target, rounds Rounds) ([][]Sample, error) {
	generators := make([]*Generator, len(targets))
	for i, t := range targets {
		g, err := Dial(ctx, t.Load)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
		defer g.Close()
		generators[i] = g
		if warm := g.Run(ctx, rounds.WarmUp); warm.FirstError != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, warm.FirstError)
		}
	}
	samples := make([][]Sample, len(targets))
	for round := range rounds.Count {
		for i := range targets {
			if round%2 == 1 {
				i = len(targets) - 1 - i
			}
			s, err := measure(ctx, generators[i], targets[i].PID, rounds.Each)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", targets[i].Name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

// measure runs one round and reads both processes' CPU time around it.
func measure(ctx context.Context, g *Generator, pid int, d time.Duration) (Sample, error) {
	server, own := CPUTime(pid), CPUTime(os.Getpid())
	run := g.Run(ctx, d)
	server, own = CPUTime(pid)-server, CPUTime(os.Getpid())-own
	if err := ctx.Err(); err != nil {
		return Sample{}, err
	}
	if run.FirstError != nil {
		return Sample{}, run.FirstError
	}
	if run.Requests == 0 {
		return Sample{}, fmt.Errorf("no answer in %v", run.Elapsed)
	}
	perRequest := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(run.Requests) }
	return Sample{
		Requests:     run.Requests,
		Errors:       run.Errors,
		Seconds:      run.Elapsed.Seconds(),
		Rate:         run.Rate(),
		ServerCPU:    perRequest(server),
		ServerBusy:   server.Seconds() / run.Elapsed.Seconds(),
		GeneratorCPU: perRequest(own),
		P50:          milliseconds(run.Latency.ValueAtQuantile(50)),
		P99:          milliseconds(run.Latency.ValueAtQuantile(99)),
		Max:          milliseconds(run.Latency.Max()),
	}, nil
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Millisecond) }
