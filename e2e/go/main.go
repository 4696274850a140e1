// Command go is the published Go SDK against a running Flagstaff. It is started by e2e/test/go.test.js and prints one JSON object
// a line for each check; see e2e/lib/driver.js.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"syscall"
	"time"
)

// line is one check that was made.
type line struct {
	Mode  string `json:"mode"`
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Note  string `json:"note,omitempty"`
	MS    int64  `json:"ms"`
}

type check struct {
	mode, name string
	run        func()
}

// refreshEvery is how often the SDK asks for the document where a check waits for that.
const refreshEvery = 200 * time.Millisecond

// failure is what a check panics with.
type failure string

func fail(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

func equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		fail("%s is %#v, want %#v", what, got, want)
	}
}

// must returns v, or ends the check with err.
func must[T any](v T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return v
}

// eventually waits until fn returns true.
func eventually(what string, fn func() bool) {
	for deadline := time.Now().Add(10 * time.Second); !fn(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			fail("not within 10 s: %s", what)
		}
	}
}

func (c check) made() (l line) {
	began := time.Now()
	l = line{Mode: c.mode, Check: c.name, OK: true}
	defer func() {
		l.MS = time.Since(began).Milliseconds()
		if r := recover(); r != nil {
			l.OK, l.Error = false, fmt.Sprint(r)
			if _, ours := r.(failure); !ours {
				panic(r)
			}
		}
	}()
	c.run()
	return l
}

func main() {
	out := json.NewEncoder(os.Stdout)
	encode := func(v any) {
		if err := out.Encode(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for _, c := range checks() {
		encode(c.made())
	}
	encode(map[string]bool{"done": true})
}

// stopSpare stops the server that was started to be stopped here.
func stopSpare(pid int) {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		fail("stop the server: %v", err)
	}
}
