package cachetier_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

var (
	seed   = flag.Uint64("seed", 0, "seed of TestVersionsNeverGoBack (0: a random one, printed)")
	rounds = flag.Int("rounds", 8, "rounds of TestVersionsNeverGoBack")
)

// world is a source of truth whose readers lag, fail and dawdle.
type world struct {
	versions []atomic.Int64 // newest version of each key; 0: not created yet; negative: deleted after that version
	quiet    atomic.Bool    // no more trouble: every load sees the newest
}

func (w *world) load(rng func(n int) int) cachetier.Loader {
	return func(ctx context.Context, id string, have int64) (cachetier.Entry, error) {
		var k int
		fmt.Sscan(id, &k)
		v := w.versions[k].Load()
		if !w.quiet.Load() {
			if d := rng(4); d > 0 { // read now, answer later
				select {
				case <-ctx.Done():
					return cachetier.Entry{}, ctx.Err()
				case <-time.After(time.Duration(rng(300)) * time.Microsecond):
				}
			}
			switch rng(10) {
			case 0:
				return cachetier.Entry{}, errDown
			case 1, 2: // a replica that lags
				if v > 0 {
					v = max(v-int64(rng(5)), 1)
				}
			}
		}
		switch {
		case v <= 0:
			return cachetier.Entry{}, cachetier.ErrNotFound
		case v == have:
			return cachetier.Entry{}, cachetier.ErrNotModified
		}
		return cachetest.NewEntry(fmt.Sprintf("cost=%d", 200+rng(3000)), v), nil
	}
}

// flaky is a tier that fails at times, also after it has done what it was asked to.
type flaky struct {
	*cachetest.Tier
	rng   func(n int) int
	quiet *atomic.Bool
}

func (f flaky) Get(ctx context.Context, key cachetier.Key) (cachetier.Entry, error) {
	if !f.quiet.Load() && f.rng(6) == 0 {
		return cachetier.Entry{}, errDown
	}
	return f.Tier.Get(ctx, key)
}

func (f flaky) Set(ctx context.Context, key cachetier.Key, e cachetier.Entry) error {
	n := 9
	if !f.quiet.Load() {
		n = f.rng(6)
	}
	switch n {
	case 0: // lost on the way
		return errDown
	case 1: // applied, reply lost
		_ = f.Tier.Set(ctx, key, e)
		return errDown
	}
	return f.Tier.Set(ctx, key, e)
}

// TestVersionsNeverGoBack runs readers and writers at random over a small budget, with a source and a tier that lag
// and fail, and checks that nobody who has seen a version of a key is served an older one; and that once the trouble
// ends, the newest is served. The seed fixes what each goroutine does, not how they interleave: a failing seed may
// need several runs (-count).
func TestVersionsNeverGoBack(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	for i := range uint64(*rounds) {
		s := first + i
		if !t.Run(fmt.Sprint("seed=", s), func(t *testing.T) { versionsNeverGoBack(t, s) }) {
			t.Fatalf("run again with: go test -run TestVersionsNeverGoBack -seed=%d -rounds=1", s)
		}
	}
}

func versionsNeverGoBack(t *testing.T, seed uint64) {
	const keys, workers, steps = 12, 8, 1500
	var rngMu sync.Mutex
	shared := rand.New(rand.NewPCG(seed, 0))
	rng := func(n int) int {
		rngMu.Lock()
		defer rngMu.Unlock()
		return shared.IntN(n)
	}
	w := &world{versions: make([]atomic.Int64, keys)}
	var seen [keys]atomic.Int64 // newest version that anyone was served
	var swapped [keys]atomic.Int64
	var mistakes sync.Map
	mistake := func(format string, args ...any) { mistakes.Store(fmt.Sprintf(format, args...), true) }

	tier := flaky{cachetest.NewTier(), rng, &w.quiet}
	r := newRig(t, withTiers(tier), withTTL(2*time.Millisecond), func(cfg *cachetier.Config[*doc]) {
		cfg.Load = w.load(rng)
		cfg.MaxBytes = []int64{1 << 20, 15_000, 6_000, 2_000}[seed%4]
		cfg.NegativeTTL = time.Millisecond
		cfg.MaxConcurrentFills = 1 + rng(8)
		cfg.MaxQueuedFills = rng(20) - 1
		if rng(2) == 0 {
			cfg.MaxStale = 4 * time.Millisecond
		}
		cfg.OnSwap = func(id string, d *doc, e cachetier.Entry) {
			var k int
			fmt.Sscan(id, &k)
			if last := swapped[k].Swap(e.Version); last >= e.Version {
				mistake("key %d: OnSwap told of %d after %d", k, e.Version, last)
			}
		}
	})

	look := func(k int, read func() (*doc, error)) {
		before := seen[k].Load()
		d, err := read()
		switch {
		case err == nil && d.version < before:
			mistake("key %d: served version %d after %d", k, d.version, before)
		case err == nil:
			for v := before; v < d.version && !seen[k].CompareAndSwap(v, d.version); v = seen[k].Load() {
			}
		case errors.Is(err, cachetier.ErrNotFound), errors.Is(err, cachetier.ErrBusy), errors.Is(err, cachetier.ErrBehind),
			errors.Is(err, errDown), errors.Is(err, errMiss):
		default:
			mistake("key %d: %v", k, err)
		}
	}

	var wg sync.WaitGroup
	for g := range uint64(workers) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, g+1))
			for range steps {
				k := int(float64(keys) * rnd.Float64() * rnd.Float64())
				id := fmt.Sprint(k)
				switch n := rnd.IntN(100); {
				case n < 40:
					look(k, func() (*doc, error) {
						d, state := r.Peek(id)
						if state != cachetier.Hit {
							return nil, errMiss
						}
						return d, nil
					})
				case n < 75:
					look(k, func() (*doc, error) { return r.Get(context.Background(), id) })
				case n < 85: // a write on this node
					v := w.next(k)
					r.put(id, fmt.Sprintf("cost=%d", 200+rnd.IntN(3000)), v)
					look(k, func() (*doc, error) {
						if d, state := r.Peek(id); state == cachetier.Hit && d.version < v {
							return nil, fmt.Errorf("put %d, read %d", v, d.version)
						}
						return nil, errMiss
					})
				case n < 92: // a write on another node; its message may be lost
					if v := w.next(k); rnd.IntN(3) > 0 {
						r.Invalidate(id, v)
					}
				case n < 94: // an older write that arrives late
					if v := w.versions[k].Load(); v > 3 {
						r.put(id, "cost=300", v-int64(rnd.IntN(3)))
					}
				case n < 95:
					r.Invalidate(id, 0)
				case n < 96: // deleted on another node
					w.remove(k)
					r.Invalidate(id, 0)
				case n < 98: // another node's late tier write
					if v := w.versions[k].Load(); v > 3 {
						tier.Plant(cachetier.Key{Namespace: "test", ID: id}, cachetest.NewEntry("cost=400", v-int64(rnd.IntN(3))))
					}
				default:
					time.Sleep(time.Duration(rnd.IntN(1000)) * time.Microsecond)
				}
			}
		})
	}
	wg.Wait()

	w.quiet.Store(true)
	for k := range keys {
		r.Invalidate(fmt.Sprint(k), w.versions[k].Load())
	}
	for k := range keys {
		id, want := fmt.Sprint(k), w.versions[k].Load()
		eventually(t, func() bool {
			d, err := r.Get(t.Context(), id)
			if want <= 0 {
				return errors.Is(err, cachetier.ErrNotFound)
			}
			return err == nil && d.version == want
		}, fmt.Sprintf("key %d: newest version %d is served", k, want))
	}
	mistakes.Range(func(m, _ any) bool {
		t.Error(m)
		return true
	})
	eventually(t, func() bool { return r.Idle() && r.CheckInvariants() == nil }, "the budget adds up")
	st := r.Stats()
	require.NotZero(t, st.Swaps)
	t.Logf("budget %d: %d hits, %d fills, %d refreshes, %d evictions, %d refusals, %d older", st.MaxBytes,
		st.Hits, st.Fills, st.Refreshes, st.Evictions, st.Refusals, st.Older)
}

var errMiss = errors.New("not in memory")

// next makes a new version of k, which may have been deleted.
func (w *world) next(k int) int64 {
	for {
		v := w.versions[k].Load()
		if next := max(v, -v) + 1; w.versions[k].CompareAndSwap(v, next) {
			return next
		}
	}
}

// remove deletes k if it is there.
func (w *world) remove(k int) {
	if v := w.versions[k].Load(); v > 0 {
		w.versions[k].CompareAndSwap(v, -v)
	}
}
