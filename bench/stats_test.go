package bench

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	for _, row := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"one value is all there is", []float64{3}, Spread{Median: 3, Min: 3, Max: 3, Low: 3, High: 3}},
		{"order does not matter", []float64{9, 1, 5}, Spread{Median: 5, Min: 1, Max: 9, Low: 3, High: 7}},
		{"between two values", []float64{4, 1, 2, 100}, Spread{Median: 3, Min: 1, Max: 100, Low: 1.75, High: 28}},
		{"the middle half", []float64{1, 2, 3, 4, 1000}, Spread{Median: 3, Min: 1, Max: 1000, Low: 2, High: 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, SpreadOf(row.values))
		})
	}
	require.True(t, math.IsNaN(SpreadOf(nil).Median))
	values := []float64{2, 1}
	SpreadOf(values)
	require.Equal(t, []float64{2, 1}, values, "the caller's slice is not sorted")
}

func TestRatiosAreRoundByRound(t *testing.T) {
	a := []Sample{{Rate: 90}, {Rate: 50}, {Rate: 95}}
	b := []Sample{{Rate: 100}, {Rate: 50}, {Rate: 100}}
	got := ratios(a, b, rate)
	require.Equal(t, []float64{0.9, 0.95, 1}, []float64{got.Min, got.Median, got.Max})
}

func TestRatiosLeaveOutWhatIsNotKnown(t *testing.T) {
	a := []Sample{{ServerCPU: 0}, {ServerCPU: 4}}
	b := []Sample{{ServerCPU: 2}, {ServerCPU: 2}}
	require.Equal(t, SpreadOf([]float64{0.5}), ratios(a, b, perCPU), "twice the CPU time is half a ratio")
	require.True(t, math.IsNaN(ratios(a[:1], b, perCPU).Median))
}
