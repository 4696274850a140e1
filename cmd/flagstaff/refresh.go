package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/flagstaff-io/flagstaff/cachetier"
	sdk "github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// refresher keeps the environments in memory fresh while somebody listens to the realtime stream. Otherwise an environment is
// refreshed when it is asked for and found old; but an SDK that listens does not ask, it waits to be told.
type refresher struct {
	environments *cachetier.Cache[*sdk.Environment]
	realtime     *sdk.Realtime
	// every is the mean gap between two looks at the age of what is in memory.
	every time.Duration
}

// minRefreshGap bounds the looks when environments are not to be kept at all.
const minRefreshGap = 100 * time.Millisecond

func newRefresher(n *node, ttl time.Duration) *refresher {
	return &refresher{environments: n.environments, realtime: n.realtime, every: max(ttl/4, minRefreshGap)}
}

// Run looks until ctx ends.
func (r *refresher) Run(ctx context.Context) error {
	timer := time.NewTimer(r.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		for _, id := range r.realtime.Environments() {
			r.look(ctx, sdk.EnvironmentCacheID(id))
		}
		timer.Reset(r.pause())
	}
}

// look begins a refresh of an environment if one is due, and brings back one that was evicted while somebody listens.
func (r *refresher) look(ctx context.Context, id string) {
	if _, state := r.environments.Peek(id); state == cachetier.Miss {
		ctx, cancel := context.WithTimeout(ctx, r.every)
		defer cancel()
		_, _ = r.environments.Get(ctx, id) // counted and logged by the cache; the next look tries again
	}
}

// pause is every give or take a quarter, so that nodes that started together do not ask together.
func (r *refresher) pause() time.Duration {
	return r.every*3/4 + rand.N(r.every/2+1)
}
