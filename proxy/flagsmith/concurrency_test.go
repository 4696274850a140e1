package flagsmith_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// TestManyAtOnce: writers of one identity, readers, and changes of the environment, all at once. Each writer reads its own writes,
// and in the end memory holds what is stored.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.get("/api/v1/flags/") // from here on, the environment comes by publication alone
	const writers, rounds = 6, 30
	var all sync.WaitGroup
	check := func(want int, method, path, body, contains string) {
		a, err := do(r.client, r.request(method, path, body))
		switch {
		case err != nil:
			t.Error(err)
		case a.status != want:
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		case contains != "" && !strings.Contains(a.body, contains):
			t.Errorf("%s %s: no %s in %s", method, path, contains, a.body)
		}
	}
	for w := range writers {
		all.Go(func() {
			key := fmt.Sprintf("key%d", w)
			for i := range rounds {
				check(http.StatusOK, "POST", "/api/v1/identities/", fmt.Sprintf(`{"identifier":"shared","traits":[{"trait_key":%q,"trait_value":%d}]}`, key, i), "")
				check(http.StatusOK, "GET", "/api/v1/identities/?identifier=shared", "", fmt.Sprintf(`"trait_key":%q,"trait_value":%d,`, key, i))
				check(http.StatusOK, "POST", "/api/v1/traits/increment-value/", `{"identifier":"shared","trait_key":"sum","increment_by":1}`, "")
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range rounds {
				check(http.StatusOK, "GET", "/api/v1/flags/", "", "")
				check(http.StatusOK, "POST", "/api/v1/identities/", `{"identifier":"vip","transient":true,"traits":[{"trait_key":"plan","trait_value":"premium"}]}`, "hello, premium")
			}
		})
	}
	for i := range rounds {
		r.publish(shop(func(d *engine.Document) { d.FeatureStates[0].Enabled = i%2 == 0 }))
	}
	all.Wait()

	cached := r.get("/api/v1/identities/?identifier=shared").body
	require.Contains(t, cached, fmt.Sprintf(`"trait_key":"sum","trait_value":%d,`, writers*rounds))
	r.identities.Remove(identityID("shared"))
	require.Equal(t, cached, r.get("/api/v1/identities/?identifier=shared").body)
}
