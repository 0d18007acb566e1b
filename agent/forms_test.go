package agent

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/tail"
)

// logRecords gives one request with log records.
func (r *rig) logRecords(body []byte) {
	r.p.others(ledger.Logs, body, netip.AddrFrom4([4]byte{10, 0, 0, 9}))
}

// lines gives JSON lines of the log.
func (r *rig) lines(in *fileInlet, log string, texts [][]byte) {
	b := &tail.Batch{Path: "/var/log/pods/shop_web-7d4b9c6f5-x2x9z_0f1e/istio-proxy/" + log, File: 7}
	for i, text := range texts {
		b.Lines = append(b.Lines, tail.Line{Bytes: text, Offset: int64(i)})
	}
	in.take(b)
}

// told gives all spans that leave when a real Envoy's requests are told in those forms (A, L, F) and by its tracer (O), as text without
// times; a joined span has a path and a component, and order says when lines come.
func told(t *testing.T, forms string) (spans []string, p *Pipeline) {
	t.Helper()
	frames, err := recordings.Frames("otel-logs")
	if err != nil {
		t.Fatal(err)
	}
	known := knownIDs(t, frames)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(0, frames[0].At)))
		r := newRig(t, func(c *config.Config) { c.Receive.Files.Paths = []string{"/var/log/pods/*/envoy/*.log"} })
		p = r.p
		in, err := r.p.fileInlet(&config.Default().Receive)
		if err != nil {
			t.Fatal(err)
		}
		lines := func() {
			for _, log := range []string{"edge", "mid"} {
				texts, err := recordings.Lines(log)
				if err != nil {
					t.Fatal(err)
				}
				r.lines(in, log, texts)
			}
		}
		if strings.HasPrefix(forms, "F") {
			lines()
		}
		last := int64(0)
		for _, f := range frames {
			if last != 0 {
				time.Sleep(time.Duration(f.At - last))
			}
			last = f.At
			switch {
			case !strings.ContainsRune(forms, rune(f.Kind)):
			case f.Kind == recordings.KindALS:
				r.logs(int(f.Stream), f.Bytes)
			case f.Kind == recordings.KindLogs:
				r.logRecords(f.Bytes)
			case f.Kind == recordings.KindTraces:
				r.request(f.Bytes)
			}
		}
		if strings.HasSuffix(forms, "F") {
			time.Sleep(4 * time.Second)
			lines()
		}
		r.after(30 * time.Second)
		for _, s := range r.end() {
			path := valueOf(s.Attributes, "url.path")
			if path == "" {
				path = valueOf(s.Attributes, "http.url")
				path = path[strings.LastIndex(path, "127.0.0.1")+1:]
			}
			kind := fmt.Sprint(s.Kind)
			if valueOf(s.Attributes, "url.path") != "" && valueOf(s.Attributes, "component") == "proxy" {
				kind += " joined"
			}
			name := func(id []byte) string {
				if text := fmt.Sprintf("%x", id); known[text] || text == "" {
					return text
				}
				return "?"
			}
			spans = append(spans, fmt.Sprintf("%s %s < %s %s %s", name(s.TraceId), name(s.SpanId), name(s.ParentSpanId), kind, path))
		}
		slices.Sort(spans)
	})
	return spans, p
}

// knownIDs gives the ids that Envoy's tracer and the trace headers tell. All others are derived.
func knownIDs(t *testing.T, frames []recordings.Frame) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, f := range frames {
		if f.Kind != recordings.KindTraces {
			continue
		}
		var m tracepb.TracesData
		if err := proto.Unmarshal(f.Bytes, &m); err != nil && !strings.Contains(err.Error(), "UTF-8") {
			t.Fatal(err)
		}
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					known[fmt.Sprintf("%x", s.TraceId)], known[fmt.Sprintf("%x", s.SpanId)] = true, true
				}
			}
		}
	}
	for _, log := range []string{"edge", "mid"} {
		texts, err := recordings.Lines(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			for _, id := range loggedIDs.FindAllSubmatch(text, -1) {
				known[string(id[1])], known[string(id[2])] = true, true
			}
		}
	}
	return known
}

var loggedIDs = regexp.MustCompile(`"00-([0-9a-f]{32})-([0-9a-f]{16})-0`)

// A log that does not say whose it is meets the spans of its Envoy all the same, also when its lines come late, and is known by that from
// then on.
func TestNamelessLog(t *testing.T) {
	for i := range 6 {
		late, coded := []time.Duration{time.Second, 8 * time.Second, 15 * time.Second}[i%3], i < 3
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) { c.Receive.Files.Paths = []string{"/var/log/envoy/*.log"} })
			in, err := r.p.fileInlet(&config.Default().Receive)
			if err != nil {
				t.Fatal(err)
			}
			const n = 40
			var mu sync.Mutex // timers have a goroutine each
			for i := range n {
				e, s := pair(i)
				e.CommonProperties.StartTime = timestamppb.New(time.Now())
				s.StartTimeUnixNano = uint64(time.Now().UnixNano())
				s.EndTimeUnixNano = s.StartTimeUnixNano + 1e6
				r.request(otlpMessage(t, s))
				time.AfterFunc(late, func() {
					mu.Lock()
					defer mu.Unlock()
					in.take(&tail.Batch{Path: "/var/log/envoy/edge.log", Lines: []tail.Line{{Bytes: lineOf(e, coded), Offset: int64(i)}}})
				})
				time.Sleep(700*time.Millisecond + 100*time.Microsecond)
			}
			r.after(time.Minute)
			joined, inner := 0, 0
			for _, s := range r.end() {
				switch {
				case valueOf(s.Attributes, "url.path") != "" && valueOf(s.Attributes, "component") == "proxy":
					joined++
				case s.Kind == tracepb.Span_SPAN_KIND_INTERNAL:
					inner++
				case valueOf(s.Attributes, "error.type") != "":
					t.Errorf("%v: a request has failed: %v", late, s)
				case valueOf(s.Attributes, "component") != "proxy":
					t.Errorf("%v: a second span of a request: %v", late, s)
				}
			}
			if late < 10*time.Second && joined != n || joined+inner != n {
				t.Errorf("lines that come after %v: %d of %d are joined, %d told below their span", late, joined, n, inner)
			}
		})
	}
}

// lineOf gives what Envoy writes into a file, with the status code or without.
func lineOf(e *alspb.HTTPAccessLogEntry, coded bool) []byte {
	c, r := e.CommonProperties, e.Request
	code := "null"
	if coded {
		code = fmt.Sprint(e.Response.ResponseCode.Value)
	}
	return fmt.Appendf(nil, `{"@timestamp":%q,"duration":%d,"method":"GET","path":%q,"request_id":%q,"response_code":%s,"traceparent":%q}`,
		c.StartTime.AsTime().Format("2006-01-02T15:04:05.000Z"), c.Duration.AsDuration().Milliseconds(), r.Path, r.RequestId, code, r.RequestHeaders["traceparent"])
}

// Whatever form the access log has, the same requests make the same spans, and several forms make them once.
func TestFormsAgree(t *testing.T) {
	want, _ := told(t, "AO")
	for _, forms := range []string{"LO", "OF", "FO", "ALO", "ALOF", "FALO", "LOF", "AOF"} {
		got, p := told(t, forms)
		if a, b := requestsIn(got), requestsIn(want); a != b {
			t.Errorf("%s: %d requests, want %d", forms, a, b)
		}
		for _, s := range got {
			if learned.MatchString(s) && strings.Contains(forms, "F") {
				continue
			}
			if !slices.Contains(want, s) {
				t.Errorf("%s: %s is new", forms, s)
			}
		}
		for _, s := range want {
			if learned.MatchString(s) && strings.Contains(forms, "F") {
				continue
			}
			if !slices.Contains(got, s) {
				t.Errorf("%s: %s is missing", forms, s)
			}
		}
		e := &p.Entries
		t.Logf("%s: %d spans, %d entries, %d duplicates, fates %v", forms, len(got), e.Received.Load(), e.Duplicate.Load(), fates(p))
	}
}

// learned is in the spans of requests that Envoy did not sample and yet sent on with an id of its own: which it is, is known once others
// have met their spans, so that it depends on what came before.
var learned = regexp.MustCompile(`0001(0001|0012|0021) .*(/ok/r001|/redir/r018|/ok/r033|CLIENT)`)

// requestsIn counts the spans that tell of a request.
func requestsIn(spans []string) (n int) {
	for _, s := range spans {
		if strings.Contains(s, "SERVER") {
			n++
		}
	}
	return n
}

func fates(p *Pipeline) (list []int64) {
	for i := range p.entryFates {
		list = append(list, p.entryFates[i].Load())
	}
	return list
}

// What the configuration accepts as a field is one.
func TestConfiguredFields(t *testing.T) {
	for _, name := range append(slices.Clone(config.LogFields), "request_header.x", "response_header.x", "tag.x") {
		if _, err := accesslog.NewFields(map[string]string{"a": name}, "", ""); err != nil {
			t.Error(err)
		}
	}
}
