package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configFile is the path of a JSON file of settings. Reading it makes its values the defaults below flags and variables.
type configFile string

// BeforeResolve loads the file before kong fills in what the command line left open.
func (c configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	if path == "" {
		return nil
	}
	values, err := readConfigFile(path)
	if err != nil {
		return err
	}
	ctx.AddResolver(fileResolver{path, values})
	return nil
}

func readConfigFile(path string) (map[string]any, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config file %s: something follows the object", path)
	}
	values := make(map[string]any, len(object))
	for key, value := range object {
		name := strings.ReplaceAll(key, "_", "-")
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("config file %s: %s is there twice, with dashes and with underscores", path, name)
		}
		values[name] = value
	}
	return values, nil
}

// fileResolver gives kong the settings of a config file, by the names of their flags.
type fileResolver struct {
	path   string
	values map[string]any
}

// Validate names every key that is no setting, which would be ignored in silence, and every value that can be none.
func (r fileResolver) Validate(app *kong.Application) error {
	known := make(map[string]bool)
	for _, command := range app.Children {
		if command.Name == "serve" { // it has all settings; what other commands have beside is not for a file
			for _, flag := range command.Flags {
				known[flag.Name] = true
			}
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("config file %s: %q is not a setting", r.path, name))
			continue
		}
		switch r.values[name].(type) {
		case string, bool, json.Number:
		default:
			errs = append(errs, fmt.Errorf("config file %s: %q is neither text nor a number nor a boolean", r.path, name))
		}
	}
	return errors.Join(errs...)
}

// Resolve gives the value of a flag that neither the command line nor the environment sets.
func (r fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	value := r.values[flag.Name]
	if number, ok := value.(json.Number); ok {
		return number.String(), nil
	}
	return value, nil
}
