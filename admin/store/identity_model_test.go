package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// TestWriterAgreesWithModel applies random writes in batches of every size and compares each answer with what a map says.
func TestWriterAgreesWithModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		r := rand.New(rand.NewPCG(1, 2))
		m := model{}
		for round := range 30 {
			w := store.NewIdentityWriter(st, store.WriterConfig{BatchSize: 1 + r.IntN(12)})
			var writes []store.IdentityWrite
			for range 30 {
				writes = append(writes, randomWrite(r, env))
			}
			outcomes := enqueue(t, w, writes...)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, w.Run(ctx))
			for i, p := range writes {
				got, want := <-outcomes[i], m.apply(p)
				require.Equal(t, want.err, got.err, "round %d, write %d: %+v", round, i, p)
				if got.err != nil {
					continue
				}
				require.Equal(t, want.Created, got.Created)
				require.Equal(t, want.Value, got.Value)
				require.Equal(t, want.Identity.Version, got.Identity.Version)
				require.Equal(t, want.Before.Version, got.Before.Version)
				require.Equal(t, byKey(want.Identity), byKey(got.Identity), "round %d, write %d: %+v", round, i, p)
				require.Equal(t, byKey(want.Before), byKey(got.Before))
			}
		}
		for name, want := range m {
			stored, err := st.Identity(t.Context(), env, name)
			require.NoError(t, err)
			require.Equal(t, want.Version, stored.Version)
			require.Equal(t, byKey(*want), byKey(stored))
		}
	})
}

func randomWrite(r *rand.Rand, env int64) store.IdentityWrite {
	key := func() string { return string(rune('a' + r.IntN(4))) }
	p := store.IdentityWrite{EnvironmentID: env, Identifier: fmt.Sprint("user-", r.IntN(3)), Create: r.IntN(3) > 0, Replace: r.IntN(8) == 0}
	for range r.IntN(3) {
		v := flagsmith.IntValue(int64(r.IntN(2)))
		if r.IntN(4) == 0 {
			v = flagsmith.StringValue("x")
		}
		p.Set = append(p.Set, trait(key(), v))
	}
	for range r.IntN(2) {
		p.Delete = append(p.Delete, key())
	}
	if r.IntN(4) == 0 {
		p.Increment = &store.Increment{Key: key(), By: int64(r.IntN(3) - 1)}
	}
	return p
}

// model is the plainest writer there can be.
type model map[string]*flagsmith.Identity

func (m model) apply(p store.IdentityWrite) outcome {
	old := m[p.Identifier]
	if old == nil && !p.Create && p.Increment == nil {
		return outcome{err: store.ErrNotFound}
	}
	res := store.IdentityResult{Created: old == nil}
	if old != nil {
		res.Before = *old
	}
	values := byKey(res.Before)
	before := byKey(res.Before)
	recreated := false // a row that goes and comes back is a change
	if p.Replace {
		for key := range values {
			if !slices.ContainsFunc(p.Set, func(t flagsmith.Trait) bool { return t.Key == key }) {
				delete(values, key)
			}
		}
	}
	for _, key := range p.Delete {
		delete(values, key)
	}
	for _, t := range p.Set {
		values[t.Key] = t.Value
	}
	if inc := p.Increment; inc != nil {
		v, ok := values[inc.Key]
		if ok && v.Kind() != flagsmith.KindInt {
			return outcome{err: store.ErrNotInteger}
		}
		res.Value = v.Int() + inc.By
		values[inc.Key] = flagsmith.IntValue(res.Value)
	}
	for key := range values {
		_, was := before[key]
		recreated = recreated || was && (slices.Contains(p.Delete, key) ||
			p.Replace && !slices.ContainsFunc(p.Set, func(t flagsmith.Trait) bool { return t.Key == key }))
	}
	version := res.Before.Version
	if res.Created || recreated || !maps.Equal(before, values) {
		version++
	}
	now := &flagsmith.Identity{Identifier: p.Identifier, Version: version}
	for key, v := range values {
		now.Traits = append(now.Traits, trait(key, v))
	}
	m[p.Identifier] = now
	res.Identity = *now
	return outcome{IdentityResult: res}
}
