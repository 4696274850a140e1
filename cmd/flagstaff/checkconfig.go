package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

type checkConfigCmd struct {
	serveSettings `embed:""`
}

// Run prints a line for each setting of serve. Wrong ones never get here: parsing has refused them, all at once.
func (c *checkConfigCmd) Run(s streams, root *cli, command *kong.Context) error {
	var file fileResolver
	if path := string(root.Config); path != "" {
		values, err := readConfigFile(path)
		if err != nil {
			return coded{err, exitUsage}
		}
		file = fileResolver{path, values}
	}
	given := make(map[string]bool)
	for _, p := range command.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tORIGIN\tVARIABLE")
	for _, flag := range settingsOf(command) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", flag.Name, shownValue(flag), origin(flag, given, file), strings.Join(flag.Envs, ", "))
	}
	return table.Flush()
}

// settingsOf lists the settings of the command that was given.
func settingsOf(command *kong.Context) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(command.Selected().Flags), func(f *kong.Flag) bool { return f.Name == "help" })
}

// shownValue is the effective value; secrets are named, not shown.
func shownValue(flag *kong.Flag) string {
	value := fmt.Sprint(flag.Target.Interface())
	if value == "" {
		return `""`
	}
	return value
}

// origin tells where the value in force comes from, in the order in which sources win.
func origin(flag *kong.Flag, given map[string]bool, file fileResolver) string {
	if given[flag.Name] {
		return "flag"
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return "environment (" + name + ")"
		}
	}
	if _, ok := file.values[flag.Name]; ok {
		return "file (" + file.path + ")"
	}
	return "default"
}
