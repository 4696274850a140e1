package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// setting is a line of check-config.
type setting struct{ name, value, origin, variable string }

var columns = regexp.MustCompile(` {2,}`)

// checkConfig runs check-config, which must find nothing wrong.
func checkConfig(t testing.TB, env vars, args ...string) []setting {
	t.Helper()
	r := run(t, env, append([]string{"check-config"}, args...)...)
	require.Zero(t, r.code, r.stderr)
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	require.Equal(t, []string{"SETTING", "VALUE", "ORIGIN", "VARIABLE"}, columns.Split(lines[0], -1))
	var all []setting
	for _, line := range lines[1:] {
		c := columns.Split(line, -1)
		require.Len(t, c, 4, line)
		all = append(all, setting{c[0], c[1], c[2], c[3]})
	}
	return all
}

// samples are a value of each setting that is not its default, and how it is shown. Everything that check-config lists must be
// here.
var samples = map[string]struct{ given, shown string }{
	"listen":                    {"127.0.0.1:9", "127.0.0.1:9"},
	"read-timeout":              {"7", "7s"},
	"write-timeout":             {"1m", "1m0s"},
	"idle-timeout":              {"61.5", "1m1.5s"},
	"max-body-bytes":            {"4096", "4096"},
	"max-connections":           {"17", "17"},
	"realtime-max-streams":      {"18", "18"},
	"drain-delay":               {"5", "5s"},
	"drain-timeout":             {"250ms", "250ms"},
	"data-dir":                  {"/srv/flags", "/srv/flags"},
	"database-url":              {"postgres://u:hunter2@h/d", "REDACTED"},
	"database-max-conns":        {"3", "3"},
	"database-wait":             {"0", "0s"},
	"bootstrap":                 {"false", "false"},
	"admin-email":               {"root@example.org", "root@example.org"},
	"admin-password":            {"hunter2", "REDACTED"},
	"organisation-name":         {"Acme", "Acme"},
	"project-name":              {"Shop", "Shop"},
	"client-key":                {"client", "client"},
	"server-key":                {"ser.hunter2-key", "REDACTED"},
	"environment-cache-seconds": {"90", "1m30s"},
	"environment-cache-bytes":   {"1000000", "1000000"},
	"identity-cache-seconds":    {"0.5", "500ms"},
	"identity-cache-bytes":      {"2000000", "2000000"},
	"bad-key-seconds":           {"1", "1s"},
	"log-level":                 {"debug", "debug"},
	"log-format":                {"json", "json"},
}

// configFile writes a file that gives settings, each as text.
func configFile(t testing.TB, values map[string]string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "flagstaff.json"), encoded(t, values))
}

// TestEverySettingFromEverySource gives each setting as a flag, as a variable and in the file.
func TestEverySettingFromEverySource(t *testing.T) {
	t.Parallel()
	defaults := checkConfig(t, nil)
	var names []string
	flags, env, values := []string{}, vars{}, map[string]string{}
	for _, s := range defaults {
		require.Equal(t, "default", s.origin, s.name)
		require.Contains(t, samples, s.name, "a new setting")
		require.NotEqual(t, samples[s.name].shown, s.value, "a sample that is the default shows nothing: %s", s.name)
		names = append(names, s.name)
		flags = append(flags, "--"+s.name+"="+samples[s.name].given)
		env[s.variable] = samples[s.name].given
		values[strings.ReplaceAll(s.name, "-", "_")] = samples[s.name].given
	}
	require.Len(t, names, len(samples))
	file := configFile(t, values)
	for _, tt := range []struct {
		name   string
		origin func(s setting) string
		env    vars
		args   []string
	}{
		{name: "flags", origin: func(setting) string { return "flag" }, args: flags},
		{name: "variables", origin: func(s setting) string { return "environment (" + s.variable + ")" }, env: env},
		{name: "file", origin: func(setting) string { return "file (" + file + ")" }, args: []string{"--config", file}},
		{name: "file in a variable", origin: func(setting) string { return "file (" + file + ")" }, env: vars{"FLAGSTAFF_CONFIG": file}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := checkConfig(t, tt.env, tt.args...)
			require.Len(t, all, len(names))
			for _, s := range all {
				require.Equal(t, samples[s.name].shown, s.value, s.name)
				require.Equal(t, tt.origin(s), s.origin, s.name)
			}
		})
	}
}

func TestWhichSourceWins(t *testing.T) {
	t.Parallel()
	const name = "environment-cache-seconds"
	file := configFile(t, map[string]string{name: "30", "database-url": "postgres://u:hunter2@file/d"})
	number := write(t, filepath.Join(t.TempDir(), "number.json"), `{"environment_cache_seconds": 45, "bootstrap": false}`)
	for _, tt := range []struct {
		name          string
		env           vars
		args          []string
		value, origin string
	}{
		{name: "nothing is given", value: "1m0s", origin: "default"},
		{name: "file over default", args: []string{"--config=" + file}, value: "30s", origin: "file (" + file + ")"},
		{name: "number in the file", args: []string{"--config=" + number}, value: "45s", origin: "file (" + number + ")"},
		{name: "variable over file", env: vars{"ENVIRONMENT_CACHE_SECONDS": "60"}, args: []string{"--config=" + file}, value: "1m0s", origin: "environment (ENVIRONMENT_CACHE_SECONDS)"},
		{name: "flag over variable", env: vars{"ENVIRONMENT_CACHE_SECONDS": "60"}, args: []string{"--config=" + file, "--" + name + "=2m"}, value: "2m0s", origin: "flag"},
		{name: "flag that says what the default says", env: vars{"ENVIRONMENT_CACHE_SECONDS": "30"}, args: []string{"--" + name, "1m"}, value: "1m0s", origin: "flag"},
		{name: "empty variable is none", env: vars{"ENVIRONMENT_CACHE_SECONDS": ""}, args: []string{"--config=" + file}, value: "30s", origin: "file (" + file + ")"},
		{name: "empty variables without a file", env: vars{"ENVIRONMENT_CACHE_SECONDS": "", "FLAGSTAFF_CONFIG": "", "FLAGSTAFF_LISTEN": "", "LOG_FORMAT": ""}, value: "1m0s", origin: "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := checkConfig(t, tt.env, tt.args...)
			i := slices.IndexFunc(all, func(s setting) bool { return s.name == name })
			require.Equal(t, setting{name, tt.value, tt.origin, "ENVIRONMENT_CACHE_SECONDS"}, all[i])
		})
	}
}

func TestBooleansAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"true": "true", "True": "true", "1": "true", "yes": "true", "false": "false", "False": "false", "0": "false", "no": "false"} {
		all := checkConfig(t, vars{"ALLOW_ADMIN_INITIATION_VIA_CLI": text})
		i := slices.IndexFunc(all, func(s setting) bool { return s.name == "bootstrap" })
		require.Equal(t, want, all[i].value, text)
	}
	all := checkConfig(t, vars{"ALLOW_ADMIN_INITIATION_VIA_CLI": "true"}, "--no-bootstrap")
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == "bootstrap" })
	require.Equal(t, setting{"bootstrap", "false", "flag", "ALLOW_ADMIN_INITIATION_VIA_CLI"}, all[i])
}

// TestSettingsAreInForce looks at the log of a server: what check-config shows is what serve uses, and it says so once.
func TestSettingsAreInForce(t *testing.T) {
	t.Parallel()
	file := configFile(t, map[string]string{"drain_delay": "1ms", "organisation-name": "From the file"})
	env := vars{"ENVIRONMENT_CACHE_SECONDS": "60", "FLAGSTAFF_ADMIN_PASSWORD": adminPassword}
	n := serve(t, env, "--config="+file, "--max-connections=17", "--no-bootstrap")
	require.Zero(t, terminated(n))
	log := n.stderr.String()
	require.Equal(t, 1, strings.Count(log, "msg=starting"))
	for _, text := range []string{
		"settings.drain-delay=1ms", `settings.organisation-name="From the file"`, "settings.environment-cache-seconds=1m0s",
		"settings.max-connections=17", "settings.bootstrap=false", "settings.admin-password=REDACTED", "version=" + release,
	} {
		require.Contains(t, log, text)
	}
	requireNoSecret(t, log)
	require.Empty(t, n.stdout.String())
}

// TestHelpOfServe compares the help with the golden file, and looks in it for every setting.
func TestHelpOfServe(t *testing.T) {
	t.Parallel()
	r := run(t, nil, "serve", "--help")
	require.Zero(t, r.code)
	golden := filepath.Join("testdata", "serve-help.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(r.stdout), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), r.stdout, "meant? Then: go test ./cmd/flagstaff -run TestHelpOfServe -update")
	for _, s := range checkConfig(t, nil) {
		require.Regexp(t, `(?m)^ +--(\[no-\])?`+s.name+`\b`, r.stdout)
		require.Contains(t, r.stdout, "$"+s.variable)
	}
}
