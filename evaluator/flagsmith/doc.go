// Package flagsmith evaluates flags as Flagsmith does: which of an environment's segments an identity is in, which state of
// each feature wins, and which variant.
//
// It compiles a document (or an evaluation context) once and evaluates it many times. It knows nothing of HTTP, caches or
// time, starts no goroutine and logs nothing. What it must answer is in the project's engine specification, whose
// sections the comments cite; the cases that pin it are in testdata and in the official data set, which the tests find
// through FLAGSTAFF_VECTORS.
//
//	rules := flagsmith.Compile(doc)
//	var scratch flagsmith.Scratch // one for each evaluation at a time
//	for i, id := range rules.Evaluate(&identity, "", &scratch, nil) {
//		name, outcome := doc.FeatureStates[i].Feature.Name, rules.Outcomes()[id]
//	}
package flagsmith
