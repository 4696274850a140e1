//go:build !race

package flagsmith

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A typical request allocates nothing: 100 features, ten of them with variants, 20 segments; with and without 100,000
// identity overrides.
func TestEvaluateNoAlloc(t *testing.T) {
	for _, identities := range []int{0, 100_000} {
		r := Compile(typicalDocument(100, 20, identities))
		var s Scratch
		var dst []OutcomeID
		var segments []int
		ids := make([]*Identity, 50)
		for i := range ids {
			ids[i] = typicalIdentity(i)
		}
		run := func() {
			for _, id := range ids {
				dst = r.Evaluate(id, "", &s, dst[:0])
				dst = r.Evaluate(id, "12345", &s, dst[:0])
				segments = r.Segments(id, "", &s, segments[:0])
			}
			dst = r.Evaluate(nil, "", &s, dst[:0])
		}
		run()
		require.Len(t, dst, 100)
		require.Zero(t, testing.AllocsPerRun(20, run))
	}
}
