package cachetier_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

// newBench returns a cache with that many keys, and a stream of ids to ask for: Zipf, as buffers of requests would
// hold them.
func newBench(b *testing.B, keys int) (*rig, [][]byte) {
	b.Helper()
	r := newRig(b, func(cfg *cachetier.Config[*doc]) { cfg.MaxBytes, cfg.TTL = 64<<20, time.Hour })
	ids := make([]string, keys)
	for i := range ids {
		ids[i] = fmt.Sprintf("Yt7Qm2%016x", uint64(i)*0x9e3779b97f4a7c15)
		r.mustPut(b, ids[i], cachetest.NewEntry("body", 1))
	}
	require.EqualValues(b, keys, r.Stats().Entries)
	stream := make([][]byte, 1<<16)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(keys-1))
	for i := range stream {
		stream[i] = []byte(ids[zipf.Uint64()])
	}
	return r, stream
}

func BenchmarkPeek(b *testing.B) {
	for _, keys := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("hit/keys=%d", keys), func(b *testing.B) {
			r, stream := newBench(b, keys)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, state := r.Peek(alias(stream[i%len(stream)])); state != cachetier.Hit {
					b.Fatal(state)
				}
			}
		})
		b.Run(fmt.Sprintf("hit/parallel/keys=%d", keys), func(b *testing.B) {
			r, stream := newBench(b, keys)
			var worker atomic.Uint64
			b.ReportAllocs()
			b.ResetTimer() // RunParallel, unlike Loop, counts what came before
			b.RunParallel(func(pb *testing.PB) {
				i := int(worker.Add(1)) * 7919
				for ; pb.Next(); i++ {
					if _, state := r.Peek(alias(stream[i%len(stream)])); state != cachetier.Hit {
						b.Error(state)
						return
					}
				}
			})
		})
	}
	r, _ := newBench(b, 10_000)
	_, err := r.Get(b.Context(), "unknown")
	require.ErrorIs(b, err, cachetier.ErrNotFound)
	b.Run("negative", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Peek("unknown")
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Peek("never asked for")
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, keys := range []int{1, 10_000, 100_000} { // the last do not fit
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			r := newRig(b, func(cfg *cachetier.Config[*doc]) { cfg.MaxBytes = 32 << 20 })
			b.ReportAllocs()
			for v := int64(1); b.Loop(); v++ {
				id := fmt.Sprint(v % int64(keys))
				if swapped, err := r.PutValue(id, &doc{}, 100, cachetier.Entry{Version: v}); err != nil || !swapped {
					b.Fatal(swapped, err)
				}
			}
		})
	}
}
