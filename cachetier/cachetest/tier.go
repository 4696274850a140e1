package cachetest

import (
	"bytes"
	"context"
	"sync"

	"github.com/flagstaff-io/flagstaff/cachetier"
)

// Tier is a cachetier.Tier in memory. It is safe for concurrent use.
type Tier struct {
	mu      sync.Mutex
	entries map[cachetier.Key]cachetier.Entry
	getErr  error
	setErr  error
	gets    int
	sets    int
}

// NewTier returns an empty tier.
func NewTier() *Tier { return &Tier{entries: make(map[cachetier.Key]cachetier.Entry)} }

// FailGet makes Get return err, until FailGet(nil).
func (t *Tier) FailGet(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.getErr = err
}

// FailSet makes Set and Delete return err and do nothing, until FailSet(nil).
func (t *Tier) FailSet(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setErr = err
}

// Plant stores e whatever the tier holds, as damage or a lost write would leave it.
func (t *Tier) Plant(key cachetier.Key, e cachetier.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries[key] = e
}

// Clear empties the tier, as a restart would.
func (t *Tier) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.entries)
}

// Version returns the version that the tier holds (0: none).
func (t *Tier) Version(key cachetier.Key) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries[key].Version
}

// Calls returns how many Gets and Sets have been asked for, failed ones included.
func (t *Tier) Calls() (gets, sets int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gets, t.sets
}

// Get implements cachetier.Tier.
func (t *Tier) Get(_ context.Context, key cachetier.Key) (cachetier.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gets++
	if t.getErr != nil {
		return cachetier.Entry{}, t.getErr
	}
	e, ok := t.entries[key]
	if !ok {
		return cachetier.Entry{}, cachetier.ErrMiss
	}
	e.Body = bytes.Clone(e.Body)
	return e, nil
}

// Set implements cachetier.Tier.
func (t *Tier) Set(_ context.Context, key cachetier.Key, e cachetier.Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sets++
	if t.setErr != nil {
		return t.setErr
	}
	if e.Version >= t.entries[key].Version {
		e.Body = bytes.Clone(e.Body)
		t.entries[key] = e
	}
	return nil
}

// Delete implements cachetier.Tier.
func (t *Tier) Delete(_ context.Context, key cachetier.Key, upTo int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.setErr != nil {
		return t.setErr
	}
	if t.entries[key].Version <= upTo {
		delete(t.entries, key)
	}
	return nil
}
