package flagsmith

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// sizedDocument has features of usual length, a tenth of them multivariate, and segments that override some.
func sizedDocument(features, segments int) *engine.Document {
	description, plan, priority := "What the feature does, in one sentence of the usual length.", "plan", 1.0
	const uuid = "d7303252-33a7-4991-b20f-8564959e42c8"
	doc := &engine.Document{ID: 1, APIKey: "key", Core: true, UseIdentityOverridesInLocalEval: true}
	for i := range features {
		id := int64(i + 1)
		f := engine.FeatureState{
			Feature: engine.Feature{
				ID: id, Name: fmt.Sprintf("feature_number_%d", i), Type: "STANDARD",
				Core: &engine.FeatureCore{Description: &description},
			},
			Enabled: true, HashingSeed: id, RowID: id, UUID: uuid, Value: json.RawMessage(`"a value of the feature"`),
		}
		if i%10 == 0 {
			f.Feature.Type = "MULTIVARIATE"
			for v := range int64(3) {
				f.Variants = append(f.Variants, engine.MultivariateValue{
					Option: engine.MultivariateOption{Value: json.RawMessage(`"variant"`), ID: v + 1}, Allocation: 20, ID: v + 1, UUID: uuid,
				})
			}
		}
		doc.FeatureStates = append(doc.FeatureStates, f)
	}
	for i := range segments {
		conditions := []engine.Condition{
			{Operator: "EQUAL", Property: &plan, Value: json.RawMessage(`"premium"`)},
			{Operator: "REGEX", Property: &plan, Value: json.RawMessage(`"^pre.*m$"`)},
		}
		doc.Project.Segments = append(doc.Project.Segments, engine.Segment{
			ID: int64(i + 1), Name: fmt.Sprintf("segment %d", i),
			Rules: []engine.Rule{{Type: "ALL", Rules: []engine.Rule{{Type: "ANY", Conditions: conditions}}}},
			FeatureStates: []engine.FeatureState{{
				Feature: doc.FeatureStates[i].Feature, RowID: 1000, HashingSeed: 1000, UUID: uuid,
				FeatureSegment: &engine.FeatureSegment{ID: 2, Priority: &priority}, Value: json.RawMessage(`"x"`),
			}},
		})
	}
	return doc
}

func TestEnvironmentBytes(t *testing.T) {
	for _, size := range []struct{ features, segments int }{{10, 2}, {100, 20}, {500, 50}} {
		t.Run(fmt.Sprintf("features=%d/segments=%d", size.features, size.segments), func(t *testing.T) {
			body, err := json.Marshal(sizedDocument(size.features, size.segments))
			require.NoError(t, err)
			NewEnvironment(sizedDocument(1, 0)) // the compressors, which all share
			// What other tests left behind may be freed in the middle of a measurement, so one that is off is made again.
			const tolerance = 0.35
			var real, estimated int64
			for range 5 {
				real, estimated = environmentBytes(t, body)
				if math.Abs(float64(real-estimated)) <= tolerance*math.Abs(float64(real)) {
					break
				}
			}
			t.Logf("document %d bytes; environment %d bytes on the heap, %d estimated", len(body), real, estimated)
			require.InEpsilon(t, real, estimated, tolerance, "the budget of the cache counts in these bytes")
		})
	}
}

// environmentBytes measures what one environment takes on the heap, and estimates it.
func environmentBytes(t *testing.T, body []byte) (real, estimated int64) {
	t.Helper()
	const n = 50
	kept := make([]*Environment, n)
	before := settledHeap()
	for i := range kept {
		doc := new(engine.Document)
		require.NoError(t, json.Unmarshal(body, doc))
		kept[i] = NewEnvironment(doc)
		estimated += kept[i].bytes()
	}
	real = settledHeap() - before
	runtime.KeepAlive(kept)
	return real / n, estimated / n
}

// settledHeap is what is alive on the heap. A sync.Pool outlives one collection.
func settledHeap() int64 {
	for range 3 {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
