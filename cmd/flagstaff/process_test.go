package main_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must happen. It costs nothing unless that does not happen, and the machine may be
// busy with other tests.
const patience = 60 * time.Second

// eventually asks fn until it says yes.
func eventually(t testing.TB, what string, fn func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !fn() {
		require.True(t, time.Now().Before(deadline), "waited %s in vain until %s", patience, what)
		time.Sleep(2 * time.Millisecond) // between two questions, not instead of one
	}
}

// requireWithin checks that something took less time than it may. The race detector, and several processes under it at once,
// take their time.
func requireWithin(t testing.TB, limit time.Duration, began time.Time, what string) {
	t.Helper()
	if raceEnabled {
		limit *= 5
	}
	require.Less(t, time.Since(began), limit, what)
}

// vars are environment variables. The binary gets these, and nothing of the tests' own but PATH.
type vars map[string]string

// process is the binary, running.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr output
	exited         chan struct{} // closed at its end; cmd.ProcessState is set then
}

// options are the rarer ways to start a process.
type options struct {
	dir   string // to start in. "": a new one
	stdin io.Reader
	sys   *syscall.SysProcAttr
	path  string // of the binary, when sys changes the root
}

// launch starts the binary. It is killed at the end of the test, if it still runs.
func launch(t testing.TB, env vars, args ...string) *process {
	t.Helper()
	return launchWith(t, options{}, env, args...)
}

func launchWith(t testing.TB, o options, env vars, args ...string) *process {
	t.Helper()
	if o.path == "" {
		o.path = binary
	}
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	p := &process{t: t, cmd: exec.Command(o.path, args...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdin, p.cmd.SysProcAttr = o.dir, o.stdin, o.sys
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// GORACE: a process with the race detector would otherwise wait a second at its end.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "GORACE=atexit_sleep_ms=0"}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the exit code is looked at where it matters
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.exited
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Errorf("the process has a data race")
		}
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", p.cmd, p.stdout.tail(), p.stderr.tail())
		}
	})
	return p
}

// signal sends a signal to a process that must be running.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// kill ends the process without a chance to do anything.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.wait()
}

// wait waits for the end and returns the exit code, -1 after a signal that the process did not handle.
func (p *process) wait() int {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		require.FailNow(p.t, "the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// logged waits until standard error holds text.
func (p *process) logged(text string) {
	p.t.Helper()
	eventually(p.t, "the log says "+text, func() bool {
		return strings.Contains(p.stderr.String(), text) || !p.running()
	})
	require.Contains(p.t, p.stderr.String(), text)
}

// result is what a process left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run starts the binary and waits for its end.
func run(t testing.TB, env vars, args ...string) result {
	t.Helper()
	return runWith(t, options{}, env, args...)
}

func runWith(t testing.TB, o options, env vars, args ...string) result {
	t.Helper()
	p := launchWith(t, o, env, args...)
	code := p.wait()
	return result{code, p.stdout.String(), p.stderr.String()}
}

// node is `flagstaff serve`, listening.
type node struct {
	*process
	address string // host:port
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// serve starts a server on a free port of loopback, unless args say where.
func serve(t testing.TB, env vars, args ...string) *node {
	t.Helper()
	return serveWith(t, options{}, env, args...)
}

func serveWith(t testing.TB, o options, env vars, args ...string) *node {
	t.Helper()
	n := &node{process: launchWith(t, o, env, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)}
	n.listen()
	return n
}

// listen waits until the server listens.
func (n *node) listen() {
	n.t.Helper()
	eventually(n.t, "it listens", func() bool {
		if m := listening.FindStringSubmatch(n.stderr.String()); m != nil {
			n.address = m[1]
		}
		return n.address != "" || !n.running()
	})
	require.NotEmpty(n.t, n.address, "it ended before it listened")
}

// output is what a process wrote so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// tail is the end of it, for a report.
func (o *output) tail() string {
	const maxBytes = 8 << 10
	text := o.String()
	return text[max(0, len(text)-maxBytes):]
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
