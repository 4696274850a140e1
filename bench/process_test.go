package bench

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStartWaitsForTheLineAndStopEndsTheProcess(t *testing.T) {
	var said string
	p, err := Start(t.Context(), func(line string) bool {
		said = line
		return strings.HasPrefix(line, "ready ")
	}, []string{"WORD=steady"}, "sh", "-c", "echo warming up; echo ready $WORD >&2; trap 'exit 0' TERM; while read x; do :; done")
	require.NoError(t, err)
	require.Equal(t, "ready steady", said)
	require.NotEqual(t, os.Getpid(), p.PID())
	_ = p.Stop() // a shell in `read` may die of the signal rather than by its trap
	select {
	case <-p.ended:
	default:
		t.Fatal("still running")
	}
}

func TestStartShowsWhatAProgramThatFailsSaid(t *testing.T) {
	_, err := Start(t.Context(), func(string) bool { return false }, nil, "sh", "-c", "echo no such port; exit 4")
	require.ErrorContains(t, err, "exit status 4")
	require.ErrorContains(t, err, "no such port")
	_, err = Start(t.Context(), func(string) bool { return false }, nil, "/no/such/program")
	require.Error(t, err)
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	before := CPUTime(os.Getpid())
	if before == 0 {
		t.Skip("not known on this system")
	}
	for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
	}
	spent := CPUTime(os.Getpid()) - before
	require.Greater(t, spent, time.Millisecond)
	require.Zero(t, CPUTime(0))
}
