package main_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// shownOnce is what the first start prints.
type shownOnce struct {
	clientKey, serverKey                     string // of Development
	productionClientKey, productionServerKey string
	administrator, password, token           string
}

// report waits for the report of a first start. It is written before the log says that the server listens, but through a pipe
// of its own.
func (n *node) report() string {
	n.t.Helper()
	eventually(n.t, "the first start is reported", func() bool { return strings.Contains(n.stdout.String(), "\nPoint a Flagsmith SDK at ") })
	return n.stdout.String()
}

// readShown reads the report of a first start, which must be there once.
func readShown(t testing.TB, out string) shownOnce {
	t.Helper()
	row := func(name string) string {
		found := regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(name)+` +(\S.*)$`).FindAllStringSubmatch(out, -1)
		require.Len(t, found, 1, "%s in:\n%s", name, out)
		return found[0][1]
	}
	return shownOnce{
		clientKey:           row("Development, client-side key"),
		serverKey:           row("Development, server-side key"),
		productionClientKey: row("Production, client-side key"),
		productionServerKey: row("Production, server-side key"),
		administrator:       row("Administrator"),
		password:            row("Password"),
		token:               row("Admin token"),
	}
}

// TestFirstStart starts without any setting but where the data is to be.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "made", "by the server")
		testFirstStart(t, vars{"FLAGSTAFF_DATA_DIR": dir}, inDataDir(dir))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		databaseURL := storetest.PostgresURL(t)
		testFirstStart(t, vars{"DATABASE_URL": databaseURL}, databaseURL)
	})
}

func testFirstStart(t *testing.T, env vars, databaseURL string) {
	n := serve(t, env)
	report := n.report()
	shown := readShown(t, report)
	requireKeysWork(t, n, shown)
	requireAdministrator(t, databaseURL, shown)
	if hasShell(t) {
		runCurlLines(t, report)
		require.Equal(t, `"premium"`, n.client().identity(shown.clientKey, "ann").trait("plan"), "a curl line has set it")
	} else {
		n.client().post("/api/v1/identities/", shown.clientKey, annIsPremium).ok(t)
	}
	require.Zero(t, terminated(n))
	require.Equal(t, report, n.stdout.String(), "nothing was printed but the report")

	n = serve(t, env)
	requireKeysWork(t, n, shown)
	require.Equal(t, `"premium"`, n.client().identity(shown.clientKey, "ann").trait("plan"))
	require.Zero(t, terminated(n))
	require.Empty(t, n.stdout.String(), "what is shown once is not shown again")
	for _, secret := range []string{shown.password, shown.token, shown.serverKey} {
		require.NotContains(t, n.stderr.String(), secret)
	}
}

// requireKeysWork asks with each key for what it opens.
func requireKeysWork(t testing.TB, n *node, shown shownOnce) {
	t.Helper()
	c := n.client()
	for _, key := range []string{shown.clientKey, shown.serverKey, shown.productionClientKey, shown.productionServerKey} {
		require.NotEmpty(t, c.flags(key))
	}
	for server, client := range map[string]string{shown.serverKey: shown.clientKey, shown.productionServerKey: shown.productionClientKey} {
		doc := decoded[map[string]any](t, c.get("/api/v1/environment-document/", server).ok(t))
		require.Equal(t, client, doc["api_key"])
	}
}

func requireAdministrator(t testing.TB, databaseURL string, shown shownOnce) {
	t.Helper()
	withStore(t, databaseURL, func(st *store.Store) {
		byPassword, err := st.CheckPassword(t.Context(), shown.administrator, shown.password)
		require.NoError(t, err)
		require.True(t, byPassword.Superuser)
		byToken, err := st.UserByToken(t.Context(), shown.token)
		require.NoError(t, err)
		require.Equal(t, byPassword.ID, byToken.ID)
	})
}

// runCurlLines has a shell execute what the report tells people to try, as it is printed.
func runCurlLines(t testing.TB, report string) {
	t.Helper()
	_, lines, found := strings.Cut(report, "\nTry:\n\n")
	require.True(t, found, report)
	lines, _, found = strings.Cut(lines, "\n\n")
	require.True(t, found, report)
	commands := strings.Count(lines, "  curl ")
	require.Equal(t, 4, commands)
	out := shell(t, lines)
	require.Equal(t, commands, strings.Count(out, "\n200 application/json\n"), out)
}

// hasShell tells whether there is what the printed commands need.
func hasShell(t testing.TB) bool {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed: printed commands are not run", tool)
			return false
		}
	}
	return true
}

// shell runs a script. What each curl command prints is followed by a line with status and content type.
func shell(t testing.TB, script string) string {
	t.Helper()
	home := t.TempDir()
	rc := "silent\nshow-error\nmax-time = 2\nwrite-out = \"\\n%{http_code} %{content_type}\\n\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte(rc), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-uc", script)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit) // a stream is cut by max-time, which is no failure of the script
	}
	return string(out)
}

func TestFirstStartTakesWhatIsGiven(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		const password = "correct horse battery staple"
		n := serve(t, vars{
			"DATABASE_URL":             databaseURL,
			"FLAGSTAFF_CLIENT_KEY":     clientKey,
			"FLAGSTAFF_SERVER_KEY":     serverKey,
			"FLAGSTAFF_ADMIN_PASSWORD": password,
			"ADMIN_EMAIL":              "Root@Example.org",
			"ORGANISATION_NAME":        "Ünïted Widgets",
			"PROJECT_NAME":             "Shop's \"front\"",
		}, "--log-level=debug")
		shown := readShown(t, n.report())
		require.Equal(t, clientKey, shown.clientKey)
		require.Equal(t, serverKey, shown.serverKey)
		require.Equal(t, "Root@Example.org", shown.administrator)
		require.NotContains(t, n.stdout.String(), password)
		shown.password = password
		requireKeysWork(t, n, shown)
		requireAdministrator(t, databaseURL, shown)
		withStore(t, databaseURL, func(st *store.Store) {
			ids, err := st.EnvironmentIDs(t.Context())
			require.NoError(t, err)
			require.Len(t, ids, 2)
			doc, err := st.BuildDocument(t.Context(), ids[0])
			require.NoError(t, err)
			require.Equal(t, "Ünïted Widgets", doc.Project.Organisation.Name)
			require.Equal(t, "Shop's \"front\"", doc.Project.Name)
		})
		require.NotContains(t, n.stderr.String(), password)
		require.NotContains(t, n.stderr.String(), serverKey)
	})
}

func TestEmptyDatabaseStaysEmptyIfToldSo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		env := vars{"DATABASE_URL": databaseURL, "ALLOW_ADMIN_INITIATION_VIA_CLI": "False", "CACHE_BAD_ENVIRONMENTS_SECONDS": "0.1"}
		n := serve(t, env)
		c := n.client()
		c.get("/health/readiness/", "").ok(t)
		require.Equal(t, http.StatusForbidden, c.get("/api/v1/flags/", clientKey).status)
		withStore(t, databaseURL, func(st *store.Store) {
			for what, count := range map[string]func(context.Context) (int64, error){
				"users": st.CountUsers, "organisations": st.CountOrganisations, "projects": st.CountProjects,
			} {
				rows, err := count(t.Context())
				require.NoError(t, err)
				require.Zero(t, rows, what)
			}
		})

		// The command fills it later, beside the running server.
		r := run(t, env, "bootstrap", "--client-key="+clientKey)
		require.Zero(t, r.code, r.stderr)
		require.Equal(t, clientKey, readShown(t, r.stdout).clientKey)
		eventually(t, "the key is known", func() bool { return c.get("/api/v1/flags/", clientKey).status == http.StatusOK })
		r = run(t, env, "bootstrap", "--client-key="+clientKey)
		require.Zero(t, r.code, r.stderr)
		require.Empty(t, r.stdout, "it is filled already")
		require.Zero(t, terminated(n))
		require.Empty(t, n.stdout.String())
	})
}

func TestTwoNodesStartOnOneEmptyDatabase(t *testing.T) {
	t.Parallel()
	env := vars{"DATABASE_URL": storetest.PostgresURL(t)}
	begin := func() *node { return &node{process: launch(t, env, "serve", "--listen=127.0.0.1:0")} }
	nodes := []*node{begin(), begin()}
	for _, n := range nodes {
		n.listen()
	}
	both := func() string { return nodes[0].stdout.String() + nodes[1].stdout.String() }
	eventually(t, "one reports", func() bool { return strings.Contains(both(), "Point a Flagsmith SDK") })
	shown := readShown(t, both())
	for _, n := range nodes {
		requireKeysWork(t, n, shown)
	}
	// A write on one is seen by the other, once its memory of the identity is old enough.
	nodes[0].client().post("/api/v1/identities/", shown.clientKey, `{"identifier":"ann","traits":[{"trait_key":"plan","trait_value":"premium"}]}`).ok(t)
	eventually(t, "the other node sees the trait", func() bool {
		return nodes[1].client().identity(shown.clientKey, "ann").trait("plan") == `"premium"`
	})
	for _, n := range nodes {
		require.Zero(t, terminated(n))
	}
	require.Equal(t, shown, readShown(t, both()), "the other one found it done")
}

// TestStartWaitsForTheDatabase starts the server first, as an orchestrator may.
func TestStartWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.PostgresURL(t)
	seed(t, databaseURL)
	relay := newRelay(t, databaseURL)
	relay.cut()
	n := &node{process: launch(t, vars{"DATABASE_URL": withHost(t, databaseURL, relay.address)}, "serve", "--listen=127.0.0.1:0", "--database-wait=20s")}
	n.logged("database is not reachable")
	relay.restore()
	began := time.Now()
	n.listen()
	requireWithin(t, 5*time.Second, began, "it tries every two seconds at least")
	require.NotEmpty(t, n.client().flags(clientKey))
}

// TestKeysThatCameTooLateAreNamed: keys are taken by an empty database only. Whoever gives them to another one will try to use
// them. Given again, the ones that are in force are nothing to speak of.
func TestKeysThatCameTooLateAreNamed(t *testing.T) {
	t.Parallel()
	database := storetest.SQLiteURL(t)
	first := vars{"DATABASE_URL": database, "FLAGSTAFF_CLIENT_KEY": "first-key", "FLAGSTAFF_SERVER_KEY": "ser.first-secret"}
	require.Zero(t, run(t, first, "bootstrap").code)
	again := run(t, first, "bootstrap")
	require.Zero(t, again.code)
	require.NotContains(t, again.stderr, "ignored")

	late := run(t, vars{"DATABASE_URL": database, "FLAGSTAFF_CLIENT_KEY": "late-key", "FLAGSTAFF_SERVER_KEY": "ser.late-secret"}, "bootstrap")
	require.Zero(t, late.code)
	require.Contains(t, late.stderr, "--client-key is ignored")
	require.Contains(t, late.stderr, "--server-key is ignored")
	require.NotContains(t, late.stderr, "late-secret")
}
