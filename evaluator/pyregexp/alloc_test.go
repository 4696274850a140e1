//go:build !race

package pyregexp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatchNoAlloc(t *testing.T) {
	re, err := Compile(`(?i)^beta\b.*@example\.com$`)
	require.NoError(t, err)
	text := "BETA tester, with more than 32 bytes @example.com"
	raw := []byte(text)
	require.True(t, re.MatchString(text))
	require.Zero(t, testing.AllocsPerRun(100, func() { re.MatchString(text) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { re.Match(raw) }))
}
