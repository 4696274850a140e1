package flagsmith_test

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// people is an identity store in memory that fails on command: a flagsmith.IdentityWriter, and the loader beside it. Like a real one
// it keeps the strings it is given, numbers rows from one sequence each, and writes nothing when nothing changes.
type people struct {
	mu           sync.Mutex
	stored       map[string]engine.Identity // by cache id
	nextIdentity int64
	nextTrait    int64
	version      int64
	readErr      error
	writeErr     error
	calls        []flagsmith.TraitWrite // all that Write was asked, failed or not
	changes      int                    // writes that changed something
}

func newPeople() *people {
	return &people{stored: make(map[string]engine.Identity), nextIdentity: 1, nextTrait: 1}
}

// load is a cachetier.Loader.
func (p *people) load(_ context.Context, id string, have int64) (cachetier.Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	identity, ok := p.stored[id]
	switch {
	case p.readErr != nil:
		return cachetier.Entry{}, p.readErr
	case !ok:
		return cachetier.Entry{}, cachetier.ErrNotFound
	case identity.Version == have:
		return cachetier.Entry{}, cachetier.ErrNotModified
	}
	return flagsmith.EncodeIdentity(identity)
}

// Write implements flagsmith.IdentityWriter.
func (p *people) Write(_ context.Context, w flagsmith.TraitWrite) (flagsmith.TraitResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, w)
	if p.writeErr != nil {
		return flagsmith.TraitResult{}, p.writeErr
	}
	id := flagsmith.IdentityCacheID(w.EnvironmentID, w.Identifier)
	before := p.stored[id]
	after := engine.Identity{ID: before.ID, Identifier: w.Identifier, Version: before.Version, Traits: slices.Clone(before.Traits)}
	after.Traits = slices.DeleteFunc(after.Traits, func(t engine.Trait) bool {
		kept := slices.ContainsFunc(w.Set, func(s engine.Trait) bool { return s.Key == t.Key })
		return w.Replace && !kept || slices.Contains(w.Delete, t.Key)
	})
	for _, t := range w.Set {
		after.Traits = p.withTraitLocked(after.Traits, t)
	}
	var value int64
	if w.Increment != nil {
		var err error
		if value, err = incremented(after.Traits, w.Increment); err != nil {
			return flagsmith.TraitResult{}, err
		}
		after.Traits = p.withTraitLocked(after.Traits, engine.Trait{Key: w.Increment.Key, Value: engine.IntValue(value)})
	}
	if after.ID == 0 {
		after.ID = p.nextIdentity
		p.nextIdentity++
	}
	if before.ID == 0 || !slices.Equal(before.Traits, after.Traits) {
		p.version++
		p.changes++
		after.Version = p.version
		p.stored[id] = after
	}
	return flagsmith.TraitResult{Identity: after, Before: before, Value: value}, nil
}

// withTraitLocked stores a trait in the place of the one with its key, or behind the others with an id of its own.
func (p *people) withTraitLocked(traits []engine.Trait, t engine.Trait) []engine.Trait {
	for i := range traits {
		if traits[i].Key == t.Key {
			traits[i].Value = t.Value
			return traits
		}
	}
	t.ID = p.nextTrait
	p.nextTrait++
	return append(traits, t)
}

func incremented(traits []engine.Trait, by *flagsmith.Increment) (int64, error) {
	value := by.By
	for _, t := range traits {
		if t.Key != by.Key {
			continue
		}
		if t.Value.Kind() != engine.KindInt {
			return 0, flagsmith.ErrNotInteger
		}
		value += t.Value.Int()
	}
	if value < math.MinInt32 || value > math.MaxInt32 {
		return 0, flagsmith.ErrOutOfRange
	}
	return value, nil
}

// fail makes reads and writes fail from now on; nil mends them.
func (p *people) fail(read, write error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readErr, p.writeErr = read, write
}

// number sets the ids of the next identity and the next trait.
func (p *people) number(identity, trait int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextIdentity, p.nextTrait = identity, trait
}

// identity returns what is stored of one.
func (p *people) identity(environmentID int64, identifier string) (engine.Identity, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	identity, ok := p.stored[flagsmith.IdentityCacheID(environmentID, identifier)]
	return identity, ok
}

func (p *people) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stored)
}

// clear forgets everybody.
func (p *people) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.stored)
	p.calls = nil
}

func (p *people) changed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes
}

func (p *people) written() []flagsmith.TraitWrite {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}
