package flagsmith_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// variantByHash tells the value of banner_text for the text that is hashed, by the formula of the spec (3.4) and exact
// arithmetic.
func variantByHash(t *testing.T, text string) string {
	t.Helper()
	sum := md5.Sum([]byte(text))
	bucket := new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(9999)).Int64()
	require.NotEqual(t, int64(9998), bucket, "choose another text: this one would be hashed again")
	switch percent := float64(bucket) / 9998 * 100; {
	case percent < 30:
		return `"hi there"`
	case percent < 70:
		return `"good day"`
	}
	return `"hello"`
}

func traitKeys(t testing.TB, traits json.RawMessage) []string {
	t.Helper()
	var list []struct {
		Key string `json:"trait_key"`
	}
	require.NoError(t, json.Unmarshal(traits, &list))
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = list[i].Key
	}
	return keys
}

// TestPersistenceMatrix is spec 2.3.1, row by row. Identities are "bob", with the traits plan=free (id 1) and age=30 (id 2), and
// "new", who is not there.
func TestPersistenceMatrix(t *testing.T) {
	t.Parallel()
	const plan1, age2 = `{"id":1,"trait_key":"plan","trait_value":"free","transient":false}`, `{"id":2,"trait_key":"age","trait_value":30,"transient":false}`
	forbidden := []func(*engine.Document){clientTraitsForbidden}
	notPersisted := []func(*engine.Document){traitsNotPersisted}
	unchanged := []string{`1 plan="free"`, "2 age=30"}
	for _, row := range []struct {
		name   string
		edits  []func(*engine.Document)
		key    string // "": the client key
		body   string
		traits string   // in the answer
		stored []string // of the identity afterwards; nil: it is not there
	}{
		{name: "new identifier: created, with ids", body: `{"identifier":"new","traits":[{"trait_key":"b","trait_value":1},{"trait_key":"a","trait_value":"x"}]}`,
			traits: `[{"id":3,"trait_key":"b","trait_value":1,"transient":false},{"id":4,"trait_key":"a","trait_value":"x","transient":false}]`,
			stored: []string{"3 b=1", `4 a="x"`}},
		{name: "new identifier without traits: created", body: `{"identifier":"new"}`, traits: `[]`, stored: []string{}},
		{name: "new identifier: null is nothing to delete", body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":null}]}`, traits: `[]`, stored: []string{}},
		{name: "new identifier: transient trait is used, not stored", body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":1,"transient":true},{"trait_key":"b","trait_value":2}]}`,
			traits: `[{"id":3,"trait_key":"b","trait_value":2,"transient":false},{"id":null,"trait_key":"a","trait_value":1,"transient":true}]`,
			stored: []string{"3 b=2"}},
		{name: "new identifier: transient null is nothing", body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":null,"transient":true}]}`, traits: `[]`, stored: []string{}},
		{name: "new identifier: of a repeated key the last counts", body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":2},{"trait_key":"a","trait_value":3}]}`,
			traits: `[{"id":3,"trait_key":"a","trait_value":3,"transient":false},{"id":4,"trait_key":"b","trait_value":2,"transient":false}]`,
			stored: []string{"3 a=3", "4 b=2"}},

		{name: "existing: nothing new", body: `{"identifier":"bob"}`, traits: `[` + plan1 + `,` + age2 + `]`, stored: unchanged},
		{name: "existing: the same values", body: `{"identifier":"bob","traits":[{"trait_key":"age","trait_value":30},{"trait_key":"plan","trait_value":"free"}]}`,
			traits: `[` + plan1 + `,` + age2 + `]`, stored: unchanged},
		{name: "existing: a value changes and keeps its id", body: `{"identifier":"bob","traits":[{"trait_key":"age","trait_value":31}]}`,
			traits: `[` + plan1 + `,{"id":2,"trait_key":"age","trait_value":31,"transient":false}]`, stored: []string{`1 plan="free"`, "2 age=31"}},
		{name: "existing: the type changes", body: `{"identifier":"bob","traits":[{"trait_key":"age","trait_value":30.0}]}`,
			traits: `[` + plan1 + `,{"id":2,"trait_key":"age","trait_value":30.0,"transient":false}]`, stored: []string{`1 plan="free"`, "2 age=float 30"}},
		{name: "existing: new traits have no id in this answer", body: `{"identifier":"bob","traits":[{"trait_key":"z","trait_value":1},{"trait_key":"b","trait_value":true}]}`,
			traits: `[` + plan1 + `,` + age2 + `,{"id":null,"trait_key":"z","trait_value":1,"transient":false},{"id":null,"trait_key":"b","trait_value":true,"transient":false}]`,
			stored: []string{`1 plan="free"`, "2 age=30", "3 z=1", "4 b=true"}},
		{name: "existing: keys are trimmed, and numbers become text", body: `{"identifier":"bob","traits":[{"trait_key":" age ","trait_value":31},{"trait_key":5,"trait_value":1}]}`,
			traits: `[` + plan1 + `,{"id":2,"trait_key":"age","trait_value":31,"transient":false},{"id":null,"trait_key":"5","trait_value":1,"transient":false}]`,
			stored: []string{`1 plan="free"`, "2 age=31", "3 5=1"}},
		{name: "existing: null deletes", body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":null}]}`, traits: `[` + age2 + `]`, stored: []string{"2 age=30"}},
		{name: "existing: null of a key that is not stored", body: `{"identifier":"bob","traits":[{"trait_key":"nope","trait_value":null}]}`,
			traits: `[` + plan1 + `,` + age2 + `]`, stored: unchanged},
		{name: "existing: null, then a value", body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":null},{"trait_key":"plan","trait_value":"pro"}]}`,
			traits: `[{"id":1,"trait_key":"plan","trait_value":"pro","transient":false},` + age2 + `]`, stored: []string{`1 plan="pro"`, "2 age=30"}},
		{name: "existing: a value, then null", body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"pro"},{"trait_key":"plan","trait_value":null}]}`,
			traits: `[` + age2 + `]`, stored: []string{"2 age=30"}},
		{name: "existing: a transient trait shadows", body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium","transient":true}]}`,
			traits: `[{"id":null,"trait_key":"plan","trait_value":"premium","transient":true},` + age2 + `]`, stored: unchanged},
		{name: "existing: transient null shadows and deletes nothing", body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":null,"transient":true}]}`,
			traits: `[{"id":null,"trait_key":"plan","trait_value":null,"transient":true},` + age2 + `]`, stored: unchanged},
		{name: "existing: order is stored, new, transient", body: `{"identifier":"bob","traits":[{"trait_key":"t","trait_value":1,"transient":true},{"trait_key":"n","trait_value":2},{"trait_key":"age","trait_value":31}]}`,
			traits: `[` + plan1 + `,{"id":2,"trait_key":"age","trait_value":31,"transient":false},{"id":null,"trait_key":"n","trait_value":2,"transient":false},{"id":null,"trait_key":"t","trait_value":1,"transient":true}]`,
			stored: []string{`1 plan="free"`, "2 age=31", "3 n=2"}},
		{name: "existing: only 32 bits can be stored, but a transient trait may have more", body: `{"identifier":"bob","traits":[{"trait_key":"t","trait_value":99999999999999999999,"transient":true}]}`,
			traits: `[` + plan1 + `,` + age2 + `,{"id":null,"trait_key":"t","trait_value":99999999999999999999,"transient":true}]`, stored: unchanged},

		{name: "transient identity: stored traits are used, nothing is stored", body: `{"identifier":"bob","transient":true,"traits":[{"trait_key":"age","trait_value":31},{"trait_key":"n","trait_value":2}]}`,
			traits: `[` + plan1 + `,{"id":null,"trait_key":"age","trait_value":31,"transient":true},{"id":null,"trait_key":"n","trait_value":2,"transient":true}]`, stored: unchanged},
		{name: "transient identity: null shadows", body: `{"identifier":"bob","transient":true,"traits":[{"trait_key":"age","trait_value":null}]}`,
			traits: `[` + plan1 + `,{"id":null,"trait_key":"age","trait_value":null,"transient":true}]`, stored: unchanged},
		{name: "transient identity that is not there: not created", body: `{"identifier":"new","transient":true,"traits":[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":null}]}`,
			traits: `[{"id":null,"trait_key":"a","trait_value":1,"transient":true}]`, stored: nil},

		{name: "client key may not set traits: they are dropped", edits: forbidden, body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"age","trait_value":null}]}`,
			traits: `[` + plan1 + `,` + age2 + `]`, stored: unchanged},
		{name: "client key may not set traits: the identity is created", edits: forbidden, body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":1}]}`, traits: `[]`, stored: []string{}},
		{name: "client key may not set traits: transient ones neither", edits: forbidden, body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium","transient":true}]}`,
			traits: `[` + plan1 + `,` + age2 + `]`, stored: unchanged},
		{name: "client key may not set traits: a bad one is refused all the same", edits: forbidden, body: `{"identifier":"bob","traits":[{"trait_key":"plan"}]}`, stored: unchanged},
		{name: "server key may", edits: forbidden, key: serverKey, body: `{"identifier":"bob","traits":[{"trait_key":"age","trait_value":31}]}`,
			traits: `[` + plan1 + `,{"id":2,"trait_key":"age","trait_value":31,"transient":false}]`, stored: []string{`1 plan="free"`, "2 age=31"}},

		{name: "not persisted: new identity is created, traits are not stored", edits: notPersisted, body: `{"identifier":"new","traits":[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":null}]}`,
			traits: `[{"id":null,"trait_key":"a","trait_value":1,"transient":false}]`, stored: []string{}},
		{name: "not persisted: stored and incoming, nulls ignored", edits: notPersisted, body: `{"identifier":"bob","traits":[{"trait_key":"age","trait_value":31},{"trait_key":"plan","trait_value":null},{"trait_key":"n","trait_value":2}]}`,
			traits: `[` + plan1 + `,{"id":null,"trait_key":"age","trait_value":31,"transient":false},{"id":null,"trait_key":"n","trait_value":2,"transient":false}]`, stored: unchanged},
		{name: "not persisted: more than 32 bits is no problem", edits: notPersisted, body: `{"identifier":"bob","traits":[{"trait_key":"n","trait_value":2147483648}]}`,
			traits: `[` + plan1 + `,` + age2 + `,{"id":null,"trait_key":"n","trait_value":2147483648,"transient":false}]`, stored: unchanged},
		{name: "not persisted: transient null shadows", edits: notPersisted, body: `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":null,"transient":true}]}`,
			traits: `[{"id":null,"trait_key":"plan","trait_value":null,"transient":true},` + age2 + `]`, stored: unchanged},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newHandlerRig(t, shop())
			r.identify("bob", `[{"trait_key":"plan","trait_value":"free"},{"trait_key":"age","trait_value":30}]`)
			if row.edits != nil {
				r.publish(shop(row.edits...))
			}
			changes := r.people.changed()
			key := row.key
			if key == "" {
				key = clientKey
			}
			a := r.send("POST", "/api/v1/identities/", row.body, withKey(key))
			identifier := "bob"
			if strings.Contains(row.body, `"new"`) {
				identifier = "new"
			}
			if row.traits == "" {
				require.Equal(t, http.StatusBadRequest, a.status)
			} else {
				require.Equal(t, row.traits, string(readIdentity(t, a).Traits))
			}
			require.Equal(t, row.stored, r.storedTraits(identifier))
			if identifier == "bob" && len(row.stored) == 2 && row.stored[0] == unchanged[0] && row.stored[1] == unchanged[1] {
				require.Equal(t, changes, r.people.changed(), "an identity whose traits did not change is not written")
			}
			// What the next request sees, from memory, is what is stored.
			again := r.send("GET", "/api/v1/identities/?identifier="+identifier, "")
			if row.stored != nil {
				require.Equal(t, len(row.stored), strings.Count(string(readIdentity(t, again).Traits), `"transient":false`))
				require.NotContains(t, string(readIdentity(t, again).Traits), `"id":null`)
			}
		})
	}
}

// An identity whose traits did not change is not even offered to the writer.
func TestUnchangedTraitsAreNotWritten(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	body := `{"identifier":"bob","traits":[{"trait_key":"s","trait_value":"x"},{"trait_key":"i","trait_value":1},{"trait_key":"f","trait_value":1.0},{"trait_key":"b","trait_value":true},{"trait_key":"l","trait_value":[1]},{"trait_key":"none","trait_value":null}]}`
	r.post("/api/v1/identities/", body)
	writes := len(r.people.written())
	first := r.post("/api/v1/identities/", body).body
	require.Equal(t, first, r.post("/api/v1/identities/", body).body)
	require.Len(t, r.people.written(), writes)
	require.NotContains(t, first, `"id":null`)
}

// What was stored by one node is read by another through the source, and looks the same.
func TestStoredIdentitySurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	body := `{"identifier":"bob","traits":[{"trait_key":"s","trait_value":"größe \"q\" <>& 😀"},{"trait_key":"i","trait_value":-5},{"trait_key":"f","trait_value":1e22},` +
		`{"trait_key":"g","trait_value":1.0},{"trait_key":"b","trait_value":false},{"trait_key":"n","trait_value":"17"},{"trait_key":"e","trait_value":""}]}`
	r.post("/api/v1/identities/", body)
	written := r.get("/api/v1/identities/?identifier=bob").body
	r.identities.Remove(identityID("bob"))
	require.Equal(t, written, r.get("/api/v1/identities/?identifier=bob").body)
	require.Equal(t, written, r.post("/api/v1/identities/", body).body, "and equals what comes in")
	require.Equal(t, 1, r.people.changed())
}

// TestTraitValues is spec 2.3.2: what comes in, and what is stored and returned.
func TestTraitValues(t *testing.T) {
	t.Parallel()
	text2000 := strings.Repeat("ü", 2000)
	for _, row := range []struct{ in, out string }{
		{`"text"`, `"text"`}, {`""`, `""`}, {`"  kept "`, `"  kept "`}, {`"größe"`, `"gr\u00f6\u00dfe"`}, {`"😀"`, `"\ud83d\ude00"`}, {`"\ud83d\ude00"`, `"\ud83d\ude00"`},
		{`"<>&"`, `"<>&"`}, {`"a\/b"`, `"a/b"`}, {`"\u0001\u007f"`, `"\u0001\u007f"`}, {`"` + text2000 + `"`, `"` + strings.Repeat(`\u00fc`, 2000) + `"`},
		{`0`, `0`}, {`-0`, `0`}, {`2147483647`, `2147483647`}, {`-2147483648`, `-2147483648`},
		{`1.0`, `1.0`}, {`1.50`, `1.5`}, {`1e2`, `100.0`}, {`1E-7`, `1e-07`}, {`1e16`, `1e+16`}, {`-0.0`, `-0.0`}, {`0.1`, `0.1`}, {`123456789012345.6`, `123456789012345.6`}, {`1e22`, `1e+22`}, {`5e-324`, `5e-324`},
		{`true`, `true`}, {`false`, `false`}, {`"true"`, `"true"`}, {`"17"`, `"17"`}, {`"1.0"`, `"1.0"`},
		{`[1,"a",null,true]`, `"[1, 'a', None, True]"`}, {`{"a":1}`, `"{'a': 1}"`}, {`[]`, `"[]"`}, {`{}`, `"{}"`}, {`[ ]`, `"[]"`},
		{`[1.0, 1e16, -0.0]`, `"[1.0, 1e+16, -0.0]"`}, {`{"k":{"l":["it's"]}}`, `"{'k': {'l': [\"it's\"]}}"`},
		{`["tab\there \u0007 größe \u00a0"]`, `"['tab\\there \\x07 gr\u00f6\u00dfe \\xa0']"`}, {`["\"both' quotes"]`, `"['\"both\\' quotes']"`},
		{`["\\backslash"]`, `"['\\\\backslash']"`}, {`{"a":1,"a":2}`, `"{'a': 2}"`}, {`[12345678901234567890]`, `"[12345678901234567890]"`},
	} {
		t.Run(row.in[:min(len(row.in), 40)], func(t *testing.T) {
			r := newHandlerRig(t, shop())
			for _, request := range []struct{ method, path, body string }{
				{"POST", "/api/v1/identities/", `{"identifier":"new","traits":[{"trait_key":"k","trait_value":` + row.in + `}]}`},
				{"POST", "/api/v1/traits/", `{"identity":{"identifier":"b"},"trait_key":"k","trait_value":` + row.in + `}`},
				{"PUT", "/api/v1/traits/bulk/", `[{"identity":{"identifier":"c"},"trait_key":"k","trait_value":` + row.in + `}]`},
				{"GET", "/api/v1/identities/?identifier=b", ""},
				{"GET", "/api/v1/identities/?identifier=c", ""},
				{"POST", "/api/v1/identities/", `{"identifier":"t","transient":true,"traits":[{"trait_key":"k","trait_value":` + row.in + `}]}`},
			} {
				c := r.newCall(request.method, request.path, request.body, serverKey)
				c.do()
				require.Equal(t, http.StatusOK, c.ctx.Response.StatusCode(), "%s", c.ctx.Response.Body())
				require.Contains(t, string(c.ctx.Response.Body()), `"trait_value":`+row.out+`,"tra`, request.path) // "transient" or "trait_key"
			}
		})
	}
}
