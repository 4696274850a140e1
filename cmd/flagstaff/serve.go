package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/migrations"
	"github.com/flagstaff-io/flagstaff/proxy"
	sdk "github.com/flagstaff-io/flagstaff/proxy/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy/usage"
)

type serveCmd struct {
	serveSettings `embed:""`
}

// Run serves until a signal comes and all is drained.
func (c *serveCmd) Run(s streams, command *kong.Context) error {
	log := c.logger(s)
	ctx, stop := untilSignal(log)
	defer stop()
	log.Info("starting", "version", version(), effectiveSettings(command))
	// The address first: a database that was filled for a server that cannot listen would have printed its keys in vain.
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return coded{fmt.Errorf("%w (set by --listen or FLAGSTAFF_LISTEN)", err), exitListen}
	}
	n, err := c.prepare(ctx, log, s, addressOf(ln))
	switch {
	case err == nil:
		return n.run(ctx, ln)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		log.Info("stopped before serving") // as it was told to
		return ln.Close()
	}
	return errors.Join(err, ln.Close())
}

// prepare builds the node and sees to its first start.
func (c *serveCmd) prepare(ctx context.Context, log *slog.Logger, s streams, address string) (*node, error) {
	n, err := newNode(ctx, &c.serveSettings, log)
	if err != nil {
		return nil, err
	}
	if c.AdminInitiation {
		if err := c.bootstrap(ctx, n.store, s, address); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	return n, nil
}

// effectiveSettings are the settings in force, for the log.
func effectiveSettings(command *kong.Context) slog.Attr {
	var attrs []any
	for _, flag := range settingsOf(command) {
		attrs = append(attrs, slog.String(flag.Name, fmt.Sprint(flag.Target.Interface()))) // secrets print as REDACTED
	}
	return slog.Group("settings", attrs...)
}

// untilSignal returns a context that ends with the first SIGTERM or interrupt. The second one ends the process on the spot.
func untilSignal(log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			log.Info("stopping", "signal", sig.String())
			cancel()
		case <-ctx.Done(): // stopped without a signal
			return
		}
		sig := <-signals
		log.Warn("second signal, stopping without a drain", "signal", sig.String())
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// addressOf names the listener in a URL that works on this machine.
func addressOf(ln net.Listener) string {
	host, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return ln.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// node is one running Flagstaff: what is built bottom-up, run, and stopped top-down.
type node struct {
	log          *slog.Logger
	store        *store.Store
	writer       *store.IdentityWriter
	counter      *usage.Evaluations
	keys         *cachetier.Cache[*sdk.Key]
	environments *cachetier.Cache[*sdk.Environment]
	identities   *cachetier.Cache[*sdk.StoredIdentity]
	realtime     *sdk.Realtime
	refresher    *refresher
	server       *proxy.Server
	draining     atomic.Bool
	probe        databaseProbe
}

// newNode builds everything and starts nothing.
func newNode(ctx context.Context, s *serveSettings, log *slog.Logger) (*node, error) {
	st, err := s.openMigrated(ctx, log)
	if err != nil {
		return nil, err
	}
	n := &node{log: log, store: st, probe: databaseProbe{store: st}}
	n.writer = store.NewIdentityWriter(st, store.WriterConfig{})
	n.counter = usage.NewEvaluations(usage.Config{Sink: evaluationSink{st}, Log: log})
	n.realtime = sdk.NewRealtime(sdk.RealtimeConfig{MaxStreams: s.MaxStreams})
	if err := n.buildCaches(s); err != nil {
		return nil, errors.Join(err, n.close())
	}
	n.refresher = newRefresher(n, ttl(s.EnvironmentCacheTTL))
	if err := n.buildServer(s); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) buildCaches(s *serveSettings) (err error) {
	n.keys, err = cachetier.New(cachetier.Config[*sdk.Key]{
		Namespace:   "flagsmith-key",
		SecretIDs:   true,
		MaxBytes:    16 << 20,
		TTL:         ttl(s.EnvironmentCacheTTL),
		NegativeTTL: ttl(s.BadKeyTTL),
		Load:        loadKey(n.store),
		Decode:      sdk.DecodeKey,
		Log:         n.log,
	})
	if err != nil {
		return err
	}
	n.environments, err = cachetier.New(cachetier.Config[*sdk.Environment]{
		Namespace: "flagsmith-environment",
		MaxBytes:  s.EnvironmentCacheBytes,
		TTL:       ttl(s.EnvironmentCacheTTL),
		Load:      loadEnvironment(n.store),
		Decode:    sdk.DecodeEnvironment,
		OnSwap:    func(_ string, env *sdk.Environment, _ cachetier.Entry) { n.realtime.Publish(env) },
		Log:       n.log,
	})
	if err != nil {
		return err
	}
	n.identities, err = cachetier.New(cachetier.Config[*sdk.StoredIdentity]{
		Namespace: "flagsmith-identity",
		MaxBytes:  s.IdentityCacheBytes,
		TTL:       identityTTL(s.IdentityCacheTTL, n.store.Dialect()),
		Load:      loadIdentity(n.store),
		Decode:    sdk.DecodeIdentity,
		Log:       n.log,
	})
	return err
}

// ttl reads a setting in which 0 means "do not keep", which for a refresh in the background is as short as it gets.
func ttl(d span) time.Duration {
	if d <= 0 {
		return time.Nanosecond
	}
	return time.Duration(d)
}

// identityTTL is how long an identity in memory is taken for current. Another node's write is not seen for so long; SQLite has
// one node, so that reading again would cost a query and tell nothing.
func identityTTL(d span, dialect migrations.Dialect) time.Duration {
	switch {
	case d > 0:
		return time.Duration(d)
	case dialect == migrations.SQLite:
		return time.Hour
	}
	return 5 * time.Second
}

func (n *node) buildServer(s *serveSettings) error {
	router := proxy.NewRouter(sdk.Fallback(fasthttp.StatusNotFound, "Not found."))
	sdk.NewHandler(sdk.Config{
		Keys:         n.keys,
		Environments: n.environments,
		Identities:   n.identities,
		Writer:       traitWriter{n.writer},
		Counter:      n.counter,
		Health:       n,
		Realtime:     n.realtime,
		Version:      sdk.Version{Commit: commit(), Flagstaff: version(), HasUsers: true},
		Log:          n.log,
	}).Register(router)
	var err error
	n.server, err = proxy.New(proxy.Config{
		Handler:        router.Handle,
		ReadTimeout:    time.Duration(s.ReadTimeout),
		WriteTimeout:   time.Duration(s.WriteTimeout),
		IdleTimeout:    time.Duration(s.IdleTimeout),
		MaxBodyBytes:   s.MaxBodyBytes,
		MaxConnections: s.MaxConnections,
		DrainDelay:     time.Duration(s.DrainDelay),
		DrainTimeout:   time.Duration(s.DrainTimeout),
		OnDrain:        func() { n.draining.Store(true) },
		OnClose:        n.realtime.Close,
		TooLarge:       sdk.Fallback(fasthttp.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d bytes.", s.MaxBodyBytes)),
		BadRequest:     sdk.Fallback(fasthttp.StatusBadRequest, "The request could not be read."),
		Panicked:       sdk.Fallback(fasthttp.StatusInternalServerError, "Internal server error."),
		Log:            n.log,
	})
	return err
}

// run serves until ctx ends, then stops from the top down: no request, no more writes, no more counts, no database.
func (n *node) run(ctx context.Context, ln net.Listener) error {
	// What works for requests outlives the drain, so it does not end with ctx.
	writer := start(ctx, n.writer.Run)
	counter := start(ctx, n.counter.Run)
	refresher := start(ctx, n.refresher.Run)
	err := n.server.Serve(ctx, ln)
	n.realtime.Close() // also when Serve never drained
	err = errors.Join(err, refresher.stop(), writer.stop(), counter.stop(), n.close())
	if err == nil {
		n.log.Info("stopped")
	}
	return err
}

// close releases what newNode opened.
func (n *node) close() error {
	var errs []error
	if n.keys != nil {
		errs = append(errs, n.keys.Close())
	}
	if n.environments != nil {
		errs = append(errs, n.environments.Close())
	}
	if n.identities != nil {
		errs = append(errs, n.identities.Close())
	}
	return errors.Join(append(errs, n.store.Close())...)
}

// task is a Run method on its way.
type task struct {
	cancel context.CancelFunc
	done   chan error
}

// start runs fn on a context of its own, with the values of ctx.
func start(ctx context.Context, fn func(context.Context) error) task {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := task{cancel, make(chan error, 1)}
	go func() { t.done <- fn(ctx) }()
	return t
}

// stop ends the task and waits for it.
func (t task) stop() error {
	t.cancel()
	if err := <-t.done; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Health reports for the readiness probe. A database that is gone does not make the node unready: what it knows it goes on
// serving, and a restart would lose that.
func (n *node) Health(ctx context.Context) ([]sdk.Check, bool) {
	checks := []sdk.Check{
		{Name: "DatabaseBackend", Status: n.probe.ask(ctx)},
		{Name: "MigrationsHealthCheck", Status: "working"}, // they ran before the node listened
	}
	if n.draining.Load() {
		return append(checks, sdk.Check{Name: "Drain", Status: "stopping"}), false
	}
	return checks, true
}

// databaseProbe asks the database at most once a second, however often the probes come.
type databaseProbe struct {
	store *store.Store

	mu      sync.Mutex // held while the database is asked: who comes meanwhile gets that answer
	askedAt time.Time
	status  string
}

// probeTimeout is well below the second after which Kubernetes takes a probe as failed: a database that does not answer must
// not make the node unready.
const probeTimeout = 300 * time.Millisecond

func (p *databaseProbe) ask(ctx context.Context) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.askedAt) < time.Second {
		return p.status
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p.status = "working"
	if err := p.store.Ping(ctx); err != nil {
		p.status = "unavailable: known environments are served from memory, traits cannot be stored"
	}
	p.askedAt = time.Now()
	return p.status
}
