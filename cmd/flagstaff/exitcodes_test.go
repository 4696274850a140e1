package main_test

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// Secrets that are in settings of the tests, and must be in nothing that the binary writes.
const (
	databasePassword = "hunter2-of-the-database"
	adminPassword    = "hunter2-of-the-administrator"
	secretServerKey  = "ser.hunter2-of-the-server"
)

// requireNoSecret looks for secrets in what a process wrote.
func requireNoSecret(t testing.TB, output ...string) {
	t.Helper()
	for _, text := range output {
		require.NotContains(t, text, "hunter2", "a secret, or a part of one")
	}
}

// closedPort is a loopback address on which nothing listens.
func closedPort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// silentPort is a loopback address at which connections are taken and nothing is said.
func silentPort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes them
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ln.Close()) })
	return ln.Addr().String()
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	aFile := file("file", "no directory")
	notADatabase := filepath.Join(dir, "not-a-database")
	require.NoError(t, os.Mkdir(notADatabase, 0o700))
	write(t, filepath.Join(notADatabase, "flagstaff.db"), strings.Repeat("no database at all\n", 500))
	taken := silentPort(t)
	for _, tt := range []struct {
		name   string
		env    vars
		args   []string
		code   int
		stderr []string // all of them are in it
		stdout string
	}{
		{name: "help", args: []string{"--help"}, stdout: "Usage: flagstaff <command>"},
		{name: "help of a command", args: []string{"serve", "--help"}, stdout: "Usage: flagstaff serve"},
		{name: "help needs no good configuration", env: vars{"FLAGSTAFF_LISTEN": "x"}, args: []string{"serve", "--help"}, stdout: "Usage: flagstaff serve"},
		{name: "no command", code: 2, stderr: []string{"expected one of"}},
		{name: "unknown command", args: []string{"serv"}, code: 2, stderr: []string{"serv"}},
		{name: "unknown flag", args: []string{"serve", "--lisen=:1"}, code: 2, stderr: []string{"unknown flag --lisen"}},
		{name: "unknown flag with a secret", args: []string{"serve", "--database-ur=postgres://u:" + databasePassword + "@h/d"}, code: 2, stderr: []string{"--database-ur"}},
		{name: "stray argument", args: []string{"serve", "now"}, code: 2, stderr: []string{"now"}},

		{name: "no config file", args: []string{"serve", "--config=" + filepath.Join(dir, "none.json")}, code: 2, stderr: []string{"config file", "none.json"}},
		{name: "config file is no JSON", args: []string{"serve", "--config=" + file("1.json", "listen: :80")}, code: 2, stderr: []string{"1.json"}},
		{name: "config file is no object", args: []string{"serve", "--config=" + file("2.json", `["listen"]`)}, code: 2, stderr: []string{"2.json"}},
		{name: "config file goes on after its end", args: []string{"serve", "--config=" + file("3.json", `{"listen":":80"} {}`)}, code: 2, stderr: []string{"3.json"}},
		{name: "unknown key in the config file", args: []string{"serve", "--config=" + file("4.json", `{"lisen":":80"}`)}, code: 2, stderr: []string{"4.json", `"lisen"`}},
		{name: "one setting twice in the config file", args: []string{"serve", "--config=" + file("5.json", `{"data-dir":"a","data_dir":"b"}`)}, code: 2, stderr: []string{"5.json", "data-dir"}},
		{name: "setting of another command in the config file", args: []string{"serve", "--config=" + file("6.json", `{"timeout":"3s"}`)}, code: 2, stderr: []string{"6.json", `"timeout"`}},
		{name: "no setting at all in the config file", args: []string{"serve", "--config=" + file("7.json", `{"help":true}`)}, code: 2, stderr: []string{"7.json", `"help"`}},
		{name: "bad value in the config file", args: []string{"serve", "--config=" + file("8.json", `{"idle-timeout":"soon"}`)}, code: 2, stderr: []string{"--idle-timeout", "soon"}},
		{name: "list in the config file", args: []string{"serve", "--config=" + file("10.json", `{"listen":[":80"],"data-dir":null}`)}, code: 2, stderr: []string{"10.json", `"listen"`, `"data-dir"`}},
		{name: "config file in a variable", env: vars{"FLAGSTAFF_CONFIG": file("9.json", `{"lisen":1}`)}, args: []string{"serve"}, code: 2, stderr: []string{"9.json"}},

		{name: "bad duration", args: []string{"serve", "--idle-timeout=soon"}, code: 2, stderr: []string{"--idle-timeout", "soon"}},
		{name: "no number for a duration", args: []string{"serve", "--idle-timeout=NaN"}, code: 2, stderr: []string{"--idle-timeout", "NaN"}},
		{name: "bad duration in a variable", env: vars{"ENVIRONMENT_CACHE_SECONDS": "soon"}, args: []string{"serve"}, code: 2, stderr: []string{"ENVIRONMENT_CACHE_SECONDS", "soon"}},
		{name: "bad number", args: []string{"serve", "--max-connections=many"}, code: 2, stderr: []string{"--max-connections"}},
		{name: "bad port", args: []string{"serve", "--listen=:99999"}, code: 2, stderr: []string{"--listen", "99999"}},
		{name: "bad level", args: []string{"serve", "--log-level=loud"}, code: 2, stderr: []string{"--log-level"}},
		{name: "all wrong settings at once", code: 2,
			args: []string{"serve", "--max-body-bytes=0", "--idle-timeout=-1s", "--server-key=no-prefix", "--client-key=ser.x",
				"--admin-email=root", "--listen=nowhere", "--database-max-conns=-1", "--database-wait=-1s"},
			stderr: []string{"--max-body-bytes", "--idle-timeout", "--server-key", "--client-key", "--admin-email", "--listen",
				"--database-max-conns", "--database-wait"}},
		{name: "wrong settings of check-config", args: []string{"check-config", "--max-body-bytes=0", "--listen=nowhere"}, code: 2, stderr: []string{"--max-body-bytes", "--listen"}},
		{name: "wrong settings of bootstrap", args: []string{"bootstrap", "--server-key=no-prefix"}, code: 2, stderr: []string{"--server-key"}},
		{name: "database of a kind that is not known", args: []string{"serve", "--database-url=mysql://u:" + databasePassword + "@h/d"}, code: 2, stderr: []string{"database-url"}},
		{name: "database address that is none", args: []string{"serve", "--database-url=host=db password=" + databasePassword}, code: 2, stderr: []string{"database-url"}},
		{name: "database address with a bad escape", args: []string{"serve", "--database-url=postgres://u:" + databasePassword + "%zz@h/d"}, code: 2, stderr: []string{"database-url"}},
		{name: "database address of migrate", args: []string{"migrate", "up", "--database-url=mysql://u:" + databasePassword + "@h/d"}, code: 2, stderr: []string{"database-url"}},
		{name: "bad moment", args: []string{"migrate", "rollback-after", "yesterday"}, code: 2, stderr: []string{"yesterday"}},

		{name: "address in use", env: vars{"FLAGSTAFF_LISTEN": taken}, args: []string{"serve"}, code: 4, stderr: []string{taken, "address already in use"}},
		{name: "address of another machine", args: []string{"serve", "--listen=192.0.2.1:80"}, code: 4, stderr: []string{"192.0.2.1:80"}},

		{name: "data directory is a file", args: []string{"serve", "--listen=127.0.0.1:0", "--data-dir=" + aFile}, code: 3, stderr: []string{"--data-dir", aFile}},
		{name: "data directory cannot be made", args: []string{"serve", "--listen=127.0.0.1:0", "--data-dir=" + aFile + "/below"}, code: 3, stderr: []string{"--data-dir", aFile}},
		{name: "data directory holds something else", args: []string{"serve", "--listen=127.0.0.1:0", "--data-dir=" + notADatabase}, code: 3, stderr: []string{"not a database"}},
		{name: "migrate in a bad data directory", args: []string{"migrate", "up", "--data-dir=" + aFile}, code: 3, stderr: []string{"--data-dir", aFile}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			if tt.env == nil {
				tt.env = vars{"FLAGSTAFF_LISTEN": "127.0.0.1:0"} // in case it serves after all
			}
			r := run(t, tt.env, tt.args...)
			require.Equal(t, tt.code, r.code, r.stderr)
			for _, text := range tt.stderr {
				require.Contains(t, r.stderr, text)
			}
			if tt.code == 0 {
				require.Empty(t, r.stderr)
			} else {
				require.Empty(t, r.stdout)
			}
			require.Contains(t, r.stdout, tt.stdout)
			requireWithin(t, 8*time.Second, began, "it is known at once")
			requireNoSecret(t, r.stdout, r.stderr)
		})
	}
}

// TestDataDirectoryOfSomebodyElse runs the server as a user who may not write there.
func TestDataDirectoryOfSomebodyElse(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	if raceEnabled {
		t.Skip("the binary needs libraries, which are not in the new root")
	}
	root := scratchRoot(t)
	require.NoError(t, os.Mkdir(filepath.Join(root, "data"), 0o755))
	r := runWith(t, options{path: "/flagstaff", dir: "/", sys: asNobody(root)}, nil, "serve", "--listen=127.0.0.1:0", "--data-dir=/data")
	require.Equal(t, 3, r.code, r.stderr)
	require.Contains(t, r.stderr, "permission denied")
	require.Empty(t, r.stdout)
}

// scratchRoot makes a root directory with the binary in it and nothing else, like the image.
func scratchRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	text, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "flagstaff"), text, 0o755))
	require.NoError(t, os.Chmod(root, 0o755))
	return root
}

// nobody is the user of the image.
const nobody = 65532

func asNobody(root string) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// TestUnreachableDatabase has the server give up in time, without telling the password to anybody.
func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	closed, silent := closedPort(t), silentPort(t)
	for _, tt := range []struct{ name, host string }{
		{name: "refuses", host: closed},
		{name: "does not answer", host: silent},
	} {
		for _, form := range []struct{ name, url string }{
			{"password before the host", "postgres://flagstaff:" + databasePassword + "@" + tt.host + "/flags"},
			{"escaped password", "postgres://flagstaff:h%75nter2%2D" + databasePassword + "@" + tt.host + "/flags"},
			{"password as a parameter", "postgresql://flagstaff@" + tt.host + "/flags?password=" + databasePassword},
		} {
			t.Run(tt.name+"/"+form.name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				r := run(t, vars{
					"DATABASE_URL": form.url, "FLAGSTAFF_LOG_LEVEL": "debug",
					"FLAGSTAFF_ADMIN_PASSWORD": adminPassword, "FLAGSTAFF_SERVER_KEY": secretServerKey,
				}, "serve", "--listen=127.0.0.1:0", "--database-wait=1s")
				require.Equal(t, 3, r.code, r.stderr)
				require.Empty(t, r.stdout)
				require.Contains(t, r.stderr, tt.host, "it says whom it could not reach")
				require.GreaterOrEqual(t, time.Since(began), time.Second, "it tries for as long as it may")
				requireWithin(t, 4*time.Second, began, "and no longer")
				requireNoSecret(t, r.stderr)
			})
		}
	}
}

// TestDatabaseThatRefusesUs: waiting would not help.
func TestDatabaseThatRefusesUs(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(storetest.PostgresURL(t))
	require.NoError(t, err)
	u.User, u.Path = url.UserPassword("nobody", databasePassword), "/no_such_database"
	began := time.Now()
	r := run(t, vars{"DATABASE_URL": u.String()}, "serve", "--listen=127.0.0.1:0", "--database-wait=1h")
	require.Equal(t, 3, r.code, r.stderr)
	require.Empty(t, r.stdout)
	requireWithin(t, 5*time.Second, began, "the refusal")
	requireNoSecret(t, r.stderr)
}

// TestKeysAreNotLogged has a server fail at everything that it does with a server-side key.
func TestKeysAreNotLogged(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.PostgresURL(t)
	seedWith(t, databaseURL, secretServerKey)
	relay := newRelay(t, databaseURL)
	n := serve(t, vars{
		"DATABASE_URL": withHost(t, databaseURL, relay.address), "FLAGSTAFF_LOG_LEVEL": "debug", "ENVIRONMENT_CACHE_SECONDS": "0.1",
	})
	c := n.client()
	c.get("/api/v1/environment-document/", secretServerKey).ok(t)
	relay.cut()
	eventually(t, "refreshes fail", func() bool {
		c.get("/api/v1/environment-document/", secretServerKey).ok(t)
		return strings.Contains(n.stderr.String(), "namespace=flagsmith-key")
	})
	require.Equal(t, http.StatusServiceUnavailable, c.get("/api/v1/flags/", secretServerKey+"-of-somebody-else").status)
	n.logged("requests are answered 503")
	require.Zero(t, terminated(n))
	requireNoSecret(t, n.stderr.String())
}

// TestSecretsAreNotLogged serves for a while, with everything that is logged.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.PostgresURL(t)
	seed(t, databaseURL)
	for _, format := range []string{"generic", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			relay := newRelay(t, databaseURL)
			n := &node{process: launch(t, vars{
				"DATABASE_URL":             withHost(t, databaseURL, relay.address) + "&application_name=" + databasePassword,
				"FLAGSTAFF_ADMIN_PASSWORD": adminPassword,
				"FLAGSTAFF_SERVER_KEY":     secretServerKey,
				"FLAGSTAFF_CLIENT_KEY":     clientKey,
				"FLAGSTAFF_LOG_LEVEL":      "debug",
				"LOG_FORMAT":               format,
			}, "serve", "--listen=127.0.0.1:0", "--environment-cache-seconds=0.1", "--bootstrap")}
			n.logged("listening")
			relay.cut()
			require.Equal(t, 0, terminated(n), n.stderr.String())
			requireNoSecret(t, n.stderr.String())
		})
	}
}
