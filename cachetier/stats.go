package cachetier

import (
	"math/rand/v2"
	"sync/atomic"
)

// Stats is a snapshot of a Cache's counters (since New) and gauges. Counters are exact but not read at one instant.
type Stats struct {
	// Lookups by Peek, and by Get, which begins with a Peek.
	Hits, NegativeHits, Misses uint64

	Fills      uint64 // loads that ended, for keys that memory did not hold (or held past MaxStale)
	FillErrors uint64 // of Fills: ended with an error, ErrNotFound excepted
	Refreshes  uint64 // loads that ended, for keys that memory held
	// RefreshErrors counts Refreshes that failed while the old answer went on being served.
	RefreshErrors uint64
	NotModified   uint64 // Fills and Refreshes answered "what you have is current"
	NotFound      uint64 // Fills and Refreshes answered "no such key"
	DecodeErrors  uint64 // entries that Decode rejected, wherever they came from
	Busy          uint64 // fills refused and refreshes put off because of Config.MaxConcurrentFills
	Panics        uint64 // recovered from Load, Decode, OnSwap or a Tier

	Swaps uint64 // newer versions taken into memory
	Older uint64 // versions not taken because memory holds, or has held, a newer one

	Evictions uint64 // entries dropped for the memory budget
	Refusals  uint64 // entries that ristretto did not admit and that went to the waiting window
	Refills   uint64 // fills of keys that had been evicted lately: the budget is too small for the working set
	Oversize  uint64 // times an entry larger than the budget was held anyway

	Tiers []TierStats // in the order of Config.Tiers

	// Gauges.
	Bytes, MaxBytes int64 // cost of what memory holds, and the budget
	Entries         int64
	Negatives       int64 // remembered unknown keys, expired ones included until they are pushed out
	Failing         int64 // entries that are served although their last refresh failed
	Running, Queued int   // loads
}

// TierStats counts what one shared tier answered.
type TierStats struct {
	Hits, Misses, Errors uint64 // of Get
	Stale                uint64 // of Hits: an older version than one known to exist
	Sets, SetErrors      uint64 // Delete included
}

// counters are the parts of Stats that are not on the hot path.
type counters struct {
	fills, fillErrors, refreshes, refreshErrors, notModified, notFound,
	decodeErrors, busy, panics, swaps, older, evictions, refusals, refills, oversize atomic.Uint64
	bytes, entries atomic.Int64
	failing        [troubles]atomic.Int64
	tiers          []tierCounters
}

type tierCounters struct {
	hits, misses, errors, stale, sets, setErrors atomic.Uint64
}

// lookups counts Peeks without making every core fight for one cache line. Picking a stripe at random and adding to it
// takes 9 ns.
type lookups [32]struct {
	n [3]atomic.Uint64 // by State
	_ [40]byte
}

func (l *lookups) add(s State) { l[rand.Uint32()%uint32(len(l))].n[s].Add(1) }

func (l *lookups) sum(s State) (n uint64) {
	for i := range l {
		n += l[i].n[s].Load()
	}
	return n
}

// Stats returns the counters. It allocates; call it per scrape, not per request.
func (c *Cache[V]) Stats() Stats {
	n := &c.n
	s := Stats{
		Hits: c.lookups.sum(Hit), NegativeHits: c.lookups.sum(Negative), Misses: c.lookups.sum(Miss),
		Fills: n.fills.Load(), FillErrors: n.fillErrors.Load(),
		Refreshes: n.refreshes.Load(), RefreshErrors: n.refreshErrors.Load(),
		NotModified: n.notModified.Load(), NotFound: n.notFound.Load(), DecodeErrors: n.decodeErrors.Load(),
		Busy: n.busy.Load(), Panics: n.panics.Load(), Swaps: n.swaps.Load(), Older: n.older.Load(),
		Evictions: n.evictions.Load(), Refusals: n.refusals.Load(), Refills: n.refills.Load(), Oversize: n.oversize.Load(),
		Tiers: make([]TierStats, len(n.tiers)),
		Bytes: n.bytes.Load(), MaxBytes: c.cfg.MaxBytes, Entries: n.entries.Load(), Negatives: c.negatives.count.Load(),
	}
	for i := range n.failing {
		s.Failing += n.failing[i].Load()
	}
	for i := range n.tiers {
		t := &n.tiers[i]
		s.Tiers[i] = TierStats{
			Hits: t.hits.Load(), Misses: t.misses.Load(), Errors: t.errors.Load(), Stale: t.stale.Load(),
			Sets: t.sets.Load(), SetErrors: t.setErrors.Load(),
		}
	}
	s.Running, s.Queued = c.limit.load()
	return s
}
