package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/bench"
	"github.com/flagstaff-io/flagstaff/bench/floor"
)

// serveFloor serves an answer to the connections that the returned listener is handed.
func serveFloor(t *testing.T, a bench.Answer) *handoff {
	t.Helper()
	l := newHandoff()
	server := floor.NewServer(floor.Whole(a))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown())
		require.NoError(t, <-served)
	})
	return l
}

func TestEndlessChecksEachAnswerAndAllocatesNothing(t *testing.T) {
	require.NoError(t, lasting(5*time.Millisecond))
	answer := bench.Answer{Status: 200, Fields: []bench.Field{{Name: "Content-Type", Value: "text/plain"}}, Body: []byte("hello")}
	l := serveFloor(t, answer)
	scenario := &bench.Scenario{
		Requests: [][]byte{bench.FormatRequest("GET", "/a", nil, nil), bench.FormatRequest("POST", "/b", nil, []byte("body"))},
		Order:    []int32{0, 1, 1},
	}
	size := len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	measured, err := l.benchmark(scenario, []int{size, size})
	require.NoError(t, err)
	require.Positive(t, measured.N)
	require.Less(t, median([]cost{measured}).Allocs, 0.1)

	_, err = l.benchmark(scenario, []int{size, size + 1})
	require.ErrorContains(t, err, "request 1: answer of "+strconv.Itoa(size)+" bytes, want "+strconv.Itoa(size+1))
}
