package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/bench"
	"github.com/flagstaff-io/flagstaff/bench/floor"
)

// bareCmd serves each answer of a file twice, whole and body only, and nothing at all, each on a port of its own: a handler that
// had to find out what to send would not be bare.
type bareCmd struct {
	Answers *os.File `arg:"" help:"JSON list of answers to replay." placeholder:"FILE"`
}

// bareAddresses is what bare prints, on one line, when it listens.
type bareAddresses struct {
	Whole    []string `json:"whole"` // by answer
	BodyOnly []string `json:"body_only"`
	Nothing  string   `json:"nothing"`
}

// Run serves until ctx ends or whoever started it is gone.
func (c *bareCmd) Run(ctx context.Context) error {
	defer c.Answers.Close()
	var answers []bench.Answer
	if err := json.NewDecoder(c.Answers).Decode(&answers); err != nil {
		return fmt.Errorf("answers in %s: %w", c.Answers.Name(), err)
	}
	var addresses bareAddresses
	var listeners []net.Listener
	failed := make(chan error, 2*len(answers)+1)
	listen := func(serve func(net.Listener) error) (string, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		listeners = append(listeners, ln)
		go func() { failed <- serve(ln) }()
		return ln.Addr().String(), nil
	}
	var err error
	for _, a := range answers {
		for _, variant := range []struct {
			handler fasthttp.RequestHandler
			to      *[]string
		}{{floor.Whole(a), &addresses.Whole}, {floor.BodyOnly(a), &addresses.BodyOnly}} {
			var address string
			if address, err = listen(floor.NewServer(variant.handler).Serve); err != nil {
				return err
			}
			*variant.to = append(*variant.to, address)
		}
	}
	if addresses.Nothing, err = listen(floor.ServeNothing); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return err
	}
	parentGone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		close(parentGone)
	}()
	select {
	case <-ctx.Done():
	case <-parentGone:
	case err := <-failed:
		return err
	}
	var errs []error
	for _, ln := range listeners {
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}

// startBare starts a bare server of these answers in a process of its own.
func startBare(ctx context.Context, dir string, answers []bench.Answer) (*bench.Process, bareAddresses, error) {
	var addresses bareAddresses
	file, err := os.CreateTemp(dir, "answers-*.json")
	if err != nil {
		return nil, addresses, err
	}
	if err := errors.Join(json.NewEncoder(file).Encode(answers), file.Close()); err != nil {
		return nil, addresses, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, addresses, err
	}
	ready := func(line string) bool {
		return strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &addresses) == nil
	}
	p, err := bench.Start(ctx, ready, serverEnv, self, "bare", file.Name())
	return p, addresses, err
}
