package cachetier

// swap is a version that OnSwap has yet to hear of.
type swap[V any] struct {
	value V
	entry Entry
}

// swapQueue exists while a goroutine delivers the swaps of a key. It holds one, the newest: a version that was
// replaced before its turn is of no use to anyone, and the queue stays bounded however slow OnSwap is.
type swapQueue[V any] struct {
	next *swap[V] // guarded by the shard's mu
}

// swapLocked queues sw, and makes the caller deliver unless someone does already.
func (ch *change[V]) swapLocked(sh *shard[V], id string, h hash128, sw swap[V]) {
	q := sh.swaps[id]
	if q == nil {
		q = &swapQueue[V]{}
		sh.swaps[id] = q
		ch.id, ch.hash, ch.swaps = id, h, q
	}
	q.next = &sw
}

func (c *Cache[V]) deliver(id string, h hash128, q *swapQueue[V]) {
	sh := c.shard(h)
	for {
		sh.mu.Lock()
		sw := q.next
		q.next = nil
		if sw == nil {
			delete(sh.swaps, id)
			sh.mu.Unlock()
			return
		}
		sh.mu.Unlock()
		c.onSwap(id, sw)
	}
}

func (c *Cache[V]) onSwap(id string, sw *swap[V]) {
	var err error // recovered logs it
	defer c.recovered("OnSwap", &err)
	c.cfg.OnSwap(id, sw.value, sw.entry)
}
