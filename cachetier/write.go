package cachetier

import (
	"context"
	"errors"
)

// maxQueuedWrites bounds the bodies that wait for a slow tier.
const maxQueuedWrites = 64

// repair brings tiers up to date with what a flight found, behind the backs of those who waited for it. Only tiers
// that answered are written: one that failed may hold something newer, and is likely to fail again.
func (c *Cache[V]) repair(id string, a answer[V], q question[V]) {
	key := Key{c.cfg.Namespace, id}
	switch {
	case errors.Is(a.err, ErrNotFound):
		upTo := max(a.seen, q.served)
		if q.held != nil {
			upTo = max(upTo, q.held.version)
		}
		if upTo > 0 {
			c.write(c.allTiers(), func(ctx context.Context, t Tier) error { return t.Delete(ctx, key, upTo) })
		}
	case a.err != nil || a.confirmed:
	case a.fromLoader && !q.tiersFirst:
		c.publish(key, a.entry) // tiers were not asked; they compare for themselves
	default:
		c.set(a.repair, key, a.entry)
	}
}

// publish sends an entry to all tiers. If it is lost, this node is still right, and other nodes do not believe what
// the tier holds once Invalidate tells them the version.
func (c *Cache[V]) publish(key Key, e Entry) { c.set(c.allTiers(), key, e) }

func (c *Cache[V]) set(tiers []int, key Key, e Entry) {
	c.write(tiers, func(ctx context.Context, t Tier) error { return t.Set(ctx, key, e) })
}

func (c *Cache[V]) allTiers() []int {
	all := make([]int, len(c.cfg.Tiers))
	for i := range all {
		all[i] = i
	}
	return all
}

// write calls f for some tiers in the background. Failures are counted; there is nobody to tell, and a write that is
// lost costs a load later.
func (c *Cache[V]) write(tiers []int, f func(context.Context, Tier) error) {
	if len(tiers) == 0 {
		return
	}
	started := c.writes.start(func() {
		ctx, cancel := context.WithTimeout(c.base, c.cfg.FillTimeout)
		defer cancel()
		for _, i := range tiers {
			c.countWrite(i, c.writeOne(ctx, i, f))
		}
	})
	if !started {
		for _, i := range tiers {
			c.countWrite(i, ErrBusy)
		}
	}
}

func (c *Cache[V]) writeOne(ctx context.Context, i int, f func(context.Context, Tier) error) (err error) {
	defer c.recovered("Tier", &err)
	return f(ctx, c.cfg.Tiers[i])
}

func (c *Cache[V]) countWrite(i int, err error) {
	c.n.tiers[i].sets.Add(1)
	if err != nil {
		c.n.tiers[i].setErrors.Add(1)
	}
}
