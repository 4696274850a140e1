package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

type evaluateCmd struct {
	Dialect string `help:"Whose evaluation: flagsmith." enum:"flagsmith" default:"flagsmith"`
}

// Help is shown by --help.
func (evaluateCmd) Help() string {
	return `Reads one evaluation context (JSON) a line and writes one evaluation result a line: value, variant and reason of each flag,
and the segments that matched. A line that is no context gives {"error": …} in its place, and exit code 2 at the end.

  echo '{"environment":{"key":"e","name":"E"},"identity":{"identifier":"ann","traits":{"plan":"premium"}},"features":{…}}' |
      flagstaff evaluate --dialect flagsmith`
}

// Run evaluates line by line until the input ends.
func (c *evaluateCmd) Run(s streams) error {
	in := bufio.NewReaderSize(s.in, 64<<10)
	out := bufio.NewWriter(s.out)
	bad := 0
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			result, evalErr := engine.EvaluateContext(line)
			if evalErr != nil {
				bad++
				result, _ = json.Marshal(map[string]string{"error": fmt.Sprintf("line %d: %v", n, evalErr)}) // strings always marshal
			}
			if _, err := out.Write(append(result, '\n')); err != nil {
				return err
			}
			// A reader at the other end of a pipe waits for each line.
			if in.Buffered() == 0 {
				if err := out.Flush(); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return coded{fmt.Errorf("%d lines were no evaluation context", bad), exitUsage}
	}
	return nil
}
