package cachetier

import (
	"sync"
	"sync/atomic"
)

// negatives remembers, briefly and in bounded number, keys of which the source said that they do not exist. Entries
// are added and dropped with the key's shard locked, so that a Put cannot be overtaken by the negative answer of an
// earlier load.
type negatives struct {
	ttl   int64
	count atomic.Int64 // of m; lets the miss path skip hashing and locking while there are none

	mu sync.RWMutex
	m  bounded[int64] // until when
}

func (n *negatives) add(k hash128, now int64) {
	if n.ttl <= 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.m.put(k, now+n.ttl)
	n.count.Store(int64(n.m.len()))
}

func (n *negatives) drop(k hash128) {
	if n.count.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.m.drop(k)
	n.count.Store(int64(n.m.len()))
}

func (n *negatives) has(k hash128, now int64) bool {
	n.mu.RLock()
	until, ok := n.m.get(k)
	n.mu.RUnlock()
	return ok && now < until
}
