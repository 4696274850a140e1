package cachetier_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports holds the direction of dependencies: what this package must not know.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	const module = "github.com/flagstaff-io/flagstaff/"
	for prefix, why := range map[string]string{
		module:                         "cachetier is below everything: it has never heard of a flag",
		"net/http":                     "entries are bytes under keys, not responses",
		"github.com/valyala/fasthttp":  "the same",
		"database/sql":                 "the source of truth is a function to this package",
		"github.com/stretchr/testify/": "doubles and the contract suite live in cachetest",
	} {
		for _, dep := range deps {
			if dep != module+"cachetier" && strings.HasPrefix(dep, prefix) {
				t.Errorf("imports %s: %s", dep, why)
			}
		}
	}
}
