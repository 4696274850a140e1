package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

type healthcheckCmd struct {
	Listen  string `help:"Address that the server listens on." default:":8000" env:"FLAGSTAFF_LISTEN" placeholder:"ADDRESS"`
	Timeout span   `help:"How long to wait for the answer." default:"3s" placeholder:"DURATION"`
}

// Run asks the server on this machine for its readiness.
func (c *healthcheckCmd) Run(s streams) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return coded{fmt.Errorf("--listen: %w", err), exitUsage}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	client := http.Client{Timeout: time.Duration(c.Timeout)}
	resp, err := client.Get("http://" + net.JoinHostPort(host, port) + "/health/readiness/?format=json")
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: status %d: %s", resp.StatusCode, body)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", body)
	return err
}
