package cachetier

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// State is what memory knows of a key.
type State uint8

const (
	// Miss: nothing that may be served. Get may find it.
	Miss State = iota
	// Hit: a value, fresh or stale.
	Hit
	// Negative: the source said lately that there is no such key.
	Negative
)

func (s State) String() string {
	switch s {
	case Miss:
		return "miss"
	case Hit:
		return "hit"
	case Negative:
		return "negative"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Cache holds decoded values of one namespace in memory, in front of shared tiers and a loader. It is safe for
// concurrent use. The zero value is not usable; see New.
type Cache[V any] struct {
	cfg   Config[V]
	now   func() int64 // nanoseconds since epoch
	epoch time.Time

	// index maps id (string) to *slot[V]. It is what readers see. It changes only with the key's shard locked.
	index  sync.Map
	hasher hasher
	shards [numShards]shard[V]

	// policy decides which slots stay. See memory.go for how it is kept in step with the index.
	policy  *ristretto.Cache[uint64, *slot[V]]
	mainMax int64 // the largest cost that policy may admit
	window  window[V]
	keyMask uint64 // all ones, but for tests that need colliding hashes

	negatives negatives
	floors    floors
	limit     limiter // of loads
	writes    limiter // of writes to shared tiers

	base   context.Context // of every load; ends at Close
	cancel context.CancelFunc
	closed atomic.Bool

	// life is held for reading by whoever calls policy, which must not be used while or after it is closed.
	life    sync.RWMutex
	stopped bool

	lookups lookups
	n       counters

	oversizeLog, refillLog thinLog
}

// New checks cfg and builds an empty cache. Nothing runs but ristretto's two goroutines; Close ends them.
func New[V any](cfg Config[V]) (*Cache[V], error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cache %q: %w", cfg.Namespace, err)
	}
	cfg = cfg.withDefaults()
	c := &Cache[V]{cfg: cfg, hasher: newHasher(), keyMask: ^uint64(0)}
	c.setClock()
	for i := range c.shards {
		c.shards[i].init()
	}
	c.negatives.ttl = int64(cfg.NegativeTTL)
	c.negatives.m.max = cfg.MaxNegative
	c.floors.m.max = maxFloors
	c.limit.max, c.limit.maxQueue = cfg.MaxConcurrentFills, cfg.MaxQueuedFills
	c.writes.max, c.writes.maxQueue = max(cfg.MaxConcurrentFills/4, 1), maxQueuedWrites
	c.n.tiers = make([]tierCounters, len(cfg.Tiers))
	c.window.max = cfg.MaxBytes / windowShare
	c.mainMax = max(cfg.MaxBytes-c.window.max, 1)
	c.base, c.cancel = context.WithCancel(context.Background())
	var err error
	if c.policy, err = c.newPolicy(); err != nil {
		c.cancel()
		return nil, fmt.Errorf("cache %q: %w", cfg.Namespace, err)
	}
	return c, nil
}

func (c *Cache[V]) setClock() {
	if now := c.cfg.Now; now != nil {
		c.epoch = now()
		c.now = func() int64 { return int64(now().Sub(c.epoch)) }
		return
	}
	// time.Since reads only the monotonic clock: 25 ns where time.Now takes 45.
	c.epoch = time.Now()
	c.now = func() int64 { return int64(time.Since(c.epoch)) }
}

// Peek looks in memory and nowhere else. It never waits. A stale value is a Hit, and the first Peek that
// meets it starts a refresh in the background.
//
// id may alias a buffer that the caller will reuse: Peek keeps nothing of it. On Hit and Miss it allocates nothing,
// unless it starts a refresh.
func (c *Cache[V]) Peek(id string) (v V, state State) {
	s := c.lookup(id)
	if s == nil {
		return v, c.peekAbsent(id)
	}
	it := s.cur.Load()
	if now := c.now(); now >= s.attention.Load() && !c.tend(s, now) {
		c.lookups.add(Miss)
		return v, Miss
	}
	c.lookups.add(Hit)
	return it.value, Hit
}

func (c *Cache[V]) peekAbsent(id string) State {
	state := Miss
	if c.negatives.count.Load() > 0 && c.negatives.has(c.hasher.hash(id), c.now()) {
		state = Negative
	}
	c.lookups.add(state)
	return state
}

// Get is Peek, and on a Miss waits for a fill: shared tiers in order, then the loader. However many callers ask for
// one key, there is one fill, and what it finds goes into memory and into the tiers above the one that had it. A
// caller whose ctx ends stops waiting; the fill goes on for the others and for memory.
//
// Errors: ErrNotFound; ErrBusy; ErrBehind; ErrClosed; the end of ctx; or what the loader said. None but ErrNotFound
// is remembered, and none is returned while memory holds an answer that may be served. id may alias a buffer, as for
// Peek.
func (c *Cache[V]) Get(ctx context.Context, id string) (V, error) {
	v, state := c.Peek(id)
	switch state {
	case Hit:
		return v, nil
	case Negative:
		return v, ErrNotFound
	}
	return c.fill(ctx, id)
}

// Put publishes e on this node: it decodes e and puts it into memory if it is newer than what memory holds or has
// held. When Put returns, every Peek sees e or something newer. swapped says whether memory took it. A fill or
// refresh that is under way cannot undo it, and a negative entry of the key is gone.
//
// If memory took it, shared tiers receive it in the background. id is copied; e is the cache's from now on.
func (c *Cache[V]) Put(id string, e Entry) (swapped bool, err error) {
	if c.closed.Load() {
		return false, ErrClosed
	}
	id = strings.Clone(id)
	if s := c.lookup(id); s != nil && s.cur.Load().version >= e.Version {
		// Probably not worth decoding. The lock decides.
		if v := c.put(id, &item[V]{version: e.Version, hollow: true}, e); v != unknown {
			return false, nil
		}
	}
	it, err := c.decode(id, e)
	if err != nil {
		return false, fmt.Errorf("put %s/%s: %w", c.cfg.Namespace, c.cfg.name(id), err)
	}
	return c.put(id, it, e) == taken, nil
}

// PutValue is Put for a caller that already has the decoded value and its cost in bytes. If e.Body is nil, shared
// tiers are left alone.
func (c *Cache[V]) PutValue(id string, v V, cost int64, e Entry) (swapped bool, err error) {
	if c.closed.Load() {
		return false, ErrClosed
	}
	id = strings.Clone(id)
	it, err := newItem(id, v, cost, e)
	if err != nil {
		return false, fmt.Errorf("put %s/%s: %w", c.cfg.Namespace, c.cfg.name(id), err)
	}
	return c.put(id, it, e) == taken, nil
}

// Invalidate says that at least this version of the key exists. If memory holds an older one, it goes on being served
// while a refresh fetches the new one, from the first shared tier that has it or else from the loader. If memory
// holds none, the next fill will not believe a shared tier that offers less. A negative entry is dropped at once.
// Version 0 (or less): the key changed, the version is not known; what memory holds is refreshed from the loader. id
// may alias a buffer.
func (c *Cache[V]) Invalidate(id string, version int64) {
	h := c.hasher.hash(id)
	sh := c.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c.negatives.drop(h)
	f := sh.flights[id]
	if f != nil {
		f.touched = true
		f.forced = f.forced || version <= 0
		f.want = max(f.want, version)
	}
	s := c.lookup(id)
	if s == nil {
		if version > 0 {
			c.floors.raise(h, 0, version, c.now())
		}
		return
	}
	if version > 0 && version <= s.cur.Load().version {
		return
	}
	s.want = max(s.want, version)
	if f == nil {
		c.refreshLocked(sh, s, c.limit.start)
	}
}

// Remove forgets the key: its value, its negative entry, the versions that were served, and the outcome of a fill
// that is under way. It is for keys that were deleted at the source, and the one way back for a key whose versions
// start over. The next Get asks tiers and loader. id may alias a buffer.
func (c *Cache[V]) Remove(id string) {
	h := c.hasher.hash(id)
	sh := c.shard(h)
	var ch change[V]
	sh.mu.Lock()
	if f := sh.flights[id]; f != nil {
		f.void = true
		delete(sh.flights, f.id)
	}
	c.negatives.drop(h)
	if s := c.lookup(id); s != nil {
		c.dropLocked(s)
		ch.placeLocked(sh, s.id, h)
	}
	c.floors.drop(h)
	sh.mu.Unlock()
	c.finish(&ch)
}

// Held describes an entry in memory, for introspection and for comparing versions with the source.
type Held struct {
	ID         string
	Version    int64
	ETag       string
	ModifiedAt time.Time
	CheckedAt  time.Time // when the source (or a tier, or Put) last said that this is current
	Cost       int64     // bytes, overhead included
	Failing    bool      // the last refresh failed
}

// Inspect describes what memory holds for id, served or not. It counts as no lookup and refreshes nothing.
func (c *Cache[V]) Inspect(id string) (Held, bool) {
	s := c.lookup(id)
	if s == nil {
		return Held{}, false
	}
	return c.describe(s), true
}

// All yields what memory holds, in no order. Entries that come or go meanwhile may be missed or not.
func (c *Cache[V]) All() iter.Seq[Held] {
	return func(yield func(Held) bool) {
		c.index.Range(func(_, x any) bool { return yield(c.describe(x.(*slot[V]))) })
	}
}

func (c *Cache[V]) describe(s *slot[V]) Held {
	it := s.cur.Load()
	return Held{
		ID: s.id, Version: it.version, ETag: it.etag, ModifiedAt: it.modifiedAt, Cost: it.cost,
		CheckedAt: c.epoch.Add(time.Duration(s.checked.Load())), Failing: s.failing.Load(),
	}
}

// Close ends running loads and waits for every goroutine of the cache. What memory holds can still be read by Peek
// afterwards; everything else fails with ErrClosed or does nothing. Closing twice is fine. The error is always nil.
func (c *Cache[V]) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.cancel()
	c.limit.close()
	c.writes.close()
	c.life.Lock() // after whoever is in the middle of a placement
	c.stopped = true
	c.life.Unlock()
	c.policy.Close()
	return nil
}

var errNoVersion = errors.New("version is not positive")
