package bench

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGeneratorWalksTheOrderOnEachConnection(t *testing.T) {
	var a, b atomic.Int64
	address := serve(t, func(r *http.Request) []string {
		if r.URL.Path == "/a" {
			a.Add(1)
		} else {
			b.Add(1)
		}
		return ok(r.URL.Path)
	})
	requests := [][]byte{FormatRequest("GET", "/a", nil, nil), FormatRequest("GET", "/b", nil, nil)}
	expected, err := Learn(t.Context(), address, requests, 200)
	require.NoError(t, err)
	a.Store(0)
	b.Store(0)
	g, err := Dial(t.Context(), Load{Address: address, Requests: requests, Order: []int32{0, 0, 0, 1}, Expect: expected, Connections: 2})
	require.NoError(t, err)
	defer g.Close()
	run := g.Run(t.Context(), 50*time.Millisecond)
	require.NoError(t, run.FirstError)
	require.Zero(t, run.Errors)
	require.Equal(t, a.Load()+b.Load(), run.Requests)
	require.Equal(t, run.Requests, run.Latency.TotalCount())
	require.InDelta(t, 3*b.Load(), a.Load(), 8, "three of /a for one of /b, but for the ends")
	require.Greater(t, run.Rate(), 0.0)

	again := g.Run(t.Context(), 20*time.Millisecond)
	require.Equal(t, again.Requests, again.Latency.TotalCount(), "a run starts from zero")
}

func TestGeneratorCountsWhatIsNotExpected(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer func(n int64) []string // to the n-th request
		want   string
	}{
		{"another status", func(int64) []string { return []string{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"} }, "status 503, want 200"},
		{"another length", func(int64) []string { return ok("four") }, "body of 4 bytes, want 3"},
		{"another body now and then", func(int64) []string { return ok("efg") }, "differs from the first"},
		{"a connection that ends", func(n int64) []string {
			if n%5 == 0 {
				return nil
			}
			return ok("abc")
		}, "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var n atomic.Int64
			var learned atomic.Bool
			address := serve(t, func(*http.Request) []string {
				if !learned.Load() {
					return ok("abc")
				}
				return row.answer(n.Add(1))
			})
			requests := [][]byte{FormatRequest("GET", "/", nil, nil)}
			expected, err := Learn(t.Context(), address, requests, 200)
			require.NoError(t, err)
			learned.Store(true)
			g, err := Dial(t.Context(), Load{Address: address, Requests: requests, Expect: expected})
			require.NoError(t, err)
			defer g.Close()
			run := g.Run(t.Context(), 100*time.Millisecond)
			require.Positive(t, run.Errors)
			require.ErrorContains(t, run.FirstError, row.want)
		})
	}
}

func TestGeneratorWithoutExpectationsTakesTheFirstStatus(t *testing.T) {
	var n atomic.Int64
	address := serve(t, func(*http.Request) []string { return ok("x"[:n.Add(1)%2]) })
	g, err := Dial(t.Context(), Load{Address: address, Requests: [][]byte{FormatRequest("GET", "/", nil, nil)}})
	require.NoError(t, err)
	defer g.Close()
	run := g.Run(t.Context(), 20*time.Millisecond)
	require.NoError(t, run.FirstError)
	require.Positive(t, run.Requests)
}

func TestGeneratorEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	var n atomic.Int64
	address := serve(t, func(*http.Request) []string {
		if n.Add(1) > 3 {
			<-hang
		}
		return ok("")
	})
	g, err := Dial(t.Context(), Load{Address: address, Requests: [][]byte{FormatRequest("GET", "/", nil, nil)}})
	require.NoError(t, err)
	defer g.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	run := g.Run(ctx, time.Hour)
	require.Less(t, run.Elapsed, 10*time.Second)
	require.EqualValues(t, 2, run.Requests)
	require.Zero(t, run.Errors, "being told to stop is no error")
}

func TestLearnRefusesAnswersThatChange(t *testing.T) {
	var n atomic.Int64
	address := serve(t, func(*http.Request) []string { return ok(string(rune('a' + n.Add(1)))) })
	_, err := Learn(t.Context(), address, [][]byte{FormatRequest("GET", "/", nil, nil)}, 200)
	require.ErrorContains(t, err, "second answer differs")
	_, err = Learn(t.Context(), address, [][]byte{FormatRequest("GET", "/", nil, nil)}, 304)
	require.ErrorContains(t, err, "status 200, want 304")
}

func TestTypicalIsTheMedianOfWhatIsAskedFor(t *testing.T) {
	expected := []Expect{{Length: 10}, {Length: 500}, {Length: 30}}
	require.Equal(t, 2, Typical([]int32{0, 1, 2, 2, 0}, expected))
	require.Equal(t, 0, Typical(nil, expected[:1]))
}

func TestCompareAlternates(t *testing.T) {
	var order []byte
	var last atomic.Int32
	target := func(name byte) Target {
		address := serve(t, func(*http.Request) []string {
			if last.Swap(int32(name)) != int32(name) { // one target at a time
				order = append(order, name)
			}
			return ok("")
		})
		return Target{Name: string(name), Load: Load{Address: address, Requests: [][]byte{FormatRequest("GET", "/", nil, nil)}}}
	}
	samples, err := Compare(t.Context(), []Target{target('A'), target('B')}, Rounds{Count: 3, Each: 5 * time.Millisecond, WarmUp: time.Millisecond})
	require.NoError(t, err)
	require.Len(t, samples, 2)
	require.Len(t, samples[1], 3)
	require.Equal(t, "ABABAB", string(order), "warm-up A B, then A B, B A, A B, with neighbours joined")
}
