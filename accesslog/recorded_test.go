package accesslog

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/tail"
	"github.com/alspan/alspan/internal/wire"
)

// known is what all three forms tell of a request.
type known struct {
	log, method, path, authority, protocol, requestID, traceParent, flags, cluster, upstream, remote string
	code                                                                                             uint32
	start, duration                                                                                  uint64 // milliseconds
}

func knownOf(log string, e *wire.Entry) known {
	start, _ := e.Start.Unix()
	trace, _ := e.Fields(wire.RequestHeaders).Get("traceparent")
	k := known{log: log, method: fmt.Sprint(e.Method), path: string(e.Text(wire.Path)), authority: string(e.Text(wire.Authority)),
		protocol: fmt.Sprint(e.Protocol), requestID: string(e.Text(wire.RequestID)), traceParent: string(trace),
		flags: string(e.Flags.AppendNames(nil)), cluster: string(e.Text(wire.UpstreamCluster)), code: e.Code,
		start: start / 1e6, duration: uint64(e.Duration.Duration()) / 1e6}
	if original := e.Text(wire.OriginalPath); len(original) > 0 {
		k.path = string(original)
	}
	for _, a := range []struct {
		to   *string
		from wire.Address
	}{{&k.upstream, e.UpstreamRemote}, {&k.remote, e.DownstreamRemote}} {
		if a.from.Kind != wire.NoAddress {
			*a.to = fmt.Sprintf("%s:%d", e.Bytes(a.from.Host), a.from.Port)
		}
	}
	if k.upstream == "" { // then only lines and records tell the cluster
		k.cluster = ""
	}
	// What is no ASCII is "!" in one form, as it came in another, and a character for each byte in the third.
	k.requestID = notASCII.ReplaceAllString(k.requestID, "!")
	return k
}

var notASCII = regexp.MustCompile(`[^ -~]+|!+`)

// collect gives a Consumer that calls each with every entry.
func collect(t *testing.T, each func(log string, e *wire.Entry)) Consumer {
	var e wire.Entry
	return func(m *Message) {
		id, _ := m.Identifier()
		for {
			switch m.Next(&e) {
			case End:
				return
			case Malformed:
				t.Error("an entry is malformed")
			case Good:
				if !e.TCP {
					each(string(id.LogName), &e)
				}
			}
		}
	}
}

// recorded gives the requests of the recording as the access log over gRPC tells them.
func recorded(t *testing.T) (frames []recordings.Frame, all map[known]int) {
	t.Helper()
	frames, err := recordings.Frames("otel-logs")
	if err != nil {
		t.Fatal(err)
	}
	all = map[known]int{}
	logs := map[uint64]string{}
	for _, f := range frames {
		if f.Kind != recordings.KindALS {
			continue
		}
		m := NewMessage(f.Bytes)
		if id, ok := m.Identifier(); ok {
			logs[f.Stream] = string(id.LogName)
		}
		collect(t, func(_ string, e *wire.Entry) { all[knownOf(logs[f.Stream], e)]++ })(&m)
	}
	if len(all) < 40 {
		t.Fatalf("only %d requests are known", len(all))
	}
	return frames, all
}

// The JSON lines of a real Envoy, with Contour's default fields, say the same as its access log over gRPC.
func TestRecordedLines(t *testing.T) {
	_, want := recorded(t)
	fields, err := NewFields(nil, "trace_id", "span_id")
	if err != nil {
		t.Fatal(err)
	}
	l := NewLines(fields)
	places := map[string]bool{}
	for _, log := range []string{"edge", "mid"} {
		texts, err := recordings.Lines(log)
		if err != nil {
			t.Fatal(err)
		}
		var lines []tail.Line
		for i, text := range texts {
			lines = append(lines, tail.Line{Bytes: text, Offset: int64(i)})
		}
		l.Messages(Identifier{LogName: []byte(log)}, 7, lines, collect(t, func(log string, e *wire.Entry) {
			k := knownOf(log, e)
			if want[k]--; want[k] < 0 {
				t.Errorf("nobody knows %+v", k)
			}
			if !e.Coarse {
				t.Errorf("the start of %+v is not told in milliseconds", k)
			}
			places[log+string(e.Text(wire.StreamID))] = true
		}))
	}
	left(t, want)
	if n := len(places); n != 42 || l.Other != 0 {
		t.Errorf("%d lines are told apart, %d are no access log", n, l.Other)
	}
}

// The OTLP log records of a real Envoy say the same, and bear the ids of Envoy's own span.
func TestRecordedRecords(t *testing.T) {
	frames, want := recorded(t)
	fields, err := NewFields(nil, "tid", "sid")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecords(fields)
	for _, f := range frames {
		if f.Kind != recordings.KindLogs {
			continue
		}
		if rest := r.Split(f.Bytes); len(rest) != 0 {
			t.Errorf("%d bytes of %d are left", len(rest), len(f.Bytes))
		}
		r.Entries(collect(t, func(log string, e *wire.Entry) {
			k := knownOf(log, e)
			if want[k]--; want[k] < 0 {
				t.Errorf("nobody knows %+v", k)
			}
			if e.Coarse {
				t.Errorf("the start of %+v is told in milliseconds", k)
			}
			for _, tag := range []string{"tid", "sid"} {
				v, _ := e.Fields(wire.CustomTags).Get(tag)
				_, isTrace := propagation.ParseTraceID(v)
				_, isSpan := propagation.ParseSpanID(v)
				if k.requestID == "" || strings.Contains(k.traceParent, "-00000000000000000000000000000000-") {
					continue // Envoy has not begun a trace
				}
				if tag == "tid" && !isTrace || tag == "sid" && !isSpan {
					t.Errorf("%s of %+v is %q", tag, k, v)
				}
			}
		}))
	}
	left(t, want)
}

// left reports what was not told.
func left(t *testing.T, want map[known]int) {
	t.Helper()
	for k, n := range want {
		if n > 0 {
			t.Errorf("%d times nobody told %+v", n, k)
		}
	}
}
