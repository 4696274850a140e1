package usage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/flagstaff-io/flagstaff/proxy/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a usage.Sink that sums, or fails.
type sink struct {
	mu    sync.Mutex
	sum   map[string]int64 // "environment feature day"
	calls int
	err   error
	gate  chan struct{} // not nil: AddEvaluations waits for it
}

func newSink() *sink { return &sink{sum: make(map[string]int64)} }

func (s *sink) AddEvaluations(ctx context.Context, sums []usage.Evaluation) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return s.err
	}
	for _, e := range sums {
		s.sum[fmt.Sprintf("%d %s %s", e.EnvironmentID, e.Feature, e.Day.Format(time.RFC3339))] += e.Count
	}
	return nil
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// stored lists what arrived.
func (s *sink) stored() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []string{}
	for key, count := range s.sum {
		lines = append(lines, fmt.Sprintf("%s: %d", key, count))
	}
	slices.Sort(lines)
	return lines
}

func (s *sink) flushes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

var errDown = errors.New("the sink is down")

const day = "2026-03-01T00:00:00Z"

func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, clock)
	if err != nil {
		panic(err)
	}
	return t
}

// fixed counts at one moment.
func fixed(s *sink, edit ...func(*usage.Config)) *usage.Evaluations {
	cfg := usage.Config{Sink: s, Now: func() time.Time { return at("2026-03-01T23:59:59+00:00") }}
	for _, f := range edit {
		f(&cfg)
	}
	return usage.NewEvaluations(cfg)
}

func TestFlushSums(t *testing.T) {
	s := newSink()
	e := fixed(s)
	require.NoError(t, e.Flush(t.Context()))
	require.Zero(t, s.flushes(), "nothing is not worth a call")
	e.Add(1, "a", 2)
	e.Add(1, "a", 3)
	e.Add(1, "A", 1)
	e.Add(2, "a", -4)
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, []string{"1 A " + day + ": 1", "1 a " + day + ": 5", "2 a " + day + ": -4"}, s.stored())
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, 1, s.flushes(), "what was flushed is gone")
	e.Add(1, "a", 1)
	require.NoError(t, e.Flush(t.Context()))
	require.Contains(t, s.stored(), "1 a "+day+": 6")
}

// A day is a day of UTC, of the moment of the count and not of the flush.
func TestDays(t *testing.T) {
	s := newSink()
	now := at("2026-03-01T23:59:59+00:00")
	e := fixed(s, func(cfg *usage.Config) { cfg.Now = func() time.Time { return now } })
	e.Add(1, "a", 1)
	now = now.Add(time.Second)
	e.Add(1, "a", 2)
	now = at("2026-03-03T00:30:00+01:00") // still the 2nd
	e.Add(1, "a", 4)
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, []string{"1 a 2026-03-01T00:00:00Z: 1", "1 a 2026-03-02T00:00:00Z: 6"}, s.stored())
}

func TestFailingSinkLosesNothing(t *testing.T) {
	s := newSink()
	e := fixed(s)
	e.Add(1, "a", 1)
	s.fail(errDown)
	require.ErrorIs(t, e.Flush(t.Context()), errDown)
	e.Add(1, "a", 2)
	e.Add(1, "b", 3)
	require.ErrorIs(t, e.Flush(t.Context()), errDown)
	s.fail(nil)
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, []string{"1 a " + day + ": 3", "1 b " + day + ": 3"}, s.stored())
	require.Zero(t, e.Dropped())
}

func TestBound(t *testing.T) {
	s := newSink()
	e := fixed(s, func(cfg *usage.Config) { cfg.MaxSeries = 2 })
	e.Add(1, "a", 1)
	e.Add(1, "b", 2)
	e.Add(1, "c", 4)
	e.Add(2, "a", 8)
	e.Add(1, "b", 16) // has its place
	require.EqualValues(t, 12, e.Dropped())

	s.fail(errDown)
	require.Error(t, e.Flush(t.Context()))
	e.Add(1, "c", 32)
	require.EqualValues(t, 44, e.Dropped(), "what is kept after a failure counts too")
	s.fail(nil)
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, []string{"1 a " + day + ": 1", "1 b " + day + ": 18"}, s.stored())
	e.Add(1, "c", 64)
	require.NoError(t, e.Flush(t.Context()))
	require.Contains(t, s.stored(), "1 c "+day+": 64", "there is room again")
}

// What is counted while a failing flush is under way may have taken the room of what comes back.
func TestBoundWhenAFlushFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		s.gate = make(chan struct{})
		s.err = errDown
		e := fixed(s, func(cfg *usage.Config) { cfg.MaxSeries = 2 })
		e.Add(1, "a", 1)
		e.Add(1, "b", 1)
		done := make(chan error, 1)
		go func() { done <- e.Flush(t.Context()) }()
		synctest.Wait()
		e.Add(1, "c", 1) // Add does not wait for the sink
		e.Add(1, "a", 1)
		close(s.gate)
		require.ErrorIs(t, <-done, errDown)
		require.EqualValues(t, 1, e.Dropped(), "b found no room: its count is known to be lost")
		s.fail(nil)
		require.NoError(t, e.Flush(t.Context()))
		require.Equal(t, []string{"1 a " + day + ": 2", "1 c " + day + ": 1"}, s.stored())
	})
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		var log strings.Builder
		e := usage.NewEvaluations(usage.Config{Sink: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		tick := func() {
			time.Sleep(11 * time.Second) // every 10 s, a tenth more or less
			synctest.Wait()
		}

		e.Add(1, "a", 1)
		synctest.Wait()
		require.Empty(t, s.stored(), "not yet")
		tick()
		require.Equal(t, []string{"1 a 2000-01-01T00:00:00Z: 1"}, s.stored())

		s.fail(errDown)
		e.Add(1, "a", 1)
		tick()
		tick()
		tick()
		require.Equal(t, 1, strings.Count(log.String(), "held in memory"), "a state is logged once")
		s.fail(nil)
		tick()
		require.Equal(t, []string{"1 a 2000-01-01T00:00:00Z: 2"}, s.stored())
		require.Equal(t, 1, strings.Count(log.String(), "flushed again"))

		e.Add(1, "a", 5) // on the way when the stop comes
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, []string{"1 a 2000-01-01T00:00:00Z: 7"}, s.stored(), "the last flush")
	})
}

func TestLastFlushThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, prepare := range map[string]func(*sink){
			"says so":      func(s *sink) { s.err = errDown },
			"hangs for 5s": func(s *sink) { s.gate = make(chan struct{}) },
		} {
			s := newSink()
			prepare(s)
			e := fixed(s)
			e.Add(1, "a", 1)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			require.Error(t, e.Run(ctx), name)
			require.LessOrEqual(t, time.Since(began), 5*time.Second, "a stop is not held up for ever")
		}
	})
}

// A sink that hangs must not hang the counters: a flush ends with its context, and the counts are still there.
func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		s.gate = make(chan struct{})
		e := fixed(s)
		e.Add(1, "a", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, e.Flush(ctx), context.DeadlineExceeded)
		close(s.gate)
		require.NoError(t, e.Flush(t.Context()))
		require.Equal(t, []string{"1 a " + day + ": 1"}, s.stored())
	})
}

func TestManyCount(t *testing.T) {
	s := newSink()
	e := fixed(s)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				e.Add(int64(i%3), "a", 1)
				if i%100 == 0 {
					if err := e.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, e.Flush(t.Context()))
	var total int64
	for _, count := range s.sum {
		total += count
	}
	require.EqualValues(t, 8000, total)
}

// TestImpossibleCounts: a client that reports more than anybody can have counted must not stop the sums of all others.
func TestImpossibleCounts(t *testing.T) {
	s := newSink()
	e := fixed(s)
	e.Add(1, "a", math.MaxInt64)
	e.Add(1, "b", math.MinInt64)
	for range 1000 {
		e.Add(1, "c", math.MaxInt32)
	}
	require.NoError(t, e.Flush(t.Context()))
	require.Equal(t, []string{
		"1 a " + day + ": 2147483647", "1 b " + day + ": -2147483647", "1 c " + day + ": 1000000000000",
	}, s.stored())
}
