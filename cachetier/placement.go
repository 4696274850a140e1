package cachetier

import "sync"

// placement brings ristretto in step with the index for one key. There is at most one per key; it begins under the
// same lock as the change of the index, and ends when ristretto holds the key's slot, or has refused it, or the key
// is gone. While it lasts, ristretto cannot drop the key, so what was put in can be read from the start.
type placement struct {
	// Guarded by the shard's mu.
	again   bool // the index changed once more
	evicted bool // ristretto let go of the key meanwhile
	final   bool // second chance of a slot that leaves the window: if refused, it goes
}

const maxPlacementTries = 3

// placeLocked begins a placement, or tells the one under way to look again.
func (ch *change[V]) placeLocked(sh *shard[V], id string, h hash128) {
	if p := sh.placing[id]; p != nil {
		p.again, p.final = true, false
		return
	}
	ch.id, ch.hash, ch.place = id, h, &placement{}
	sh.placing[id] = ch.place
}

// settle carries out a placement, and those of slots that it pushed out of the window.
func (c *Cache[V]) settle(id string, h hash128, p *placement) {
	for _, s := range c.place(id, h, p) {
		c.secondChance(s)
	}
}

func (c *Cache[V]) place(id string, h hash128, p *placement) (pushedOut []*slot[V]) {
	c.life.RLock()
	defer c.life.RUnlock()
	sh := c.shard(h)
	for tries := 1; ; tries++ {
		sh.mu.Lock()
		if c.stopped {
			delete(sh.placing, id)
			sh.mu.Unlock()
			return nil
		}
		p.again, p.evicted = false, false
		s := c.lookup(id)
		sh.mu.Unlock()

		admitted := c.offer(id, h, s)

		sh.mu.Lock()
		switch {
		case p.again:
			tries = 0
		case p.evicted && tries < maxPlacementTries:
		default:
			delete(sh.placing, id)
			if s != nil {
				pushedOut = c.placedLocked(s, admitted, p.final)
			}
			sh.mu.Unlock()
			c.warnIfOversize(s)
			return pushedOut
		}
		sh.mu.Unlock()
	}
}

func (c *Cache[V]) warnIfOversize(s *slot[V]) {
	if s == nil {
		return
	}
	cost := s.cur.Load().cost
	if cost <= c.mainMax {
		return
	}
	c.n.oversize.Add(1)
	c.oversizeLog.do(c.now(), func(times uint64) {
		c.cfg.Log.Warn("entry is larger than the memory budget, held anyway",
			"id", c.cfg.name(s.id), "bytes", cost, "budget", c.cfg.MaxBytes, "times", times)
	})
}

// offer tells ristretto what the index holds for id (nil: nothing) and reports, once it has taken effect, whether
// ristretto holds it.
func (c *Cache[V]) offer(id string, h hash128, s *slot[V]) (admitted bool) {
	key := h.a & c.keyMask
	if s == nil || s.cur.Load().cost > c.mainMax {
		c.withdraw(id, key)
		return false
	}
	set := func() bool {
		c.policy.Set(key, s, s.cur.Load().cost)
		c.policy.Wait()
		held, ok := c.policy.Get(key) // counts as the first use, too
		return ok && held == s
	}
	admitted = set()
	if admitted && c.policy.RemainingCost() < 0 {
		// ristretto lets a key that it holds grow past the budget, and evicts only for newcomers.
		c.withdraw(id, key)
		admitted = set()
	}
	return admitted
}

// withdraw makes ristretto forget id, but not another id with the same hash.
func (c *Cache[V]) withdraw(id string, key uint64) {
	if held, ok := c.policy.Get(key); ok && held.id == id {
		c.policy.Del(key)
		c.policy.Wait()
	}
}

func (c *Cache[V]) placedLocked(s *slot[V], admitted, final bool) (pushedOut []*slot[V]) {
	switch {
	case admitted:
		c.window.remove(s)
		s.place = inMain
	case final:
		c.dropLocked(s)
		c.n.evictions.Add(1)
	default:
		cost := s.cur.Load().cost
		if s.place != inWindow {
			c.n.refusals.Add(1)
		}
		s.place = inWindow
		s.touched.Store(false)
		s.attention.Store(0) // let the next Peek say that it is used
		pushedOut = c.window.push(s, cost)
	}
	return pushedOut
}

// secondChance decides about a slot that the window pushed out: if it was used there, ristretto is asked again.
func (c *Cache[V]) secondChance(s *slot[V]) {
	sh := c.shard(s.hash)
	sh.mu.Lock()
	switch {
	case s.gone || sh.placing[s.id] != nil || c.window.holds(s):
		sh.mu.Unlock()
	case !s.touched.Load():
		c.dropLocked(s)
		c.n.evictions.Add(1)
		sh.mu.Unlock()
	default:
		p := &placement{final: true}
		sh.placing[s.id] = p
		sh.mu.Unlock()
		c.settle(s.id, s.hash, p)
	}
}

// window holds the slots that ristretto refused, oldest first, within bytes <= max or just one.
type window[V any] struct {
	max int64

	mu          sync.Mutex
	first, last *slot[V]
	bytes       int64
}

// push makes s the newest and returns those that have to leave for it.
func (w *window[V]) push(s *slot[V], cost int64) (pushedOut []*slot[V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlinkLocked(s)
	s.inWindow, s.windowCost, s.prev, s.next = true, cost, w.last, nil
	if w.last == nil {
		w.first = s
	} else {
		w.last.next = s
	}
	w.last = s
	w.bytes += cost
	for w.bytes > w.max && w.first != s {
		pushedOut = append(pushedOut, w.first)
		w.unlinkLocked(w.first)
	}
	return pushedOut
}

func (w *window[V]) remove(s *slot[V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlinkLocked(s)
}

func (w *window[V]) holds(s *slot[V]) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.inWindow
}

func (w *window[V]) unlinkLocked(s *slot[V]) {
	if !s.inWindow {
		return
	}
	if s.prev == nil {
		w.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		w.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	w.bytes -= s.windowCost
	s.inWindow, s.prev, s.next = false, nil, nil
}
