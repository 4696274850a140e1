package cachetier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// maxAsks bounds how often one flight asks again because the answer was overtaken or behind.
	maxAsks = 5
	// firstPause doubles between those.
	firstPause = 5 * time.Millisecond
)

// flight is one load of one key, as a fill or as a refresh, and everyone who waits for it. It is not
// x/sync/singleflight because Put, Invalidate and Remove must be able to mark the load that is under way, under the
// lock that guards the key.
type flight[V any] struct {
	id      string
	hash    hash128
	refresh bool // memory held the key when it began
	chase   bool // follows a flight that ended short of a version known to exist

	done  chan struct{} // closed when value and err are set
	value V
	err   error

	// Guarded by the shard's mu.
	landed  bool
	void    bool  // Remove came: the outcome is for those who wait, not for memory
	touched bool  // Put or Invalidate came since the source was last asked: the key exists
	forced  bool  // Invalidate came without a version: ask once more
	want    int64 // Invalidate came with this version
}

// fill is the slow half of Get.
func (c *Cache[V]) fill(ctx context.Context, id string) (v V, err error) {
	f, s, refill, err := c.join(id)
	if refill {
		c.n.refills.Add(1)
		c.refillLog.do(c.now(), func(times uint64) {
			c.cfg.Log.Warn("memory budget is too small: an evicted entry is needed again",
				"budget", c.cfg.MaxBytes, "times", times)
		})
	}
	switch {
	case err != nil:
		return v, err
	case s != nil:
		return s.cur.Load().value, nil
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return v, fmt.Errorf("wait for fill of %s/%s: %w", c.cfg.Namespace, c.cfg.name(f.id), context.Cause(ctx))
	}
}

// join returns the flight of id, beginning one if there is none, or what has arrived in memory since the caller
// looked. refill: it began one for a key that was evicted lately.
func (c *Cache[V]) join(id string) (f *flight[V], s *slot[V], refill bool, err error) {
	h := c.hasher.hash(id)
	sh := c.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := c.now()
	s = c.lookup(id)
	if s != nil && now < s.hard.Load() {
		return nil, s, false, nil
	}
	if c.negatives.has(h, now) {
		return nil, nil, false, ErrNotFound
	}
	if f = sh.flights[id]; f != nil {
		return f, nil, false, nil
	}
	f = &flight[V]{id: strings.Clone(id), hash: h, refresh: s != nil}
	if !c.launchLocked(sh, f, c.limit.start) {
		if c.closed.Load() {
			return nil, nil, false, ErrClosed
		}
		return nil, nil, false, ErrBusy
	}
	return f, nil, s == nil && c.floors.get(h, now).served > 0, nil
}

func (c *Cache[V]) launchLocked(sh *shard[V], f *flight[V], start func(func()) bool) bool {
	f.done = make(chan struct{})
	if !start(func() { c.fly(f) }) {
		c.n.busy.Add(1)
		return false
	}
	sh.flights[f.id] = f
	return true
}

var errAborted = errors.New("load ended without an answer")

// fly runs on a goroutine of the limiter.
func (c *Cache[V]) fly(f *flight[V]) {
	ctx, cancel := context.WithTimeout(c.base, c.cfg.FillTimeout)
	defer cancel()
	// Whatever happens, nobody waits for ever: a second landing does nothing.
	defer func() { c.land(f, question[V]{}, answer[V]{err: errAborted}, true) }()
	for ask := 1; ; ask++ {
		q := c.question(f, ask)
		a := c.ask(ctx, f.id, q)
		if c.land(f, q, a, ask == maxAsks || ctx.Err() != nil) {
			c.repair(f.id, a, q)
			return
		}
		pause(ctx, jittered(firstPause<<(ask-1)))
	}
}

// land brings an answer into memory and to those who wait. It reports false if the flight should ask again, which it
// does not if last.
func (c *Cache[V]) land(f *flight[V], q question[V], a answer[V], last bool) (landed bool) {
	var ch change[V]
	sh := c.shard(f.hash)
	sh.mu.Lock()
	if f.landed {
		sh.mu.Unlock()
		return true
	}
	if landed = c.landLocked(sh, f, q, a, last, &ch); landed {
		f.landed = true
		if sh.flights[f.id] == f {
			delete(sh.flights, f.id)
		}
		c.chaseLocked(sh, f)
		c.countFlight(f, a)
		close(f.done)
	}
	sh.mu.Unlock()
	c.finish(&ch)
	return landed
}

func (c *Cache[V]) landLocked(sh *shard[V], f *flight[V], q question[V], a answer[V], last bool, ch *change[V]) bool {
	switch {
	case f.void:
		if f.err = c.fillError(f.id, a.err); a.err == nil {
			f.value = a.item.value
		}
		return true
	case a.err == nil:
		return c.landItemLocked(sh, f, q, a, last, ch)
	case errors.Is(a.err, ErrNotFound):
		return c.landAbsentLocked(sh, f, q, a, last, ch)
	}
	c.landErrorLocked(f, a.err, ch)
	return true
}

func (c *Cache[V]) landItemLocked(
	sh *shard[V], f *flight[V], q question[V], a answer[V], last bool, ch *change[V],
) bool {
	v := c.takeLocked(sh, f.id, f.hash, a.item, a.entry, q.asked, ch)
	s := c.lookup(f.id)
	if v == older {
		if !a.confirmed {
			c.n.older.Add(1)
		}
		if s == nil { // evicted meanwhile, and the source is behind what was served then
			f.err = c.fillError(f.id, ErrBehind)
			return last
		}
		if s.soft.Load() == never { // not overtaken by a Put: the source is behind
			s.lags++
			c.scheduleLocked(s, c.now(), c.now()+lagDelay(s.lags))
		}
	}
	f.value, f.err = s.cur.Load().value, nil
	if f.want > s.cur.Load().version && f.want > s.want { // announced while the answer was on its way
		s.want = f.want
		c.scheduleLocked(s, c.now(), c.now()+lagDelay(1))
	}
	return true
}

func (c *Cache[V]) landAbsentLocked(
	sh *shard[V], f *flight[V], q question[V], a answer[V], last bool, ch *change[V],
) bool {
	s := c.lookup(f.id)
	if f.touched { // the source was asked before the key was put or announced: its answer is out of date
		if s != nil && (q.held == nil || s.cur.Load().version > q.held.version) {
			f.value, f.err = s.cur.Load().value, nil
			return true
		}
		f.err = ErrNotFound
		return last
	}
	now := c.now()
	c.negatives.add(f.hash, now)
	if s != nil {
		c.dropLocked(s)
		ch.placeLocked(sh, s.id, f.hash)
	}
	if gone := max(c.floors.get(f.hash, now).served, a.seen); gone > 0 {
		c.floors.raise(f.hash, 0, gone+1, now) // what tiers still hold of it is out of date
	}
	f.err = ErrNotFound
	return true
}

func (c *Cache[V]) landErrorLocked(f *flight[V], err error, ch *change[V]) {
	f.err = c.fillError(f.id, err)
	s := c.lookup(f.id)
	if s == nil {
		return
	}
	if !c.closed.Load() {
		c.failLocked(s, err, ch)
	}
	if c.now() < s.hard.Load() {
		f.value, f.err = s.cur.Load().value, nil
	}
}

func (c *Cache[V]) fillError(id string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		return err
	case c.closed.Load():
		return ErrClosed
	}
	return fmt.Errorf("fill %s/%s: %w", c.cfg.Namespace, c.cfg.name(id), err)
}

func (c *Cache[V]) countFlight(f *flight[V], a answer[V]) {
	absent := errors.Is(a.err, ErrNotFound)
	if absent {
		c.n.notFound.Add(1)
	}
	if a.confirmed {
		c.n.notModified.Add(1)
	}
	total, failed := &c.n.fills, &c.n.fillErrors
	if f.refresh {
		total, failed = &c.n.refreshes, &c.n.refreshErrors
	}
	total.Add(1)
	if a.err != nil && !absent {
		failed.Add(1)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// jittered returns d give or take a quarter.
func jittered(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}
