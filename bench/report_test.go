package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite golden files")

// exampleReport has a goal that is met, one that is missed, one that only the CPU time misses, and figures that are absent.
func exampleReport() *Report {
	samples := func(cpu float64, rates ...float64) []Sample {
		var all []Sample
		for _, r := range rates {
			all = append(all, Sample{
				Requests: int64(r / 2), Seconds: 0.5, Rate: r, ServerCPU: cpu, ServerBusy: 0.98, GeneratorCPU: 6,
				P50: 0.31, P99: 1.204, Max: 3.55,
			})
		}
		return all
	}
	return &Report{
		Started: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Took: 118.4,
		Machine:    Machine{CPU: "Example 3000", Cores: 4, OS: "linux/amd64", Kernel: "6.1", Go: "go1.26.0", FastHTTP: "v1.74.0"},
		LoadBefore: "0.10", LoadAfter: "2.20", Connections: 32, Rounds: 3, RoundLength: 0.5,
		Environment: "two features", Ceiling: samples(0, 150_000, 151_234.4, 149_000),
		Outcomes: []Outcome{
			{
				Name: "flags", Goal: goalStatic, HeaderBytes: 520, BodyBytes: 43_210,
				Served: &Op{1234.4, 0.2, 0.0001}, ServedBare: &Op{1100, 0, 0}, Handler: &Op{310.2, 0, 0},
				Ours: samples(10, 95_900, 96_000, 97_000), Bare: samples(9.8, 100_000, 100_000, 100_000),
				BodyOnly: samples(9, 105_000, 105_000, 105_000),
			},
			{
				Name: "identities POST", Goal: goalIdentities, HeaderBytes: 520, BodyBytes: 44_000,
				Served: &Op{5432, 640, 2.5}, ServedBare: &Op{1100, 0, 0}, Handler: &Op{4000, 640, 2.5},
				Ours: samples(14, 74_900, 74_900, 80_000), Bare: samples(9.8, 100_000, 100_000, 100_000),
			},
			{
				Name: "document 304", Goal: goalStatic, HeaderBytes: 480,
				Ours: samples(9, 96_000, 96_000, 96_000), Bare: samples(8, 100_000, 100_000, 100_000),
			},
			{
				Name: "identities GET", HeaderBytes: 520, BodyBytes: 44_000,
				Ours: samples(0, 70_000, 70_000, 70_000), Bare: samples(0, 100_000, 100_000, 100_000),
			},
		},
	}
}

func TestReportGolden(t *testing.T) {
	var got bytes.Buffer
	require.NoError(t, exampleReport().WriteMarkdown(&got))
	const golden = "testdata/report.md"
	if *update {
		require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

func TestReportTableIsAligned(t *testing.T) {
	var got bytes.Buffer
	require.NoError(t, exampleReport().WriteMarkdown(&got))
	table, _, _ := strings.Cut(got.String(), "\n\n")
	lines := strings.Split(table, "\n")
	require.Len(t, lines, 2+4)
	for _, line := range lines {
		require.Len(t, []rune(line), len([]rune(lines[0])))
		require.Equal(t, strings.Count(lines[0], "|"), strings.Count(line, "|"))
	}
}

func TestGoals(t *testing.T) {
	r := exampleReport()
	for i, want := range []bool{true, false, true, true} {
		require.Equal(t, want, r.Outcomes[i].Met(), r.Outcomes[i].Name)
	}
	require.False(t, r.Met())
	r.Outcomes = r.Outcomes[:1]
	require.True(t, r.Met())
	r.Outcomes[0].Served.Allocs = 1
	require.False(t, r.Met(), "one allocation misses the goal of none")
}

func TestReportJSONHoldsTheRawSamples(t *testing.T) {
	r := exampleReport()
	dir := filepath.Join(t.TempDir(), "new", "results")
	path, err := r.WriteJSON(dir)
	require.NoError(t, err)
	require.Equal(t, "20260304T050607Z.json", filepath.Base(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var back Report
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, r, &back)
}

func TestFigures(t *testing.T) {
	require.Equal(t, "12,345", thousands(12345.4))
	require.Equal(t, "999", thousands(999))
	require.Equal(t, "1,000,000", thousands(1e6))
	require.Equal(t, "0.94", ratio(0.9499), "cut off, not rounded up to a goal")
	require.Equal(t, "0.95", ratio(0.95))
	require.Equal(t, "0", count(0.004))
	require.Equal(t, "2.5", count(2.5))
	require.Equal(t, "10", count(10))
}
