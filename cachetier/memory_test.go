package cachetier_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

func TestPut(t *testing.T) {
	e := cachetest.NewEntry
	for _, row := range []struct {
		name    string
		puts    []cachetier.Entry
		swapped []bool
		want    string
	}{
		{"the first version is taken", []cachetier.Entry{e("a", 1)}, []bool{true}, "hit 1"},
		{"newer replaces older", []cachetier.Entry{e("a", 1), e("b", 5)}, []bool{true, true}, "hit 5"},
		{"older does not replace newer", []cachetier.Entry{e("b", 5), e("a", 1)}, []bool{true, false}, "hit 5"},
		{"the same version changes nothing", []cachetier.Entry{e("a", 1), e("b", 1)}, []bool{true, false}, "hit 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			for i, e := range row.puts {
				swapped, err := r.Put("k", e)
				require.NoError(t, err)
				require.Equal(t, row.swapped[i], swapped)
			}
			require.Equal(t, row.want, r.peek("k"))
			r.check(t)
		})
	}

	t.Run("a version must be positive", func(t *testing.T) {
		r := newRig(t)
		_, err := r.Put("k", e("a", 0))
		require.ErrorContains(t, err, "version is not positive")
		_, err = r.PutValue("k", &doc{}, 1, e("a", -1))
		require.Error(t, err)
		require.Equal(t, "miss", r.peek("k"))
	})

	t.Run("what does not decode leaves memory as it was", func(t *testing.T) {
		r := newRig(t)
		r.mustPut(t, "k", e("good", 1))
		_, err := r.Put("k", e("bad", 2))
		require.ErrorIs(t, err, errBadBody)
		_, err = r.Put("k", e("panic", 3))
		require.ErrorContains(t, err, "panicked")
		require.Equal(t, "hit 1", r.peek("k"))
	})

	t.Run("a decoded value is put as it is", func(t *testing.T) {
		r := newRig(t)
		want := &doc{id: "k", version: 7}
		swapped, err := r.PutValue("k", want, 10, cachetier.Entry{Version: 7})
		require.NoError(t, err)
		require.True(t, swapped)
		got, state := r.Peek("k")
		require.Equal(t, cachetier.Hit, state)
		require.Same(t, want, got)
	})
}

func TestPutIsReadableAtOnce(t *testing.T) {
	// A budget for about 40 of the 200 keys, so that admissions, refusals and evictions go on all the time.
	r := newRig(t, withRoomFor(40, 1000))
	for v := int64(1); v <= 50; v++ {
		for k := range 200 {
			id := fmt.Sprint("key-", k)
			r.mustPut(t, id, cachetest.NewEntry("cost=1000", v))
			require.Equal(t, fmt.Sprint("hit ", v), r.peek(id))
		}
	}
	r.check(t)
	require.NotZero(t, r.Stats().Evictions)
}

func TestUpdateLeavesNoGap(t *testing.T) {
	r := newRig(t)
	r.mustPut(t, "k", cachetest.NewEntry("a", 1))
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var last int64
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			d, state := r.Peek("k")
			if state != cachetier.Hit || d.version < last {
				done <- fmt.Errorf("%v %+v after version %d", state, d, last)
				return
			}
			last = d.version
		}
	}()
	for v := int64(2); v < 5000; v++ {
		r.mustPut(t, "k", cachetest.NewEntry("a", v))
	}
	close(stop)
	require.NoError(t, <-done)
}

func TestRemove(t *testing.T) {
	r := newRig(t)
	r.mustPut(t, "k", cachetest.NewEntry("a", 9))
	r.Remove("k")
	require.Equal(t, "miss", r.peek("k"))
	r.Remove("k")
	r.mustPut(t, "k", cachetest.NewEntry("starts over", 1))
	require.Equal(t, "hit 1", r.peek("k"))
	r.check(t)
}

func TestCallersMayReuseTheirBuffers(t *testing.T) {
	r := newRig(t)
	r.src.Set("filled-key", "a")
	calls := map[string]func(id string){
		"filled-key": func(id string) { r.mustGet(t, id) },
		"put-key":    func(id string) { r.mustPut(t, id, cachetest.NewEntry("a", 1)) },
		"absent-key": func(id string) { _, _ = r.Get(t.Context(), id) },
	}
	for id, call := range calls {
		buf := []byte(id)
		call(alias(buf))
		r.Invalidate(alias(buf), 1)
		r.Peek(alias(buf))
		for i := range buf {
			buf[i] = 0xCC
		}
		if id == "absent-key" {
			continue
		}
		require.Equal(t, "hit 1", r.peek(id), id)
		r.Invalidate(id, 1)
	}
	for h := range r.All() {
		require.Contains(t, calls, h.ID)
	}
	r.check(t)
}

func TestEqualHashesStayApart(t *testing.T) {
	r := newRig(t)
	r.Collide()
	for k := range 20 {
		r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry(fmt.Sprint("body ", k), 1))
	}
	for k := range 20 {
		d, state := r.Peek(fmt.Sprint(k))
		require.Equal(t, cachetier.Hit, state)
		require.Equal(t, fmt.Sprint("body ", k), d.body)
	}
	r.Remove("7")
	require.Equal(t, "miss", r.peek("7"))
	require.Equal(t, "hit 1", r.peek("0"))
	require.EqualValues(t, 19, r.Stats().Refusals, "one place in ristretto, the rest in the window")
}

func TestEvictionKeepsRule1(t *testing.T) {
	r := newRig(t, withRoomFor(10, 1000))
	r.src.SetVersion("k", "cost=1000", 3)
	r.mustPut(t, "k", cachetest.NewEntry("cost=1000", 5))
	for i := 0; r.peek("k") != "miss"; i++ {
		r.mustPut(t, fmt.Sprint("other-", i), cachetest.NewEntry("cost=1000", 1))
	}

	swapped, err := r.Put("k", cachetest.NewEntry("cost=1000", 4))
	require.NoError(t, err)
	require.False(t, swapped, "version 5 has been served")

	_, err = r.Get(t.Context(), "k")
	require.ErrorIs(t, err, cachetier.ErrBehind)
	require.Equal(t, "miss", r.peek("k"))

	r.src.SetVersion("k", "cost=1000", 5)
	require.EqualValues(t, 5, r.mustGet(t, "k").version)
	require.NotZero(t, r.Stats().Refills)
	require.Contains(t, r.log.all(), "WARN memory budget is too small: an evicted entry is needed again")
}

func TestBudget(t *testing.T) {
	t.Run("holds with new keys", func(t *testing.T) {
		r := newRig(t, withRoomFor(64, 1000))
		for k := range 1000 {
			r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry("cost=1000", 1))
			require.LessOrEqual(t, r.Stats().Bytes, r.Stats().MaxBytes)
		}
		r.check(t)
		require.Greater(t, r.Stats().Entries, int64(50))
	})

	t.Run("holds with keys that grow", func(t *testing.T) {
		r := newRig(t, withRoomFor(64, 1000))
		for k := range 50 {
			r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry("cost=1000", 1))
		}
		for k := range 50 {
			r.mustPut(t, fmt.Sprint(k), cachetest.NewEntry("cost=9000", 2))
			require.Equal(t, "hit 2", r.peek(fmt.Sprint(k)))
			require.LessOrEqual(t, r.Stats().Bytes, r.Stats().MaxBytes+9000+cachetier.SlotOverhead)
		}
		r.check(t)
	})

	t.Run("an entry larger than the budget is served, with a warning", func(t *testing.T) {
		r := newRig(t, withRoomFor(64, 1000))
		r.src.Set("giant", "cost=1000000")
		for range 100 {
			r.mustGet(t, "giant")
		}
		require.Equal(t, 1, r.src.Loads("giant"))
		r.check(t)
		require.NotZero(t, r.Stats().Oversize)
		require.Equal(t, []string{"WARN entry is larger than the memory budget, held anyway"}, r.log.all())

		r.mustPut(t, "giant", cachetest.NewEntry("cost=1000", 2))
		require.Equal(t, "hit 2", r.peek("giant"), "when it has shrunk it is one of many")
		r.mustPut(t, "giant", cachetest.NewEntry("cost=1000000", 3))
		require.Equal(t, "hit 3", r.peek("giant"))
		r.check(t)
	})

	t.Run("an entry that ristretto refuses is served from the window and gets in when it is used", func(t *testing.T) {
		r := newRig(t, withRoomFor(64, 1000))
		for k := 0; r.Stats().Evictions == 0; k++ {
			r.mustPut(t, fmt.Sprint("hot-", k), cachetest.NewEntry("cost=1000", 1))
			for h := range r.All() {
				r.Heat(h.ID, 40)
			}
		}
		eventually(t, func() bool {
			for k := range 8 {
				r.mustPut(t, fmt.Sprintf("new-%d-%d", r.Stats().Swaps, k), cachetest.NewEntry("cost=1000", 1))
			}
			return r.Stats().Refusals > 0
		}, "ristretto refuses newcomers")

		before := r.Stats()
		r.src.Set("newcomer", "cost=1000")
		for range 100 {
			r.mustGet(t, "newcomer")
		}
		require.Equal(t, 1, r.src.Loads("newcomer"), "one load for a hundred requests")
		require.Equal(t, before.Fills+1, r.Stats().Fills)
		r.check(t)
		require.LessOrEqual(t, r.Stats().Bytes, r.Stats().MaxBytes)
	})
}

func TestWhatIsUsedMostStays(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector sync.Pool, and so ristretto, forgets uses at random")
	}
	// 1,000 keys, room for 200; seven requests in eight ask for one of 150. A clock that moves 10 ms a request.
	var now atomic.Int64
	r := newRig(t, withRoomFor(200, 1000), withTTL(-1), func(cfg *cachetier.Config[*doc]) {
		cfg.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	for k := range 1000 {
		r.src.Set(fmt.Sprint(k), "cost=1000")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var before cachetier.Stats
	for i := range 30_000 {
		if i == 10_000 {
			before = r.Stats()
		}
		now.Add(int64(10 * time.Millisecond))
		k := rnd.IntN(150)
		if rnd.IntN(8) == 0 {
			k = 150 + rnd.IntN(850)
		}
		r.mustGet(t, fmt.Sprint(k))
	}
	st := r.Stats()
	ratio := float64(st.Hits-before.Hits) / float64(st.Hits+st.Misses-before.Hits-before.Misses)
	t.Logf("hit ratio %.3f; %d evictions, %d refusals", ratio, st.Evictions, st.Refusals)
	require.Greater(t, ratio, 0.8, "the best possible is 0.88")
	r.check(t)
}

// TestMemoryStaysWithinItsBudget measures the heap of 100,000 small entries, and so slotOverhead.
func TestMemoryStaysWithinItsBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's memory is not ours")
	}
	const entries, valueBytes = 100_000, 512
	type value struct{ _ [valueBytes]byte }
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	c, err := cachetier.New(cachetier.Config[*value]{
		Namespace: "identity", MaxBytes: 64 << 20, Load: cachetest.NewSource().Load,
		Decode: func(string, cachetier.Entry) (*value, int64, error) { return &value{}, valueBytes, nil },
	})
	require.NoError(t, err)
	defer c.Close()
	before := heap()
	for i := range entries {
		_, err := c.Put(fmt.Sprintf("identity-%020d", i), cachetier.Entry{Version: 1, Body: []byte{}})
		require.NoError(t, err)
	}
	used, st := heap()-before, c.Stats()
	perEntry := used/st.Entries - valueBytes
	t.Logf("%d entries, %d evicted: %d MiB of %d MiB, %d bytes of overhead per entry (charged: %d)",
		st.Entries, st.Evictions, used>>20, st.MaxBytes>>20, perEntry, cachetier.SlotOverhead+29)
	require.LessOrEqual(t, used, st.MaxBytes*11/10)
	require.GreaterOrEqual(t, used, st.MaxBytes*7/10, "the overhead charged is far too high")
	runtime.KeepAlive(c)
}
