// Package cachetier is the hypercache: versioned entries, decoded once, held in this node's memory in front of shared
// tiers and a source of truth. It knows keys, versions, ages and costs. It has never heard of a flag, of HTTP or of a
// setting's name, and it imports no sibling package.
//
// Two rules explain everything here.
//
// Rule 1: memory never goes from a newer version of a key to an older one, whatever the order in which fills,
// publishes, refreshes and evictions end. Every change of a key compares versions under one lock; a key that was
// evicted leaves its version behind, so that a slow fill, a lagging replica or a stale shared tier cannot bring an
// older one back.
//
// Rule 2: an answer we have beats an error. What is in memory is served while it is refreshed, and goes on being
// served when everything behind it fails. Only Config.MaxStale can end that.
//
// One Cache holds one namespace under one memory budget. Entries of high cardinality (a row per end user) get a Cache
// of their own, so that they can never push out the few that everything depends on.
//
//	envs, err := cachetier.New(cachetier.Config[*Environment]{
//		Namespace: "environment",
//		MaxBytes:  256 << 20,
//		TTL:       time.Minute,
//		Load:      store.LoadEnvironment, // the source of truth
//		Decode:    compile,               // bytes -> *Environment and what it costs in memory
//		OnSwap:    stream.Announce,
//	})
//	if err != nil {
//		return err
//	}
//	defer envs.Close()
//
//	env, state := envs.Peek(key) // hot path: memory only, never waits
//	if state == cachetier.Miss {
//		env, err = envs.Get(ctx, key) // shared tiers, then Load; one fill for all callers
//	}
//
//	swapped, err := envs.Put(key, entry) // after a commit on this node: readable when Put returns
//	envs.Invalidate(key, version)        // after a commit on another node
//
// # How memory is built
//
// The index (a concurrent map from id to slot) is the truth: what it holds is what readers see, and it changes at
// once. Ristretto decides who stays: it is told about every slot and calls back when it wants one gone. Ristretto
// applies sets later and may drop or refuse them, and a set that overtakes another can be lost; none of that is
// visible to readers, because they never read from it. A slot that ristretto refuses waits in a small window of the
// budget; see Config.MaxBytes.
package cachetier
