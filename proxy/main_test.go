package proxy_test

import (
	"log/slog"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	var ctx fasthttp.RequestCtx
	_ = ctx.Response.Header.Header() // starts the clock below outside of any test
	goleak.VerifyTestMain(m,
		// The clock of the Date header never ends; the cleaner of a stopped listener's workers wakes after 10 s to see that it
		// is done.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// testLog writes to the test's log.
func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
