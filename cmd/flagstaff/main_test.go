// The tests of this package start the binary, talk to it over loopback and look into its database. They know nothing of how
// it is made.
package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// binary is the program under test: static like a release, or with the race detector if the tests have it.
var binary string

// release is the version that the binary was built as.
const release = "9.8.7-test"

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "flagstaff-binary-")
	if err == nil {
		binary = filepath.Join(dir, "flagstaff")
		err = build(binary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Two tests at a time, the default of a small machine, would wait for a child process most of the time.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6") // it is a number
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func build(to string) error {
	args := []string{"build", "-buildvcs=false", "-ldflags=-X main.release=" + release, "-o", to}
	env := append(os.Environ(), "CGO_ENABLED=0")
	if raceEnabled {
		args = append(args, "-race")
		env = os.Environ() // the race detector is linked through cgo
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return nil
}
