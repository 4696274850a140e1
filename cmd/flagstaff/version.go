package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	sdk "github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// release is set by the build: -ldflags "-X main.release=1.2.3".
var release = ""

type versionCmd struct{}

// Run shows the version.
func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintf(s.out, "flagstaff %s (commit %s, %s, Flagsmith API %s)\n", version(), commit(), runtime.Version(), sdk.CompatibleVersion)
	return err
}

// version names the release, "dev" for a build that is none.
func version() string {
	if release != "" {
		return release
	}
	return "dev"
}

// commit names the revision that was built, as far as the Go tool recorded it.
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
