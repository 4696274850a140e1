package flagsmith_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariants(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	require.Equal(t, `{"control_value":"hello","options":[{"value":"hi there"},{"value":"good day"}]}`, r.get("/api/v1/flags/102/multivariate-options/").body)
	require.Equal(t, `{"control_value":null,"options":[]}`, r.get("/api/v1/flags/101/multivariate-options").body)
	require.Equal(t, `{"control_value":42,"options":[]}`, r.get("/api/v1/flags/103/multivariate-options/", withKey(serverKey)).body)
}

// TestOldFlags: overrides apply, variants show their control value, the shape is that of flags/ (spec 2.13).
func TestOldFlags(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.get("/api/v1/flags/vip")
	require.NotContains(t, a.body, "variant")
	require.Equal(t, []string{`checkout off "for vip" identity=4`, `banner_text on "hello"`,
		`old_menu off "Gr\u00fc\u00dfe <b>&amp;</b> \ud83c\udf88"`, "beta on true"}, summaries(t, a.body))
	require.Equal(t, `banner_text on "hello"`, summaries(t, r.get("/api/v1/flags/bob").body)[1], "bob has a variant, which is not shown here")
	require.Equal(t, []string{}, r.storedTraits("bob"), "the identity is created")
	require.Contains(t, r.get("/api/v1/flags/vip?feature=Checkout").body, `"feature_state_value":"for vip"`)
	require.Len(t, summaries(t, r.get("/api/v1/flags/a%40b.c", withKey(serverKey)).body), 5)
	require.NotNil(t, r.storedTraits("a@b.c"))
}

func TestOldProfile(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	r.identify("bob", `[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"age","trait_value":30}]`)
	a := r.get("/api/v1/identities/bob/")
	require.Contains(t, a.body, `,"traits":[{"id":1,"trait_key":"plan","trait_value":"premium","transient":false},{"id":2,"trait_key":"age","trait_value":30,"transient":false}],`+
		`"segments":[{"id":11,"name":"premium","description":null},{"id":13,"name":"half","description":null},{"id":14,"name":"described","description":"has an age"}]}`)
	require.Equal(t, `banner_text on "hello, premium" segment=88`, summaries(t, a.body)[1])
	require.NotContains(t, a.body, "variant")
	require.Equal(t, a.body, r.get("/api/v1/identities/bob").body)

	r = newHandlerRig(t, shop(sensitiveHidden))
	r.identify("bob", `[{"trait_key":"plan","trait_value":"premium"}]`)
	require.Contains(t, r.get("/api/v1/identities/bob/").body, `"traits":[]`)
}

func TestOldTrait(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	require.Equal(t, `{"id":1,"trait_key":"plan","trait_value":"free","transient":false}`,
		r.post("/api/v1/identities/bob/traits/plan", `{"trait_value":"free"}`).body)
	require.Equal(t, `{"id":2,"trait_key":"age","trait_value":1.0,"transient":false}`,
		r.post("/api/v1/identities/bob/traits/age/", `{"trait_value":1.0}`).body)
	require.Equal(t, []string{`1 plan="free"`, "2 age=float 1"}, r.storedTraits("bob"))
}
