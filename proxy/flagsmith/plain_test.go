package flagsmith

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fastjson"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// requirePlainAgrees compares both ways to read a body, if it is plain. It returns whether it is.
func requirePlainAgrees(t *testing.T, body string) bool {
	t.Helper()
	var plain, complete identifyRequest
	if !plain.decodePlain([]byte(body)) {
		return false
	}
	require.True(t, pyjson.Valid([]byte(body)), "%s", body)
	var parser fastjson.Parser
	v, err := parser.Parse(body)
	require.NoError(t, err, "%s", body)
	require.Nil(t, complete.decode(v), "%s", body)
	require.Equal(t, complete.identifier, plain.identifier, "%s", body)
	require.Equal(t, complete.transient, plain.transient, "%s", body)
	require.Len(t, plain.traits, len(complete.traits), "%s", body)
	for i, want := range complete.traits {
		got := plain.traits[i]
		if want.Value.Kind() == engine.KindFloat && math.Float64bits(want.Value.Float()) == math.Float64bits(got.Value.Float()) {
			got.Value = want.Value
		}
		require.Equal(t, want, got, "%s", body)
	}
	return true
}

func TestDecodePlain(t *testing.T) {
	for _, body := range []string{
		`{}`, ` { } `, `{"identifier":"ann"}`, "{\n\t\"identifier\" : \"ann\" ,\r\n \"traits\" : [ ] }",
		`{"identifier":"a b","transient":true}`, `{"transient":false,"traits":[]}`,
		`{"identifier":"ann","traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_value":37,"trait_key":"age","transient":true}]}`,
		`{"traits":[{"trait_key":"a","trait_value":-0},{"trait_key":"b","trait_value":-0.0},{"trait_key":"c","trait_value":999999999999999}]}`,
		`{"traits":[{"trait_key":"a","trait_value":0.1},{"trait_key":"b","trait_value":1.0},{"trait_key":"c","trait_value":true},{"trait_key":"d","trait_value":""}]}`,
		`{"traits":[{"trait_key":"a","trait_value":123.4567890123456789012345678901234567890}]}`,
	} {
		require.True(t, requirePlainAgrees(t, body), "%s", body)
	}
	for _, body := range []string{
		``, `[]`, `null`, `{"identifier":null}`, `{"identifier":""}`, `{"identifier":" a"}`, `{"identifier":"a "}`, `{"identifier":"é"}`,
		`{"identifier":"\u0061"}`, `{"identifier":"a","identifier":"b"}`, `{"unknown":1}`, `{"identifier":1}`, `{"transient":"true"}`,
		`{"transient":truex}`, `{"traits":{}}`, `{"traits":[{}]}`, `{"traits":[{"trait_key":"a"}]}`, `{"traits":[{"trait_value":1}]}`,
		`{"traits":[{"trait_key":"a","trait_value":null}]}`, `{"traits":[{"trait_key":"a","trait_value":[]}]}`,
		`{"traits":[{"trait_key":"a","trait_value":1e3}]}`, `{"traits":[{"trait_key":"a","trait_value":1.5e3}]}`,
		`{"traits":[{"trait_key":"a","trait_value":01}]}`, `{"traits":[{"trait_key":"a","trait_value":1.}]}`,
		`{"traits":[{"trait_key":"a","trait_value":-}]}`, `{"traits":[{"trait_key":"a","trait_value":1234567890123456}]}`,
		`{"traits":[{"trait_key":"a","trait_value":1}],}`, `{"traits":[{"trait_key":"a","trait_value":1},]}`, `{} x`, `{`, `{"a`, `{"identifier":"a"`,
	} {
		require.False(t, requirePlainAgrees(t, body), "%s", body)
	}
}

func FuzzDecodePlain(f *testing.F) {
	f.Add(`{"identifier":"ann","transient":true,"traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"n","trait_value":-1.5}]}`)
	f.Fuzz(func(t *testing.T, body string) { requirePlainAgrees(t, body) })
}
