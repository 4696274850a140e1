package cachetier_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

var errDown = errors.New("source is down")

func TestConfig(t *testing.T) {
	t.Run("all problems are reported at once", func(t *testing.T) {
		_, err := cachetier.New(cachetier.Config[*doc]{
			MaxBytes: -1, TTL: time.Minute, MaxStale: time.Second, FillTimeout: -1, MaxConcurrentFills: -1, Jitter: 2,
			Tiers: []cachetier.Tier{nil},
		})
		for _, part := range []string{"Namespace", "Load", "Decode", "MaxBytes", "MaxStale", "FillTimeout",
			"MaxConcurrentFills", "Jitter", "Tiers[0]"} {
			require.ErrorContains(t, err, part)
		}
	})
}

func TestGet(t *testing.T) {
	t.Run("a miss is filled from the source, once", func(t *testing.T) {
		r := newRig(t)
		r.src.Set("k", "body")
		require.Equal(t, "miss", r.peek("k"))
		for range 10 {
			require.Equal(t, "body", r.mustGet(t, "k").body)
		}
		require.Equal(t, 1, r.src.Loads("k"))
		h, ok := r.Inspect("k")
		require.True(t, ok)
		require.Equal(t, `"1"`, h.ETag)
		require.Equal(t, time.Unix(1, 0).UTC(), h.ModifiedAt)
	})

	t.Run("a load error is returned and not remembered", func(t *testing.T) {
		r := newRig(t)
		r.src.Set("k", "body")
		r.src.Fail(errDown)
		for range 3 {
			_, err := r.Get(t.Context(), "k")
			require.ErrorIs(t, err, errDown)
			require.EqualError(t, err, "fill test/k: source is down")
		}
		require.Equal(t, 3, r.src.Loads("k"))
		r.src.Fail(nil)
		r.mustGet(t, "k")
		require.EqualValues(t, 3, r.Stats().FillErrors)
	})

	t.Run("what arrived in memory since the miss is not loaded again", func(t *testing.T) {
		r := newRig(t)
		r.mustPut(t, "k", cachetest.NewEntry("arrived", 1))
		d, err := r.Fill(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "arrived", d.body)
		_, err = r.Get(t.Context(), "absent")
		require.ErrorIs(t, err, cachetier.ErrNotFound)
		_, err = r.Fill(t.Context(), "absent")
		require.ErrorIs(t, err, cachetier.ErrNotFound)
		require.Equal(t, []int{0, 1}, []int{r.src.Loads("k"), r.src.Loads("absent")})
	})

	t.Run("what the source has but does not decode is an error", func(t *testing.T) {
		for _, body := range []string{"bad", "panic"} {
			r := newRig(t)
			r.src.Set("k", body)
			_, err := r.Get(t.Context(), "k")
			require.ErrorContains(t, err, "fill test/k: decode: ")
			require.EqualValues(t, 1, r.Stats().DecodeErrors)
		}
	})

	t.Run("a loader that panics is an error", func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) {
			cfg.Load = func(context.Context, string, int64) (cachetier.Entry, error) { panic("oops") }
		})
		_, err := r.Get(t.Context(), "k")
		require.ErrorContains(t, err, "Load panicked: oops")
		require.EqualValues(t, 1, r.Stats().Panics)
	})

	t.Run("a loader that ends its goroutine leaves nobody waiting", func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) {
			cfg.MaxConcurrentFills = 1
			cfg.Load = func(context.Context, string, int64) (cachetier.Entry, error) {
				runtime.Goexit()
				panic("unreachable")
			}
		})
		for range 3 {
			_, err := r.Get(t.Context(), "k")
			require.Error(t, err)
		}
	})

	t.Run("a loader that says not modified to someone who has nothing is an error", func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) {
			cfg.Load = func(context.Context, string, int64) (cachetier.Entry, error) {
				return cachetier.Entry{}, cachetier.ErrNotModified
			}
		})
		_, err := r.Get(t.Context(), "k")
		require.ErrorContains(t, err, "BUG:")
	})
}

func TestOneFillPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		r.src.Set("k", "body")
		release := r.src.Block()
		var wg sync.WaitGroup
		docs, errs := make([]*doc, 100), make([]error, 100)
		for i := range docs {
			wg.Go(func() { docs[i], errs[i] = r.Get(context.Background(), "k") })
		}
		impatient, cancel := context.WithCancelCause(context.Background())
		wg.Go(func() {
			_, err := r.Get(impatient, "k")
			docs[0], errs[0] = docs[1], nil
			if !errors.Is(err, errDown) {
				errs[0] = fmt.Errorf("want the caller's own cause, have %w", err)
			}
		})
		synctest.Wait()
		cancel(errDown)
		synctest.Wait()
		release()
		wg.Wait()
		for i := range docs {
			if i == 0 {
				require.NoError(t, errs[0])
				continue
			}
			require.NoError(t, errs[i])
			require.Equal(t, "body", docs[i].body)
		}
		require.Equal(t, 1, r.src.Loads("k"))
		require.EqualValues(t, 1, r.Stats().Fills)
	})
}

func TestFillTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.FillTimeout = 3 * time.Second })
		defer r.Close()
		defer r.src.Block()()
		start := time.Now()
		_, err := r.Get(context.Background(), "k")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestFillsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.MaxConcurrentFills, cfg.MaxQueuedFills = 2, 3 })
		defer r.Close()
		release := r.src.Block()
		goroutines := runtime.NumGoroutine()
		errs := make(chan error, 5)
		for i := range 5 {
			go func() {
				_, err := r.Get(context.Background(), fmt.Sprint(i))
				errs <- err
			}()
		}
		synctest.Wait()
		st := r.Stats()
		require.Equal(t, []int{2, 3}, []int{st.Running, st.Queued})
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5+2)
		for i := range 100 {
			_, err := r.Get(context.Background(), fmt.Sprint("more-", i))
			require.ErrorIs(t, err, cachetier.ErrBusy)
		}
		require.EqualValues(t, 100, r.Stats().Busy)
		release()
		for range 5 {
			require.ErrorIs(t, <-errs, cachetier.ErrNotFound)
		}
		synctest.Wait()
		require.True(t, r.Idle())
	})
}

func TestNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.NegativeTTL, cfg.MaxNegative = 5*time.Second, 100 })
		defer r.Close()
		get := func(id string) error {
			_, err := r.Get(context.Background(), id)
			return err
		}

		require.ErrorIs(t, get("k"), cachetier.ErrNotFound)
		require.Equal(t, "negative", r.peek("k"))
		require.ErrorIs(t, get("k"), cachetier.ErrNotFound)
		require.Equal(t, 1, r.src.Loads("k"), "an unknown key is remembered")

		time.Sleep(5 * time.Second)
		require.Equal(t, "miss", r.peek("k"), "for a short time")
		require.ErrorIs(t, get("k"), cachetier.ErrNotFound)
		require.Equal(t, 2, r.src.Loads("k"))

		r.src.Set("k", "created")
		r.Invalidate("k", 1)
		require.Equal(t, "miss", r.peek("k"), "Invalidate drops it at once")
		require.NoError(t, get("k"))

		require.ErrorIs(t, get("l"), cachetier.ErrNotFound)
		r.mustPut(t, "l", cachetest.NewEntry("created", 1))
		require.Equal(t, "hit 1", r.peek("l"), "Put replaces it")

		for i := range 1000 {
			require.ErrorIs(t, get(fmt.Sprint("unknown-", i)), cachetier.ErrNotFound)
		}
		require.LessOrEqual(t, r.Stats().Negatives, int64(100), "bounded in number")
		require.Equal(t, "negative", r.peek("unknown-999"))
		require.Equal(t, "miss", r.peek("unknown-0"), "the oldest give way")

		r.Remove("unknown-999")
		require.Equal(t, "miss", r.peek("unknown-999"))
	})

	t.Run("can be switched off", func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.NegativeTTL = -1 })
		for range 3 {
			_, err := r.Get(t.Context(), "k")
			require.ErrorIs(t, err, cachetier.ErrNotFound)
		}
		require.Equal(t, 3, r.src.Loads("k"))
		require.Zero(t, r.Stats().Negatives)
	})
}

// TestOvertakenFill: what changes while a load is under way wins over what the load had read before.
func TestOvertakenFill(t *testing.T) {
	for _, row := range []struct {
		name    string
		before  string // what the source has when the load reads it; "": nothing
		during  func(r *rig)
		want    string // what the waiting Get returns, "error" or "not found"
		wantMem string
	}{
		{"Put of a newer version", "old", func(r *rig) { r.put("k", "new", 2) }, "new", "hit 2"},
		{"Put of a key that the load did not find", "", func(r *rig) { r.put("k", "new", 1) }, "new", "hit 1"},
		{"Put of an older version", "old", func(r *rig) { r.put("k", "older", 0) }, "old", "hit 1"},
		{"Invalidate with a newer version", "old", func(r *rig) { r.writtenElsewhere("new", 2) }, "old", "hit 2"},
		{"Invalidate without a version", "old", func(r *rig) { r.writtenElsewhere("new", 0) }, "old", "hit 2"},
		{"Invalidate of a key that the load did not find", "", func(r *rig) { r.writtenElsewhere("new", 1) }, "new", "hit 1"},
		{"Remove", "old", func(r *rig) { r.src.Delete("k"); r.Remove("k") }, "old", "miss"},
		{"Remove and Put", "old", func(r *rig) { r.Remove("k"); r.put("k", "new", 7) }, "old", "hit 7"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.Close()
				if row.before != "" {
					r.src.Set("k", row.before)
				}
				release := r.src.Block()
				got := make(chan string)
				go func() {
					d, err := r.Get(context.Background(), "k")
					if err != nil {
						got <- err.Error()
						return
					}
					got <- d.body
				}()
				<-r.src.Entered()
				row.during(r)
				release()
				require.Equal(t, row.want, <-got)
				time.Sleep(time.Second)
				synctest.Wait()
				require.Equal(t, row.wantMem, r.peek("k"))
				synctest.Wait() // the source may be behind what was put, and be asked again
				require.NoError(t, r.CheckInvariants())
			})
		})
	}
}

// writtenElsewhere is a write of k on another node, and its message.
func (r *rig) writtenElsewhere(body string, version int64) {
	r.src.Set("k", body)
	r.Invalidate("k", version)
}

// put ignores that a version may be refused.
func (r *rig) put(id, body string, version int64) {
	_, _ = r.Put(id, cachetest.NewEntry(body, version))
}

func TestDeletedAtTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tier := cachetest.NewTier()
		r := newRig(t, withTiers(tier), withTTL(time.Minute))
		defer r.Close()
		key := cachetier.Key{Namespace: "test", ID: "k"}
		r.src.Set("k", "body")
		r.mustGet(t, "k")
		synctest.Wait()
		require.EqualValues(t, 1, tier.Version(key))

		r.src.Delete("k")
		time.Sleep(time.Minute)
		require.Equal(t, "hit 1", r.peek("k"), "served while the refresh finds out")
		synctest.Wait()
		require.Equal(t, "negative", r.peek("k"))
		require.Zero(t, tier.Version(key), "it leaves the shared tier too")

		tier.Plant(key, cachetest.NewEntry("back from the dead", 1))
		time.Sleep(time.Minute)
		_, err := r.Get(context.Background(), "k")
		require.ErrorIs(t, err, cachetier.ErrNotFound, "a tier that missed the deletion is not believed")

		r.src.Set("k", "created again")
		time.Sleep(time.Minute)
		require.EqualValues(t, 2, r.mustGet(t, "k").version)
	})
}

func TestTiers(t *testing.T) {
	key := cachetier.Key{Namespace: "test", ID: "k"}
	errTier := errors.New("tier is down")
	for _, row := range []struct {
		name         string
		prepare      func(r *rig, upper, lower *cachetest.Tier)
		want         int64 // version; 0: an error
		loads        int
		upper, lower int64 // versions left in the tiers
	}{
		{"a miss everywhere fills everything",
			func(*rig, *cachetest.Tier, *cachetest.Tier) {}, 2, 1, 2, 2},
		{"a hit in the lower tier fills the upper, and asks nobody else",
			func(_ *rig, _, lower *cachetest.Tier) { lower.Plant(key, cachetest.NewEntry("b", 2)) }, 2, 0, 2, 2},
		{"a hit in the upper tier asks nobody else",
			func(_ *rig, upper, _ *cachetest.Tier) { upper.Plant(key, cachetest.NewEntry("b", 2)) }, 2, 0, 2, 0},
		{"a tier that fails is passed over and not repaired",
			func(_ *rig, upper, _ *cachetest.Tier) { upper.FailGet(errTier) }, 2, 1, 0, 2},
		{"all tiers failing leaves the source",
			func(_ *rig, upper, lower *cachetest.Tier) { upper.FailGet(errTier); lower.FailGet(errTier) }, 2, 1, 0, 0},
		{"a tier that holds what does not decode is repaired",
			func(_ *rig, upper, _ *cachetest.Tier) { upper.Plant(key, cachetest.NewEntry("bad", 2)) }, 2, 1, 2, 2},
		{"a tier that is behind what was announced is passed over and repaired",
			func(r *rig, upper, lower *cachetest.Tier) {
				r.Invalidate("k", 2)
				upper.Plant(key, cachetest.NewEntry("a", 1))
				lower.Plant(key, cachetest.NewEntry("b", 2))
			}, 2, 0, 2, 2},
		{"the tiers answer while the source is down",
			func(r *rig, _, lower *cachetest.Tier) {
				r.src.Fail(errDown)
				lower.Plant(key, cachetest.NewEntry("a", 1))
			}, 1, 0, 1, 1},
		{"tiers that cannot be written do not matter",
			func(_ *rig, upper, lower *cachetest.Tier) { upper.FailSet(errTier); lower.FailSet(errTier) }, 2, 1, 0, 0},
		{"everything down is an error",
			func(r *rig, upper, lower *cachetest.Tier) { r.src.Fail(errDown); upper.FailGet(errTier) }, 0, 1, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			upper, lower := cachetest.NewTier(), cachetest.NewTier()
			r := newRig(t, withTiers(upper, lower))
			r.src.SetVersion("k", "b", 2)
			row.prepare(r, upper, lower)
			d, err := r.Get(t.Context(), "k")
			if row.want == 0 {
				require.ErrorIs(t, err, errDown)
			} else {
				require.NoError(t, err)
				require.Equal(t, row.want, d.version)
			}
			r.check(t)
			require.Equal(t, row.loads, r.src.Loads("k"))
			require.Equal(t, row.upper, upper.Version(key), "upper tier")
			require.Equal(t, row.lower, lower.Version(key), "lower tier")
		})
	}

	t.Run("what was put reaches the tiers in the background", func(t *testing.T) {
		upper, lower := cachetest.NewTier(), cachetest.NewTier()
		upper.Plant(key, cachetest.NewEntry("newer", 9))
		r := newRig(t, withTiers(upper, lower))
		r.mustPut(t, "k", cachetest.NewEntry("b", 2))
		r.check(t)
		require.EqualValues(t, 9, upper.Version(key))
		require.EqualValues(t, 2, lower.Version(key))
		require.EqualValues(t, 1, r.Stats().Tiers[1].Sets)
	})
}

func TestClose(t *testing.T) {
	t.Run("ends the loads that are under way", func(t *testing.T) {
		r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.MaxConcurrentFills = 1 })
		r.src.Block()
		errs := make(chan error, 3)
		for i := range 3 {
			go func() {
				_, err := r.Get(context.Background(), fmt.Sprint(i))
				errs <- err
			}()
		}
		eventually(t, func() bool { st := r.Stats(); return st.Running == 1 && st.Queued == 2 }, "loads begin")
		start := time.Now()
		require.NoError(t, r.Close())
		require.Less(t, time.Since(start), 4*time.Second, "it does not wait for FillTimeout")
		for range 3 {
			require.ErrorIs(t, <-errs, cachetier.ErrClosed)
		}
	})

	t.Run("leaves what is in memory to be read", func(t *testing.T) {
		r := newRig(t)
		r.mustPut(t, "k", cachetest.NewEntry("a", 1))
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		require.Equal(t, "hit 1", r.peek("k"))
		_, err := r.Get(t.Context(), "other")
		require.ErrorIs(t, err, cachetier.ErrClosed)
		_, err = r.Put("k", cachetest.NewEntry("b", 2))
		require.ErrorIs(t, err, cachetier.ErrClosed)
		r.Invalidate("k", 3)
		r.Remove("k")
		require.Equal(t, "miss", r.peek("k"))
	})

	t.Run("can meet everything else", func(t *testing.T) {
		r := newRig(t, withTTL(time.Millisecond), func(cfg *cachetier.Config[*doc]) { cfg.MaxBytes = 20_000 })
		for i := range 50 {
			r.src.Set(fmt.Sprint(i), "cost=1000")
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 3000 {
					id := fmt.Sprint(i % 50)
					switch (i + g) % 5 {
					case 0:
						_, _ = r.Get(context.Background(), id)
					case 1:
						r.put(id, "cost=1000", int64(i))
					case 2:
						r.Invalidate(id, int64(i))
					case 3:
						r.Remove(id)
					case 4:
						r.Peek(id)
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, r.Close())
		wg.Wait()
	})
}
