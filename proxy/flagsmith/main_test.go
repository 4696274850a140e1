package flagsmith_test

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// update rewrites the golden files: go test ./proxy/flagsmith -update.
var update = flag.Bool("update", false, "rewrite testdata/golden")

func TestMain(m *testing.M) {
	startFasthttpClock()
	goleak.VerifyTestMain(m,
		// The clock of the Date header never ends; the cleaner of a stopped listener's workers wakes after 10 s to see that it
		// is done.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// requireEnv returns what a variable of the environment says. Tests that want it are skipped without it, but not in CI.
func requireEnv(t *testing.T, name, what string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		require.Empty(t, os.Getenv("CI"), "CI must set %s: %s", name, what)
		t.Skipf("%s is not set: %s", name, what)
	}
	return value
}
