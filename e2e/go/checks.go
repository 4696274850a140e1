package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"

	flagsmith "github.com/Flagsmith/flagsmith-go-client/v5"
)

var (
	origin = os.Getenv("FLAGSTAFF_E2E_URL")
	demo   = os.Getenv("FLAGSTAFF_E2E_DEMO_KEY")
	live   = os.Getenv("FLAGSTAFF_E2E_LIVE_KEY")
	ctx    = context.Background()
)

type state struct {
	Enabled bool `json:"enabled"`
	Value   any  `json:"value"`
}

// expected is e2e/lib/demo.json.
type expected struct {
	Environment map[string]state    `json:"environment"`
	ServerOnly  map[string]state    `json:"serverOnly"`
	Variants    map[string][]string `json:"variants"`
	Override    struct {
		Identifier string `json:"identifier"`
		BannerText string `json:"banner_text"`
	} `json:"override"`
}

func client(key string, options ...flagsmith.Option) *flagsmith.Client {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	return flagsmith.NewClient(key, append([]flagsmith.Option{
		flagsmith.WithBaseURL(origin + "/api/v1/"), flagsmith.WithSlogLogger(quiet),
	}, options...)...)
}

// local returns a client that has loaded the document.
func local(key string, options ...flagsmith.Option) *flagsmith.Client {
	c := client("ser."+key, append([]flagsmith.Option{flagsmith.WithLocalEvaluation(ctx)}, options...)...)
	eventually("the document", func() bool { _, err := c.GetEnvironmentFlags(ctx); return err == nil })
	return c
}

func fallback(name string) (flagsmith.Flag, error) {
	return flagsmith.Flag{FeatureName: name, Value: "no " + name, IsDefault: true}, nil
}

func shown(flags flagsmith.Flags) map[string]state {
	all := map[string]state{}
	for _, f := range flags.AllFlags() {
		all[f.FeatureName] = state{f.Enabled, f.Value}
	}
	return all
}

// value asks for the flags of an identity and returns one value.
func value(c *flagsmith.Client, feature string, ec flagsmith.EvaluationContext) any {
	flags := must(c.GetFlags(ctx, &ec))
	return must(flags.GetFeatureValue(feature))
}

func identity(identifier string, traits map[string]any) flagsmith.EvaluationContext {
	return flagsmith.NewEvaluationContext(identifier, traits)
}

// change sets the feature "live", as the admin API would.
func change(text string) string {
	quoted := must(json.Marshal(text))
	cmd := exec.Command(os.Getenv("FLAGSTAFF_E2E_SEED"), "set", "-database", os.Getenv("FLAGSTAFF_E2E_DATABASE"),
		"-environment", live, "-feature", "live", "-value", string(quoted))
	if out, err := cmd.CombinedOutput(); err != nil {
		fail("seed set: %v: %s", err, out)
	}
	return text
}

// statuses notes the answers to analytics.
type statuses struct {
	mu  sync.Mutex
	all []string
}

func (s *statuses) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && strings.HasSuffix(req.URL.Path, "/analytics/flags/") {
		s.mu.Lock()
		s.all = append(s.all, req.Method+" "+resp.Status)
		s.mu.Unlock()
	}
	return resp, err
}

func checks() []check {
	var want expected
	if err := json.Unmarshal(must(os.ReadFile(os.Getenv("FLAGSTAFF_E2E_DEMO"))), &want); err != nil {
		fail("%v", err)
	}
	everything := map[string]state{}
	for _, part := range []map[string]state{want.Environment, want.ServerOnly} {
		for name, s := range part {
			everything[name] = s
		}
	}
	// The SDK sends counts every ten seconds: they are counted first and looked at last.
	sent := &statuses{}
	return append(append(remoteChecks(want, everything, sent), localChecks(want, everything)...), stoppedChecks(sent)...)
}

func remoteChecks(want expected, everything map[string]state, sent *statuses) []check {
	premium := map[string]any{"plan": "premium"}
	perPage := func(ec flagsmith.EvaluationContext) any { return value(client(demo), "items_per_page", ec) }
	return []check{
		{"remote", "analytics are counted", func() {
			counting := client(demo, flagsmith.WithHTTPClient(&http.Client{Transport: sent}), flagsmith.WithAnalytics(ctx))
			value(counting, "banner_text", identity("go-0", nil))
		}},
		{"remote", "environment flags", func() {
			equal("flags", shown(must(client(demo).GetEnvironmentFlags(ctx))), want.Environment)
			equal("flags", shown(must(client("ser."+demo).GetEnvironmentFlags(ctx))), everything)
		}},
		{"remote", "a trait puts into a segment and is stored", func() {
			equal("items_per_page", perPage(identity("go-1", map[string]any{"plan": "premium", "n": 1, "f": 1.5, "b": true})), 96.0)
			equal("items_per_page", perPage(identity("go-1", nil)), 96.0)
		}},
		{"remote", "nil deletes a trait", func() {
			perPage(identity("go-2", premium))
			equal("items_per_page", perPage(identity("go-2", map[string]any{"plan": nil})), 24.0)
			equal("items_per_page", perPage(identity("go-2", nil)), 24.0)
		}},
		{"remote", "transient identities and traits are not stored", func() {
			equal("items_per_page", perPage(flagsmith.NewTransientEvaluationContext("go-3", premium)), 96.0)
			equal("items_per_page", perPage(identity("go-3", nil)), 24.0)
			once := map[string]any{"plan": flagsmith.NewTraitEvaluationContext("premium", true)}
			equal("items_per_page", perPage(identity("go-3", once)), 96.0)
			equal("items_per_page", perPage(identity("go-3", nil)), 24.0)
		}},
		{"remote", "an identity override wins over a segment", func() {
			ec := flagsmith.NewTransientEvaluationContext(want.Override.Identifier, premium)
			equal("banner_text", value(client(demo), "banner_text", ec), want.Override.BannerText)
		}},
		{"remote", "identities in bulk", func() {
			batch := []*flagsmith.IdentityTraits{{Identifier: "go-bulk", Traits: []*flagsmith.Trait{{TraitKey: "plan", TraitValue: "premium"}}}}
			if err := client("ser."+demo).BulkIdentify(ctx, batch); err != nil {
				fail("%v", err)
			}
			eventually("the trait is stored", func() bool { return perPage(identity("go-bulk", nil)) == 96.0 })
		}},
		{"remote", "an unknown feature", func() {
			flags := must(client(demo).GetEnvironmentFlags(ctx))
			if _, err := flags.GetFlag("nonsense"); err == nil {
				fail("no error")
			}
			flags = must(client(demo, flagsmith.WithDefaultHandler(fallback)).GetEnvironmentFlags(ctx))
			equal("nonsense", must(flags.GetFeatureValue("nonsense")), "no nonsense")
		}},
		{"remote", "a wrong key", func() {
			_, err := client("wrong").GetEnvironmentFlagsFromAPI(ctx)
			var problem *flagsmith.FlagsmithAPIError
			if !errors.As(err, &problem) || problem.ResponseStatusCode != http.StatusForbidden {
				fail("error is %v", err)
			}
			flags := must(client("wrong", flagsmith.WithDefaultHandler(fallback)).GetEnvironmentFlags(ctx))
			equal("banner_text", must(flags.GetFeatureValue("banner_text")), "no banner_text")
		}},
	}
}

func localChecks(want expected, everything map[string]state) []check {
	premium := map[string]any{"plan": "premium"}
	return []check{
		{"local", "environment flags", func() {
			equal("flags", shown(must(local(demo).GetEnvironmentFlags(ctx))), everything)
		}},
		{"local", "identity flags, segments and overrides", func() {
			c := local(demo)
			equal("items_per_page", value(c, "items_per_page", identity("go", premium)), 96.0)
			equal("items_per_page", value(c, "items_per_page", identity("go", nil)), 24.0)
			equal("banner_text", value(c, "banner_text", identity(want.Override.Identifier, premium)), want.Override.BannerText)
			found := false
			for _, s := range must(c.GetIdentitySegments("go", []*flagsmith.Trait{{TraitKey: "plan", TraitValue: "premium"}})) {
				found = found || s.Name == "premium_customers"
			}
			equal("in premium_customers", found, true)
		}},
		{"local", "the document with every kind of rule loads", func() {
			flags := must(local(os.Getenv("FLAGSTAFF_E2E_COMPARE_KEY")).GetEnvironmentFlags(ctx))
			if n := len(flags.AllFlags()); n < 40 {
				fail("%d flags", n)
			}
		}},
		{"remote = local", "200 identities of the demo environment", func() {
			here, there := local(demo), client("ser."+demo)
			for i := range 200 {
				ec := flagsmith.NewTransientEvaluationContext(fmt.Sprintf("go-same-%d@example.com", i), map[string]any{
					"plan": []string{"free", "premium", ""}[i%3], "email": fmt.Sprintf("a%d@example.com", i), "n": i,
				})
				equal(*ec.Identity.Identifier, shown(must(here.GetFlags(ctx, &ec))), shown(must(there.GetFlags(ctx, &ec))))
			}
		}},
		{"local", "polling brings a change", func() {
			c := local(live, flagsmith.WithEnvironmentRefreshInterval(refreshEvery))
			text := change(fmt.Sprint("go polls ", os.Getpid()))
			eventually("the change", func() bool { return valueOfLive(c) == text })
		}},
		{"local", "a realtime event brings a change", func() {
			c := local(live, flagsmith.WithRealtime(), flagsmith.WithRealtimeBaseURL(origin))
			for i := range 2 {
				text := change(fmt.Sprint("go listens ", os.Getpid(), " ", i))
				eventually("the change", func() bool { return valueOfLive(c) == text })
			}
		}},
		{"local", "a client-side key is refused", func() {
			defer func() {
				if recover() == nil {
					fail("no panic")
				}
			}()
			client(demo, flagsmith.WithLocalEvaluation(ctx))
		}},
	}
}

func valueOfLive(c *flagsmith.Client) any {
	flags := must(c.GetEnvironmentFlags(ctx))
	return must(flags.GetFeatureValue("live"))
}

func stoppedChecks(sent *statuses) []check {
	var address string
	var pid int
	if _, err := fmt.Sscan(os.Getenv("FLAGSTAFF_E2E_SPARE_GO"), &address, &pid); err != nil {
		fail("FLAGSTAFF_E2E_SPARE_GO: %v", err)
	}
	base := flagsmith.WithBaseURL(address + "/api/v1/")
	premium := map[string]any{"plan": "premium"}
	var survivor *flagsmith.Client
	return []check{
		{"server stopped", "before: it answers", func() {
			survivor = local(demo, base, flagsmith.WithEnvironmentRefreshInterval(refreshEvery))
			equal("items_per_page", value(survivor, "items_per_page", identity("go", premium)), 96.0)
		}},
		{"server stopped", "remote: an error, or the default handler", func() {
			stopSpare(pid)
			eventually("an error", func() bool { _, err := client(demo, base).GetEnvironmentFlags(ctx); return err != nil })
			c := client(demo, base, flagsmith.WithDefaultHandler(fallback))
			equal("banner_text", value(c, "banner_text", identity("go", premium)), "no banner_text")
		}},
		{"server stopped", "local evaluation goes on", func() {
			if survivor.UpdateEnvironment(ctx) == nil {
				fail("the document could be loaded")
			}
			equal("items_per_page", value(survivor, "items_per_page", identity("go", premium)), 96.0)
		}},
		{"remote", "analytics were accepted", func() {
			eventually("counts were sent", func() bool { sent.mu.Lock(); defer sent.mu.Unlock(); return len(sent.all) > 0 })
			equal("answers", sent.all, []string{"POST 200 OK"})
		}},
	}
}
