package flagsmith_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostTrait(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.post("/api/v1/traits/", `{"trait_key":" plan ","trait_value":" free ","identity":{"identifier":" ann ","x":1},"y":2}`)
	require.Equal(t, `{"identity":{"identifier":"ann"},"trait_value":" free ","trait_key":"plan"}`, a.body)
	require.Equal(t, []string{`1 plan=" free "`}, r.storedTraits("ann"), "the identity is created")
	r.post("/api/v1/traits/", `{"identity":{"identifier":"ann"},"trait_key":"plan","trait_value":5}`)
	require.Equal(t, []string{`1 plan=5`}, r.storedTraits("ann"), "the trait is replaced")
	require.Contains(t, r.get("/api/v1/identities/?identifier=ann").body, `"trait_value":5`)
}

func TestPutTraits(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.identify("bob", `[{"trait_key":"plan","trait_value":"free"},{"trait_key":"age","trait_value":30}]`)
	item := func(identifier, key, value string) string {
		return fmt.Sprintf(`{"identity":{"identifier":%q},"trait_key":%q,"trait_value":%s}`, identifier, key, value)
	}
	put := func(items ...string) string {
		t.Helper()
		a := r.send("PUT", "/api/v1/traits/bulk/", "["+strings.Join(items, ",")+"]")
		require.Equal(t, http.StatusOK, a.status, a.body)
		return a.body
	}
	require.Equal(t, "[]", put())
	require.Equal(t, "[]", put(item("bob", "age", "null")), "null deletes")
	require.Equal(t, []string{`1 plan="free"`}, r.storedTraits("bob"))
	require.Equal(t, "[]", put(`{"identity":{"identifier":"bob"},"trait_key":"plan"}`), "no value deletes too")
	require.Equal(t, []string{}, r.storedTraits("bob"))

	require.Equal(t, `[{"identity":{"identifier":"bob"},"trait_value":1,"trait_key":"a"},{"identity":{"identifier":"ann"},"trait_value":"x","trait_key":"a"},`+
		`{"identity":{"identifier":"bob"},"trait_value":true,"trait_key":"b"}]`,
		put(item("bob", "a", "1"), item("ann", "a", `"x"`), item("bob", "gone", "null"), item("bob", "b", "true")), "what is not null is echoed in its order")
	require.Equal(t, []string{"3 a=1", "4 b=true"}, r.storedTraits("bob"))
	require.Equal(t, []string{`5 a="x"`}, r.storedTraits("ann"))

	put(item("bob", "a", "2"), item("bob", "a", "null"))
	require.Equal(t, []string{"3 a=2", "4 b=true"}, r.storedTraits("bob"), "deletions run first, wherever they stand")
	put(item("bob", "a", "3"), item("bob", "a", "4"))
	require.Equal(t, []string{"3 a=4", "4 b=true"}, r.storedTraits("bob"), "of a repeated key the last counts")

	writes := len(r.people.written())
	put(item("bob", "x", "1"), item("ann", "x", "1"), item("bob", "y", "1"))
	require.Len(t, r.people.written(), writes+2, "one write an identity")
}

// TestBulkIsCheckedBeforeItIsWritten: upstream deletes first and may fail then.
func TestBulkIsCheckedBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.identify("bob", `[{"trait_key":"plan","trait_value":"free"}]`)
	writes := len(r.people.written())
	for _, row := range []struct{ method, path, body string }{
		{"PUT", "/api/v1/traits/bulk/", `[{"identity":{"identifier":"bob"},"trait_key":"plan"},{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":1}]`},
		{"PUT", "/api/v1/traits/bulk/", `[{"identity":{"identifier":"bob"},"trait_key":"plan"},{"trait_key":"b"}]`},
		{"POST", "/api/v1/bulk-identities/", `{"data":[{"identifier":"bob","traits":[]},{"identifier":"ann","traits":[{"trait_key":"a"}]}]}`},
		{"PUT", "/api/v1/bulk-identities/", `{"data":[{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1}]},{}]}`},
	} {
		require.Equal(t, http.StatusBadRequest, r.send(row.method, row.path, row.body).status)
	}
	require.Len(t, r.people.written(), writes)
	require.Equal(t, []string{`1 plan="free"`}, r.storedTraits("bob"))
}

func TestIncrement(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	increment := func(by, want string) {
		t.Helper()
		a := r.post("/api/v1/traits/increment-value/", `{"increment_by":`+by+`,"identifier":" ann ","trait_key":"visits"}`)
		require.Equal(t, `{"trait_key":"visits","trait_value":`+want+`,"identifier":"ann"}`, a.body)
	}
	increment(`2`, `2`) // identity and trait are created, from 0
	increment(`-5`, `-3`)
	increment(`"7"`, `4`)
	increment(`" +1 "`, `5`)
	increment(`2.0`, `7`)
	increment(`"3.00"`, `10`)
	increment(`1e2`, `110`)
	increment(`0`, `110`)
	require.Equal(t, []string{"1 visits=110"}, r.storedTraits("ann"))
	require.Contains(t, r.get("/api/v1/identities/?identifier=ann").body, `"trait_value":110`)
	increment(`2147483537`, `2147483647`)
	increment(`"-4294967295"`, `-2147483648`)
	for _, by := range []string{`-1`, `9223372036854775807`, `-9223372036854775808`} {
		a := r.send("POST", "/api/v1/traits/increment-value/", `{"increment_by":`+by+`,"identifier":"ann","trait_key":"visits"}`)
		require.Equal(t, http.StatusBadRequest, a.status, a.body)
	}
	for _, value := range []string{`"text"`, `"5"`, `1.5`, `true`, `[1]`} {
		r.post("/api/v1/traits/", `{"identity":{"identifier":"ann"},"trait_key":"other","trait_value":`+value+`}`)
		a := r.send("POST", "/api/v1/traits/increment-value/", `{"increment_by":1,"identifier":"ann","trait_key":"other"}`)
		require.Equal(t, http.StatusBadRequest, a.status, value)
		require.Equal(t, `["Trait is not an integer."]`, a.body, value)
	}
}

func TestBulkIdentities(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	send := func(method, body string) {
		t.Helper()
		a := r.send(method, "/api/v1/bulk-identities/", body)
		require.Equal(t, http.StatusAccepted, a.status, a.body)
		require.Empty(t, a.body)
	}
	send("POST", `{"data":[]}`)
	send("POST", `{"data":[{"identifier":"ann","traits":[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":2},{"trait_key":"t","trait_value":3,"transient":true}]},`+
		`{"identifier":"ghost","transient":true,"traits":[{"trait_key":"a","trait_value":1}]},{"identifier":"bare"}]}`)
	require.Equal(t, []string{"1 a=1", "2 b=2"}, r.storedTraits("ann"))
	require.Equal(t, []string{}, r.storedTraits("bare"))
	require.Nil(t, r.storedTraits("ghost"))
	send("PUT", `{"data":[{"identifier":"ann","traits":[{"trait_key":"b","trait_value":5},{"trait_key":"a","trait_value":null},{"trait_key":"c","trait_value":6}]}]}`)
	require.Equal(t, []string{"2 b=5", "3 c=6"}, r.storedTraits("ann"), "PUT updates")
	send("POST", `{"data":[{"identifier":"ann","traits":[{"trait_key":"c","trait_value":7}]}]}`)
	require.Equal(t, []string{"3 c=7"}, r.storedTraits("ann"), "POST overwrites")
	send("POST", `{"data":[`+strings.Repeat(`{"identifier":"bob"},`, 99)+`{"identifier":"bob"}]}`)
	require.Contains(t, r.get("/api/v1/identities/?identifier=ann").body, `"trait_value":7`)
}
