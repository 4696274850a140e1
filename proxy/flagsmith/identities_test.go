package flagsmith_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// identityAnswer is an answer of the identities endpoints.
type identityAnswer struct {
	Identifier string
	Traits     json.RawMessage
	Flags      []shownFlag
}

func readIdentity(t testing.TB, a *answer) identityAnswer {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var v identityAnswer
	require.NoError(t, json.Unmarshal([]byte(a.body), &v))
	return v
}

// storedTraits lists what is stored of an identity, as "id key=value"; nil when there is no such identity.
func (r *rig) storedTraits(identifier string) []string {
	r.t.Helper()
	identity, ok := r.people.identity(shopID, identifier)
	if !ok {
		return nil
	}
	lines := []string{}
	for _, t := range identity.Traits {
		var value any
		switch t.Value.Kind() {
		case engine.KindString:
			value = fmt.Sprintf("%q", t.Value.Text())
		case engine.KindInt:
			value = t.Value.Int()
		case engine.KindFloat:
			value = fmt.Sprintf("float %v", t.Value.Float())
		case engine.KindBool:
			value = t.Value.Bool()
		default:
			r.t.Fatalf("a value of kind %d was stored", t.Value.Kind())
		}
		lines = append(lines, fmt.Sprintf("%d %s=%v", t.ID, t.Key, value))
	}
	return lines
}

func TestIdentityGolden(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.people.number(40, 9001)
	requireGoldenText(t, "identity-bob.json", r.get("/api/v1/identities/?identifier=bob").body)
	requireGoldenText(t, "identity-vip.json", r.post("/api/v1/identities/",
		`{"identifier":"vip","traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"age","trait_value":37}]}`).body)
}

// TestWhoGetsWhat: identity override before segment override before environment; variants by the hashes of the spec (3.4).
func TestWhoGetsWhat(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	old := `old_menu off "Gr\u00fc\u00dfe <b>&amp;</b> \ud83c\udf88"`
	for _, row := range []struct {
		name, body string
		want       []string
	}{
		{"bob gets the variant without a key; segment half has him", `{"identifier":"bob"}`,
			[]string{"checkout on null", `banner_text on "good day"`, old, "beta off false segment=89"}},
		{"vip gets control and his own override", `{"identifier":"vip"}`,
			[]string{`checkout off "for vip" identity=4`, `banner_text on "hello" variant=control`, old, "beta on true"}},
		{"u4 gets the variant with a key", `{"identifier":"u4"}`,
			[]string{"checkout on null", `banner_text on "hi there" variant=friendly`, old, "beta on true"}},
		{"premium outdoes the variant", `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium"}]}`,
			[]string{"checkout on null", `banner_text on "hello, premium" segment=88 variant=control`, old, "beta off false segment=89"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, summaries(t, r.post("/api/v1/identities/", row.body).body))
		})
	}
	// The hash key is made of the client key, whatever key asked.
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=bob&transient=true", withKey(serverKey)).body), `banner_text on "good day"`)
}

// TestIdentityOverrideNeedsTheExactIdentifier: no trimming inside, no numbers, no lists.
func TestIdentityOverrideNeedsTheExactIdentifier(t *testing.T) {
	t.Parallel()
	for _, identifier := range []string{"007", "1.10", "5.0", "-0", "42", "a,b", "größe", "a b", `"quoted"`, "null", "😀"} {
		r := newHandlerRig(t, shop(func(d *engine.Document) { d.IdentityOverrides[0].Identifier = identifier }))
		a := r.get("/api/v1/identities/?identifier=" + url.QueryEscape(identifier))
		require.Contains(t, summaries(t, a.body), `checkout off "for vip" identity=4`, identifier)
		require.Equal(t, identifier, readIdentity(t, a).Identifier)
		a = r.post("/api/v1/identities/", `{"identifier":`+encode(t, " "+identifier+"\t")+`}`)
		require.Contains(t, summaries(t, a.body), `checkout off "for vip" identity=4`, identifier)
		for _, other := range []string{identifier + "x", "x" + identifier, strings.ToUpper(identifier) + "0", "7", "1.1", "5", "0", "a", "b"} {
			require.NotContains(t, r.get("/api/v1/identities/?transient=1&identifier="+url.QueryEscape(other)).body, "for vip", other)
		}
	}
}

func TestGetIdentity(t *testing.T) {
	t.Parallel()
	t.Run("an unknown identity is created", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		a := readIdentity(t, r.get("/api/v1/identities/?identifier=ann"))
		require.Equal(t, "ann", a.Identifier)
		require.Equal(t, "[]", string(a.Traits))
		require.Equal(t, []string{}, r.storedTraits("ann"))
	})
	t.Run("by HEAD too", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		require.Equal(t, http.StatusOK, r.send("HEAD", "/api/v1/identities/?identifier=ann", "").status)
		require.NotNil(t, r.storedTraits("ann"))
	})
	t.Run("a known one is not written", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		r.identify("ann", `[{"trait_key":"plan","trait_value":"premium"}]`)
		writes := len(r.people.written())
		a := readIdentity(t, r.get("/api/v1/identities/?identifier=ann"))
		require.JSONEq(t, `[{"id":1,"trait_key":"plan","trait_value":"premium","transient":false}]`, string(a.Traits))
		require.Len(t, r.people.written(), writes)
	})
	t.Run("stored traits count in segments", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		r.identify("vip", `[{"trait_key":"plan","trait_value":"premium"}]`)
		require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `banner_text on "hello, premium" segment=88 variant=control`)
	})
	t.Run("the identifier is trimmed", func(t *testing.T) { // upstream trims in POST only, which makes two identities of one
		r := newHandlerRig(t, shop())
		r.identify("ann", `[{"trait_key":"plan","trait_value":"premium"}]`)
		a := readIdentity(t, r.get("/api/v1/identities/?identifier=%20ann%09%0a"))
		require.Equal(t, "ann", a.Identifier)
		require.Contains(t, string(a.Traits), "premium")
		require.Equal(t, 1, r.people.count())
	})
	t.Run("one feature is one object", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		for _, feature := range []string{"checkout", "banner_text", "beta"} {
			one := r.get("/api/v1/identities/?identifier=vip&feature=" + feature)
			require.Contains(t, r.get("/api/v1/identities/?identifier=vip").body, one.body)
			require.True(t, strings.HasPrefix(one.body, `{"id":`) && strings.Contains(one.body, `"name":"`+feature+`"`), one.body)
		}
		require.Contains(t, r.get("/api/v1/identities/?identifier=vip&feature=").body, `"identifier":"vip"`, "an empty name is none")
	})
	t.Run("an identifier that is not UTF-8 is repaired", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		require.Equal(t, "a\ufffdb", readIdentity(t, r.get("/api/v1/identities/?identifier=a%ffb")).Identifier)
	})
	t.Run("an identifier of 2000 characters is not too long", func(t *testing.T) {
		r := newHandlerRig(t, shop())
		long := strings.Repeat("ü", 2000)
		require.Equal(t, long, readIdentity(t, r.get("/api/v1/identities/?identifier="+url.QueryEscape(long))).Identifier)
		require.Equal(t, long, readIdentity(t, r.post("/api/v1/identities/", `{"identifier":"`+long+`"}`)).Identifier)
		require.Equal(t, 1, r.people.count())
	})
}

// TestGetTransient: nothing is created, stored traits and identity overrides are ignored. The word is read as a boolean, where
// upstream takes any for true (spec 7).
func TestGetTransient(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	r.identify("vip", `[{"trait_key":"plan","trait_value":"premium"}]`)
	for _, row := range []struct {
		word      string
		transient bool
	}{
		{"true", true}, {"1", true}, {"yes", true}, {"on", true}, {"True", true}, {"perhaps", true},
		{"false", false}, {"0", false}, {"no", false}, {"off", false}, {"False", false}, {"", false},
	} {
		t.Run(row.word, func(t *testing.T) {
			a := readIdentity(t, r.get("/api/v1/identities/?identifier=vip&transient="+row.word))
			if row.transient {
				require.Equal(t, "[]", string(a.Traits))
				require.Equal(t, "checkout on null", a.Flags[0].String())
				require.Equal(t, `banner_text on "hello" variant=control`, a.Flags[1].String())
			} else {
				require.Contains(t, string(a.Traits), "premium")
				require.Equal(t, `checkout off "for vip" identity=4`, a.Flags[0].String())
			}
			r.get("/api/v1/identities/?identifier=new-" + row.word + "&transient=" + row.word)
			_, created := r.people.identity(shopID, "new-"+row.word)
			require.Equal(t, !row.transient, created)
		})
	}
}

// TestAnonymousIdentity: the same identifier for the same traits, none of it stored.
func TestAnonymousIdentity(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	plan := `{"trait_key":"plan","trait_value":"premium"}`
	for name, body := range map[string]string{
		"absent":    `{"traits":[` + plan + `]}`,
		"null":      `{"identifier":null,"transient":true,"traits":[` + plan + `]}`, // the JavaScript SDK
		"empty":     `{"identifier":"","traits":[` + plan + `]}`,
		"blank":     `{"identifier":" \t","traits":[` + plan + `]}`,
		"with null": `{"traits":[` + plan + `,{"trait_key":"a","trait_value":null}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := readIdentity(t, r.post("/api/v1/identities/", body))
			require.Equal(t, "8b06338d3f872e7bbe9738a7a45e6bd24b958f5e0eba68786171b8cdd85720a8", a.Identifier)
			require.Equal(t, `[{"id":null,"trait_key":"plan","trait_value":"premium","transient":true}]`, string(a.Traits))
			require.Contains(t, summaries(t, r.post("/api/v1/identities/", body).body), `banner_text on "hello, premium" segment=88 variant=control`)
		})
	}
	require.Zero(t, r.people.count())
	require.Empty(t, r.people.written())

	t.Run("traits count by key and Python text", func(t *testing.T) {
		// sha256("ageTruekeyscore1.0vx") with the keys in order: "a"+"1", "b"+"True", "c"+"1.0", "d"+"x"
		a := readIdentity(t, r.post("/api/v1/identities/", `{"traits":[{"trait_key":"d","trait_value":"x"},{"trait_key":"c","trait_value":1.0},`+
			`{"trait_key":"b","trait_value":true},{"trait_key":"a","trait_value":1},{"trait_key":"e","trait_value":null}]}`))
		require.Equal(t, sha256Hex("a1bTruec1.0dx"), a.Identifier)
		require.Equal(t, []string{"d", "c", "b", "a"}, traitKeys(t, a.Traits), "the answer keeps the order of the request")
	})
	t.Run("without traits it is random", func(t *testing.T) {
		first, second := readIdentity(t, r.post("/api/v1/identities/", `{}`)), readIdentity(t, r.post("/api/v1/identities/", `{"traits":[]}`))
		require.Regexp(t, `^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`, first.Identifier, "a version 4 UUID without hyphens")
		require.NotEqual(t, first.Identifier, second.Identifier)
		require.Equal(t, "[]", string(first.Traits))
	})
	t.Run("a client key that may not set traits is nobody without traits", func(t *testing.T) {
		r := newHandlerRig(t, shop(clientTraitsForbidden))
		a := readIdentity(t, r.post("/api/v1/identities/", `{"traits":[`+plan+`]}`))
		require.Len(t, a.Identifier, 32)
		require.Equal(t, "[]", string(a.Traits))
		a = readIdentity(t, r.post("/api/v1/identities/", `{"traits":[`+plan+`]}`, withKey(serverKey)))
		require.Len(t, a.Identifier, 64)
	})
	t.Run("an override for the made-up name is not for nobody", func(t *testing.T) {
		r := newHandlerRig(t, shop(func(d *engine.Document) { d.IdentityOverrides[0].Identifier = sha256Hex("planpremium") }))
		require.Equal(t, "checkout on null", summaries(t, r.post("/api/v1/identities/", `{"traits":[`+plan+`]}`).body)[0])
	})
}

// TestIdentifierTypes: what DRF's CharField makes of it (spec 2.3).
func TestIdentifierTypes(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	for _, row := range []struct{ in, want string }{
		{`"bob"`, "bob"}, {`"  bob\n"`, "bob"}, {`"\u00a0bob\u2003"`, "bob"}, {`"b ob"`, "b ob"},
		{`5`, "5"}, {`-0`, "0"}, {`1.0`, "1.0"}, {`1.50`, "1.5"}, {`1e2`, "100.0"}, {`1e16`, "1e+16"}, {`123456789012345678901234567890`, "123456789012345678901234567890"},
		{`"größe"`, "größe"}, {`"\ud83c\udf88"`, "🎈"}, {`"a\"b\\c/d"`, `a"b\c/d`}, {`"\u0001"`, "\u0001"},
	} {
		a := readIdentity(t, r.post("/api/v1/identities/", `{"identifier":`+row.in+`,"unknown":{"field":[1,2]}}`))
		require.Equal(t, row.want, a.Identifier, row.in)
		require.NotNil(t, r.storedTraits(row.want), row.in)
	}
}

func TestTransientWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		in        string
		transient bool
	}{
		{`true`, true}, {`"true"`, true}, {`"t"`, true}, {`"yes"`, true}, {`"on"`, true}, {`1`, true}, {`1.0`, true}, {`"1"`, true},
		{`false`, false}, {`"false"`, false}, {`"no"`, false}, {`"off"`, false}, {`0`, false}, {`"0"`, false}, {`-0.0`, false},
	} {
		r := newHandlerRig(t, shop())
		c := r.newCall("POST", "/api/v1/identities/", `{"identifier":"bob","transient":`+row.in+`}`, clientKey)
		c.do()
		require.Equal(t, http.StatusOK, c.ctx.Response.StatusCode(), row.in)
		require.Equal(t, row.transient, r.people.count() == 0, row.in)
	}
}

// TestHashKeyWithoutTheCompositeFlag: the row's id, or the word None, is hashed in place of key and identifier (spec 3.4).
func TestHashKeyWithoutTheCompositeFlag(t *testing.T) {
	t.Parallel()
	variantOf := func(hash string) string { return variantByHash(t, "41,"+hash) }
	r := newHandlerRig(t, shop(notComposite))
	seen := make(map[string]bool)
	for id := int64(1); id <= 12; id++ {
		r.people.number(id, 1)
		a := readIdentity(t, r.get(fmt.Sprintf("/api/v1/identities/?identifier=user%d", id)))
		require.Equal(t, variantOf(fmt.Sprint(id)), string(a.Flags[1].Value), "identity %d", id)
		seen[string(a.Flags[1].Value)] = true
	}
	require.Len(t, seen, 3, "the ids should fall on all three outcomes")
	for _, a := range []*answer{
		r.get("/api/v1/identities/?identifier=ghost&transient=true"),
		r.post("/api/v1/identities/", `{"identifier":"ghost","transient":true}`),
		r.post("/api/v1/identities/", `{}`),
	} {
		require.Equal(t, variantOf("None"), string(readIdentity(t, a).Flags[1].Value))
	}
	a := readIdentity(t, r.post("/api/v1/identities/", `{"identifier":"user7","transient":true}`))
	require.Equal(t, variantOf("7"), string(a.Flags[1].Value), "a transient identity that is stored has its row")
}

func TestIdentityOverrideOfAMultivariateFeature(t *testing.T) {
	t.Parallel()
	withOverride := func(variants ...engine.MultivariateValue) *engine.Document {
		return shop(func(d *engine.Document) {
			s := state(102, "banner_text", "MULTIVARIATE", 41, true, `"mine"`)
			s.Variants = variants
			d.IdentityOverrides[0].Features = []engine.FeatureState{s}
		})
	}
	r := newHandlerRig(t, withOverride())
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `banner_text on "mine" identity=4 variant=control`)
	r = newHandlerRig(t, withOverride(variant(70, 31, 100, `"hi there"`, ptr("friendly"))))
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `banner_text on "hi there" identity=4 variant=friendly`)
}

// TestIdentitiesOfEnvironmentsAreApart: the same identifier in two environments is two identities.
func TestIdentitiesOfEnvironmentsAreApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	other := shop(func(d *engine.Document) { d.ID, d.APIKey = 13, "otherkey" })
	r.addEnvironment(other, "otherkey")
	r.identify("bob", `[{"trait_key":"plan","trait_value":"premium"}]`)
	require.Equal(t, "[]", string(readIdentity(t, r.get("/api/v1/identities/?identifier=bob", withKey("otherkey"))).Traits))
	require.Contains(t, r.get("/api/v1/identities/?identifier=bob").body, "premium")
	require.Equal(t, 2, r.people.count())
}

// TestFlagsOfAKnownIdentityFollowEveryChange: what was worked out for an identity is not believed once the identity or the
// environment is another.
func TestFlagsOfAKnownIdentityFollowEveryChange(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	flags := func(how ...sending) []string {
		t.Helper()
		first := r.get("/api/v1/identities/?identifier=vip", how...).body
		require.Equal(t, first, r.get("/api/v1/identities/?identifier=vip", how...).body)
		return summaries(t, first)
	}
	control, mine := `banner_text on "hello" variant=control`, `checkout off "for vip" identity=4`
	require.Subset(t, flags(), []string{mine, control})

	r.post("/api/v1/identities/", `{"identifier":"vip","traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
	require.Contains(t, flags(), `banner_text on "hello, premium" segment=88 variant=control`)
	r.post("/api/v1/traits/", `{"identity":{"identifier":"vip"},"trait_key":"plan","trait_value":"free"}`)
	require.Contains(t, flags(), control)
	require.Contains(t, flags(withKey(serverKey)), "secret_rate on 42")
	require.NotContains(t, flags(), "secret_rate on 42")

	r.publish(shop(func(d *engine.Document) { d.IdentityOverrides = nil }))
	require.Contains(t, flags(), "checkout on null")
	r.publish(shop(func(d *engine.Document) { d.FeatureStates = d.FeatureStates[1:] }))
	require.Equal(t, []string{"banner_text", "old_menu", "beta"}, names(t, r.get("/api/v1/identities/?identifier=vip").body))
	r.publish(shop(hidesDisabled(true, nil)))
	require.Len(t, flags(), 2, "vip's checkout is off, and so is old_menu")
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip&transient=true").body), "checkout on null", "a transient one is not vip")
	r.publish(shop(notComposite))
	flags()
}
