package bench

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Answer is an answer as a server sent it.
type Answer struct {
	Status int     `json:"status"`
	Fields []Field `json:"fields"` // in the order of the wire
	Body   []byte  `json:"body"`

	HeaderBytes int `json:"-"` // on the wire, with the status line
}

// Field returns the value of a header field, "" if there is none.
func (a *Answer) Field(name string) string {
	for _, f := range a.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Expect is what an answer must be. Its body is remembered by length and sum: thousands of bodies would push everything else
// out of the processor's cache.
type Expect struct {
	Status int
	Length int    // of the body
	Sum    uint64 // of the body
}

func expect(r *reply) Expect {
	return Expect{Status: r.status, Length: len(r.body), Sum: xxhash.Sum64(r.body)}
}

// Learn sends each request twice, one after the other, and returns what the answers were. It fails when an answer does not have
// the status wanted, or the two differ.
func Learn(ctx context.Context, address string, requests [][]byte, status int) ([]Expect, error) {
	c, err := dialBounded(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	expected := make([]Expect, len(requests))
	for pass := range 2 {
		for i, request := range requests {
			r, err := c.roundTrip(request)
			if err != nil {
				return nil, fmt.Errorf("request %d: %w", i, err)
			}
			got := expect(&r)
			switch {
			case got.Status != status:
				return nil, fmt.Errorf("request %d: status %d, want %d: %.200q", i, got.Status, status, r.body)
			case pass > 0 && got != expected[i]:
				return nil, fmt.Errorf("request %d: second answer differs from the first: %+v, then %+v", i, expected[i], got)
			}
			expected[i] = got
		}
	}
	return expected, nil
}

// Fetch sends one request and returns the answer.
func Fetch(ctx context.Context, address string, request []byte) (Answer, error) {
	c, err := dialBounded(ctx, address)
	if err != nil {
		return Answer{}, err
	}
	defer c.Close()
	r, err := c.roundTrip(request)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: r.status, Fields: parseFields(r.head), Body: bytes.Clone(r.body), HeaderBytes: len(r.head)}, nil
}

// patience bounds a single exchange: everything is on this machine.
const patience = 30 * time.Second

func dialBounded(ctx context.Context, address string) (*conn, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// parseFields splits a head into its fields.
func parseFields(head []byte) []Field {
	var fields []Field
	lines := strings.Split(string(head), "\r\n")
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields = append(fields, Field{Name: name, Value: strings.TrimSpace(value)})
		}
	}
	return fields
}

// Typical returns the request whose answer has the median length among those that order asks for: what a server is to replay
// that knows one answer only.
func Typical(order []int32, expected []Expect) int {
	if len(order) == 0 {
		return 0
	}
	sorted := slices.Clone(order)
	slices.SortFunc(sorted, func(a, b int32) int { return expected[a].Length - expected[b].Length })
	return int(sorted[len(sorted)/2])
}
