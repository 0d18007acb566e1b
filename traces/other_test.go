package traces

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var (
	otherMethods = [...]string{Metrics: metricsMethod, Logs: logsMethod}
	otherPaths   = [...]string{Metrics: metricsPath, Logs: logsPath}
)

// wantOthers checks which requests came.
func (r *recorder) wantOthers(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.others, want) {
		t.Errorf("got %q, want %q", r.others, want)
	}
	r.others = nil
}

// otherBody is a well-formed request for both signals: what is in its field 1 is not looked at.
const otherBody = "\x0a\x02\xff\xff\x7a\x00"

// Every transport gives the request as it was sent, and its answers are those of spans.
func TestOtherSignals(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	conn, url := dial(t, s), serveHTTP(t, s.OTLP())
	for signal, method := range otherMethods {
		name, at := Signal(signal).String(), url+otherPaths[signal]
		post := func(body []byte, encoding string) reply {
			return post(t, at, bytes.NewReader(body), "Content-Type", protobufType, "Content-Encoding", encoding)
		}
		for _, body := range []string{otherBody, ""} {
			if b, err := call(t, conn, method, []byte(body)); err != nil || len(b) != 0 {
				t.Errorf("%s: %x, %v", method, b, err)
			}
			for encoding, sent := range map[string][]byte{"": []byte(body), "gzip": gzipped([]byte(body)), "zstd": zstded([]byte(body))} {
				if got := post(sent, encoding); got.status != http.StatusOK || len(got.body) != 0 {
					t.Errorf("%s %s: %+v", at, encoding, got)
				}
			}
			r.wantOthers(t, slices.Repeat([]string{name + " " + body}, 4)...)
		}
		for _, c := range []struct {
			outcome Outcome
			body    string
			code    codes.Code
			status  int
			why     Refusal
		}{
			{Outcome{Full: true}, otherBody, codes.Unavailable, http.StatusServiceUnavailable, Full},
			{Outcome{TooLarge: true}, otherBody, codes.ResourceExhausted, http.StatusRequestEntityTooLarge, TooLarge},
			{Outcome{}, otherBody + "\x0a", codes.InvalidArgument, http.StatusBadRequest, Malformed},
		} {
			r.outcome = c.outcome
			before := s.Refused[c.why].Load()
			_, err := call(t, conn, method, []byte(c.body))
			if status.Code(err) != c.code {
				t.Errorf("%s: %v, want %v", method, err, c.code)
			}
			retries := len(status.Convert(err).Details()) == 1
			if retries {
				_, retries = status.Convert(err).Details()[0].(*errdetails.RetryInfo)
			}
			got := post([]byte(c.body), "")
			if got.status != c.status || (got.header.Get("Retry-After") == "1") != c.outcome.Full || retries != c.outcome.Full {
				t.Errorf("%s: %+v, want %d; RetryInfo: %v", at, got, c.status, retries)
			}
			if n := s.Refused[c.why].Load() - before; n != 2 {
				t.Errorf("%d are refused as %s", n, c.why)
			}
		}
		r.outcome = Outcome{}
	}
	if _, err := call(t, conn, "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", nil); status.Code(err) != codes.Unimplemented {
		t.Errorf("profiles: %v", err)
	}
	r.wantOthers(t)
	s.Stop()
	if _, err := call(t, conn, metricsMethod, nil); status.Code(err) != codes.Unavailable {
		t.Errorf("while it stops: %v", err)
	}
	if s.Requests[GRPC].Load()+s.Requests[HTTPProtobuf].Load() != 0 {
		t.Error("they count as requests with spans")
	}
	r.want(t)
}

// What is dropped anyway is not looked at.
func TestOtherSignalsThatAreDropped(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	s.opts.Ignored = [ledger.NumSignals]bool{true, true}
	conn, url := dial(t, s), serveHTTP(t, s.OTLP())
	for signal, path := range otherPaths {
		if got := post(t, url+path, strings.NewReader("anything"), "Content-Type", jsonType); got.status != http.StatusOK || string(got.body) != "{}" {
			t.Errorf("%s: %+v", path, got)
		}
		if b, err := call(t, conn, otherMethods[signal], []byte("anything")); err != nil || len(b) != 0 {
			t.Errorf("%s: %x, %v", path, b, err)
		}
		r.wantOthers(t, Signal(signal).String()+" anything", Signal(signal).String()+" anything")
	}
}

// JSON becomes the protobuf that says the same.
func TestOtherSignalsInJSON(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	url := serveHTTP(t, s.OTLP())
	const resource = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"n","value":{"intValue":"7"}}]},"schemaUrl":"s",`
	for signal, c := range map[Signal]struct {
		json string
		m    proto.Message
	}{
		Metrics: {`{"resourceMetrics":[{` + resource + `"scopeMetrics":[{"scope":{"name":"m"},"metrics":[{"name":"hits","unit":"1","sum":{
			"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"4","timeUnixNano":"1795247511000000000"}]}}]}]}]}`, new(metricspb.MetricsData)},
		Logs: {`{"resourceLogs":[{` + resource + `"scopeLogs":[{"scope":{"name":"l"},"logRecords":[{"timeUnixNano":"1795247511000000000","severityNumber":9,
			"body":{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}}]}}}]}]}]}`, new(logspb.LogsData)},
	} {
		at := url + otherPaths[signal]
		if got := post(t, at, strings.NewReader(c.json), "Content-Type", jsonType); got.status != http.StatusOK || string(got.body) != "{}" {
			t.Fatalf("%s: %+v", at, got)
		}
		want, got := c.m.ProtoReflect().New().Interface(), c.m
		if err := protojson.Unmarshal([]byte(c.json), want); err != nil {
			t.Fatal(err)
		}
		body, _ := strings.CutPrefix(r.others[0], signal.String()+" ")
		if err := proto.Unmarshal([]byte(body), got); err != nil || !proto.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		r.others = nil
		for _, bad := range []string{"", "{", "nonsense", `{"resourceLogs":1,"resourceMetrics":1}`, c.json + "x", "[]"} {
			if got := post(t, at, strings.NewReader(bad), "Content-Type", jsonType); got.status != http.StatusBadRequest {
				t.Errorf("%s: %q is answered with %+v", at, bad, got)
			}
		}
		r.wantOthers(t)
	}
	poison := `{"resourceLogs":[{"schemaUrl":"` + "\xff" + `"}]}`
	if got := post(t, url+logsPath, strings.NewReader(poison), "Content-Type", jsonType); got.status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	if len(r.others) != 1 || !strings.Contains(r.others[0], "\x1a\x03\uFFFD") {
		t.Errorf("got %q", r.others)
	}
}

// A body of a few MiB cannot become many times as much.
func TestJSONThatIsAllObjects(t *testing.T) {
	s := newServer(new(recorder))
	records := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", limit/4) + `{}]}]}]}`
	bounds := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[` + strings.Repeat("0,", limit/3) + `0]}]}}]}]}]}`
	for signal, body := range map[Signal]string{Logs: records, Metrics: bounds} {
		var f *failure
		if n := allocated(func() { _, f = s.fromJSON(signal, []byte(body)) }); f == nil || f.why != TooLarge || n > 2*limit {
			t.Errorf("%s: %+v, and %d bytes are allocated", signal, f, n)
		}
	}
	if got := weight([]byte(`{"a\"{,":",{\\"},[1,2]`)); got != objectWeight+2*valueWeight {
		t.Errorf("the weight is %d", got)
	}
	// What stays below the limit takes about as much as is said.
	few := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", limit/(objectWeight+valueWeight)-100) + `{}]}]}]}`
	var f *failure
	if n := allocated(func() { _, f = s.fromJSON(Logs, []byte(few)) }); f != nil || n > 4*limit {
		t.Errorf("%+v, and %d bytes are allocated", f, n)
	}
}
