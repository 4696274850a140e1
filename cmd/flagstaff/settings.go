package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
)

// groups order the flags of --help.
var groups = []kong.Group{
	{Key: "listen", Title: "Listening"},
	{Key: "storage", Title: "Storage"},
	{Key: "bootstrap", Title: "First start"},
	{Key: "cache", Title: "Caches"},
	{Key: "log", Title: "Log"},
}

// settingHelp adds to the help of a setting what it is by default and the variable that sets it.
func settingHelp(v *kong.Value) string {
	var facts []string
	if v.Default != "" {
		facts = append(facts, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		facts = append(facts, "$"+name)
	}
	if len(facts) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(facts, ", ") + ")."
}

// forgetEmptyVariables makes an empty variable one that is not set: compose files and charts pass on what they have no value
// for as empty.
func forgetEmptyVariables(parser *kong.Kong) {
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				if value, set := os.LookupEnv(name); set && value == "" {
					_ = os.Unsetenv(name) // fails for names with "=" only
				}
			}
		}
		return next(nil)
	})
}

// databaseSettings say where data lives.
type databaseSettings struct {
	DataDir          string `group:"storage" help:"Directory of the embedded database; created if absent." default:"flagstaff-data" env:"FLAGSTAFF_DATA_DIR" placeholder:"DIR"`
	DatabaseURL      secret `group:"storage" help:"postgres://user:password@host/name or sqlite:///path. Empty: an SQLite file in the data directory." env:"DATABASE_URL" placeholder:"URL"`
	DatabaseMaxConns int    `group:"storage" help:"Connections to Postgres, or readers of SQLite. 0: 10 and 4." default:"0" env:"FLAGSTAFF_DATABASE_MAX_CONNS" placeholder:"N"`
	DatabaseWait     span   `group:"storage" help:"How long to try to reach the database at start." default:"15s" env:"FLAGSTAFF_DATABASE_WAIT" placeholder:"DURATION"`
}

// bootstrapSettings say what the first start makes.
type bootstrapSettings struct {
	AdminInitiation  bool   `name:"bootstrap" negatable:"" group:"bootstrap" help:"Fill an empty database with an administrator, a project, two environments and example features." default:"true" env:"ALLOW_ADMIN_INITIATION_VIA_CLI"`
	AdminEmail       string `group:"bootstrap" help:"The administrator's e-mail address." default:"admin@example.com" env:"ADMIN_EMAIL" placeholder:"EMAIL"`
	AdminPassword    secret `group:"bootstrap" help:"The administrator's password. Empty: one is made and printed once." env:"FLAGSTAFF_ADMIN_PASSWORD" placeholder:"PASSWORD"`
	OrganisationName string `group:"bootstrap" help:"Name of the organisation." default:"Default Organisation" env:"ORGANISATION_NAME" placeholder:"NAME"`
	ProjectName      string `group:"bootstrap" help:"Name of the project." default:"Default Project" env:"PROJECT_NAME" placeholder:"NAME"`
	ClientKey        string `group:"bootstrap" help:"Client-side key of the Development environment. Empty: one is made." env:"FLAGSTAFF_CLIENT_KEY" placeholder:"KEY"`
	ServerKey        secret `group:"bootstrap" help:"Server-side key of the Development environment (ser.…). Empty: one is made." env:"FLAGSTAFF_SERVER_KEY" placeholder:"KEY"`
}

// logSettings say what is logged and how.
type logSettings struct {
	LogLevel  string `group:"log" help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"FLAGSTAFF_LOG_LEVEL" placeholder:"LEVEL"`
	LogFormat string `group:"log" help:"generic (text) or json." enum:"generic,json" default:"generic" env:"LOG_FORMAT" placeholder:"FORMAT"`
}

func (l logSettings) logger(s streams) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // the enum holds only levels
	opts := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(s.err, opts))
	}
	return slog.New(slog.NewTextHandler(s.err, opts))
}

// serveSettings are all settings of serve.
type serveSettings struct {
	Listen         string `group:"listen" help:"Address to listen on." default:":8000" env:"FLAGSTAFF_LISTEN" placeholder:"ADDRESS"`
	ReadTimeout    span   `group:"listen" help:"Longest time to read one request." default:"10s" env:"FLAGSTAFF_READ_TIMEOUT" placeholder:"DURATION"`
	WriteTimeout   span   `group:"listen" help:"Longest time to write one answer." default:"30s" env:"FLAGSTAFF_WRITE_TIMEOUT" placeholder:"DURATION"`
	IdleTimeout    span   `group:"listen" help:"Idle connections are closed after this; keep it above the SDKs' poll interval and the load balancer's own idle timeout." default:"120s" env:"FLAGSTAFF_IDLE_TIMEOUT" placeholder:"DURATION"`
	MaxBodyBytes   int    `group:"listen" help:"Larger request bodies are answered 413." default:"1048576" env:"FLAGSTAFF_MAX_BODY_BYTES" placeholder:"BYTES"`
	MaxConnections int    `group:"listen" help:"Connections open at once." default:"100000" env:"FLAGSTAFF_MAX_CONNECTIONS" placeholder:"N"`
	MaxStreams     int    `name:"realtime-max-streams" group:"listen" help:"Clients that may listen to the realtime stream at once." default:"10000" env:"FLAGSTAFF_REALTIME_MAX_STREAMS" placeholder:"N"`
	DrainDelay     span   `group:"listen" help:"After SIGTERM: how long to go on serving with readiness failed, for balancers to notice." default:"0s" env:"FLAGSTAFF_DRAIN_DELAY" placeholder:"DURATION"`
	DrainTimeout   span   `group:"listen" help:"After that: how long requests in flight may take. Keep it above the read timeout." default:"15s" env:"FLAGSTAFF_DRAIN_TIMEOUT" placeholder:"DURATION"`

	databaseSettings  `embed:""`
	bootstrapSettings `embed:""`

	EnvironmentCacheTTL   span  `name:"environment-cache-seconds" group:"cache" help:"Age at which an environment in memory is refreshed, in the background; it is served meanwhile. A number is seconds." default:"60s" env:"ENVIRONMENT_CACHE_SECONDS" placeholder:"DURATION"`
	EnvironmentCacheBytes int64 `group:"cache" help:"Memory for environments." default:"268435456" env:"FLAGSTAFF_ENVIRONMENT_CACHE_BYTES" placeholder:"BYTES"`
	IdentityCacheTTL      span  `name:"identity-cache-seconds" group:"cache" help:"Age at which an identity in memory is read again. Nodes on one Postgres see each other's trait writes after this. 0: 5 s on Postgres, an hour on SQLite, which no other node writes to." default:"0s" env:"FLAGSTAFF_IDENTITY_CACHE_SECONDS" placeholder:"DURATION"`
	IdentityCacheBytes    int64 `group:"cache" help:"Memory for identities and their traits." default:"67108864" env:"FLAGSTAFF_IDENTITY_CACHE_BYTES" placeholder:"BYTES"`
	BadKeyTTL             span  `name:"bad-key-seconds" group:"cache" help:"How long an unknown key is remembered as unknown." default:"5s" env:"CACHE_BAD_ENVIRONMENTS_SECONDS" placeholder:"DURATION"`

	logSettings `embed:""`
}

// Validate reports every problem at once.
func (s *serveSettings) Validate() error {
	var errs []error
	positive := func(name string, value int64) {
		if value <= 0 {
			errs = append(errs, fmt.Errorf("--%s is %d, want a positive number", name, value))
		}
	}
	positive("max-body-bytes", int64(s.MaxBodyBytes))
	positive("max-connections", int64(s.MaxConnections))
	positive("realtime-max-streams", int64(s.MaxStreams))
	positive("environment-cache-bytes", s.EnvironmentCacheBytes)
	positive("identity-cache-bytes", s.IdentityCacheBytes)
	for _, d := range []struct {
		name  string
		value span
		least time.Duration
	}{
		{"read-timeout", s.ReadTimeout, time.Millisecond}, {"write-timeout", s.WriteTimeout, time.Millisecond},
		{"idle-timeout", s.IdleTimeout, time.Second}, {"drain-delay", s.DrainDelay, 0}, {"drain-timeout", s.DrainTimeout, 0},
		{"environment-cache-seconds", s.EnvironmentCacheTTL, 0}, {"identity-cache-seconds", s.IdentityCacheTTL, 0},
		{"bad-key-seconds", s.BadKeyTTL, 0},
	} {
		if time.Duration(d.value) < d.least {
			errs = append(errs, fmt.Errorf("--%s is %s, want at least %s", d.name, d.value, d.least))
		}
	}
	if err := checkAddress(s.Listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen: %w", err))
	}
	return errors.Join(append(errs, s.databaseSettings.validate(), s.bootstrapSettings.validate())...)
}

// checkAddress tells a wrong address from one that cannot be listened on now.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	_, err = net.LookupPort("tcp", port)
	return err
}

// validate never shows the address, which may hold a password.
func (d *databaseSettings) validate() error {
	var errs []error
	if d.DatabaseURL != "" {
		scheme, _, _ := strings.Cut(string(d.DatabaseURL), "://")
		switch scheme {
		case "sqlite", "sqlite3": // a path follows, in any spelling
		case "postgres", "postgresql":
			if _, err := url.Parse(string(d.DatabaseURL)); err != nil {
				errs = append(errs, errors.New("--database-url is not a valid URL"))
			}
		default: // the store would take a bare path, and make an SQLite file of a misspelt address
			errs = append(errs, errors.New("--database-url must begin with postgres:// or sqlite://"))
		}
	}
	if d.DatabaseMaxConns < 0 {
		errs = append(errs, fmt.Errorf("--database-max-conns is %d, want at least 0", d.DatabaseMaxConns))
	}
	if d.DatabaseWait < 0 {
		errs = append(errs, fmt.Errorf("--database-wait is %s, want at least 0s", d.DatabaseWait))
	}
	return errors.Join(errs...)
}

func (b *bootstrapSettings) validate() error {
	var errs []error
	if strings.ContainsAny(b.ClientKey, "/ \t\r\n") {
		errs = append(errs, errors.New("--client-key has a space or a slash, which neither a header nor the path of a stream can hold"))
	}
	if b.ClientKey != "" && (strings.HasPrefix(b.ClientKey, "ser.") || len(b.ClientKey) > 100) {
		errs = append(errs, errors.New("--client-key begins with ser. or is longer than 100 characters: that is no client-side key"))
	}
	if k := string(b.ServerKey); k != "" && (!strings.HasPrefix(k, "ser.") || len(k) > 100 || len(k) < 12 || strings.ContainsFunc(k, unicode.IsSpace)) {
		errs = append(errs, errors.New("--server-key must begin with ser. and have 12 to 100 characters, none of them a space"))
	}
	if !strings.Contains(b.AdminEmail, "@") {
		errs = append(errs, fmt.Errorf("--admin-email is %q, which is no e-mail address", b.AdminEmail))
	}
	return errors.Join(errs...)
}

// secret is a setting that is never shown.
type secret string

const redacted = "REDACTED"

func (s secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// LogValue keeps the secret out of logs.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// span is a duration that may be given as a bare number of seconds, as Flagsmith's settings are.
type span time.Duration

func (d span) String() string { return time.Duration(d).String() }

// UnmarshalText reads "60", "60s" or "1m".
func (d *span) UnmarshalText(text []byte) error {
	if seconds, err := strconv.ParseFloat(string(text), 64); err == nil {
		if !(seconds >= -1e9 && seconds <= 1e9) { // also not a number
			return fmt.Errorf("%s seconds are out of range", text)
		}
		*d = span(seconds * float64(time.Second))
		return nil
	}
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 500ms or 2m", text)
	}
	*d = span(parsed)
	return nil
}
