package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	_ "github.com/alspan/alspan/agent" // so that a change of the product makes a cached test result invalid
)

// alspan is the running agent.
type alspan struct {
	*process
	grpc, http, zipkin, admin string // addresses
}

// buildAgent builds the program as a user does, but with the race detector where there is a C compiler for it.
// With ALSPAN_BINARY the tests run against a program that is there already, such as a release.
func buildAgent(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("ALSPAN_BINARY"); binary != "" {
		return binary
	}
	binary := filepath.Join(t.TempDir(), "alspan")
	args := []string{"build", "-o", binary}
	if _, err := exec.LookPath("cc"); err == nil {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/alspan/alspan")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the agent: %v\n%s", err, out)
	}
	return binary
}

// startAgent starts the agent with a configuration, below which texts are put as they are.
func startAgent(t *testing.T, binary string, config map[string]any, pasted ...string) *alspan {
	t.Helper()
	content, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alspan.yaml")
	if err := os.WriteFile(file, append(content, strings.Join(pasted, "")...), 0o644); err != nil {
		t.Fatal(err)
	}
	return startAgentOn(t, binary, file)
}

// startAgentOn starts the agent with a configuration file and reads from its start-up line where it listens.
func startAgentOn(t *testing.T, binary, file string) *alspan {
	t.Helper()
	a := &alspan{process: start(t, "alspan", binary, "run", "--config", file)}
	line := regexp.MustCompile(`(?m)^.*msg="alspan is running".*\n`)
	said := a.await(t, 20*time.Second, func(output string) string { return line.FindString(output) })
	value := func(key string) string {
		found := regexp.MustCompile(` ` + key + `=(127\.0\.0\.1:[0-9]+)\b`).FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("the start-up line does not say where %s listens: %s", key, said)
		}
		return found[1]
	}
	a.grpc, a.http, a.zipkin, a.admin = value("grpc"), value("http"), value("zipkin"), value("admin")
	return a
}

// merge puts the settings of over into base, section by section.
func merge(base, over map[string]any) map[string]any {
	for key, value := range over {
		below, ok := base[key].(map[string]any)
		if section, both := value.(map[string]any); ok && both {
			value = merge(below, section)
		}
		base[key] = value
	}
	return base
}

// metrics are the agent's counters and gauges: by name, and by name{labels}.
type metrics map[string]float64

func (a *alspan) metrics() (metrics, error) {
	page, err := get("http://" + a.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	return readMetrics(page)
}

// readMetrics reads the Prometheus text format; a name without labels has the sum over all labels.
func readMetrics(page string) (metrics, error) {
	all := metrics{}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("cannot read metric %q", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read metric %q: %w", line, err)
		}
		name, _, labelled := strings.Cut(line[:at], "{")
		all[name] += value
		if labelled {
			all[line[:at]] = value
		}
	}
	return all, nil
}

// nonzero gives what was counted, for the report of a failure.
func (m metrics) nonzero() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != 0 && strings.HasPrefix(name, "alspan_") {
			fmt.Fprintf(&text, "%s %v\n", name, m[name])
		}
	}
	return text.String()
}

// The ledgers: what came in or was made, and the buckets it went into.
func entryLedger() (in, out []string) {
	return []string{"alspan_entries_received_total"}, []string{"alspan_entries_used_total", "alspan_entries_taught_total",
		"alspan_entries_duplicate_total", "alspan_entries_dropped_total", "alspan_entries_waiting"}
}

func spanLedger() (in, out []string) {
	return []string{"alspan_spans_in_total", "alspan_spans_made_total"}, []string{"alspan_spans_exported_total",
		"alspan_spans_spooled", "alspan_spans_in_flight", "alspan_spans_queued", "alspan_spans_open", "alspan_spans_waiting",
		"alspan_spans_dropped_total"}
}

func logLedger() (in, out []string) {
	return []string{"alspan_logs_made_total"}, []string{"alspan_logs_exported_total", "alspan_logs_in_flight", "alspan_logs_queued", "alspan_logs_open",
		"alspan_logs_dropped_total"}
}

// Metrics and logs are counted in requests and in bytes.
func otherLedger() (in, out []string) {
	return []string{"alspan_other_received_total"}, []string{"alspan_other_exported_total", "alspan_other_queued", "alspan_other_in_flight", "alspan_other_dropped_total"}
}

func otherBytesLedger() (in, out []string) {
	return []string{"alspan_other_received_bytes_total"}, []string{"alspan_other_exported_bytes_total", "alspan_other_queued_bytes", "alspan_other_in_flight_bytes",
		"alspan_other_dropped_bytes_total"}
}

var ledgers = []func() (in, out []string){entryLedger, spanLedger, logLedger, otherLedger, otherBytesLedger}

// balanced says whether the ledgers hold, to the last item. Every counter must be there, even at zero.
func (m metrics) balanced() error {
	for _, ledger := range ledgers {
		in, out := ledger()
		var sums [2]float64
		var text [2]string
		for side, names := range [][]string{in, out} {
			for _, name := range names {
				value, ok := m[name]
				if !ok {
					return fmt.Errorf("there is no metric %s", name)
				}
				sums[side] += value
				text[side] += fmt.Sprintf(" %s=%v", strings.TrimPrefix(name, "alspan_"), value)
			}
		}
		if sums[0] != sums[1] {
			return fmt.Errorf("the ledger does not add up: in%s, out%s", text[0], text[1])
		}
	}
	return nil
}

// TestBrokenLedgerIsSeen breaks every counter of a balanced page in turn.
func TestBrokenLedgerIsSeen(t *testing.T) {
	page := `# HELP alspan_entries_received_total x
alspan_entries_received_total 9
alspan_entries_used_total 4
alspan_entries_taught_total 2
alspan_entries_duplicate_total 0
alspan_entries_dropped_total{reason="tcp"} 1
alspan_entries_dropped_total{reason="malformed"} 2
alspan_entries_waiting 0
alspan_spans_in_total 0
alspan_spans_made_total 5
alspan_spans_exported_total 1
alspan_spans_spooled 0
alspan_spans_in_flight 1
alspan_spans_queued 1
alspan_spans_open 1
alspan_spans_waiting 0
alspan_spans_dropped_total{reason="shutdown"} 1
alspan_logs_made_total 6
alspan_logs_exported_total 2
alspan_logs_in_flight 1
alspan_logs_queued 1
alspan_logs_open 1
alspan_logs_dropped_total{reason="core_full"} 1
alspan_other_received_total{signal="logs"} 4
alspan_other_received_total{signal="metrics"} 3
alspan_other_exported_total{signal="logs"} 2
alspan_other_queued{signal="logs"} 1
alspan_other_in_flight{signal="logs"} 1
alspan_other_dropped_total{reason="unwanted",signal="metrics"} 3
alspan_other_received_bytes_total{signal="logs"} 400
alspan_other_exported_bytes_total{signal="logs"} 200
alspan_other_queued_bytes{signal="logs"} 100
alspan_other_in_flight_bytes{signal="logs"} 60
alspan_other_dropped_bytes_total{reason="rejected",signal="logs"} 40
`
	sound, err := readMetrics(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := sound.balanced(); err != nil {
		t.Fatal(err)
	}
	breakEach(t, sound)
}

// breakEach adds one to every counter of all ledgers in turn, and then takes it away altogether.
func breakEach(t *testing.T, sound metrics) {
	t.Helper()
	for _, ledger := range ledgers {
		in, out := ledger()
		for _, name := range append(in, out...) {
			was := sound[name]
			sound[name]++
			if sound.balanced() == nil {
				t.Errorf("one too many in %s is not seen", name)
			}
			delete(sound, name)
			if sound.balanced() == nil {
				t.Errorf("that %s is missing is not seen", name)
			}
			sound[name] = was
		}
	}
}
