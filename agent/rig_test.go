package agent

import (
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alssvc "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/traces"
)

// rig is a pipeline without receivers and upstream, to be used in a bubble of testing/synctest: messages go in as bytes, and
// what comes out is noted with its time.
type rig struct {
	t       *testing.T
	p       *Pipeline
	parted  chan struct{}
	streams map[int]accesslog.Consumer
	spans   traces.Consumer
	running sync.WaitGroup

	began   time.Time
	mu      sync.Mutex
	out     []*leaving
	batches []check.Out
	records []*leavingRecord
}

// leaving is a span that came out.
type leaving struct {
	*tracepb.Span
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
	At       time.Time
}

func newRig(t *testing.T, change func(*config.Config)) *rig {
	t.Helper()
	return rigOf(t, nil, change)
}

// rigOf makes one in a cluster with those pods.
func rigOf(t *testing.T, known *pods.Index, change func(*config.Config)) *rig {
	t.Helper()
	c := config.Default()
	c.Export.Batch.Age = time.Millisecond
	if change != nil {
		change(c)
	}
	r := &rig{t: t, began: time.Now(), parted: make(chan struct{}), streams: map[int]accesslog.Consumer{}}
	p, err := newPipeline(c, known, drawing(r.print, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if c.Export.Logs {
		p.logTo(c, recordsOf{r})
	}
	r.p, r.spans = p, p.spans()
	r.running.Go(func() { p.deliver(t.Context(), 1) })
	r.running.Go(func() { p.logged.deliver(t.Context()) })
	r.running.Go(func() { p.join(r.parted) })
	return r
}

func (r *rig) print(list []*tracepb.ResourceSpans) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, check.Out{At: time.Since(r.began), Spans: list})
	for _, rs := range list {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.out = append(r.out, &leaving{s, rs.Resource, ss.Scope, time.Now()})
			}
		}
	}
}

// logs gives one ALS message to a stream.
func (r *rig) logs(stream int, body []byte) {
	consume, ok := r.streams[stream]
	if !ok {
		consume = r.p.stream(netip.AddrFrom4([4]byte{10, 0, 0, byte(stream)}))
		r.streams[stream] = consume
	}
	m := accesslog.NewMessage(body)
	consume(&m)
}

// request gives one OTLP request.
func (r *rig) request(body []byte, marks ...traces.Mark) traces.Outcome {
	m := traces.NewMessage(body, netip.Addr{})
	m.Marks = marks
	return r.spans(&m)
}

// after lets time pass, and everything that is due happen. Both ledgers hold then.
func (r *rig) after(d time.Duration) {
	r.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if e, s := r.p.Entries.Balance(), r.p.Spans.Balance(r.p.core); e != 0 || s != 0 {
		r.t.Fatalf("the ledgers are off by %d entries and %d spans", e, s)
	}
	checkLogs(r.t, r.p)
}

// end lets everything go and checks both ledgers.
func (r *rig) end() []*leaving {
	r.t.Helper()
	close(r.parted)
	r.after(time.Second)
	r.p.core.Close()
	r.p.logged.close()
	r.running.Wait()
	if e, s, used := r.p.Entries.Waiting.Load(), r.p.Spans.Waiting.Load(), r.p.cells.Used(); e != 0 || s != 0 || used != 0 {
		r.t.Errorf("%d entries and %d spans still wait, %d bytes are in use", e, s, used)
	}
	return r.out
}

// alsMessage encodes entries of the log "edge" of envoy-1.
func alsMessage(t testing.TB, entries ...*alspb.HTTPAccessLogEntry) []byte {
	t.Helper()
	b, err := proto.Marshal(&alssvc.StreamAccessLogsMessage{
		Identifier: &alssvc.StreamAccessLogsMessage_Identifier{Node: fake.Node("envoy-1", "edge"), LogName: "edge"},
		LogEntries: &alssvc.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alssvc.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// otlpMessage encodes spans of one resource and scope.
func otlpMessage(t testing.TB, spans ...*tracepb.Span) []byte {
	t.Helper()
	b, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "edge")}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "envoy", Version: "1.39.3"}, Spans: spans, SchemaUrl: "scope-schema"}},
		SchemaUrl:  "resource-schema",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}
