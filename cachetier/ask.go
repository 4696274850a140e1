package cachetier

import (
	"context"
	"errors"
	"fmt"
)

// question is what a flight knows when it asks.
type question[V any] struct {
	held       *item[V] // nil: memory holds none
	min        int64    // older than this is of no use from a tier
	served     int64    // memory has let go of this version
	tiersFirst bool
	asked      int64 // when
}

// answer is what tiers and loader said.
type answer[V any] struct {
	item       *item[V]
	entry      Entry
	confirmed  bool // item is question.held: not modified
	fromLoader bool
	err        error
	repair     []int // tiers that are known not to hold the entry
	seen       int64 // newest version that a tier offered, used or not
}

func (c *Cache[V]) question(f *flight[V], ask int) question[V] {
	sh := c.shard(f.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	q := question[V]{asked: c.now()}
	f.touched, f.forced = false, false
	want := f.want
	if s := c.lookup(f.id); s != nil && !f.void {
		q.held = s.cur.Load()
		q.min = q.held.version + 1
		want = max(want, s.want)
	} else {
		fl := c.floors.get(f.hash, q.asked)
		q.served = fl.served
		q.min = max(fl.served, 1)
		want = max(want, fl.want)
	}
	q.min = max(q.min, want)
	// A refresh for age asks the source of truth: a tier could only confirm what a tier once said.
	q.tiersFirst = ask == 1 && (q.held == nil || want > q.held.version)
	return q
}

// ask finds an answer without touching memory.
func (c *Cache[V]) ask(ctx context.Context, id string, q question[V]) (a answer[V]) {
	if c.closed.Load() {
		a.err = ErrClosed
		return a
	}
	if q.tiersFirst && c.askTiers(ctx, id, q.min, &a) {
		return a
	}
	c.askLoader(ctx, id, q, &a)
	if a.err == nil || a.fromLoader || q.tiersFirst {
		return a
	}
	// The source cannot be asked. A tier may still know something newer.
	fromTiers := answer[V]{}
	if c.askTiers(ctx, id, q.min, &fromTiers) {
		return fromTiers
	}
	return a
}

// askTiers finds the first tier with at least version least.
func (c *Cache[V]) askTiers(ctx context.Context, id string, least int64, a *answer[V]) bool {
	for i, t := range c.cfg.Tiers {
		n := &c.n.tiers[i]
		e, err := c.tierGet(ctx, t, id)
		switch {
		case errors.Is(err, ErrMiss):
			n.misses.Add(1)
			a.repair = append(a.repair, i)
			continue
		case err != nil:
			n.errors.Add(1)
			continue
		}
		n.hits.Add(1)
		a.seen = max(a.seen, e.Version)
		if e.Version < least {
			n.stale.Add(1)
			a.repair = append(a.repair, i)
			continue
		}
		if a.item, err = c.decode(id, e); err != nil {
			a.repair = append(a.repair, i)
			continue
		}
		a.entry = e
		return true
	}
	return false
}

func (c *Cache[V]) tierGet(ctx context.Context, t Tier, id string) (e Entry, err error) {
	defer c.recovered("Tier.Get", &err)
	return t.Get(ctx, Key{c.cfg.Namespace, id})
}

// askLoader sets a.fromLoader if the source answered, be it with "no such key" or with something that does not
// decode.
func (c *Cache[V]) askLoader(ctx context.Context, id string, q question[V], a *answer[V]) {
	var have int64
	if q.held != nil {
		have = q.held.version
	}
	e, err := c.load(ctx, id, have)
	switch {
	case errors.Is(err, ErrNotModified) && q.held == nil:
		a.err = fmt.Errorf("BUG: loader says %w, but was told that nothing is held", err)
	case errors.Is(err, ErrNotModified), err == nil && q.held != nil && e.Version == have:
		a.item, a.confirmed, a.fromLoader = q.held, true, true
	case err != nil:
		a.err, a.fromLoader = err, errors.Is(err, ErrNotFound)
	default:
		a.entry, a.fromLoader = e, true
		a.item, a.err = c.decode(id, e)
	}
}

func (c *Cache[V]) load(ctx context.Context, id string, have int64) (e Entry, err error) {
	defer c.recovered("Load", &err)
	return c.cfg.Load(ctx, id, have)
}
