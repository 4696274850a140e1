package cachetier_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

// swaps collects what OnSwap is told.
type swaps struct {
	mu   sync.Mutex
	seen map[string][]int64
	busy map[string]bool
	errs []string
}

func (s *swaps) onSwap(id string, d *doc, e cachetier.Entry) {
	s.mu.Lock()
	if s.seen == nil {
		s.seen, s.busy = map[string][]int64{}, map[string]bool{}
	}
	if s.busy[id] {
		s.errs = append(s.errs, id+": two calls at once")
	}
	if d.version != e.Version || d.id != id {
		s.errs = append(s.errs, fmt.Sprintf("%s: value %+v with entry %d", id, d, e.Version))
	}
	s.busy[id] = true
	s.seen[id] = append(s.seen[id], e.Version)
	s.mu.Unlock()

	s.mu.Lock()
	s.busy[id] = false
	s.mu.Unlock()
}

func TestOnSwap(t *testing.T) {
	with := func(f func(id string, d *doc, e cachetier.Entry)) func(*cachetier.Config[*doc]) {
		return func(cfg *cachetier.Config[*doc]) { cfg.OnSwap = f }
	}

	t.Run("hears of every version in order, and of none that was not taken", func(t *testing.T) {
		var s swaps
		r := newRig(t, with(s.onSwap))
		for _, v := range []int64{1, 2, 2, 5, 3, 6} {
			r.put("k", "body", v)
		}
		require.Equal(t, []int64{1, 2, 5, 6}, s.seen["k"])
	})

	t.Run("of concurrent versions hears in order, one call at a time, and of the last", func(t *testing.T) {
		var s swaps
		r := newRig(t, with(s.onSwap))
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for v := int64(1); v <= 500; v++ {
					r.put(fmt.Sprint(v%3), "body", v*8+int64(g))
				}
			})
		}
		wg.Wait()
		require.Empty(t, s.errs)
		for id, seen := range s.seen {
			require.IsIncreasing(t, seen)
			d, _ := r.Peek(id)
			require.Equal(t, d.version, seen[len(seen)-1])
		}
	})

	t.Run("may put and read", func(t *testing.T) {
		var r *rig
		r = newRig(t, with(func(id string, d *doc, e cachetier.Entry) {
			if e.Version < 10 {
				r.put(id, "next", e.Version+1)
				r.Peek(id)
			}
		}))
		r.put("k", "first", 1)
		require.Equal(t, "hit 10", r.peek("k"))
	})

	t.Run("does not hear of the version that was evicted and came back", func(t *testing.T) {
		var s swaps
		r := newRig(t, with(s.onSwap), withRoomFor(10, 1000))
		r.src.SetVersion("k", "cost=1000", 5)
		r.mustGet(t, "k")
		for i := 0; r.peek("k") != "miss"; i++ {
			r.mustPut(t, fmt.Sprint("other-", i), cachetest.NewEntry("cost=1000", 1))
		}
		r.mustGet(t, "k")
		r.check(t)
		require.Equal(t, []int64{5}, s.seen["k"])
	})

	t.Run("may panic", func(t *testing.T) {
		r := newRig(t, with(func(string, *doc, cachetier.Entry) { panic("oops") }))
		r.mustPut(t, "k", cachetest.NewEntry("a", 1))
		r.mustPut(t, "k", cachetest.NewEntry("b", 2))
		require.EqualValues(t, 2, r.Stats().Panics)
		require.Equal(t, "hit 2", r.peek("k"))
	})
}
