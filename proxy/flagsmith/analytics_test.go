package flagsmith_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// telemetry is a good body of analytics/telemetry/.
const telemetry = `{"organisations":1,"projects":2,"environments":3,"features":4,"segments":5,"users":6,"debug_enabled":false,"env":"production"}`

func TestAnalytics(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.post("/api/v1/analytics/flags/", `{"checkout":12,"banner_text":3,"beta":-1,"old_menu":0,"Checkout":5,"nope":9,"secret_rate":2,`+
		`"b\u0065ta":2,"dropped":"1"}`)
	require.Empty(t, a.body)
	require.Empty(t, a.header.Values("Content-Type"))
	require.Equal(t, map[string]int64{"12 checkout": 12, "12 banner_text": 3, "12 beta": 1, "12 old_menu": 0, "12 secret_rate": 2}, r.counts.take(),
		"negative counts pass, unknown features are dropped, case matters")
	for _, value := range []string{`true`, `1.0`, `1e3`, `"1"`, `null`, `[1]`, `{}`, `99999999999999999999`} {
		r.post("/api/v1/analytics/flags/", `{"checkout":`+value+`}`)
		require.Empty(t, r.counts.take(), "%s is no JSON integer", value)
	}
	r.post("/api/v1/analytics/flags/", `{"checkout":1}`, withKey(serverKey))
	require.Equal(t, map[string]int64{"12 checkout": 1}, r.counts.take())
	r.post("/api/v1/analytics/flags/", "", withHeader("Content-Type", "application/json"))
	require.Empty(t, r.counts.take(), "an empty body is an empty object")
}

func TestAnalyticsV2(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.send("POST", "/api/v2/analytics/flags/", `{"evaluations":[`+
		`{"feature_name":"checkout","identity_identifier":"ann","enabled_when_evaluated":true,"count":3},`+
		`{"feature_name":"checkout","enabled_when_evaluated":"no","count":"4"},`+
		`{"feature_name":"nope","enabled_when_evaluated":true,"count":5},`+
		`{"feature_name":"beta","enabled_when_evaluated":false,"count":2.0}]}`)
	require.Equal(t, http.StatusNoContent, a.status)
	require.Empty(t, a.body)
	require.Equal(t, map[string]int64{"12 checkout": 7, "12 beta": 2}, r.counts.take())
	a = r.send("POST", "/api/v2/analytics/flags/", `{"evaluations":[{"feature_name":"checkout","enabled_when_evaluated":true,"count":3},{}]}`)
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Empty(t, r.counts.take(), "nothing is counted of a bad request")
}

func TestTelemetryIsEchoed(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	a := r.send("POST", "/api/v1/analytics/telemetry/", `{"env":"production","users":"6","extra":1,`+telemetry[1:], without("X-Environment-Key"))
	require.Equal(t, http.StatusCreated, a.status)
	require.Equal(t, telemetry, a.body)
}
