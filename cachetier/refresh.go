package cachetier

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// Refreshes that failed are tried again after firstRetry, doubled each time, up to TTL or maxRetry.
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
	// Refreshes that ended short of a version known to exist: the source lags, and not for long.
	firstLag = 20 * time.Millisecond
	// putOff is how long a refresh waits that found all goroutines busy.
	putOff = 100 * time.Millisecond
	// logEvery thins warnings that would otherwise repeat with the traffic.
	logEvery = 10 * time.Minute
)

// tend does what Peek has no time for: it runs when the first of a slot's deadlines has passed, for one of the
// callers. It reports whether the slot may be served.
func (c *Cache[V]) tend(s *slot[V], now int64) (serve bool) {
	if now >= s.hard.Load() {
		c.refreshAged(s, now)
		return false
	}
	seen := s.attention.Load()
	if now < seen || !s.attention.CompareAndSwap(seen, min(now+touchEvery, s.hard.Load())) {
		return true
	}
	c.touch(s)
	c.refreshAged(s, now)
	if soft := s.soft.Load(); soft > now && soft < now+touchEvery {
		s.attention.Store(min(soft, s.hard.Load()))
	}
	return true
}

// refreshAged begins a refresh if one is due and none is under way.
func (c *Cache[V]) refreshAged(s *slot[V], now int64) {
	if now < s.soft.Load() {
		return
	}
	sh := c.shard(s.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.gone || sh.flights[s.id] != nil || now < s.soft.Load() {
		return
	}
	c.refreshLocked(sh, s, c.limit.startSpare)
}

// refreshLocked begins a refresh, or puts it off for a moment when there are too many.
func (c *Cache[V]) refreshLocked(sh *shard[V], s *slot[V], start func(func()) bool) {
	f := &flight[V]{id: s.id, hash: s.hash, refresh: true}
	now := c.now()
	if c.launchLocked(sh, f, start) {
		c.scheduleLocked(s, now, never) // until it lands
	} else {
		c.scheduleLocked(s, now, now+int64(jittered(putOff)))
	}
}

// chaseLocked begins another load when one ended short of what was announced meanwhile.
func (c *Cache[V]) chaseLocked(sh *shard[V], f *flight[V]) {
	s := c.lookup(f.id)
	if s == nil || f.void || f.err != nil || sh.flights[f.id] != nil {
		return
	}
	short := s.want > s.cur.Load().version && (f.touched || !f.chase)
	if !short && !f.forced {
		return
	}
	next := &flight[V]{id: s.id, hash: s.hash, refresh: true, chase: true}
	if c.launchLocked(sh, next, c.limit.start) {
		c.scheduleLocked(s, c.now(), never)
	}
}

// softDeadline is when an entry that was confirmed now is to be refreshed.
func (c *Cache[V]) softDeadline(now int64) int64 {
	if c.cfg.TTL < 0 {
		return never
	}
	ttl := int64(c.cfg.TTL)
	if early := int64(float64(ttl) * c.cfg.Jitter); early > 0 {
		ttl -= rand.Int64N(early + 1)
	}
	return now + ttl
}

func lagDelay(lags int) int64 {
	return int64(jittered(min(firstLag<<min(lags, 20), maxRetry)))
}

func (c *Cache[V]) retryDelay(failures int) int64 {
	first, most := firstRetry, maxRetry
	if c.cfg.TTL > 0 {
		most = min(most, max(c.cfg.TTL, 100*time.Millisecond))
	}
	return int64(jittered(min(first<<min(failures-1, 10), most)))
}

// trouble is why the last refresh of a slot failed.
type trouble uint8

const (
	noTrouble trouble = iota
	badSource         // it could not be asked
	badEntry          // it answered with something that does not decode
	troubles
)

// failLocked notes that a refresh of s failed. s goes on being served.
func (c *Cache[V]) failLocked(s *slot[V], err error, ch *change[V]) {
	s.failures++
	now := c.now()
	c.scheduleLocked(s, now, now+c.retryDelay(s.failures))
	t := badSource
	if bad := (*decodeError)(nil); errors.As(err, &bad) {
		t = badEntry
	}
	c.troubleLocked(s, t, err, ch)
}

// troubleLocked changes the trouble of s, and has changes logged: for the source once for all keys, because when it
// is down it is down for thousands; for an entry that does not decode once for its key, because someone has to look
// at that one.
func (c *Cache[V]) troubleLocked(s *slot[V], to trouble, err error, ch *change[V]) {
	from := s.trouble
	if from == to {
		return
	}
	s.trouble = to
	s.failing.Store(to != noTrouble)
	if from != noTrouble && c.n.failing[from].Add(-1) == 0 && from == badSource {
		ch.log = append(ch.log, func() { c.cfg.Log.Info("refresh works again") })
	}
	if from == badEntry {
		ch.log = append(ch.log, func() { c.cfg.Log.Info("entry is replaced or decodes again", "id", c.cfg.name(s.id)) })
	}
	if to != noTrouble && c.n.failing[to].Add(1) == 1 && to == badSource {
		ch.log = append(ch.log, func() { c.cfg.Log.Warn("refresh failed, serving stale", "id", c.cfg.name(s.id), "err", err) })
	}
	if to == badEntry {
		ch.log = append(ch.log, func() {
			c.cfg.Log.Warn("entry does not decode, serving the last good one", "id", c.cfg.name(s.id), "err", err)
		})
	}
}

// thinLog lets one line through per logEvery, with the number of times since the one before.
type thinLog struct {
	mu    sync.Mutex
	next  int64
	times uint64
}

func (l *thinLog) do(now int64, log func(times uint64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times++
	if l.next != 0 && now < l.next {
		return
	}
	log(l.times)
	l.next, l.times = now+int64(logEvery), 0
}
