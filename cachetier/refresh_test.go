package cachetier_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

func TestStaleIsServedAndRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute))
		defer r.Close()
		r.src.Set("k", "a")
		r.mustGet(t, "k")
		r.src.Set("k", "b")

		time.Sleep(50 * time.Second)
		require.Equal(t, "hit 1", r.peek("k"))
		synctest.Wait()
		require.Equal(t, 1, r.src.Loads("k"), "within TTL nobody asks")

		time.Sleep(10 * time.Second)
		release := r.src.Block()
		for range 100 {
			require.Equal(t, "hit 1", r.peek("k"), "stale is served")
			time.Sleep(time.Millisecond)
		}
		require.Equal(t, 2, r.src.Loads("k"), "one refresh, whoever asks")
		release()
		synctest.Wait()
		require.Equal(t, "hit 2", r.peek("k"))

		time.Sleep(time.Minute)
		require.Equal(t, "hit 2", r.peek("k"))
		synctest.Wait()
		st := r.Stats()
		require.Equal(t, []uint64{1, 2, 1}, []uint64{st.Fills, st.Refreshes, st.NotModified})
		time.Sleep(time.Second)
		r.peek("k")
		synctest.Wait()
		require.Equal(t, 3, r.src.Loads("k"), "not modified counts as fresh")
	})
}

func TestNegativeTTLMeansNeverRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(-1))
		defer r.Close()
		r.src.Set("k", "a")
		r.mustGet(t, "k")
		time.Sleep(1000 * time.Hour)
		require.Equal(t, "hit 1", r.peek("k"))
		synctest.Wait()
		require.Equal(t, 1, r.src.Loads("k"))
	})
}

func TestRefreshFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute))
		defer r.Close()
		for k := range 20 {
			r.src.Set(fmt.Sprint(k), "a")
			r.mustGet(t, fmt.Sprint(k))
		}
		r.src.Fail(errDown)
		for range 3600 {
			time.Sleep(time.Second)
			for k := range 20 {
				require.Equal(t, "hit 1", r.peek(fmt.Sprint(k)), "an answer we have beats an error")
			}
		}
		synctest.Wait()
		require.EqualValues(t, 20, r.Stats().Failing)
		require.Equal(t, []string{"WARN refresh failed, serving stale"}, r.log.all(), "once, for all keys")
		loads := r.src.Loads("7")
		require.Greater(t, loads, 80, "it is tried again")
		require.Less(t, loads, 200, "with growing pauses")
		h, _ := r.Inspect("7")
		require.True(t, h.Failing)
		require.Greater(t, time.Since(h.CheckedAt), 59*time.Minute)

		r.src.Fail(nil)
		for range 60 {
			time.Sleep(time.Second)
			for k := range 20 {
				r.peek(fmt.Sprint(k))
			}
		}
		synctest.Wait()
		require.Zero(t, r.Stats().Failing)
		require.Equal(t, []string{"WARN refresh failed, serving stale", "INFO refresh works again"}, r.log.all())
	})
}

func TestBadEntryKeepsTheLastGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute))
		defer r.Close()
		r.src.Set("k", "good")
		r.mustGet(t, "k")
		r.src.Set("k", "bad")
		for range 600 {
			time.Sleep(time.Second)
			require.Equal(t, "hit 1", r.peek("k"))
		}
		require.Equal(t, []string{"WARN entry does not decode, serving the last good one"}, r.log.all())
		r.src.Set("k", "good again")
		for range 60 {
			time.Sleep(time.Second)
			r.peek("k")
		}
		require.Equal(t, "hit 3", r.peek("k"))
		require.Len(t, r.log.all(), 2)
	})
}

func TestMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute), func(cfg *cachetier.Config[*doc]) { cfg.MaxStale = time.Hour })
		defer r.Close()
		r.src.Set("k", "a")
		r.mustGet(t, "k")
		r.src.Fail(errDown)
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, "hit 1", r.peek("k"))
		time.Sleep(time.Second)
		require.Equal(t, "miss", r.peek("k"), "older than MaxStale is not served")
		_, err := r.Get(context.Background(), "k")
		require.ErrorIs(t, err, errDown)

		r.src.Fail(nil)
		require.EqualValues(t, 1, r.mustGet(t, "k").version)
		require.Equal(t, "hit 1", r.peek("k"), "confirmed, it is good again")
		require.EqualValues(t, 1, r.Stats().NotModified, "and was not loaded again")
	})
}

func TestJitterSpreadsRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(100*time.Second), func(cfg *cachetier.Config[*doc]) { cfg.Jitter, cfg.MaxBytes = 0.5, 16<<20 })
		defer r.Close()
		const keys = 1000
		for k := range keys {
			r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry("a", 1))
			r.src.SetVersion(fmt.Sprint(k), "a", 1)
		}
		time.Sleep(50*time.Second - time.Millisecond)
		for second := range 51 {
			before := r.Stats().Refreshes
			for k := range keys {
				r.peek(fmt.Sprint(k))
			}
			synctest.Wait()
			// 20 a second are due on average.
			require.Less(t, r.Stats().Refreshes-before, uint64(60), "second %d", second)
			time.Sleep(time.Second)
		}
		require.EqualValues(t, keys, r.Stats().Refreshes)
	})
}

func TestRefreshesLeaveRoomForFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute), func(cfg *cachetier.Config[*doc]) {
			cfg.MaxConcurrentFills, cfg.MaxQueuedFills = 8, -1
		})
		defer r.Close()
		for k := range 100 {
			r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry("a", 1))
		}
		time.Sleep(2 * time.Minute)
		release := r.src.Block()
		for k := range 100 {
			require.Equal(t, "hit 1", r.peek(fmt.Sprint(k)))
		}
		require.Equal(t, 4, r.Stats().Running)
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() { _, _ = r.Get(context.Background(), fmt.Sprint("new-", k)) })
		}
		synctest.Wait()
		require.Equal(t, 8, r.Stats().Running)
		release()
		wg.Wait()
	})
}

func TestInvalidate(t *testing.T) {
	t.Run("with a newer version fetches it, and serves the old one until then", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.src.Set("k", "a")
			r.mustGet(t, "k")
			r.src.Set("k", "b")
			release := r.src.Block()
			r.Invalidate("k", 2)
			synctest.Wait()
			require.Equal(t, "hit 1", r.peek("k"))
			release()
			synctest.Wait()
			require.Equal(t, "hit 2", r.peek("k"))
			require.NoError(t, r.CheckInvariants())
		})
	})

	t.Run("with a version that memory has does nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.mustPut(t, "k", cachetest.NewEntry("a", 5))
			r.Invalidate("k", 5)
			r.Invalidate("k", 4)
			synctest.Wait()
			require.Zero(t, r.src.Loads("k"))
		})
	})

	t.Run("without a version asks the source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.src.Set("k", "a")
			r.mustGet(t, "k")
			r.src.Set("k", "b")
			r.Invalidate("k", 0)
			synctest.Wait()
			require.Equal(t, "hit 2", r.peek("k"))
		})
	})

	t.Run("of a key that memory does not hold loads nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.Invalidate("k", 2)
			synctest.Wait()
			require.Zero(t, r.src.Loads("k"))
		})
	})

	t.Run("takes the version from the first tier that has it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			upper, lower := cachetest.NewTier(), cachetest.NewTier()
			r := newRig(t, withTiers(upper, lower))
			defer r.Close()
			r.src.Set("k", "a")
			r.mustGet(t, "k")
			synctest.Wait()
			lower.Plant(cachetier.Key{Namespace: "test", ID: "k"}, cachetest.NewEntry("b", 2))
			r.Invalidate("k", 2)
			synctest.Wait()
			require.Equal(t, "hit 2", r.peek("k"))
			require.Equal(t, 1, r.src.Loads("k"))
			require.EqualValues(t, 2, upper.Version(cachetier.Key{Namespace: "test", ID: "k"}))
		})
	})

	t.Run("before the source shows the version asks until it does", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.src.Set("k", "a")
			r.mustGet(t, "k")
			r.Invalidate("k", 2) // the replica behind Load lags
			for range 10 {
				time.Sleep(100 * time.Millisecond)
				require.Equal(t, "hit 1", r.peek("k"))
			}
			synctest.Wait()
			require.Less(t, r.src.Loads("k"), 10, "with growing pauses")
			r.src.Set("k", "b")
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				r.peek("k")
			}
			require.Equal(t, "hit 2", r.peek("k"))
		})
	})

	t.Run("while too many loads run is made up for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(cfg *cachetier.Config[*doc]) { cfg.MaxConcurrentFills, cfg.MaxQueuedFills = 1, -1 })
			defer r.Close()
			r.src.Set("k", "a")
			r.mustGet(t, "k")
			synctest.Wait()
			r.src.Set("k", "b")
			release := r.src.Block()
			go func() { _, _ = r.Get(context.Background(), "other") }()
			synctest.Wait()
			r.Invalidate("k", 2)
			release()
			time.Sleep(200 * time.Millisecond)
			r.peek("k")
			synctest.Wait()
			require.Equal(t, "hit 2", r.peek("k"))
		})
	})
}

func TestRefreshFallsBackToTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tier := cachetest.NewTier()
		r := newRig(t, withTiers(tier), withTTL(time.Minute))
		defer r.Close()
		r.src.Set("k", "a")
		r.mustGet(t, "k")
		synctest.Wait()
		r.src.Fail(errDown)
		tier.Plant(cachetier.Key{Namespace: "test", ID: "k"}, cachetest.NewEntry("from another node", 2))
		time.Sleep(time.Minute)
		r.peek("k")
		synctest.Wait()
		require.Equal(t, "hit 2", r.peek("k"))
	})
}

func TestSourceGoingBackIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTTL(time.Minute))
		defer r.Close()
		r.src.SetVersion("k", "a", 5)
		r.mustGet(t, "k")
		r.src.SetVersion("k", "restored from a backup", 3)
		for range 600 {
			time.Sleep(time.Second)
			require.Equal(t, "hit 5", r.peek("k"))
		}
		require.NotZero(t, r.Stats().Older)
		require.Less(t, r.src.Loads("k"), 50, "with growing pauses")
		r.Remove("k")
		require.EqualValues(t, 3, r.mustGet(t, "k").version, "Remove is the way back")
	})
}
