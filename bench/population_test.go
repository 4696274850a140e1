package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPopulationDependsOnTheSeedAlone(t *testing.T) {
	people := Population(7, 50)
	require.Len(t, people, 50)
	require.Equal(t, people, Population(7, 50))
	require.NotEqual(t, people, Population(8, 50))
	identifiers := make(map[string]bool)
	for _, p := range append(people, Visitors(7, 50)...) {
		identifiers[p.Identifier] = true
	}
	require.Len(t, identifiers, 100)
	require.Len(t, people[0].Traits, StoredTraits)
	require.Len(t, Visitors(7, 1)[0].Traits, VisitorTraits)
}

func TestZipfOrderAsksForFewOftenAndForManySeldom(t *testing.T) {
	const n, length = 2000, 1 << 15
	order := ZipfOrder(1, n, length)
	require.Equal(t, order, ZipfOrder(1, n, length))
	times := make([]int, n)
	for _, i := range order {
		times[i]++
	}
	require.Greater(t, times[0], length/50, "the first one")
	top, distinct := 0, 0
	for i, c := range times {
		if i < n/100 {
			top += c
		}
		if c > 0 {
			distinct++
		}
	}
	require.Greater(t, top, length/4, "one in a hundred makes a quarter of the requests")
	require.Greater(t, distinct, n*3/4, "most come up")
}
