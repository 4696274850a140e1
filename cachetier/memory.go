package cachetier

import (
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

const (
	numShards = 64
	never     = math.MaxInt64
	// slotOverhead is what an entry costs beside its value and its id: slot, item, index node, ristretto's two maps.
	// Measured by TestMemoryStaysWithinItsBudget.
	slotOverhead = 640
	// windowShare: 1/16 of the budget is for entries that ristretto refused.
	windowShare = 16
	// touchEvery is how often, at most, one key's use is reported to ristretto. Its counters end at 15, so more would
	// tell it nothing, and a report takes a pool, a lock and every few times a channel.
	touchEvery = int64(100 * time.Millisecond)
)

// item is one decoded version. It is immutable.
type item[V any] struct {
	value      V
	version    int64
	etag       string
	modifiedAt time.Time
	cost       int64 // overhead included
	hollow     bool  // only a version to compare with; never stored
}

func newItem[V any](id string, v V, cost int64, e Entry) (*item[V], error) {
	switch {
	case e.Version <= 0:
		return nil, errNoVersion
	case cost < 0 || cost > math.MaxInt64/4:
		return nil, fmt.Errorf("BUG: cost %d is out of range", cost)
	}
	cost += slotOverhead + int64(len(id))
	return &item[V]{value: v, version: e.Version, etag: e.ETag, modifiedAt: e.ModifiedAt, cost: cost}, nil
}

// decode turns e into an item. A panic of Decode is an error: it runs where nobody else could recover it.
func (c *Cache[V]) decode(id string, e Entry) (it *item[V], err error) {
	defer func() {
		if err != nil {
			c.n.decodeErrors.Add(1)
			err = &decodeError{err}
		}
	}()
	defer c.recovered("Decode", &err)
	if e.Version <= 0 {
		return nil, errNoVersion
	}
	v, cost, err := c.cfg.Decode(id, e)
	if err != nil {
		return nil, err
	}
	return newItem(id, v, cost, e)
}

// decodeError marks an entry that came and is no good, as opposed to a source that could not be asked.
type decodeError struct{ err error }

func (e *decodeError) Error() string { return "decode: " + e.err.Error() }
func (e *decodeError) Unwrap() error { return e.err }

// recovered is deferred around the caller's functions.
func (c *Cache[V]) recovered(what string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	c.n.panics.Add(1)
	c.cfg.Log.Error("panic recovered", "in", what, "panic", p, "stack", string(debug.Stack()))
	*err = fmt.Errorf("%s panicked: %v", what, p)
}

// slot is a key that memory holds. It stays the same object while versions come and go.
type slot[V any] struct {
	// Read by Peek without a lock. Times are nanoseconds since epoch.
	cur       atomic.Pointer[item[V]] // never nil
	attention atomic.Int64            // when Peek has to do more than return cur: the earliest of what follows
	soft      atomic.Int64            // when to refresh
	hard      atomic.Int64            // when to stop serving
	checked   atomic.Int64            // when cur was last known to be current
	touched   atomic.Bool             // used since it entered the window
	failing   atomic.Bool             // trouble != 0

	id   string
	hash hash128

	// Guarded by the shard's mu.
	gone     bool  // not in the index any more
	place    place // where the budget accounts for it
	want     int64 // this version is known to exist
	failures int   // refreshes failed in a row
	lags     int   // refreshes in a row that ended short of want
	trouble  trouble

	// Guarded by the window's mu.
	prev, next *slot[V]
	inWindow   bool
	windowCost int64
}

type place uint8

const (
	unplaced place = iota // a placement is under way
	inMain                // ristretto holds it
	inWindow
)

// shard serialises the changes of a part of the keys. Lock order: shard, then one of negatives, floors, window,
// limiter, which take none. ristretto calls onEvict on the goroutine that empties its buffer, and onEvict locks a
// shard; so nothing that waits for that goroutine (its Del and Wait) may be called with a shard locked.
type shard[V any] struct {
	mu      sync.Mutex
	flights map[string]*flight[V]
	placing map[string]*placement
	swaps   map[string]*swapQueue[V]
	_       [32]byte
}

func (sh *shard[V]) init() {
	sh.flights = make(map[string]*flight[V])
	sh.placing = make(map[string]*placement)
	sh.swaps = make(map[string]*swapQueue[V])
}

func (c *Cache[V]) shard(h hash128) *shard[V] { return &c.shards[h.a%numShards] }

func (c *Cache[V]) lookup(id string) *slot[V] {
	// sync.Map reads take no lock and neither keep nor copy the key: 15 ns and no allocation, and no shared counter
	// as in a RWMutex, which one hot key on many cores would wear out.
	x, ok := c.index.Load(id)
	if !ok {
		return nil
	}
	return x.(*slot[V])
}

// verdict is what became of a version that was offered to memory.
type verdict uint8

const (
	taken   verdict = iota
	same            // memory holds this version
	older           // memory holds, or has held, a newer one
	unknown         // the offered item is hollow, and would have to be stored
)

// takeLocked is rule 1: the only place where a version enters memory. asked is when the source was asked for it.
func (c *Cache[V]) takeLocked(
	sh *shard[V], id string, h hash128, it *item[V], e Entry, asked int64, ch *change[V],
) verdict {
	s := c.lookup(id)
	news := true
	switch {
	case s != nil && it.version == s.cur.Load().version:
		c.confirmLocked(s, asked, ch)
		return same
	case s != nil && it.version < s.cur.Load().version:
		return older
	case it.hollow:
		return unknown
	case s != nil:
		c.n.bytes.Add(it.cost - s.cur.Swap(it).cost)
		c.confirmLocked(s, asked, ch)
	default:
		f := c.floors.get(h, c.now())
		if it.version < f.served {
			return older
		}
		news = it.version > f.served
		s = &slot[V]{id: id, hash: h, want: f.want}
		s.cur.Store(it)
		c.confirmLocked(s, asked, ch) // before a reader can see the slot
		s.attention.Store(0)          // the first Peek counts as a use
		c.n.bytes.Add(it.cost)
		c.n.entries.Add(1)
		c.index.Store(id, s)
		c.floors.drop(h)
	}
	c.negatives.drop(h) // one that has expired, perhaps
	ch.placeLocked(sh, s.id, h)
	c.n.swaps.Add(1)
	if news && e.Version != 0 && c.cfg.OnSwap != nil { // a zero Entry: what was held was confirmed, and evicted meanwhile
		ch.swapLocked(sh, s.id, h, swap[V]{it.value, e})
	}
	return taken
}

// confirmLocked notes that what s holds was current at the time asked.
func (c *Cache[V]) confirmLocked(s *slot[V], asked int64, ch *change[V]) {
	now := c.now()
	s.failures = 0
	c.troubleLocked(s, noTrouble, nil, ch)
	s.checked.Store(max(asked, s.checked.Load()))
	s.hard.Store(never)
	if c.cfg.MaxStale > 0 {
		s.hard.Store(s.checked.Load() + int64(c.cfg.MaxStale))
	}
	if s.want > s.cur.Load().version {
		s.lags++
		c.scheduleLocked(s, now, now+lagDelay(s.lags))
		return
	}
	s.want, s.lags = 0, 0
	c.scheduleLocked(s, now, c.softDeadline(now))
}

// scheduleLocked sets when s is to be refreshed.
func (c *Cache[V]) scheduleLocked(s *slot[V], now, soft int64) {
	s.soft.Store(soft)
	s.attention.Store(min(soft, s.hard.Load(), now+touchEvery))
}

// dropLocked takes s out of memory. Its version stays behind as a floor.
func (c *Cache[V]) dropLocked(s *slot[V]) {
	it := s.cur.Load()
	c.floors.raise(s.hash, it.version, s.want, c.now())
	c.index.Delete(s.id)
	s.gone = true
	if s.place == inWindow {
		c.window.remove(s)
	}
	c.n.bytes.Add(-it.cost)
	c.n.entries.Add(-1)
	if s.trouble != noTrouble {
		c.n.failing[s.trouble].Add(-1)
		s.trouble = noTrouble
	}
}

// change collects what a change of one key leaves to be done once its shard is unlocked.
type change[V any] struct {
	id    string
	hash  hash128
	place *placement
	swaps *swapQueue[V]
	log   []func()
}

func (c *Cache[V]) finish(ch *change[V]) {
	if ch.place != nil {
		c.settle(ch.id, ch.hash, ch.place)
	}
	if ch.swaps != nil {
		c.deliver(ch.id, ch.hash, ch.swaps)
	}
	for _, f := range ch.log {
		f()
	}
}

// put offers a version that did not come from a load.
func (c *Cache[V]) put(id string, it *item[V], e Entry) verdict {
	h := c.hasher.hash(id)
	sh := c.shard(h)
	var ch change[V]
	sh.mu.Lock()
	c.negatives.drop(h)
	if f := sh.flights[id]; f != nil {
		f.touched = true
	}
	v := c.takeLocked(sh, id, h, it, e, c.now(), &ch)
	sh.mu.Unlock()
	c.finish(&ch)
	if v == older {
		c.n.older.Add(1)
	}
	if v == taken && e.Body != nil {
		c.publish(Key{c.cfg.Namespace, id}, e)
	}
	return v
}

func (c *Cache[V]) newPolicy() (*ristretto.Cache[uint64, *slot[V]], error) {
	return ristretto.NewCache(&ristretto.Config[uint64, *slot[V]]{
		// One counter per 512 bytes of budget: more than one for each of the smallest entries, ten and more (which is
		// what ristretto advises) from 5 KiB on, at 3 bytes each for 0.6 % of the budget.
		NumCounters: min(max(c.cfg.MaxBytes/512, 1<<12), 1<<22),
		MaxCost:     c.mainMax,
		// Uses are handed over in batches of this size, one batch being filled per processor, and what the garbage
		// collector finds in a batch is lost. With one report per key and touchEvery, 64 would rarely fill.
		BufferItems:        4,
		IgnoreInternalCost: true,
		KeyToHash:          func(k uint64) (uint64, uint64) { return k, 0 },
		// Versions are compared in takeLocked, before ristretto hears of them: it holds slots, and a slot is never
		// older than itself. What it must not do is to let one id take the place of another whose hash is the same.
		ShouldUpdate:           func(s, held *slot[V]) bool { return s.id == held.id },
		OnEvict:                func(it *ristretto.Item[*slot[V]]) { c.onEvict(it.Value) },
		TtlTickerDurationInSec: 3600, // no item has ristretto's TTL
	})
}

// onEvict is called on ristretto's goroutine when s has to make room.
func (c *Cache[V]) onEvict(s *slot[V]) {
	if s == nil || c.closed.Load() {
		return
	}
	sh := c.shard(s.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch p := sh.placing[s.id]; {
	case p != nil:
		// A version has just been put in: it stays readable. The placement sees that ristretto let go of it.
		p.evicted = true
	case !s.gone:
		c.dropLocked(s)
		c.n.evictions.Add(1)
	}
}

// touch reports a use of s to ristretto.
func (c *Cache[V]) touch(s *slot[V]) {
	s.touched.Store(true)
	if !c.life.TryRLock() {
		return // closing
	}
	defer c.life.RUnlock()
	if !c.stopped {
		c.policy.Get(s.hash.a & c.keyMask)
	}
}
