package bench

import (
	"math"
	"slices"
)

// Spread sums up a few measurements of one thing. The median is what to quote, since what else runs on the machine makes some
// measurements worse; the quartiles, between which the middle half lies, say how far to believe it.
type Spread struct {
	Median, Min, Max float64
	Low, High        float64 // the quartiles
}

// SpreadOf sorts a copy of values. Of none it is all NaN.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		nan := math.NaN()
		return Spread{nan, nan, nan, nan, nan}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{Median: quantile(v, 0.5), Min: v[0], Max: v[len(v)-1], Low: quantile(v, 0.25), High: quantile(v, 0.75)}
}

// quantile interpolates between the two values around the place q of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// spreadOf is SpreadOf one figure of some samples.
func spreadOf(samples []Sample, figure func(*Sample) float64) Spread {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = figure(&samples[i])
	}
	return SpreadOf(values)
}

// ratios divides a by b round by round: both rounds ran one after the other, so what disturbed one probably disturbed both.
// A round in which either is not known is left out.
func ratios(a, b []Sample, figure func(*Sample) float64) Spread {
	var values []float64
	for i := range min(len(a), len(b)) {
		if x, y := figure(&a[i]), figure(&b[i]); x > 0 && y > 0 {
			values = append(values, x/y)
		}
	}
	return SpreadOf(values)
}
