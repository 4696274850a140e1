package cachetier

import (
	"context"
	"fmt"
)

// SlotOverhead is what an entry costs beside value and id.
const SlotOverhead = slotOverhead

// Collide makes all ids look the same to ristretto.
func (c *Cache[V]) Collide() { c.keyMask = 0 }

// Fill is Get after its Peek, as if that had been a miss.
func (c *Cache[V]) Fill(ctx context.Context, id string) (V, error) { return c.fill(ctx, id) }

// Heat reports uses of id to ristretto.
func (c *Cache[V]) Heat(id string, times int) {
	s := c.lookup(id)
	for range times {
		c.policy.Get(s.hash.a & c.keyMask)
	}
}

// CheckInvariants compares the index with all that is derived from it. Nothing may be running.
func (c *Cache[V]) CheckInvariants() error {
	var bytes, entries, failing int64
	var err error
	c.index.Range(func(k, x any) bool {
		s := x.(*slot[V])
		entries++
		bytes += s.cur.Load().cost
		if s.trouble != noTrouble {
			failing++
		}
		held, ok := c.policy.Get(s.hash.a & c.keyMask)
		switch {
		case k.(string) != s.id || s.gone:
			err = fmt.Errorf("slot %q under key %q, gone %v", s.id, k, s.gone)
		case s.place == unplaced:
			err = fmt.Errorf("slot %q is nowhere in the budget", s.id)
		case s.place == inMain && (!ok || held != s):
			err = fmt.Errorf("slot %q should be held by ristretto", s.id)
		case s.place == inWindow && !s.inWindow:
			err = fmt.Errorf("slot %q should be in the window", s.id)
		case s.place == inMain && s.inWindow:
			err = fmt.Errorf("slot %q is in two places", s.id)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	st := c.Stats()
	if st.Bytes != bytes || st.Entries != entries || st.Failing != failing {
		return fmt.Errorf("stats say bytes=%d entries=%d failing=%d, index says %d %d %d",
			st.Bytes, st.Entries, st.Failing, bytes, entries, failing)
	}
	if main := c.mainMax - c.policy.RemainingCost(); main+c.window.bytes != bytes {
		return fmt.Errorf("ristretto has %d and the window %d, index has %d", main, c.window.bytes, bytes)
	}
	for i := range c.shards {
		if sh := &c.shards[i]; len(sh.flights)+len(sh.placing)+len(sh.swaps) != 0 {
			return fmt.Errorf("shard %d: %d flights, %d placements, %d swaps left over",
				i, len(sh.flights), len(sh.placing), len(sh.swaps))
		}
	}
	return nil
}

// Idle reports that no load or write runs or waits.
func (c *Cache[V]) Idle() bool {
	loads, waiting := c.limit.load()
	writes, queued := c.writes.load()
	return loads+waiting+writes+queued == 0
}
