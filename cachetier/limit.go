package cachetier

import "sync"

// limiter runs functions on at most max goroutines and lets at most maxQueue more wait, without a goroutine each.
type limiter struct {
	max, maxQueue int
	workers       sync.WaitGroup

	mu      sync.Mutex
	running int
	queue   []func() // waits only while running == max
	closed  bool
}

// start runs f now or when its turn comes. It reports false, and forgets f, when too many wait already.
func (l *limiter) start(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return false
	case l.running < l.max:
		l.goLocked(f)
		return true
	case len(l.queue) < l.maxQueue:
		l.queue = append(l.queue, f)
		return true
	}
	return false
}

// startSpare runs f only if less than half of the goroutines are busy: work that can wait leaves room for work that
// cannot.
func (l *limiter) startSpare(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.running >= max(l.max/2, 1) {
		return false
	}
	l.goLocked(f)
	return true
}

func (l *limiter) goLocked(f func()) {
	l.running++
	l.workers.Go(func() { l.work(f) })
}

func (l *limiter) work(f func()) {
	for f != nil {
		l.runOne(f)
		f = l.next()
	}
}

// runOne survives a function that ends its goroutine with runtime.Goexit, as a test's FailNow does: the next
// function gets a new goroutine, and the count stays right.
func (l *limiter) runOne(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if next := l.next(); next != nil {
			l.workers.Go(func() { l.work(next) })
		}
	}()
	f()
	returned = true
}

// next takes the longest waiting function, or gives the goroutine's place back.
func (l *limiter) next() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue = nil
		l.running--
		return nil
	}
	f := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return f
}

// load reports how many functions run and how many wait.
func (l *limiter) load() (running, queued int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, len(l.queue)
}

// close refuses new functions and waits until those that were accepted have run.
func (l *limiter) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.workers.Wait()
}
