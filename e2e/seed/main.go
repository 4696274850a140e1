// Command seed prepares the database of a running Flagstaff for the end-to-end tests: there is more in it than a first start
// makes, and it changes while SDKs watch. It goes through admin/store, as the admin API does.
//
//	seed fill -database flagstaff.db -compare KEY -live KEY -stopped KEY
//	seed set -database flagstaff.db -environment KEY -feature banner -value '"hello"'
//
// Each KEY is the client-side key of an environment; its server-side key is the same after "ser.".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say fill or set")
	}
	flags := flag.NewFlagSet("seed "+args[0], flag.ContinueOnError)
	database := flags.String("database", "", "path of the SQLite file")
	var do func(context.Context, *store.Store) error
	switch args[0] {
	case "fill":
		compare := flags.String("compare", "", "key of the environment that has every kind of rule")
		live := flags.String("live", "", "key of the environment for set")
		stopped := flags.String("stopped", "", "key of an environment whose organisation is not served")
		do = func(ctx context.Context, st *store.Store) error {
			return errors.Join(fill(ctx, st, *compare, *live), fillStopped(ctx, st, *stopped))
		}
	case "set":
		environment := flags.String("environment", "", "key of the environment")
		feature := flags.String("feature", "", "name of the feature whose default state changes")
		enabled := flags.Bool("enabled", true, "switch it on")
		value := flags.String("value", "null", "its value: a JSON string, integer, boolean or null")
		do = func(ctx context.Context, st *store.Store) error {
			return set(ctx, st, *environment, *feature, *enabled, *value)
		}
	default:
		return fmt.Errorf("%q is neither fill nor set", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Config{URL: *database})
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, st), st.Close())
}

// set changes the default state of one feature in the environment with the key.
func set(ctx context.Context, st *store.Store, clientKey, feature string, enabled bool, text string) error {
	value, err := parseValue(text)
	if err != nil {
		return err
	}
	key, err := st.LookupKey(ctx, clientKey)
	if err != nil {
		return fmt.Errorf("environment with key %q: %w", clientKey, err)
	}
	doc, err := st.BuildDocument(ctx, key.EnvironmentID)
	if err != nil {
		return err
	}
	for _, state := range doc.FeatureStates {
		if state.Feature.Name == feature {
			_, err := st.UpdateFeatureState(ctx, state.RowID, store.StateUpdate{Enabled: &enabled, Value: &value})
			return err
		}
	}
	return fmt.Errorf("feature %q: %w", feature, store.ErrNotFound)
}

func parseValue(text string) (flagsmith.Value, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return flagsmith.Value{}, fmt.Errorf("value %q: %w", text, err)
	}
	switch v := v.(type) {
	case nil:
		return flagsmith.Value{}, nil
	case string:
		return flagsmith.StringValue(v), nil
	case bool:
		return flagsmith.BoolValue(v), nil
	case float64:
		if v == float64(int64(v)) {
			return flagsmith.IntValue(int64(v)), nil
		}
	}
	return flagsmith.Value{}, fmt.Errorf("value %s is no string, integer, boolean or null", text)
}
