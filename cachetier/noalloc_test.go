//go:build !race

package cachetier_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

func TestPeekNoAlloc(t *testing.T) {
	r := newRig(t, withTTL(time.Hour), func(cfg *cachetier.Config[*doc]) { cfg.NegativeTTL = time.Hour })
	r.mustPut(t, "environment-key", cachetest.NewEntry("body", 1))
	_, err := r.Get(t.Context(), "unknown-key")
	require.ErrorIs(t, err, cachetier.ErrNotFound)
	for id, want := range map[string]cachetier.State{
		"environment-key": cachetier.Hit, "unknown-key": cachetier.Negative, "never-asked-for": cachetier.Miss,
	} {
		buf := []byte(id) // as it comes from a request: not a constant that could hide a copy
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if _, state := r.Peek(alias(buf)); state != want {
				t.Fatal(state)
			}
		}), "%v", want)
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = r.Get(t.Context(), "environment-key") }), "Get of a hit")
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = r.Get(t.Context(), "unknown-key") }), "Get of a negative")
}
