package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func eachBenchmark(b *testing.B, fn func(*testing.B, *store.Store)) {
	b.Run("db=sqlite", func(b *testing.B) { fn(b, storetest.SQLite(b)) })
	b.Run("db=postgres", func(b *testing.B) { fn(b, storetest.Postgres(b)) })
}

// BenchmarkIdentityWriter counts single-trait writes that change something, durable when they are counted. Identities are
// drawn by Zipf's law from 100,000, so that some batches hold one twice.
func BenchmarkIdentityWriter(b *testing.B) {
	for _, writers := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			eachBenchmark(b, func(b *testing.B, st *store.Store) { benchmarkWriter(b, st, writers) })
		})
	}
}

func benchmarkWriter(b *testing.B, st *store.Store, writers int) {
	env := newEnvironment(b, st)
	w := startWriter(b, st, store.WriterConfig{})
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for seed := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			zipf := rand.NewZipf(r, 1.1, 10, 99_999)
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				res, err := w.Write(context.Background(), store.IdentityWrite{
					EnvironmentID: env, Identifier: fmt.Sprintf("user-%d", zipf.Uint64()), Create: true,
					Set: []flagsmith.Trait{{Key: "visits", Value: flagsmith.IntValue(i)}},
				})
				if err != nil || len(res.Identity.Traits) != 1 {
					b.Errorf("write %d: %+v, %v", i, res, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

func BenchmarkBuildDocument(b *testing.B) {
	for _, size := range []struct{ features, segments, identities int }{{100, 20, 10}, {100, 20, 1000}} {
		b.Run(fmt.Sprintf("features=%d/segments=%d/identities=%d", size.features, size.segments, size.identities), func(b *testing.B) {
			eachBenchmark(b, func(b *testing.B, st *store.Store) {
				env := largeEnvironment(b, st, size.features, size.segments, size.identities)
				b.ReportAllocs()
				for b.Loop() {
					doc, err := st.BuildDocument(b.Context(), env)
					if err != nil || len(doc.FeatureStates) != size.features {
						b.Fatal(doc, err)
					}
				}
			})
		})
	}
}

func BenchmarkIdentity(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, st *store.Store) {
		env := newEnvironment(b, st)
		w := startWriter(b, st, store.WriterConfig{})
		var set []flagsmith.Trait
		for i := range 10 {
			set = append(set, flagsmith.Trait{Key: fmt.Sprintf("trait_%d", i), Value: flagsmith.StringValue("some value")})
		}
		if _, err := w.Write(b.Context(), store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Create: true, Set: set}); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			id, err := st.Identity(b.Context(), env, "ann")
			if err != nil || len(id.Traits) != len(set) {
				b.Fatal(id, err)
			}
		}
	})
}
