package proxy_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/proxy"
)

func TestHTTPDate(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.FixedZone("CET", 3600))
	require.Equal(t, "Sun, 01 Mar 2026 10:00:00 GMT", string(proxy.HTTPDate(at)))
	require.Equal(t, "Sun, 01 Mar 2026 10:00:00 GMT", string(proxy.HTTPDate(at.Add(time.Second-1))))
	require.Equal(t, "Sun, 01 Mar 2026 10:00:01 GMT", string(proxy.HTTPDate(at.Add(time.Second))))
	require.Equal(t, "Sun, 01 Mar 2026 10:00:00 GMT", string(proxy.HTTPDate(at)), "also back again")
}

func TestHTTPDateOfManyAtOnce(t *testing.T) {
	start := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 2000 {
				at := start.Add(time.Duration(i%7) * time.Second)
				if got := string(proxy.HTTPDate(at)); got != at.UTC().Format(http.TimeFormat) {
					t.Errorf("%v gave %s", at, got)
				}
			}
		})
	}
	all.Wait()
}
