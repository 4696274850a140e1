package flagsmith_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzPostIdentity sends any body, in any form, to POST identities/: the answer is never a 500, always JSON in ASCII, and tells
// the same when it is asked again.
func FuzzPostIdentity(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"identifier":"bob"}`, `{"identifier":null,"transient":true,"traits":[{"trait_key":"a","trait_value":1,"transient":false}]}`,
		`{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"age","trait_value":30.5},{"trait_key":"x","trait_value":[1,{"a":null}]}]}`,
		`{"identifier":"\ud800","traits":[{"trait_key":"\udc00\ud800","trait_value":"\ud83d\u0041"}]}`, `{"identifier":1e400}`, `{"identifier":-0}`,
		`{"traits":[{"trait_key":"a","trait_value":99999999999999999999}]}`, `{"traits":[{"trait_key":"a","trait_value":["\u0007\u00a0"]}]}`,
		"{\"identifier\":\"\xff\"}", `{"identifier":"a","identifier":"b"}`, `{"ident\u0069fier":"escaped"}`, `{"identifier":"vip","traits":[{"trait_key":"a","trait_value":null,"transient":true}]}`,
	} {
		for form := range uint8(4) {
			f.Add([]byte(seed), form)
		}
	}
	f.Add([]byte("identifier=bob&traits[0]trait_key=a&traits[0]trait_value=1&traits[999].trait_key.x.y.z=1"), uint8(1))
	f.Add([]byte("--X\r\nContent-Disposition: form-data; name=\"identifier\"\r\n\r\nbob\r\n--X--\r\n"), uint8(2))
	r := newHandlerRig(f, shop())
	types := []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=X", ""}
	f.Fuzz(func(t *testing.T, body []byte, form uint8) {
		send := func() (int, []byte) {
			c := r.newCall("POST", "/api/v1/identities/", string(body), serverKey)
			c.ctx.Request.Header.SetContentType(types[int(form)%len(types)])
			c.do()
			return c.ctx.Response.StatusCode(), bytes.Clone(c.ctx.Response.Body())
		}
		status, answer := send()
		require.Contains(t, []int{200, 400, 415}, status, "%s", answer)
		require.True(t, json.Valid(answer), "%s", answer)
		for _, c := range answer {
			require.Less(t, c, byte(utf8.RuneSelf), "%s", answer)
		}
		again, _ := send()
		require.Equal(t, status, again)
		if status == 200 {
			var v identityAnswer
			require.NoError(t, json.Unmarshal(answer, &v))
			require.NotEmpty(t, v.Identifier)
			require.Len(t, v.Flags, 5)
		}
		r.forget()
	})
}

// FuzzGetIdentity does the same with a query.
func FuzzGetIdentity(f *testing.F) {
	for _, seed := range []string{"", "identifier=bob", "identifier=%ff&transient=x", "identifier=a&feature=checkout", "format=json&identifier=%00", "identifier=+&feature=%20", "&&=&identifier"} {
		f.Add(seed)
	}
	r := newHandlerRig(f, shop())
	f.Fuzz(func(t *testing.T, query string) {
		c := r.newCall("GET", "/api/v1/identities/?"+query, "", clientKey)
		c.do()
		require.Contains(t, []int{200, 400, 404}, c.ctx.Response.StatusCode())
		require.True(t, json.Valid(c.ctx.Response.Body()), "%s", c.ctx.Response.Body())
		r.forget()
	})
}

// FuzzOtherBodies sends any body to the endpoints that are called less.
func FuzzOtherBodies(f *testing.F) {
	for i, p := range paths {
		f.Add([]byte(p.body), uint8(i))
	}
	f.Add([]byte(`{"data":[{"identifier":"a","traits":[{"trait_key":"k","trait_value":[]}]}]}`), uint8(6))
	f.Add([]byte(`[{"identity":{"identifier":"a"},"trait_key":"k","trait_value":{"a":"\ud800"}},{"identity":{"identifier":"a"},"trait_key":"k"}]`), uint8(4))
	f.Add([]byte(`{"evaluations":[{"feature_name":"beta","enabled_when_evaluated":true,"count":2}]}`), uint8(8))
	r := newHandlerRig(f, shop())
	f.Fuzz(func(t *testing.T, body []byte, endpoint uint8) {
		p := paths[int(endpoint)%len(paths)]
		c := r.newCall(p.methods[0], p.path, string(body), serverKey)
		c.do()
		require.Contains(t, []int{200, 202, 204, 400, 415}, c.ctx.Response.StatusCode(), "%s", c.ctx.Response.Body())
		if answer := c.ctx.Response.Body(); len(answer) > 0 && string(c.ctx.Response.Header.ContentType()) == "application/json" {
			require.True(t, json.Valid(answer), "%s", answer)
		}
		r.forget()
	})
}
