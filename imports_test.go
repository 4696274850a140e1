package flagstaff_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/flagstaff-io/flagstaff/"

// forbidden says what the packages below a directory must never reach, however indirectly, and why. Paths of this module are
// written without it.
var forbidden = []struct {
	dir  string
	deps []string
	why  string
}{
	{"evaluator", []string{"proxy", "admin", "cachetier", "upstream", "cmd", "bench"}, "evaluation is pure: everyone may import it, it imports no sibling"},
	{"evaluator", []string{"net", "net/http", "github.com/valyala/fasthttp", "database/sql", "log/slog"}, "evaluation does no I/O"},
	{"cachetier", []string{"proxy", "admin", "evaluator", "upstream", "cmd", "bench"}, "a cache has never heard of a flag"},
	{"upstream", []string{"proxy", "admin", "cmd", "bench"}, "a source of documents serves nobody"},
	{"proxy", []string{"admin", "cmd", "bench", "migrations"}, "the front tier is given what lies behind it"},
	{"proxy", []string{"database/sql", "github.com/jackc/pgx/v5", "modernc.org/sqlite"}, "SQL lives in admin/store"},
	{"admin", []string{"proxy", "cmd", "bench"}, "the admin module is mounted by cmd"},
	{"admin", []string{"github.com/valyala/fasthttp"}, "the admin module is plain net/http"},
	{"migrations", []string{"proxy", "admin", "evaluator", "cachetier", "upstream", "cmd", "bench"}, "migrations are files and the few lines that apply them"},
	{"bench", []string{"proxy", "admin", "evaluator", "cachetier", "upstream", "cmd"}, "the load generator talks to a server over the network only"},
}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath string
	Deps       []string
	ForTest    string
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Deps,ForTest"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var packages []listed
	for decoder := json.NewDecoder(out); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NoError(t, cmd.Wait())
	return packages
}

func TestImportsPointOneWay(t *testing.T) {
	packages := list(t, "./...")
	seen := make(map[string]bool)
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		top, _, _ := strings.Cut(path, "/")
		seen[top] = true
		for _, rule := range forbidden {
			if top != rule.dir {
				continue
			}
			for _, dep := range p.Deps {
				for _, bad := range rule.deps {
					ours, found := strings.CutPrefix(dep, module)
					if found && (ours == bad || strings.HasPrefix(ours, bad+"/")) || !found && dep == bad {
						t.Errorf("%s imports %s: %s", path, dep, rule.why)
					}
				}
			}
		}
	}
	for _, rule := range forbidden {
		require.True(t, seen[rule.dir], "no package below %s: does the rule still name a directory?", rule.dir)
	}
}

func TestNobodyImportsACommand(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, dep := range p.Deps {
			require.NotContains(t, dep, module+"cmd/", "%s", p.ImportPath)
		}
	}
}

func TestNoPackageIsADrawerForEverything(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := p.ImportPath[strings.LastIndexByte(p.ImportPath, '/')+1:]
		require.NotContains(t, []string{"util", "utils", "common", "types", "models", "helpers", "misc"}, name)
	}
}

// TestDependenciesOfTheBinary keeps a list of the modules that end up in the server, so that a new one is seen in review.
// FLAGSTAFF_UPDATE=1 go test -run TestDependenciesOfTheBinary . rewrites it.
func TestDependenciesOfTheBinary(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/flagstaff")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0") // the list differs between systems
	out, err := cmd.Output()
	require.NoError(t, err)
	modules := slices.DeleteFunc(strings.Split(string(out), "\n"), func(m string) bool { return m == "" || m+"/" == module })
	slices.Sort(modules)
	text := strings.Join(slices.Compact(modules), "\n") + "\n"
	const file = "cmd/flagstaff/deps.txt"
	if os.Getenv("FLAGSTAFF_UPDATE") != "" {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "the modules in the binary changed; is the new one meant? Then: FLAGSTAFF_UPDATE=1 go test -run TestDependenciesOfTheBinary .")
}
