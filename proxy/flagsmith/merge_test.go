package flagsmith

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// Many traits in one request must take time in proportion to their number: a quadratic search would run for minutes.
func TestManyTraitsAreCheap(t *testing.T) {
	const n = 300_000
	many := make([]engine.Trait, n)
	for i := range many {
		many[i] = engine.Trait{ID: int64(i + 1), Key: "key" + strconv.Itoa(i), Value: engine.IntValue(int64(i))}
	}
	twice := append(many[:n:n], many...)

	require.Len(t, withoutNull(nil, twice, true), n)
	require.Len(t, laidOver(nil, many, twice, false), n)
	require.True(t, unchanged(many, twice))
	set, remove, transient := split(twice)
	require.Len(t, set, n)
	require.Empty(t, remove)
	require.Empty(t, transient)
	result := TraitResult{Identity: engine.Identity{Traits: many}, Before: engine.Identity{ID: 1, Traits: many[:n/2]}}
	answer := shown(nil, &result, many)
	require.NotZero(t, answer[n/2-1].ID)
	require.Zero(t, answer[n/2].ID, "this one is new")
}

// A list is searched in another way once it is long; what comes out must not depend on it.
func TestLongListsAreLikeShortOnes(t *testing.T) {
	for _, n := range []int{0, 1, maxScanned - 1, maxScanned, maxScanned + 1, 3 * maxScanned} {
		var list traitIndex
		for round := range 3 {
			for i := range n {
				list.put(engine.Trait{Key: strconv.Itoa(i), Value: engine.IntValue(int64(round))})
			}
		}
		require.Len(t, list.traits, n)
		for i := range n {
			require.Equal(t, i, list.find(strconv.Itoa(i)), "a key keeps its first place")
			require.EqualValues(t, 2, list.traits[i].Value.Int(), "and takes the last value")
		}
		require.Equal(t, -1, list.find("other"))
	}
}
