package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a server that was started here.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	err   error // of Wait; set before ended is closed

	mu   sync.Mutex
	tail []string // its last lines, for error messages
}

const tailLines = 20

// Start starts a program and waits until ready is true of a line that it prints, on either stream. env is added to this
// process's own environment. The program's standard input stays open as long as this process lives.
func Start(ctx context.Context, ready func(line string) bool, env []string, name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...) // not CommandContext: it is stopped by Stop, with a chance to drain
	cmd.Env = append(os.Environ(), env...)
	bindToParent(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), out.Close(), in.Close())
	}
	in.Close() // the child's now
	p := &Process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	isReady := make(chan struct{})
	go p.follow(out, ready, isReady)
	select {
	case <-isReady:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", name, p.err, p.lastLines())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.Stop())
	case <-time.After(patience):
		return nil, errors.Join(fmt.Errorf("%s is not ready after %v\n%s", name, patience, p.lastLines()), p.Stop())
	}
}

// follow reads what the program prints until it ends, and reaps it.
func (p *Process) follow(out *os.File, ready func(string) bool, isReady chan<- struct{}) {
	defer out.Close()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for waiting := true; lines.Scan(); {
		line := lines.Text()
		p.mu.Lock()
		if p.tail = append(p.tail, line); len(p.tail) > tailLines {
			p.tail = p.tail[1:]
		}
		p.mu.Unlock()
		if waiting && ready(line) {
			waiting = false
			close(isReady)
		}
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *Process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, "\n")
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the process to end and waits; one that will not is killed. It returns an error if the process failed, also earlier.
// A nil Process is stopped.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	defer p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended already is no problem
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.cmd.Path, p.err, p.lastLines())
	}
	return nil
}
