package main_test

import (
	"debug/elf"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	r := run(t, nil, "version")
	require.Zero(t, r.code)
	require.Regexp(t, `^flagstaff `+regexp.QuoteMeta(release)+` \(commit \S+, go1\.\S+, Flagsmith API \d+\.\d+\.\d+\)\n$`, r.stdout)
	n, _ := seeded(t, storetest.SQLiteURL(t))
	require.Contains(t, n.client().get("/version/", "").ok(t), `"flagstaff": "`+release+`"`)
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	n, _ := seeded(t, storetest.SQLiteURL(t))
	_, port, err := net.SplitHostPort(n.address)
	require.NoError(t, err)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not me", http.StatusBadGateway) }))
	t.Cleanup(broken.Close)
	for _, tt := range []struct {
		name   string
		env    vars
		args   []string
		code   int
		stderr string
	}{
		{name: "ready", args: []string{"--listen=" + n.address}},
		{name: "every address of the machine", env: vars{"FLAGSTAFF_LISTEN": ":" + port}},
		{name: "every address, written out", env: vars{"FLAGSTAFF_LISTEN": "0.0.0.0:" + port}},
		{name: "address from the config file", args: []string{"--config=" + configFile(t, map[string]string{"listen": n.address})}},
		{name: "nobody listens", args: []string{"--listen=" + closedPort(t)}, code: 1, stderr: "not ready"},
		{name: "nobody answers", args: []string{"--listen=" + silentPort(t), "--timeout=0.2"}, code: 1, stderr: "not ready"},
		{name: "somebody else", args: []string{"--listen=" + broken.Listener.Addr().String()}, code: 1, stderr: "not ready: status 502"},
		{name: "no address", args: []string{"--listen=nowhere"}, code: 2, stderr: "--listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, tt.env, append([]string{"healthcheck"}, tt.args...)...)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Contains(t, r.stderr, tt.stderr)
			if tt.code == 0 {
				require.Contains(t, r.stdout, `"DatabaseBackend": "working"`)
			}
		})
	}
}

// TestBinaryIsStatic looks for the traces that a dynamic linker would need.
func TestBinaryIsStatic(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the race detector is linked dynamically")
	}
	file, err := elf.Open(binary)
	require.NoError(t, err)
	defer file.Close()
	require.Nil(t, file.Section(".dynamic"))
	require.Nil(t, file.Section(".interp"))
	for _, segment := range file.Progs {
		require.NotEqual(t, elf.PT_DYNAMIC, segment.Type)
		require.NotEqual(t, elf.PT_INTERP, segment.Type)
	}
}

// TestImage reads the Dockerfile: a static binary on nothing, not root, with a health check that needs no shell.
func TestImage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	require.NoError(t, err)
	instructions := strings.Split(strings.ReplaceAll(string(text), "\\\n", ""), "\n")
	build, image := []string{}, []string{}
	for _, line := range instructions {
		switch {
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "FROM "):
			build, image = append(build, image...), []string{line}
		default:
			image = append(image, line)
		}
	}
	require.Contains(t, strings.Join(build, "\n"), "CGO_ENABLED=0 go build")
	require.Equal(t, "FROM scratch", image[0])
	require.Contains(t, image, "USER 65532:65532")
	require.Contains(t, image, `ENTRYPOINT ["/flagstaff"]`)
	require.Contains(t, image, `CMD ["serve"]`)
	require.Contains(t, image, "ENV FLAGSTAFF_DATA_DIR=/data")
	require.Regexp(t, `(?m)^HEALTHCHECK .*CMD \["/flagstaff", "healthcheck"\]$`, strings.Join(image, "\n"))
}

// TestRunsWithNothingAround starts the binary as the image does: a root directory without libraries, shell, /etc or /tmp, a
// user without a name, no PATH and no HOME.
func TestRunsWithNothingAround(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	if raceEnabled {
		t.Skip("the race detector is linked dynamically")
	}
	root := scratchRoot(t)
	data := filepath.Join(root, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, nobody, nobody))
	env := vars{"FLAGSTAFF_DATA_DIR": "/data", "FLAGSTAFF_ADMIN_PASSWORD": "long enough", "FLAGSTAFF_CLIENT_KEY": clientKey, "FLAGSTAFF_SERVER_KEY": serverKey, "PATH": "", "HOME": ""}
	inside := options{path: "/flagstaff", dir: "/", sys: asNobody(root)}
	n := serveWith(t, inside, env)
	c := n.client()
	c.post("/api/v1/identities/", clientKey, annIsPremium).ok(t)
	c.get("/api/v1/environment-document/", serverKey).ok(t)
	r := runWith(t, inside, vars{"FLAGSTAFF_LISTEN": n.address}, "healthcheck")
	require.Zero(t, r.code, r.stderr)
	require.Zero(t, terminated(n))
	n = serveWith(t, inside, env)
	require.Equal(t, `"premium"`, n.client().identity(clientKey, "ann").trait("plan"))
	info, err := os.Stat(filepath.Join(data, "flagstaff.db"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds keys and password hashes")
}
