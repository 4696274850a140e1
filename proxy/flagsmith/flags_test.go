package flagsmith_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// shownFlag is one flag of an answer.
type shownFlag struct {
	ID      *int64
	Feature struct {
		ID             int64
		Name           string
		CreatedDate    *string `json:"created_date"`
		Description    *string
		InitialValue   *string `json:"initial_value"`
		DefaultEnabled *bool   `json:"default_enabled"`
		Type           string
	}
	Value          json.RawMessage `json:"feature_state_value"`
	Environment    *int64
	Identity       *int64
	FeatureSegment *int64 `json:"feature_segment"`
	Enabled        bool
	Variant        *string
}

func (f shownFlag) String() string {
	state := "off"
	if f.Enabled {
		state = "on"
	}
	s := fmt.Sprintf("%s %s %s", f.Feature.Name, state, f.Value)
	for _, part := range []struct {
		name string
		id   *int64
	}{{"segment", f.FeatureSegment}, {"identity", f.Identity}} {
		if part.id != nil {
			s += fmt.Sprintf(" %s=%d", part.name, *part.id)
		}
	}
	if f.Variant != nil {
		s += " variant=" + *f.Variant
	}
	return s
}

// summaries says what each flag of a list or of an identity is, in a line each.
func summaries(t testing.TB, body string) []string {
	t.Helper()
	var list []shownFlag
	if strings.HasPrefix(body, "{") {
		var identity struct{ Flags []shownFlag }
		require.NoError(t, json.Unmarshal([]byte(body), &identity))
		list = identity.Flags
	} else {
		require.NoError(t, json.Unmarshal([]byte(body), &list))
	}
	lines := make([]string, len(list))
	for i, f := range list {
		lines[i] = f.String()
	}
	return lines
}

// names are the features of an answer.
func names(t testing.TB, body string) []string {
	t.Helper()
	lines := summaries(t, body)
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " ")
	}
	return lines
}

func TestFlags(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.get("/api/v1/flags/")
	requireGoldenText(t, "flags.json", a.body)
	require.Equal(t, []string{
		"checkout on null",
		`banner_text on "hello"`, // the control value: there is no identity
		`old_menu off "Gr\u00fc\u00dfe <b>&amp;</b> \ud83c\udf88"`,
		"beta on true", // no segment is looked at
	}, summaries(t, a.body))
	require.NotContains(t, a.body, "variant")

	require.Equal(t, []string{"checkout", "banner_text", "secret_rate", "old_menu", "beta"},
		names(t, r.get("/api/v1/flags/", withKey(serverKey)).body))
}

func TestFlagsOfAnEmptyEnvironment(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, empty())
	require.Equal(t, "[]", r.get("/api/v1/flags/").body)
	require.Equal(t, `{"identifier":"bob","traits":[],"flags":[]}`, r.get("/api/v1/identities/?identifier=bob").body)
	require.Equal(t, http.StatusNotFound, r.send("GET", "/api/v1/flags/?feature=", "").status)
	require.Contains(t, r.get(documentPath, withKey(serverKey)).body, `"feature_states":[],"identity_overrides":[]`)
}

func TestOneFlag(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	whole := r.get("/api/v1/flags/").body
	for _, row := range []struct{ query, want string }{
		{"checkout", "checkout"},
		{"CHECKOUT", "checkout"}, // upstream ignores case here
		{"Banner_Text", "banner_text"},
		{"", "checkout"},                      // upstream takes the first
		{"checkout&x=1&feature=beta", "beta"}, // Django takes the last of a repeated parameter
	} {
		a := r.get("/api/v1/flags/?feature=" + row.query)
		var f shownFlag
		require.NoError(t, json.Unmarshal([]byte(a.body), &f), "an object, not a list: %s", a.body)
		require.Equal(t, row.want, f.Feature.Name)
		require.Contains(t, whole, a.body)
	}
	require.Equal(t, whole, r.get("/api/v1/flags/?other=checkout").body, "what is not known is ignored")
	require.Equal(t, whole, r.get("/api/v1/flags/?featur=checkout").body)
}

// TestSensitiveDataIsHidden: the keys stay, their values become null (spec 2.1).
func TestSensitiveDataIsHidden(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(sensitiveHidden))
	a := r.get("/api/v1/flags/")
	requireGoldenText(t, "flags-sensitive-hidden.json", a.body)
	var list []shownFlag
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	for _, f := range list {
		require.Nil(t, f.ID)
		require.Nil(t, f.Environment)
		require.Nil(t, f.Feature.CreatedDate)
		require.Nil(t, f.Feature.Description)
		require.Nil(t, f.Feature.InitialValue)
		require.Nil(t, f.Feature.DefaultEnabled)
		require.NotZero(t, f.Feature.ID)
	}
	a = r.post("/api/v1/identities/", `{"identifier":"vip","traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
	requireGoldenText(t, "identity-sensitive-hidden.json", a.body)
	require.Contains(t, a.body, `{"identifier":"vip","traits":[],"flags":[`)
	// Traits work although they are not shown, and so does the identity's override.
	require.Equal(t, []string{
		`checkout off "for vip"`, `banner_text on "hello, premium" variant=control`,
		`old_menu off "Gr\u00fc\u00dfe <b>&amp;</b> \ud83c\udf88"`, "beta on true",
	}, summaries(t, a.body))
	require.NotContains(t, a.body, `"identity":4`)
	require.NotContains(t, r.get("/api/v1/flags/?feature=checkout").body, "New checkout flow")
}

// TestDisabledFlagsAreHidden: the environment decides, else its project; for both kinds of key, and after overrides (spec 3.1).
func TestDisabledFlagsAreHidden(t *testing.T) {
	t.Parallel()
	all := []string{"checkout", "banner_text", "old_menu", "beta"}
	enabled := []string{"checkout", "banner_text", "beta"}
	for _, row := range []struct {
		name        string
		project     bool
		environment *bool
		want        []string
	}{
		{"nobody hides", false, nil, all},
		{"project hides", true, nil, enabled},
		{"environment hides", false, ptr(true), enabled},
		{"environment shows what its project hides", true, ptr(false), all},
		{"both hide", true, ptr(true), enabled},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newHandlerRig(t, shop(hidesDisabled(row.project, row.environment)))
			require.Equal(t, row.want, names(t, r.get("/api/v1/flags/").body))
			withServerKey := names(t, r.get("/api/v1/flags/", withKey(serverKey)).body)
			require.Equal(t, len(row.want)+1, len(withServerKey))
			require.Contains(t, withServerKey, "secret_rate")

			hides := len(row.want) == len(enabled)
			status := map[bool]int{true: 404, false: 200}[hides]
			require.Equal(t, status, r.send("GET", "/api/v1/flags/?feature=old_menu", "").status)
			require.Equal(t, status, r.send("GET", "/api/v1/flags/?feature=old_menu", "", withKey(serverKey)).status)
			require.Equal(t, status, r.send("GET", "/api/v1/identities/?identifier=ann&feature=old_menu", "").status)

			// vip's override turns checkout off, the segment turns beta off for bob.
			require.Equal(t, !hides, slices.Contains(names(t, r.get("/api/v1/identities/?identifier=vip").body), "checkout"))
			require.Equal(t, !hides, slices.Contains(names(t, r.get("/api/v1/identities/?identifier=bob").body), "beta"))
			require.Contains(t, r.get(documentPath, withKey(serverKey)).body, "old_menu", "the document shows all")
		})
	}
}

// An override can turn a flag on that is off by default: then it is shown.
func TestFlagThatAnOverrideTurnsOnIsShown(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop(hidesDisabled(true, nil), func(d *engine.Document) {
		d.IdentityOverrides[0].Features = append(d.IdentityOverrides[0].Features, state(104, "old_menu", "STANDARD", 912, true, `"back"`))
	}))
	require.NotContains(t, r.get("/api/v1/flags/").body, "old_menu")
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `old_menu on "back" identity=4`)
	require.Equal(t, http.StatusOK, r.send("GET", "/api/v1/identities/?identifier=vip&feature=old_menu", "").status)
}

// TestServerKeyOnlyFeatures: a client key sees them on no path, also not while disabled flags are hidden, where upstream forgets
// the filter.
func TestServerKeyOnlyFeatures(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*engine.Document){
		"alone":                             func(*engine.Document) {},
		"while disabled flags are hidden":   hidesDisabled(true, nil),
		"while sensitive data is hidden":    sensitiveHidden,
		"while all features are for server": func(d *engine.Document) { d.Project.ServerKeyOnlyFeatureID = []int64{101, 102, 103, 104, 105} },
		"with an id that no feature has":    func(d *engine.Document) { d.Project.ServerKeyOnlyFeatureID = []int64{999, 103} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newHandlerRig(t, shop(edit))
			for _, path := range []string{
				"/api/v1/flags/", "/api/v1/flags/?feature=secret_rate", "/api/v1/identities/?identifier=bob",
				"/api/v1/identities/?identifier=bob&feature=secret_rate", "/api/v1/identities/?identifier=bob&transient=true",
				"/api/v1/flags/bob", "/api/v1/flags/bob?feature=secret_rate", "/api/v1/identities/bob/", "/api/v1/flags/103/multivariate-options/",
			} {
				require.NotContains(t, r.send("GET", path, "").body, "secret_rate", path)
				require.NotContains(t, r.send("GET", path, "").body, "42", path)
				require.Contains(t, r.get(path, withKey(serverKey)).body, "42", path)
			}
			require.NotContains(t, r.post("/api/v1/identities/", `{"identifier":"bob"}`).body, "secret_rate")
			require.Contains(t, r.post("/api/v1/identities/", `{"identifier":"bob"}`, withKey(serverKey)).body, "secret_rate")
		})
	}
}

// TestValuesOfFlags: each kind of value comes out as it went in; text that looks like a number stays text (spec 3.2, 1.10).
func TestValuesOfFlags(t *testing.T) {
	t.Parallel()
	values := []struct{ in, out string }{
		{`null`, `null`}, {`""`, `""`}, {`0`, `0`}, {`-2147483648`, `-2147483648`}, {`2147483647`, `2147483647`},
		{`true`, `true`}, {`false`, `false`}, {`"0"`, `"0"`}, {`"true"`, `"true"`}, {`"1.50"`, `"1.50"`}, {`"null"`, `"null"`},
		{`"{\"a\": 1}"`, `"{\"a\": 1}"`}, {`"<script>&"`, `"<script>&"`}, {`"\u003c"`, `"<"`}, {`"/\/"`, `"//"`},
		{`"größe"`, `"gr\u00f6\u00dfe"`}, {`"🎈"`, `"\ud83c\udf88"`}, {`"\u2028"`, `"\u2028"`}, {`"\t\n\u0001\u007f"`, `"\t\n\u0001\u007f"`},
	}
	r := newHandlerRig(t, shop(func(d *engine.Document) {
		d.FeatureStates = nil
		for i, v := range values {
			d.FeatureStates = append(d.FeatureStates, state(int64(i+1), fmt.Sprintf("größe <%d>", i), "STANDARD", int64(i+1), true, v.in))
		}
	}))
	body := r.get("/api/v1/flags/").body
	identity := r.get("/api/v1/identities/?identifier=ann").body
	document := r.get(documentPath, withKey(serverKey)).body
	for i, v := range values {
		name := fmt.Sprintf(`"name":"gr\u00f6\u00dfe <%d>"`, i)
		require.Contains(t, body, fmt.Sprintf(`{"id":%d,"feature":{"id":%d,%s,"created_date":null,"description":null,"initial_value":null,`+
			`"default_enabled":null,"type":"STANDARD"},"feature_state_value":%s,"environment":12`, i+1, i+1, name, v.out))
		require.Contains(t, identity, `"feature_state_value":`+v.out+`,"environment"`)
		require.Contains(t, document, `"feature_state_value":`+v.out+`,"multivariate`)
	}
	for _, text := range []string{body, identity, document} {
		require.True(t, json.Valid([]byte(text)))
		for _, c := range text {
			require.Less(t, c, rune(0x80), "all is ASCII")
		}
	}
	require.Equal(t, http.StatusOK, r.send("GET", "/api/v1/flags/?feature=GR%C3%96%C3%9FE%20%3C3%3E", "").status, "case is ignored beyond ASCII")
}

// A document without core fields is answered in the slim shape.
func TestDocumentOfAnUpstreamGivesSlimFlags(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop(func(d *engine.Document) { d.Core = false }))
	require.Equal(t, `{"feature":{"id":101,"name":"checkout","type":"STANDARD"},"enabled":true,"feature_state_value":null}`,
		r.get("/api/v1/flags/?feature=checkout").body)
}
