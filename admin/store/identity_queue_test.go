package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// outcome is what one Write returned.
type outcome struct {
	store.IdentityResult
	err error
}

// enqueue starts writes so that they enter the queue of a writer that does not run in the order given.
func enqueue(t *testing.T, w *store.IdentityWriter, writes ...store.IdentityWrite) []chan outcome {
	t.Helper()
	outcomes := make([]chan outcome, len(writes))
	for i, p := range writes {
		before := w.Waiting()
		outcomes[i] = make(chan outcome, 1)
		go func() {
			res, err := w.Write(context.Background(), p)
			outcomes[i] <- outcome{res, err}
		}()
		require.Eventually(t, func() bool { return w.Waiting() > before || len(outcomes[i]) > 0 }, 10*time.Second, 50*time.Microsecond)
	}
	return outcomes
}

func TestQueueFull(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{QueueSize: 3})
		p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}
		outcomes := enqueue(t, w, p, p, p)
		for range 3 {
			_, err := w.Write(t.Context(), p)
			require.ErrorIs(t, err, store.ErrBusy, "at once, without waiting for room")
		}
		run(t, w)
		for _, o := range outcomes {
			require.NoError(t, (<-o).err)
		}
		res, err := w.Write(t.Context(), p)
		require.NoError(t, err)
		require.EqualValues(t, 4, res.Value)
	})
}

func TestWriteIsWithdrawnWithItsContext(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{QueueSize: 2})
		p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := w.Write(ended, p)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, w.Waiting())

		short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err = w.Write(short, p)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		outcomes := enqueue(t, w, p)
		run(t, w)
		require.EqualValues(t, 1, (<-outcomes[0]).Value, "the withdrawn one was not written")
	})
}

func TestStopDrainsTheQueue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{BatchSize: 4})
		p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}
		outcomes := enqueue(t, w, slices.Repeat([]store.IdentityWrite{p}, 21)...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // before it begins: all that it does is drain
		require.NoError(t, w.Run(ctx))
		for _, o := range outcomes {
			require.NoError(t, (<-o).err)
		}
		_, err := w.Write(t.Context(), p)
		require.ErrorIs(t, err, store.ErrStopped)
		require.ErrorIs(t, err, store.ErrUnavailable)
		id, err := st.Identity(t.Context(), env, "ann")
		require.NoError(t, err)
		require.Equal(t, flagsmith.IntValue(21), id.Traits[0].Value)
	})
}

// While writers come and the writer is stopped, each write is either stored and answered, or refused and not stored.
func TestStopUnderLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		var (
			wg       sync.WaitGroup
			answered atomic.Int64
		)
		for range 50 {
			wg.Go(func() {
				for {
					_, err := w.Write(context.Background(), store.IdentityWrite{
						EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1},
					})
					if errors.Is(err, store.ErrStopped) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					if answered.Add(1) == 500 {
						cancel()
					}
				}
			})
		}
		require.NoError(t, <-done)
		wg.Wait()
		id, err := st.Identity(t.Context(), env, "ann")
		require.NoError(t, err)
		require.Equal(t, flagsmith.IntValue(answered.Load()), id.Traits[0].Value)
	})
}
