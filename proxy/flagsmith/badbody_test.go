package flagsmith_test

import (
	"strings"
	"testing"
)

// Bodies that are wrong, and the bytes that answer them: see badinput_test.go.

func TestGoldenMalformedJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, p := range paths {
		if p.body == "" {
			continue
		}
		method := p.methods[len(p.methods)-1]
		exchanges = append(exchanges, exchange{"cut off: " + p.path, method, p.path, p.body[:len(p.body)-1], nil})
	}
	for _, x := range []struct{ name, body string }{
		{"no quotes", `{nope}`},
		{"single quotes", `{'identifier':'bob'}`},
		{"trailing comma in an object", `{"identifier":"bob",}`},
		{"trailing comma in a list", `{"traits":[1,]}`},
		{"no colon", `{"identifier" "bob"}`},
		{"no value", `{"identifier":}`},
		{"no comma", `{"identifier":"bob" "transient":true}`},
		{"unterminated string", `{"identifier":"bob`},
		{"raw line feed in a string", "{\"identifier\":\"b\nob\"}"},
		{"bad escape", `{"identifier":"\x"}`},
		{"bad unicode escape", `{"identifier":"\u12g4"}`},
		{"text behind the value", `{"identifier":"bob"} x`},
		{"two values", `{}{}`},
		{"only white space", "  \n "},
		{"word", `nope`},
		{"True of Python", `{"transient":True}`},
		{"comment", `{/* hi */}`},
		{"number with a leading zero", `{"identifier":007}`},
		{"number with a plus", `{"identifier":+7}`},
		{"number that ends in a point", `{"identifier":7.}`},
		{"hexadecimal", `{"identifier":0x1}`},
		{"NaN", `{"traits":[{"trait_key":"a","trait_value":NaN}]}`},
		{"Infinity", `{"traits":[{"trait_key":"a","trait_value":Infinity}]}`},
		{"minus Infinity", `{"traits":[{"trait_key":"a","trait_value":-Infinity}]}`},
		{"not UTF-8", "{\"identifier\":\"\xff\xfe\"}"},
		{"byte order mark", "\ufeff{}"},
		{"second line is wrong", "{\n  \"identifier\": bob\n}"},
		{"column counts characters", `{"identifier":"größe" x}`},
		{"too deep", `{"traits":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + `}`},
		{"far too deep", strings.Repeat("[", 100_000)},
		{"gzip without saying so", "\x1f\x8b\x08\x00\x00\x00\x00\x00"},
	} {
		exchanges = append(exchanges, exchange{x.name, "POST", "/api/v1/identities/", x.body, nil})
	}
	requireGolden(t, r, "malformed-json.txt", exchanges)
}

func TestGoldenIdentifyTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	long := strings.Repeat("x", 2001)
	var exchanges []exchange
	for _, x := range []struct{ name, body string }{
		{"body is a list", `[]`},
		{"body is a string", `"bob"`},
		{"body is a number", `1`},
		{"body is a fraction", `1.5`},
		{"body is true", `true`},
		{"body is null", `null`},
		{"identifier is true", `{"identifier":true}`},
		{"identifier is an object", `{"identifier":{}}`},
		{"identifier is a list", `{"identifier":["bob"]}`},
		{"identifier holds NUL", `{"identifier":"b\u0000b"}`},
		{"identifier of 2001 characters", `{"identifier":"` + long + `"}`},
		{"transient is null", `{"identifier":"bob","transient":null}`},
		{"transient is a word", `{"identifier":"bob","transient":"perhaps"}`},
		{"transient is empty", `{"identifier":"bob","transient":""}`},
		{"transient is two", `{"identifier":"bob","transient":2}`},
		{"transient is a list", `{"identifier":"bob","transient":[]}`},
		{"traits is null", `{"identifier":"bob","traits":null}`},
		{"traits is an object", `{"identifier":"bob","traits":{"plan":"free"}}`},
		{"traits is a string", `{"identifier":"bob","traits":"plan"}`},
		{"traits is a number", `{"identifier":"bob","traits":1}`},
		{"a trait is a string", `{"identifier":"bob","traits":["plan"]}`},
		{"a trait is a list", `{"identifier":"bob","traits":[[]]}`},
		{"a trait is null", `{"identifier":"bob","traits":[null]}`},
		{"each trait has its place", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1},{"trait_value":1},{"trait_key":" "},{"trait_key":"` +
			strings.Repeat("k", 201) + `","trait_value":1}]}`},
		{"a trait is empty", `{"identifier":"bob","traits":[{}]}`},
		{"trait key is null", `{"identifier":"bob","traits":[{"trait_key":null,"trait_value":1}]}`},
		{"trait key is false", `{"identifier":"bob","traits":[{"trait_key":false,"trait_value":1}]}`},
		{"trait key is a list", `{"identifier":"bob","traits":[{"trait_key":[],"trait_value":1}]}`},
		{"trait key holds NUL", `{"identifier":"bob","traits":[{"trait_key":"a\u0000","trait_value":1}]}`},
		{"trait value of 2001 characters", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":"` + long + `"}]}`},
		{"trait value of 2001 characters as Python text", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":["` + long[:1997] + `"]}]}`},
		{"trait value holds NUL", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":"\u0000"}]}`},
		{"trait value no number can hold", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1e999}]}`},
		{"trait transient is null", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1,"transient":null}]}`},
		{"trait transient is a word", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1,"transient":"perhaps"}]}`},
		{"integer above 32 bits", `{"identifier":"bob","traits":[{"trait_key":"ok","trait_value":1},{"trait_key":"a","trait_value":2147483648}]}`},
		{"integer below 32 bits", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":-2147483649}]}`},
		{"integer above 64 bits", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":99999999999999999999}]}`},
		{"all wrong at once", `{"identifier":[],"transient":"x","traits":[1]}`},
	} {
		exchanges = append(exchanges, exchange{x.name, "POST", "/api/v1/identities/", x.body, nil})
	}
	exchanges = append(exchanges,
		exchange{"GET without identifier", "GET", "/api/v1/identities/", "", nil},
		exchange{"GET with an empty identifier", "GET", "/api/v1/identities/?identifier=", "", nil},
		exchange{"GET with a blank identifier", "GET", "/api/v1/identities/?identifier=%20+", "", nil},
		exchange{"GET with an identifier of 2001 characters", "GET", "/api/v1/identities/?identifier=" + long, "", nil},
		exchange{"GET with NUL in the identifier", "GET", "/api/v1/identities/?identifier=b%00b", "", nil},
		exchange{"GET with an unknown feature", "GET", "/api/v1/identities/?identifier=bob&feature=nope", "", nil},
		exchange{"GET of a feature in the wrong case", "GET", "/api/v1/identities/?identifier=bob&feature=Checkout", "", nil},
		exchange{"GET of a feature for server keys only", "GET", "/api/v1/identities/?identifier=bob&feature=secret_rate", "", nil})
	requireGolden(t, r, "identify-types.txt", exchanges)
}

func TestGoldenTraitTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	long := strings.Repeat("x", 2001)
	r.identify("bob", `[{"trait_key":"plan","trait_value":"free"},{"trait_key":"max","trait_value":2147483647}]`)
	var exchanges []exchange
	for _, x := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"body is a list", `[]`},
		{"body is null", `null`},
		{"identity is a string", `{"identity":"bob","trait_key":"a","trait_value":1}`},
		{"identity is a list", `{"identity":[],"trait_key":"a","trait_value":1}`},
		{"identity is null", `{"identity":null,"trait_key":"a","trait_value":1}`},
		{"identity is empty", `{"identity":{},"trait_key":"a","trait_value":1}`},
		{"identifier is null", `{"identity":{"identifier":null},"trait_key":"a","trait_value":1}`},
		{"identifier is blank", `{"identity":{"identifier":" "},"trait_key":"a","trait_value":1}`},
		{"identifier is false", `{"identity":{"identifier":false},"trait_key":"a","trait_value":1}`},
		{"identifier of 2001 characters", `{"identity":{"identifier":"` + long + `"},"trait_key":"a","trait_value":1}`},
		{"value is null", `{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":null}`},
		{"value of 2001 characters", `{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":"` + long + `"}`},
		{"value above 32 bits", `{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":2147483648}`},
		{"key is null", `{"identity":{"identifier":"bob"},"trait_key":null,"trait_value":1}`},
		{"key is blank", `{"identity":{"identifier":"bob"},"trait_key":"","trait_value":1}`},
		{"key is an object", `{"identity":{"identifier":"bob"},"trait_key":{},"trait_value":1}`},
		{"key of 201 characters", `{"identity":{"identifier":"bob"},"trait_key":"` + long[:201] + `","trait_value":1}`},
	} {
		exchanges = append(exchanges, exchange{"traits: " + x.name, "POST", "/api/v1/traits/", x.body, nil})
	}
	for _, x := range []struct{ name, body string }{
		{"body is an object", `{}`},
		{"body is a string", `"x"`},
		{"body is null", `null`},
		{"list of strings", `["x"]`},
		{"list of lists", `[[]]`},
		{"list with null", `[null]`},
		{"value without identity", `[{"trait_key":"a","trait_value":1}]`},
		{"null without identity", `[{"trait_key":"a","trait_value":null}]`},
		{"no value without identity", `[{"trait_key":"a"}]`},
		{"nothing", `[{}]`},
		{"good and bad", `[{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":1},{"identity":5,"trait_key":"a","trait_value":1}]`},
		{"value above 32 bits", `[{"identity":{"identifier":"bob"},"trait_key":"a","trait_value":2147483648}]`},
		{"too many", `[` + strings.Repeat(`{"identity":{"identifier":"bob"},"trait_key":"a"},`, 1000) + `{"identity":{"identifier":"bob"},"trait_key":"a"}]`},
	} {
		exchanges = append(exchanges, exchange{"bulk: " + x.name, "PUT", "/api/v1/traits/bulk/", x.body, nil})
	}
	for _, x := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"body is a list", `[]`},
		{"step is a word", `{"trait_key":"visits","increment_by":"many"}`},
		{"step is a fraction", `{"trait_key":"visits","identifier":"bob","increment_by":1.5}`},
		{"step is null", `{"trait_key":"visits","identifier":"bob","increment_by":null}`},
		{"step is true", `{"trait_key":"visits","identifier":"bob","increment_by":true}`},
		{"step is a list", `{"trait_key":"visits","identifier":"bob","increment_by":[1]}`},
		{"step has two signs", `{"trait_key":"visits","identifier":"bob","increment_by":"++1"}`},
		{"step in exponent notation", `{"trait_key":"visits","identifier":"bob","increment_by":1e17}`},
		{"step of 1001 digits", `{"trait_key":"visits","identifier":"bob","increment_by":"` + strings.Repeat("1", 1001) + `"}`},
		{"step above 64 bits", `{"trait_key":"visits","identifier":"bob","increment_by":99999999999999999999}`},
		{"identifier is null", `{"trait_key":"visits","identifier":null,"increment_by":1}`},
		{"identifier is blank", `{"trait_key":"visits","identifier":"  ","increment_by":1}`},
		{"identifier is false", `{"trait_key":"visits","identifier":false,"increment_by":1}`},
		{"key is null", `{"trait_key":null,"identifier":"bob","increment_by":1}`},
		{"key is a list", `{"trait_key":[],"identifier":"bob","increment_by":1}`},
		{"trait is text", `{"trait_key":"plan","identifier":"bob","increment_by":1}`},
		{"trait would leave 32 bits", `{"trait_key":"max","identifier":"bob","increment_by":1}`},
	} {
		exchanges = append(exchanges, exchange{"increment: " + x.name, "POST", "/api/v1/traits/increment-value/", x.body, nil})
	}
	requireGolden(t, r, "trait-types.txt", exchanges)
}

func TestGoldenTraitPermissions(t *testing.T) {
	t.Parallel()
	trait := paths[3]
	requests := func() (exchanges []exchange) {
		for _, p := range []struct{ method, path, body string }{
			{"POST", trait.path, trait.body},
			{"POST", trait.path, `{}`},
			{"PUT", "/api/v1/traits/bulk/", "[" + trait.body + "]"},
			{"PUT", "/api/v1/traits/bulk/", "{}"},
			{"POST", "/api/v1/traits/increment-value/", `{"trait_key":"visits","identifier":"bob","increment_by":1}`},
			{"POST", "/api/v1/traits/increment-value/", `{}`},
			{"POST", "/api/v1/bulk-identities/", `{"data":[{"identifier":"bob"}]}`},
			{"POST", "/api/v1/identities/bob/traits/plan", `{"trait_value":"free"}`},
			{"POST", "/api/v1/identities/bob/traits/plan", `{}`},
		} {
			exchanges = append(exchanges, exchange{p.method + " " + p.path + " " + p.body, p.method, p.path, p.body, nil})
		}
		return exchanges
	}
	t.Run("client keys may not set traits", func(t *testing.T) {
		r := newRig(t, shop(clientTraitsForbidden))
		requireGolden(t, r, "client-traits-forbidden.txt", requests())
	})
	t.Run("the organisation stores no traits", func(t *testing.T) {
		r := newRig(t, shop(traitsNotPersisted))
		requireGolden(t, r, "traits-not-persisted.txt", requests())
	})
}

func TestGoldenBulkIdentityTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	long := strings.Repeat("x", 2001)
	var exchanges []exchange
	for _, x := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"body is a list", `[]`},
		{"body is null", `null`},
		{"data is null", `{"data":null}`},
		{"data is an object", `{"data":{}}`},
		{"data is a string", `{"data":"x"}`},
		{"an identity is a string", `{"data":["bob"]}`},
		{"an identity is null", `{"data":[null]}`},
		{"an identity is empty", `{"data":[{}]}`},
		{"identifier is null", `{"data":[{"identifier":null}]}`},
		{"identifier is false", `{"data":[{"identifier":false}]}`},
		{"identifier of 2001 characters", `{"data":[{"identifier":"` + long + `"}]}`},
		{"transient is a word", `{"data":[{"identifier":"bob","transient":"perhaps"}]}`},
		{"traits is an object", `{"data":[{"identifier":"bob","traits":{}}]}`},
		{"trait without key", `{"data":[{"identifier":"ann"},{"identifier":"bob","traits":[{"trait_value":1}]}]}`},
		{"trait above 32 bits", `{"data":[{"identifier":"ann"},{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":2147483648}]}]}`},
		{"101 identities", `{"data":[` + strings.Repeat(`{"identifier":"bob"},`, 100) + `{"identifier":"ann"}]}`},
	} {
		exchanges = append(exchanges, exchange{x.name, "POST", "/api/v1/bulk-identities/", x.body, nil})
	}
	requireGolden(t, r, "bulk-identity-types.txt", exchanges)
}

func TestGoldenAnalyticsTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, x := range []struct{ name, body string }{
		{"body is a list", `[]`},
		{"body is a string", `"x"`},
		{"body is null", `null`},
		{"counts that are none are dropped", `{"checkout":"1","beta":true,"banner_text":1.0,"old_menu":null,"nope":3,"secret_rate":99999999999999999999}`},
	} {
		exchanges = append(exchanges, exchange{"v1: " + x.name, "POST", "/api/v1/analytics/flags/", x.body, nil})
	}
	for _, x := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"body is a list", `[]`},
		{"body is null", `null`},
		{"evaluations is null", `{"evaluations":null}`},
		{"evaluations is an object", `{"evaluations":{}}`},
		{"an evaluation is a string", `{"evaluations":["x"]}`},
		{"an evaluation is null", `{"evaluations":[null]}`},
		{"an evaluation is empty", `{"evaluations":[{}]}`},
		{"all wrong", `{"evaluations":[{"feature_name":null,"identity_identifier":null,"enabled_when_evaluated":null,"count":null}]}`},
		{"all of the wrong type", `{"evaluations":[{"feature_name":[],"identity_identifier":false,"enabled_when_evaluated":"perhaps","count":"many"}]}`},
		{"count and enabled", `{"evaluations":[{"feature_name":"checkout","count":"x"}]}`},
		{"good and bad", `{"evaluations":[{"feature_name":"checkout","enabled_when_evaluated":true,"count":1},{"feature_name":"beta","enabled_when_evaluated":true,"count":1.5}]}`},
	} {
		exchanges = append(exchanges, exchange{"v2: " + x.name, "POST", "/api/v2/analytics/flags/", x.body, nil})
	}
	for _, x := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"body is a list", `[]`},
		{"body is null", `null`},
		{"all of the wrong type", `{"organisations":"x","projects":null,"environments":1.5,"features":true,"segments":[],"users":{},"debug_enabled":"perhaps","env":false}`},
	} {
		exchanges = append(exchanges, exchange{"telemetry: " + x.name, "POST", "/api/v1/analytics/telemetry/", x.body, nil})
	}
	requireGolden(t, r, "analytics-types.txt", exchanges)
}

func TestGoldenMediaTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	post := func(name, contentType, body string) exchange {
		how := []sending{withHeader("Content-Type", contentType)}
		if contentType == "" {
			how = []sending{without("Content-Type")}
		}
		return exchange{name, "POST", "/api/v1/traits/", body, how}
	}
	trait := paths[3].body
	requireGolden(t, r, "media-types.txt", []exchange{
		post("plain text", "text/plain", trait),
		post("XML", "application/xml", "<a/>"),
		post("type with parameters", "text/csv; charset=utf-8", "a,b"),
		post("quotes in the type", `text/"x"`, "a"),
		post("no type and no JSON", "", "a=b"),
		post("JSON with a charset", "application/json; charset=utf-8", trait),
		post("JSON in capitals", "Application/JSON", trait),
		post("JSON that curl calls a form", "application/x-www-form-urlencoded", trait),
		post("JSON without a type", "", trait),
		post("form", "application/x-www-form-urlencoded", "identity.identifier=bob&trait_key=plan&trait_value=f%C3%BCr+dich"),
		post("form that lacks all", "application/x-www-form-urlencoded", "a=b"),
		post("multipart form", "multipart/form-data; boundary=X",
			"--X\r\nContent-Disposition: form-data; name=\"identity.identifier\"\r\n\r\nbob\r\n--X\r\nContent-Disposition: form-data; name=\"trait_key\"\r\n\r\nplan\r\n"+
				"--X\r\nContent-Disposition: form-data; name=\"trait_value\"\r\n\r\nfree\r\n--X--\r\n"),
		post("multipart form without boundary", "multipart/form-data", "--X--"),
		post("multipart form that breaks off", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition"),
		{"empty body with a foreign type", "POST", "/api/v1/traits/", "", []sending{withHeader("Content-Type", "text/plain")}},
		{"empty JSON body", "POST", "/api/v1/traits/", "", []sending{withHeader("Content-Type", "application/json")}},
		{"GET with a foreign type", "GET", "/api/v1/flags/?feature=checkout", "", []sending{withHeader("Content-Type", "text/plain")}},
		{"list as a form", "PUT", "/api/v1/traits/bulk/", "%5B0%5Didentity.identifier=bob&%5B0%5Dtrait_key=plan&%5B0%5Dtrait_value=free",
			[]sending{withHeader("Content-Type", "application/x-www-form-urlencoded")}},
		{"identity as a form", "POST", "/api/v1/identities/", "identifier=+bob+&transient=on&traits%5B0%5Dtrait_key=plan&traits%5B0%5Dtrait_value=free",
			[]sending{withHeader("Content-Type", "application/x-www-form-urlencoded")}},
	})
}
