// Package cachetest has doubles for what stands behind a cachetier.Cache, and the contract suite that every Tier has
// to pass. It is for tests only.
//
//	src := cachetest.NewSource()
//	src.Set("key", "body")
//	cfg.Load = src.Load
package cachetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/flagstaff-io/flagstaff/cachetier"
)

// Source is a source of truth in memory that fails, lags and blocks on command. Versions only grow, across deletions
// too. It is safe for concurrent use.
type Source struct {
	mu      sync.Mutex
	entries map[string]cachetier.Entry // Version < 0: deleted
	loads   map[string]int
	err     error
	gate    chan struct{}
	entered chan string
}

// NewSource returns an empty source.
func NewSource() *Source {
	return &Source{
		entries: make(map[string]cachetier.Entry),
		loads:   make(map[string]int),
		entered: make(chan string, 1024),
	}
}

// Set stores body as the next version of id and returns it.
func (s *Source) Set(id, body string) cachetier.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := NewEntry(body, abs(s.entries[id].Version)+1)
	s.entries[id] = e
	return e
}

// SetVersion stores body under a version of the caller's choice.
func (s *Source) SetVersion(id, body string, version int64) cachetier.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := NewEntry(body, version)
	s.entries[id] = e
	return e
}

// Delete makes id unknown.
func (s *Source) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[id] = cachetier.Entry{Version: -abs(s.entries[id].Version)}
}

// Fail makes every Load return err, until Fail(nil).
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Block makes every Load that begins from now on read the truth and then wait, until release is called or its ctx
// ends. Entered tells of each.
func (s *Source) Block() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gate == gate {
			s.gate = nil
		}
		close(gate)
	})
}

// Entered yields the id of each Load that Block holds.
func (s *Source) Entered() <-chan string { return s.entered }

// Loads returns how many Loads of id have begun.
func (s *Source) Loads(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[id]
}

// Load is a cachetier.Loader.
func (s *Source) Load(ctx context.Context, id string, have int64) (cachetier.Entry, error) {
	s.mu.Lock()
	s.loads[id]++
	e, err, gate := s.entries[id], s.err, s.gate
	s.mu.Unlock()
	if gate != nil {
		s.entered <- id
		select {
		case <-gate:
		case <-ctx.Done():
			return cachetier.Entry{}, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return cachetier.Entry{}, err
	case e.Version <= 0:
		return cachetier.Entry{}, cachetier.ErrNotFound
	case e.Version == have:
		return cachetier.Entry{}, cachetier.ErrNotModified
	}
	return e, nil
}

// NewEntry returns an entry whose validators follow from its version.
func NewEntry(body string, version int64) cachetier.Entry {
	return cachetier.Entry{
		Body:       []byte(body),
		ETag:       fmt.Sprintf(`"%d"`, version),
		Version:    version,
		ModifiedAt: time.Unix(version, 0).UTC(),
	}
}

func abs(n int64) int64 { return max(n, -n) }
