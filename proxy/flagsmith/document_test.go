package flagsmith_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.get(documentPath, withKey(serverKey))
	requireGoldenText(t, "document.json", a.body)
	require.Contains(t, a.body, `"updated_at":"2026-03-01T10:00:00.123456+00:00"`)
	require.Contains(t, a.body, `"percentage_allocation":30.0`, "a float of Python")
	require.Contains(t, a.body, `"api_key":"clientkey1"`, "the client key, whatever key asked")
	for _, core := range []string{"created_date\":\"2026-01", "row_id", "initial_value", `"core"`, `"version"`, "has an age"} {
		require.NotContains(t, a.body, core)
	}
	require.Equal(t, a.body, r.get(documentPath+"?page_id=2", withKey(serverKey)).body, "there are no pages")
	require.Empty(t, a.header.Get("Link"))
}

func TestDocumentWithoutIdentityOverrides(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(func(d *engine.Document) { d.UseIdentityOverridesInLocalEval = false }))
	require.Contains(t, r.get(documentPath, withKey(serverKey)).body, `"identity_overrides":[],`)
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `checkout off "for vip" identity=4`,
		"remote evaluation has them all the same")
}

// TestDocumentHasWhatSDKsNeed: the arrays that one SDK or another cannot do without (spec 5.3).
func TestDocumentHasWhatSDKsNeed(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(func(d *engine.Document) {
		d.Project.Segments = append(d.Project.Segments, engine.Segment{ID: 99, Name: "empty"})
		d.FeatureStates = append(d.FeatureStates, engine.FeatureState{Feature: engine.Feature{ID: 106, Name: "bare", Type: "STANDARD"}, UUID: "u"})
	}))
	body := r.get(documentPath, withKey(serverKey)).body
	require.Contains(t, body, `{"id":99,"name":"empty","rules":[],"feature_states":[]}`)
	require.Contains(t, body, `{"feature":{"id":106,"name":"bare","type":"STANDARD"},"enabled":false,"django_id":null,"feature_segment":null,`+
		`"featurestate_uuid":"u","feature_state_value":null,"multivariate_feature_state_values":[]}`)
	var document any
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	requireRuleArrays(t, document)
}

// requireRuleArrays checks that each rule below v has both of its arrays, leaves included.
func requireRuleArrays(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			requireRuleArrays(t, item)
		}
	case map[string]any:
		if kind := v["type"]; kind == "ALL" || kind == "ANY" || kind == "NONE" {
			require.IsType(t, []any{}, v["rules"])
			require.IsType(t, []any{}, v["conditions"])
		}
		for _, member := range v {
			requireRuleArrays(t, member)
		}
	}
}

func TestDocumentIsForServerKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.send("GET", documentPath, "")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, `{"detail":"Invalid or missing Environment key"}`, a.body)
}
