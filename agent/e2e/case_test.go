package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// testCase is one file of testdata on one version of Envoy.
type testCase struct {
	Name     string // of the file
	Signal   string // one of envoyFlags.Signals, see order_test.go for those that have an order
	Section  string // where its wants stand: "want" for the first signal, "want SIGNAL" for another one
	Envoy    envoyFlags
	Agent    map[string]any // put over the configuration that all cases share
	Pasted   string         // put below that as it is
	Requests []*request
	Want     map[string][]string // by request: the lines of its spans and of its trace
	Counts   []string            // what the agent has counted; only where something is pasted
}

// envoyFlags is the section envoy.yaml: what is special about the Envoys of a case.
type envoyFlags struct {
	Versions      []string          `yaml:"versions"`      // besides the one of the whole matrix
	Hops          []string          `yaml:"hops"`          // Envoys in a row; one, "edge", by default
	Nodes         map[string]string `yaml:"nodes"`         // their node ids, "<hop>-1" by default
	Outbound      []string          `yaml:"outbound"`      // those whose listener is OUTBOUND
	Signals       []string          `yaml:"signals"`       // what the agent gets, a run for each: "als", the default, "traces", "both", or both in an order
	Tracing       string            `yaml:"tracing"`       // none, otel or zipkin
	OTLPHTTP      bool              `yaml:"otlp_http"`     // the OpenTelemetry tracer exports over HTTP
	ZipkinProto   bool              `yaml:"zipkin_proto"`  // the Zipkin tracer exports protobuf
	DefaultFlush  bool              `yaml:"default_flush"` // tracers and loggers wait as long as Envoy's defaults say
	Spawn         bool              `yaml:"spawn"`         // spawn_upstream_span
	Shared        bool              `yaml:"shared"`        // shared_span_context (Zipkin)
	Sampling      *float64          `yaml:"sampling"`      // random_sampling in percent, 100 by default
	StartEntries  bool              `yaml:"start_entries"` // flush_access_log_on_new_request
	IDTags        bool              `yaml:"id_tags"`       // custom tags %TRACE_ID% and %SPAN_ID%
	NoPropagation bool              `yaml:"no_context_propagation"`
	HTTP10        bool              `yaml:"accept_http_10"`
	Callers       bool              `yaml:"callers"`    // the callers report their spans to the agent, as Zipkin
	Attempts      bool              `yaml:"attempts"`   // the router logs each attempt
	Forms         []string          `yaml:"forms"`      // of access logs: als, the default, records, files, files-exact, or several
	Logs          []string          `yaml:"logs"`       // log names of the loggers that the agent serves by ALS; one, the Envoy's name, by default
	BareLogs      []string          `yaml:"bare_logs"`  // those of them that log no headers
	BareHeaders   bool              `yaml:"no_headers"` // no log has any headers
}

// request is a line of the section requests: NAME METHOD PATH CONTEXT [KEY=VALUE ...].
type request struct {
	Name, Method, Path, Context string

	HTTP      string        // "1.1", "1.0" or "2"; gRPC when Method is GRPC
	Tail      string        // put after the name in the path
	Pad       int           // that many letters after that
	Body      int           // bytes of the request's body
	Abort     bool          // go away when the upstream has the request, or when the websocket has echoed
	Upgrade   bool          // to a websocket
	RequestID string        // x-request-id: a label stands for the same UUID in the whole case
	Header    string        // a further header line, as it is
	Host      string        // shop.example:8080 by default; only in HTTP/1
	Status    int           // gRPC status that the upstream is to answer
	Idle      bool          // wait until the agent has done everything before it
	Hold      time.Duration // how long a websocket stays open after its echo

	Trace, Span   string // the caller's context, or the W3C one of two
	Trace2, Span2 string // the B3 one of two
}

// loadCases gives the cases of testdata that run on a version, whole is for the version of the whole matrix.
func loadCases(version string, whole bool) ([]*testCase, error) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("cannot find any case: %w", err)
	}
	var all []*testCase
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name, signals := strings.TrimSuffix(filepath.Base(file), ".txtar"), []string{""}
		for i := 0; i < len(signals); i++ {
			c, err := parseCase(name, version, signals[i], content)
			if err != nil {
				return nil, fmt.Errorf("cannot read %s: %w", file, err)
			}
			if whole || slices.Contains(c.Envoy.Versions, version) {
				all = append(all, c)
			}
			if i == 0 {
				signals = c.Envoy.Signals
			}
		}
	}
	return all, nil
}

// parseCase reads a case for a version and one of its signals, the first if that is "".
func parseCase(name, version, signal string, content []byte) (*testCase, error) {
	c := &testCase{Name: name, Section: strings.TrimSpace("want " + signal), Want: map[string][]string{}}
	override := map[string][]string{}
	for _, file := range txtar.Parse(content).Files {
		var err error
		switch file.Name {
		case "envoy.yaml":
			err = yaml.UnmarshalWithOptions(file.Data, &c.Envoy, yaml.Strict())
		case "agent.yaml":
			err = yaml.Unmarshal(file.Data, &c.Agent)
		case "pasted.yaml":
			c.Pasted = string(file.Data)
		case "requests":
			c.Requests, err = parseRequests(name+"/"+version+"/"+signal, string(file.Data))
		case c.Section:
			err = parseWant(string(file.Data), c.Want)
		case c.Section + " " + version: // replaces single requests
			err = parseWant(string(file.Data), override)
		default:
			v, ok := strings.CutPrefix(file.Name, "want")
			for _, other := range c.Envoy.Signals {
				v = strings.TrimPrefix(v, " "+other)
			}
			if !ok || v != "" && !slices.Contains(toolbox.OtherEnvoys(), toolbox.Tool{Name: "envoy", Version: strings.TrimSpace(v)}) {
				err = fmt.Errorf("unknown section")
			}
		}
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", file.Name, err)
		}
	}
	for _, v := range c.Envoy.Versions {
		if !slices.Contains(toolbox.OtherEnvoys(), toolbox.Tool{Name: "envoy", Version: v}) {
			return nil, fmt.Errorf("version %s is not installed by make tools", v)
		}
	}
	if len(c.Envoy.Hops) == 0 {
		c.Envoy.Hops = []string{"edge"}
	}
	if len(c.Envoy.Forms) == 0 {
		c.Envoy.Forms = []string{formALS}
	}
	for _, form := range c.Envoy.Forms {
		if !slices.Contains([]string{formALS, formRecords, formFiles, formExact}, form) {
			return nil, fmt.Errorf("unknown form %q", form)
		}
	}
	if len(c.Envoy.Signals) == 0 {
		c.Envoy.Signals = []string{"als"}
	}
	c.Signal = cmp.Or(signal, c.Envoy.Signals[0])
	for request, lines := range override {
		if c.Want[request] == nil {
			return nil, fmt.Errorf("%q is overridden for %s but not wanted at all", request, version)
		}
		c.Want[request] = lines
	}
	if c.Pasted != "" {
		c.Counts = c.Want[counts]
		delete(c.Want, counts)
	}
	if *update {
		return c, nil
	}
	for _, r := range c.Requests {
		if c.Want[r.Name] == nil {
			return nil, fmt.Errorf("nothing is wanted of request %q", r.Name)
		}
	}
	if len(c.Want) != len(c.Requests) {
		return nil, fmt.Errorf("%d requests but %d wants", len(c.Requests), len(c.Want))
	}
	return c, nil
}

// title names the case among all that run.
func (c *testCase) title() string {
	if len(c.Envoy.Signals) > 1 {
		return c.Name + "+" + c.Signal
	}
	return c.Name
}

// parseWant reads blocks of "NAME:" followed by indented lines.
func parseWant(text string, want map[string][]string) error {
	name := ""
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "//":
		case line[0] != ' ' && len(fields) == 1 && strings.HasSuffix(fields[0], ":"):
			name = strings.TrimSuffix(fields[0], ":")
			if _, twice := want[name]; twice {
				return fmt.Errorf("%q comes twice", name)
			}
			want[name] = []string{}
		case line[0] == ' ' && name != "":
			want[name] = append(want[name], strings.Join(fields, " "))
		default:
			return fmt.Errorf("cannot understand %q", line)
		}
	}
	return nil
}

func parseRequests(salt, text string) ([]*request, error) {
	var all []*request
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words, err := words(line)
		if err != nil || len(words) < 4 {
			return nil, fmt.Errorf("cannot understand %q: %w", line, err)
		}
		r := &request{Name: words[0], Method: words[1], Path: words[2], Context: words[3], HTTP: "1.1"}
		for _, word := range words[4:] {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "http":
				r.HTTP = value
			case "tail":
				r.Tail = value
			case "pad":
				r.Pad, err = strconv.Atoi(value)
			case "body":
				r.Body, err = strconv.Atoi(value)
			case "status":
				r.Status, err = strconv.Atoi(value)
			case "abort":
				r.Abort = true
			case "upgrade":
				r.Upgrade = true
			case "idle":
				r.Idle = true
			case "hold":
				r.Hold, err = time.ParseDuration(value)
			case "header":
				r.Header = value
			case "host":
				r.Host = value
			case "request-id":
				r.RequestID = uuid(salt, value)
			default:
				err = fmt.Errorf("unknown key")
			}
			if err != nil {
				return nil, fmt.Errorf("cannot understand %q of %q: %w", word, line, err)
			}
		}
		r.Trace, r.Span = digest(16, salt, r.Name, "trace"), digest(8, salt, r.Name, "span")
		r.Trace2, r.Span2 = digest(16, salt, r.Name, "trace2"), digest(8, salt, r.Name, "span2")
		all = append(all, r)
	}
	return all, nil
}

// words splits a line at spaces; a value in Go quotes may have any bytes.
func words(line string) ([]string, error) {
	var all []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		end := strings.IndexAny(line, " \"")
		if end < 0 {
			end = len(line)
		}
		word := line[:end]
		if line = line[end:]; line != "" && line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, err
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			word, line = word+value, line[len(quoted):]
		}
		all = append(all, word)
	}
	return all, nil
}

// digest gives n bytes in hex that depend on all parts, so that the ids of a case are the same in every run and those
// of two cases never meet in Jaeger.
func digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:n])
}

// uuid gives a digest as Envoy's request ids look.
func uuid(parts ...string) string {
	id := digest(16, parts...)
	return id[:8] + "-" + id[8:12] + "-4" + id[13:16] + "-9" + id[17:20] + "-" + id[20:]
}

// target is the path that is sent: the request's name is its second segment, by which everything finds it again.
func (r *request) target() string {
	return r.Path + "/" + r.Name + r.Tail + string(bytes.Repeat([]byte{'x'}, r.Pad))
}

// nameOf gives the request's name in a path or in a gRPC method, "" if there is none.
func nameOf(path string) string {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "?")
	if segments := strings.Split(path, "/"); len(segments) > 1 {
		name, _, _ := strings.Cut(segments[1], "~") // what comes after ~ is padding
		return name
	}
	return ""
}

// contextHeaders gives the trace headers of a request and the ids of the contexts they carry, W3C first.
func (r *request) contextHeaders() (headers [][2]string, ids [][2]string) {
	w3c := func(flags string) [2]string {
		return [2]string{"traceparent", "00-" + r.Trace + "-" + r.Span + "-" + flags}
	}
	b3 := func(trace, span, sampled string) [][2]string {
		return [][2]string{{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-sampled", sampled}}
	}
	one := [][2]string{{r.Trace, r.Span}}
	switch r.Context {
	case "none":
		return nil, nil
	case "w3c":
		return [][2]string{w3c("01")}, one
	case "w3c-off":
		return [][2]string{w3c("00")}, one
	case "w3c-state":
		return [][2]string{w3c("01"), {"tracestate", "vendor=a1,other@x=b2"}}, one
	case "b3":
		return b3(r.Trace, r.Span, "1"), one
	case "b3-off":
		return b3(r.Trace, r.Span, "0"), one
	case "b3single":
		return [][2]string{{"b3", r.Trace + "-" + r.Span + "-1"}}, one
	case "both":
		return append(b3(r.Trace2, r.Span2, "1"), w3c("01")), append(one, [2]string{r.Trace2, r.Span2})
	}
	panic("unknown context " + r.Context)
}
