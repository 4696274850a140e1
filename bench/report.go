package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is everything that a comparison with the bare handler found out. Its JSON holds the raw samples.
type Report struct {
	Started     time.Time `json:"started"`
	Took        float64   `json:"took"` // seconds
	Machine     Machine   `json:"machine"`
	LoadBefore  string    `json:"load_before"` // the machine's load average
	LoadAfter   string    `json:"load_after"`
	Connections int       `json:"connections"`
	Rounds      int       `json:"rounds"`
	RoundLength float64   `json:"round_length"` // seconds
	Environment string    `json:"environment"`  // what the server holds, in words
	Ceiling     []Sample  `json:"ceiling"`      // the generator against a server that does nothing
	Outcomes    []Outcome `json:"outcomes"`
}

// Outcome is what a scenario came to.
type Outcome struct {
	Name        string `json:"name"`
	Goal        Goal   `json:"goal"`
	HeaderBytes int    `json:"header_bytes"` // of a typical answer
	BodyBytes   int    `json:"body_bytes"`

	// In process. Nil: not measured.
	Served     *Op `json:"served,omitempty"`      // the real server code, a request in and an answer out
	ServedBare *Op `json:"served_bare,omitempty"` // the same around the bare handler
	Handler    *Op `json:"handler,omitempty"`     // the real handler alone

	// Over TCP, by round.
	Ours     []Sample `json:"ours"`
	Bare     []Sample `json:"bare"`
	BodyOnly []Sample `json:"body_only"`
}

// Op is the cost of one request in process.
type Op struct {
	Nanoseconds float64 `json:"ns"`
	Bytes       float64 `json:"bytes"`
	Allocs      float64 `json:"allocs"`
}

// noise is what counts as no allocation: a run-time that collects garbage once in a million requests allocates for itself.
const noise = 0.005

func rate(s *Sample) float64      { return s.Rate }
func serverCPU(s *Sample) float64 { return s.ServerCPU }

// perCPU is how many requests a microsecond of the server's CPU time serves: like a rate, more is better.
func perCPU(s *Sample) float64 {
	if s.ServerCPU == 0 {
		return 0
	}
	return 1 / s.ServerCPU
}

// Ratio is the throughput beside the bare handler's, by rounds.
func (o *Outcome) Ratio() Spread { return ratios(o.Ours, o.Bare, rate) }

// BodyOnlyRatio is the throughput beside a bare handler that sends hardly any header.
func (o *Outcome) BodyOnlyRatio() Spread { return ratios(o.Ours, o.BodyOnly, rate) }

// CPURatio is the bare handler's CPU time a request over the server's. Unlike throughput it does not suffer when the machine has
// other work to do. NaN: not known.
func (o *Outcome) CPURatio() Spread { return ratios(o.Ours, o.Bare, perCPU) }

// Met tells whether the goal was reached. A scenario without a goal meets it.
func (o *Outcome) Met() bool { return o.ratioMet(o.Ratio()) && o.allocsMet() }

// ratioMet is true of a ratio that was not measured.
func (o *Outcome) ratioMet(r Spread) bool {
	return o.Goal.Ratio == 0 || math.IsNaN(r.Median) || r.Median >= o.Goal.Ratio
}

func (o *Outcome) allocsMet() bool {
	return !o.Goal.NoAlloc || o.Served == nil || o.Served.Allocs < noise
}

// Met tells whether all goals were reached.
func (r *Report) Met() bool {
	return !slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return !o.Met() })
}

// columns of the table. Figures in brackets are the bare handler's.
var columns = []struct {
	title string
	cell  func(*Outcome) string
}{
	{"request", func(o *Outcome) string { return o.Name }},
	{"answer, bytes", func(o *Outcome) string {
		return fmt.Sprintf("%s + %s", thousands(float64(o.HeaderBytes)), thousands(float64(o.BodyBytes)))
	}},
	{"ns/op (bare)", func(o *Outcome) string { return pair(perOp(o.Served, nanoseconds), perOp(o.ServedBare, nanoseconds)) }},
	{"handler, ns", func(o *Outcome) string { return perOp(o.Handler, nanoseconds) }},
	{"B/op", func(o *Outcome) string { return perOp(o.Served, func(op *Op) string { return thousands(op.Bytes) }) }},
	{"allocs/op", func(o *Outcome) string { return perOp(o.Served, func(op *Op) string { return count(op.Allocs) }) }},
	{"req/s (bare)", func(o *Outcome) string {
		return pair(thousands(spreadOf(o.Ours, rate).Median), thousands(spreadOf(o.Bare, rate).Median))
	}},
	{"of bare (middle half; all)", func(o *Outcome) string { return withRange(o.Ratio(), true) }},
	{"of bare, body only", func(o *Outcome) string { return ratio(o.BodyOnlyRatio().Median) }},
	{"CPU µs (bare)", func(o *Outcome) string {
		return pair(decimal(spreadOf(o.Ours, serverCPU).Median), decimal(spreadOf(o.Bare, serverCPU).Median))
	}},
	{"of bare by CPU (middle half)", func(o *Outcome) string { return withRange(o.CPURatio(), false) }},
	{"p50 / p99 / max, ms", func(o *Outcome) string {
		if len(o.Ours) == 0 {
			return unknown
		}
		return fmt.Sprintf("%.2f / %.2f / %.1f",
			spreadOf(o.Ours, func(s *Sample) float64 { return s.P50 }).Median,
			spreadOf(o.Ours, func(s *Sample) float64 { return s.P99 }).Median,
			spreadOf(o.Ours, func(s *Sample) float64 { return s.Max }).Max)
	}},
	{"goal", (*Outcome).mark},
}

// mark says what was promised and whether it was kept.
func (o *Outcome) mark() string {
	if o.Goal == (Goal{}) {
		return "–"
	}
	if len(o.Ours) == 0 {
		return "not measured"
	}
	text := "≥ " + ratio(o.Goal.Ratio)
	if o.Goal.NoAlloc {
		text += ", 0 allocs"
	}
	switch byCPU := o.CPURatio(); {
	case !o.Met():
		text += ": FAIL"
	case !o.ratioMet(byCPU):
		text += ": PASS, by CPU FAIL"
	default:
		text += ": PASS"
	}
	return text
}

// WriteMarkdown writes the table and what one must know to read it.
func (r *Report) WriteMarkdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	rows := [][]string{make([]string, len(columns))}
	for i, c := range columns {
		rows[0][i] = c.title
	}
	for i := range r.Outcomes {
		row := make([]string, len(columns))
		for j, c := range columns {
			row[j] = c.cell(&r.Outcomes[i])
		}
		rows = append(rows, row)
	}
	writeTable(out, rows)
	fmt.Fprintln(out)
	for _, note := range r.notes() {
		fmt.Fprintf(out, "- %s\n", note)
	}
	return out.Flush()
}

// writeTable aligns the first and the last column left and figures right, so that it reads well unrendered too.
func writeTable(out *bufio.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	left := func(i int) bool { return i == 0 || i == len(width)-1 }
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
			if left(i) {
				fmt.Fprintf(out, "| %s%s ", cell, pad)
			} else {
				fmt.Fprintf(out, "| %s%s ", pad, cell)
			}
		}
		fmt.Fprintln(out, "|")
		if n > 0 {
			continue
		}
		for i := range row {
			rule := strings.Repeat("-", width[i]+1)
			if left(i) {
				fmt.Fprintf(out, "|%s-", rule)
			} else {
				fmt.Fprintf(out, "|%s:", rule)
			}
		}
		fmt.Fprintln(out, "|")
	}
}

// notes say how the figures came about.
func (r *Report) notes() []string {
	ceiling := spreadOf(r.Ceiling, rate)
	var busy, own []float64
	for i := range r.Outcomes {
		for _, s := range slices.Concat(r.Outcomes[i].Ours, r.Outcomes[i].Bare) {
			busy = append(busy, s.ServerBusy)
			own = append(own, s.GeneratorCPU*s.Rate/1e6)
		}
	}
	server, generator := SpreadOf(busy), SpreadOf(own)
	return []string{
		"The environment: " + r.Environment + ".",
		"Bare is a fasthttp handler that sends the captured answer, header and body, from memory (SetBodyRaw, 64 KiB write " +
			"buffer); body only sends no header field but Content-Type and Content-Encoding. Figures in brackets are the bare handler's.",
		"ns/op (of CPU time), B/op and allocs/op: the real server in process, a request in and an answer out, no system call. " +
			"Handler: without fasthttp's reading and writing.",
		fmt.Sprintf("req/s: separate processes on one core each (GOMAXPROCS=1), loopback TCP, %d connections, a request at a time on "+
			"each, as fast as it goes; medians of %d rounds of %.2f s in turns, ratios between neighbours. Latencies are those of a saturated server.",
			r.Connections, r.Rounds, r.RoundLength),
		fmt.Sprintf("CPU: the server process's time a request, kernel included: what is left of the comparison when the machine "+
			"has other work to do. While measuring, servers used %s (%s–%s) of a core, the generator %s (%s–%s).",
			ratio(server.Median), ratio(server.Low), ratio(server.High), ratio(generator.Median), ratio(generator.Low), ratio(generator.High)),
		fmt.Sprintf("The generator reaches %s req/s (%s–%s) against a server that does nothing.",
			thousands(ceiling.Median), thousands(ceiling.Low), thousands(ceiling.High)),
		fmt.Sprintf("%s, %d cores, %s, Linux %s, %s, fasthttp %s; load average %s before, %s after; %s, %.0f s.",
			r.Machine.CPU, r.Machine.Cores, r.Machine.OS, r.Machine.Kernel, r.Machine.Go, r.Machine.FastHTTP,
			r.LoadBefore, r.LoadAfter, r.Started.Format("2006-01-02 15:04 MST"), r.Took),
	}
}

// WriteJSON writes the report with all samples into a new file in dir, which is created, and returns its path.
func (r *Report) WriteJSON(dir string) (path string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, r.Started.UTC().Format("20060102T150405Z")+".json")
	return path, os.WriteFile(path, append(text, '\n'), 0o644)
}

const unknown = "–"

func pair(ours, bare string) string {
	if bare == unknown {
		return ours
	}
	return fmt.Sprintf("%s (%s)", ours, bare)
}

func withRange(s Spread, all bool) string {
	if math.IsNaN(s.Median) {
		return unknown
	}
	text := fmt.Sprintf("%s (%s–%s", ratio(s.Median), ratio(s.Low), ratio(s.High))
	if all {
		text += fmt.Sprintf("; %s–%s", ratio(s.Min), ratio(s.Max))
	}
	return text + ")"
}

func nanoseconds(op *Op) string { return thousands(op.Nanoseconds) }

func perOp(op *Op, cell func(*Op) string) string {
	if op == nil {
		return unknown
	}
	return cell(op)
}

// count shows a count per operation, where next to nothing is nothing.
func count(f float64) string {
	if f < noise {
		return "0"
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(f, 'f', 2, 64), "0"), ".")
}

// ratio cuts off rather than rounds, so that 0.949 is not shown as the 0.95 that it misses.
func ratio(f float64) string {
	if math.IsNaN(f) {
		return unknown
	}
	return strconv.FormatFloat(math.Floor(f*100+1e-9)/100, 'f', 2, 64)
}

func decimal(f float64) string {
	if math.IsNaN(f) || f == 0 {
		return unknown
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// thousands writes 12345.6 as 12,346.
func thousands(f float64) string {
	if math.IsNaN(f) {
		return unknown
	}
	digits := strconv.FormatInt(int64(math.Round(f)), 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
