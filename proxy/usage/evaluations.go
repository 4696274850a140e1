// Package usage counts what SDKs report, in memory, and hands the sums on now and then. It knows no SQL: the sink is handed
// in.
//
//	counter := usage.NewEvaluations(usage.Config{Sink: store})
//	go counter.Run(ctx)             // flushes until ctx ends, then once more
//	counter.Add(environmentID, "checkout", 3)
package usage

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Evaluation is how often a feature of an environment was evaluated on one day.
type Evaluation struct {
	EnvironmentID int64
	Feature       string
	Day           time.Time // midnight UTC
	Count         int64
}

// Sink stores sums. A sum is added to what is stored for the same environment, feature and day. After an error nothing was
// added, and the same sums come again.
type Sink interface {
	AddEvaluations(ctx context.Context, sums []Evaluation) error
}

// Config holds the bounds of the counters.
type Config struct {
	Sink Sink
	// Every is the mean gap between flushes: what kill -9 may lose. Zero: 10 s.
	Every time.Duration
	// MaxSeries bounds the sums held at once, while the sink is down too; what does not fit is dropped and counted. Zero:
	// 100,000.
	MaxSeries int
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: discard
}

// Evaluations sums reported evaluations. It is safe for concurrent use.
type Evaluations struct {
	cfg Config

	mu      sync.Mutex
	sums    map[series]int64
	dropped int64
}

type series struct {
	environmentID int64
	feature       string
	day           int64 // days since 1970
}

// NewEvaluations returns counters at zero.
func NewEvaluations(cfg Config) *Evaluations {
	if cfg.Every <= 0 {
		cfg.Every = 10 * time.Second
	}
	if cfg.MaxSeries <= 0 {
		cfg.MaxSeries = 100_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Evaluations{cfg: cfg, sums: make(map[series]int64)}
}

const daySeconds = 24 * 60 * 60

// The counts come from clients. What no client can have counted is cut off, so that no sum in memory, and no row that gets the
// sums of a day, can leave 64 bits.
const (
	maxCount = math.MaxInt32 // of one report
	maxSum   = 1e12          // of one flush
)

// Add counts. It keeps feature and never blocks on the sink.
func (e *Evaluations) Add(environmentID int64, feature string, count int64) {
	count = min(max(count, -maxCount), maxCount)
	e.add(series{environmentID, feature, e.cfg.Now().Unix() / daySeconds}, count)
}

func (e *Evaluations) add(s series, count int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.sums[s]; !known && len(e.sums) >= e.cfg.MaxSeries {
		e.dropped += count
		return
	}
	e.sums[s] = min(max(e.sums[s]+count, -maxSum), maxSum)
}

// Dropped is how many evaluations found no room.
func (e *Evaluations) Dropped() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dropped
}

// Run flushes until ctx ends, and then once more. It returns the error of that last flush.
func (e *Evaluations) Run(ctx context.Context) error {
	timer := time.NewTimer(e.gap())
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return e.Flush(last)
		case <-timer.C:
		}
		err := e.Flush(ctx)
		if (err != nil) != failing {
			failing = err != nil
			if failing {
				e.cfg.Log.Warn("usage is held in memory, the sink fails", "err", err)
			} else {
				e.cfg.Log.Info("usage is flushed again")
			}
		}
		timer.Reset(e.gap())
	}
}

// gap is Every, a tenth more or less: the nodes of a fleet were started together and must not flush together.
func (e *Evaluations) gap() time.Duration {
	return e.cfg.Every - e.cfg.Every/10 + rand.N(e.cfg.Every/5+1)
}

// Flush hands all sums to the sink. When that fails they are kept.
func (e *Evaluations) Flush(ctx context.Context) error {
	e.mu.Lock()
	sums := e.sums
	e.sums = make(map[series]int64, len(sums))
	e.mu.Unlock()
	if len(sums) == 0 {
		return nil
	}
	batch := make([]Evaluation, 0, len(sums))
	for s, count := range sums {
		batch = append(batch, Evaluation{s.environmentID, s.feature, time.Unix(s.day*daySeconds, 0).UTC(), count})
	}
	err := e.cfg.Sink.AddEvaluations(ctx, batch)
	if err != nil {
		for s, count := range sums {
			e.add(s, count)
		}
	}
	return err
}
