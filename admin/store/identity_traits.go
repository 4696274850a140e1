package store

import (
	"math"
	"slices"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// traitState is one trait of an identity at one moment. Slices of it are never changed once they are a state: what a write
// found and what it left are two slices.
type traitState struct {
	row   *traitRow
	key   string
	value flagsmith.Value
}

// traitRow becomes known when a trait is stored, for all states that hold it.
type traitRow struct{ id int64 }

// fewTraits is the number up to which looking through all is cheaper than a map. Most identities have fewer. One request may
// name tens of thousands, and must not keep all other writers waiting while each is compared with each.
const fewTraits = 16

// finder returns a function that tells where a key is in n keys, -1 if nowhere. Of equal keys the last counts.
func finder[K comparable](n int, key func(i int) K) func(K) int {
	if n <= fewTraits {
		return func(k K) int {
			for i := n - 1; i >= 0; i-- {
				if key(i) == k {
					return i
				}
			}
			return -1
		}
	}
	at := make(map[K]int, n)
	for i := range n {
		at[key(i)] = i
	}
	return func(k K) int {
		if i, ok := at[k]; ok {
			return i
		}
		return -1
	}
}

func findRow(traits []traitState) func(*traitRow) int {
	return finder(len(traits), func(i int) *traitRow { return traits[i].row })
}

// applyTo computes the traits that the write leaves of those it finds, and the value of an increment. It changes neither.
func (p *IdentityWrite) applyTo(found []traitState) (traits []traitState, value int64, err error) {
	set := finder(len(p.Set), func(i int) string { return p.Set[i].Key })
	deleted := finder(len(p.Delete), func(i int) string { return p.Delete[i] })
	traits = make([]traitState, 0, len(found)+len(p.Set)+1)
	for _, t := range found {
		if deleted(t.key) < 0 && (!p.Replace || set(t.key) >= 0) {
			traits = append(traits, t)
		}
	}
	kept := traits
	have := finder(len(kept), func(i int) string { return kept[i].key })
	for i, t := range p.Set {
		switch at := have(t.Key); {
		case set(t.Key) != i: // a later one has the same key
		case at >= 0:
			traits[at].value = t.Value
		default:
			traits = append(traits, traitState{row: &traitRow{}, key: t.Key, value: t.Value})
		}
	}
	if p.Increment == nil {
		return traits, 0, nil
	}
	return p.Increment.applyTo(traits)
}

// applyTo may change traits.
func (inc *Increment) applyTo(traits []traitState) ([]traitState, int64, error) {
	at := slices.IndexFunc(traits, func(t traitState) bool { return t.key == inc.Key })
	if at < 0 {
		traits = append(traits, traitState{row: &traitRow{}, key: inc.Key, value: flagsmith.IntValue(0)})
		at = len(traits) - 1
	}
	old := traits[at].value
	if old.Kind() != flagsmith.KindInt {
		return nil, 0, ErrNotInteger
	}
	// What is stored may have 64 bits; By has 32, so the sum of two that have 32 cannot wrap round.
	if !is32Bits(old.Int()) || !is32Bits(old.Int()+inc.By) {
		return nil, 0, ErrOverflow
	}
	value := old.Int() + inc.By
	traits[at].value = flagsmith.IntValue(value)
	return traits, value, nil
}

func is32Bits(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// traitDiff is what has to be done to turn stored traits into others.
type traitDiff struct {
	deletes []int64 // ids
	updates []traitState
	inserts []traitState
}

func diffTraits(stored, now []traitState) traitDiff {
	var d traitDiff
	inStored, inNow := findRow(stored), findRow(now)
	for _, t := range stored {
		if inNow(t.row) < 0 {
			d.deletes = append(d.deletes, t.row.id)
		}
	}
	for _, t := range now {
		switch at := inStored(t.row); {
		case at < 0:
			d.inserts = append(d.inserts, t)
		case stored[at].value != t.value:
			d.updates = append(d.updates, t)
		}
	}
	return d
}

// dropsUnstored tells whether a trait that has no row yet is gone after a write.
func dropsUnstored(before, after []traitState) bool {
	if !slices.ContainsFunc(before, func(t traitState) bool { return t.row.id == 0 }) {
		return false
	}
	inAfter := findRow(after)
	return slices.ContainsFunc(before, func(t traitState) bool { return t.row.id == 0 && inAfter(t.row) < 0 })
}
