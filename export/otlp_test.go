package export

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// testCore poisons chunks as soon as they are free.
func testCore() *ring.Core {
	return ring.New(ring.Options{Memory: 64 << 10, Chunk: 4 << 10, Bytes: 1 << 20, Spans: 1 << 20, Age: time.Millisecond, OnFree: func(b []byte) {
		for i := range b {
			b[i] = 0xff
		}
	}})
}

// resource gives an encoded resource with one attribute, service.name.
func resource(name string) *ring.Resource {
	value := wire.AppendBytes(nil, 1, name)
	attribute := wire.AppendBytes(wire.AppendBytes(nil, 1, "service.name"), 2, value)
	scope := wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, "scope of "+name))
	return &ring.Resource{Head: wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, attribute)), Scope: scope}
}

// fill writes n spans, span i for the resource that which(i) says; a span's name is its number.
func fill(t *testing.T, c *ring.Core, n int, which func(int) *ring.Resource) {
	t.Helper()
	var p ring.Producer
	for i := range n {
		p.Begin(c, which(i))
		b, ok := p.Reserve(200)
		if !ok {
			t.Fatal("the core is full")
		}
		span := wire.AppendBytes(nil, 1, append(make([]byte, 15), 1))
		span = wire.AppendBytes(span, 2, append(make([]byte, 7), 1))
		span = wire.AppendBytes(span, 5, fmt.Sprint(i))
		span = wire.AppendUint(span, 6, 2)
		span = wire.AppendFixed64(span, 7, 1795247511394254000)
		span = wire.AppendFixed64(span, 8, 1795247511394255000)
		if !p.Commit(wire.AppendBytes(b, 2, span)) {
			t.Fatal("a span does not fit")
		}
	}
	p.End()
}

func newTestOTLP(t *testing.T, address string, change func(*Options)) *OTLP {
	t.Helper()
	o := Options{Target: address, Timeout: 2 * time.Second, Initial: time.Millisecond, Max: 5 * time.Millisecond, GiveUp: 3 * time.Second,
		Version: "test", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	x, err := NewOTLP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func newBackend(t *testing.T) *fake.Backend {
	t.Helper()
	b, err := fake.NewBackend(fake.BackendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// send sends what is in the core as one batch and waits until all chunks are free.
func send(t *testing.T, x *OTLP, c *ring.Core) Result {
	t.Helper()
	var b ring.Batch
	if !c.Gather(t.Context(), &b) {
		t.Fatal("nothing to send")
	}
	r := x.Export(t.Context(), &b)
	b.Release()
	for end := time.Now().Add(5 * time.Second); c.Held() > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d chunks were never released", c.Held())
		}
		time.Sleep(time.Millisecond)
	}
	return r
}

// Runs of one resource that follow each other, in one chunk or in several, are one ResourceSpans, and no byte is copied
// wrongly on the way, compressed or not.
func TestRequestGroupsByResource(t *testing.T) {
	a, b := resource("a"), resource("b")
	for name, gzip := range map[string]bool{"plain": false, "gzip": true} {
		t.Run(name, func(t *testing.T) {
			backend, core := newBackend(t), testCore()
			x := newTestOTLP(t, backend.Address(), func(o *Options) { o.Gzip = gzip; o.Headers = map[string]string{"x-tenant": "blue"} })
			const n = 300
			fill(t, core, n, func(i int) *ring.Resource {
				if i < 100 || i >= 200 && i%2 == 0 {
					return a
				}
				return b
			})
			if r := send(t, x, core); r.Exported != n || r.Dropped != 0 {
				t.Errorf("result %+v", r)
			}
			if err := backend.Err(); err != nil {
				t.Fatal(err)
			}
			got := backend.Requests()[0]
			if h := got.Header.Get("x-tenant"); len(h) != 1 || h[0] != "blue" {
				t.Errorf("header x-tenant is %v", h)
			}
			i := 0
			for _, rs := range got.Traces.ResourceSpans {
				if s := rs.ScopeSpans[0].Scope; s.Name != "scope of "+rs.Resource.Attributes[0].Value.GetStringValue() {
					t.Errorf("scope %v", s)
				}
				for _, s := range rs.ScopeSpans[0].Spans {
					want := "b"
					if i < 100 || i >= 200 && i%2 == 0 {
						want = "a"
					}
					if s.Name != fmt.Sprint(i) || rs.Resource.Attributes[0].Value.GetStringValue() != want {
						t.Fatalf("span %d is %s of %v", i, s.Name, rs.Resource)
					}
					i++
				}
			}
			if groups := len(got.Traces.ResourceSpans); i != n || groups != 102 {
				t.Errorf("%d spans in %d groups, want %d in 102", i, groups, n)
			}
		})
	}
}

// What OTLP allows to be tried again is tried again, and nothing else.
func TestRetry(t *testing.T) {
	wait := 20 * time.Millisecond
	for _, c := range []struct {
		name     string
		replies  []fake.Reply
		want     Result
		requests uint64
	}{
		{"accepted", nil, Result{Exported: 10}, 1},
		{"unavailable, then accepted", []fake.Reply{{Code: codes.Unavailable}, {Code: codes.Aborted}}, Result{Exported: 10}, 3},
		{"every retryable code", []fake.Reply{{Code: codes.Canceled}, {Code: codes.DeadlineExceeded}, {Code: codes.OutOfRange}, {Code: codes.DataLoss}}, Result{Exported: 10}, 5},
		{"throttled with RetryInfo", []fake.Reply{{Code: codes.ResourceExhausted, RetryInfo: &wait}}, Result{Exported: 10}, 2},
		{"exhausted for good", []fake.Reply{{Code: codes.ResourceExhausted}}, Result{Dropped: 10, Reason: ledger.SpanRejected}, 1},
		{"invalid", []fake.Reply{{Code: codes.InvalidArgument}}, Result{Dropped: 10, Reason: ledger.SpanRejected}, 1},
		{"unimplemented", []fake.Reply{{Code: codes.Unimplemented}}, Result{Dropped: 10, Reason: ledger.SpanRejected}, 1},
		{"partial success", []fake.Reply{{Rejected: 3, Message: "no"}}, Result{Exported: 7, Dropped: 3, Reason: ledger.SpanPartial}, 1},
		{"partial success with only a message", []fake.Reply{{Message: "mind the gap"}}, Result{Exported: 10}, 1},
		{"more rejected than sent", []fake.Reply{{Rejected: 99}}, Result{Dropped: 10, Reason: ledger.SpanPartial}, 1},
		{"connection lost", []fake.Reply{{Disconnect: true}}, Result{Exported: 10}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			backend, core := newBackend(t), testCore()
			backend.Script(c.replies...)
			x := newTestOTLP(t, backend.Address(), nil)
			r := resource("a")
			fill(t, core, 10, func(int) *ring.Resource { return r })
			began := time.Now()
			got := send(t, x, core)
			if got.Dropped == 0 {
				got.Reason = 0
			}
			if got != c.want || backend.Stats().Requests != c.requests {
				t.Errorf("got %+v in %d requests, want %+v in %d", got, backend.Stats().Requests, c.want, c.requests)
			}
			if c.name == "throttled with RetryInfo" && time.Since(began) < wait {
				t.Error("the upstream's wish to wait was ignored")
			}
		})
	}
}

func TestGivingUp(t *testing.T) {
	backend, core := newBackend(t), testCore()
	backend.Always(fake.Reply{Code: codes.Unavailable})
	r := resource("a")
	fill(t, core, 5, func(int) *ring.Resource { return r })
	x := newTestOTLP(t, backend.Address(), func(o *Options) { o.GiveUp = 50 * time.Millisecond })
	if got, want := send(t, x, core), (Result{Dropped: 5, Reason: ledger.SpanRetryExhausted}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if backend.Stats().Requests < 3 {
		t.Errorf("only %d attempts", backend.Stats().Requests)
	}
	fill(t, core, 5, func(int) *ring.Resource { return r })
	once := newTestOTLP(t, backend.Address(), func(o *Options) { o.GiveUp = 0 })
	before := backend.Stats().Requests
	if got := send(t, once, core); got.Reason != ledger.SpanRetryExhausted || backend.Stats().Requests != before+1 {
		t.Errorf("without time to give up: %+v after %d attempts", got, backend.Stats().Requests-before)
	}
}

// The end of the agent ends an export at once, also while the upstream has the request: the chunk is released only when
// the transport has let it go.
func TestShutdownEndsAnExport(t *testing.T) {
	for name, reply := range map[string]fake.Reply{"while waiting": {Code: codes.Unavailable}, "in an attempt": {Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			backend, core := newBackend(t), testCore()
			backend.Always(reply)
			r := resource("a")
			fill(t, core, 5, func(int) *ring.Resource { return r })
			x := newTestOTLP(t, backend.Address(), func(o *Options) { o.Timeout, o.Initial, o.GiveUp = time.Minute, time.Minute, time.Hour })
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			var b ring.Batch
			core.Gather(t.Context(), &b)
			if got, want := x.Export(ctx, &b), (Result{Dropped: 5, Reason: ledger.SpanShutdown}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			b.Release()
		})
	}
}

func TestUpstreamComesBack(t *testing.T) {
	backend, core := newBackend(t), testCore()
	backend.Stop()
	r := resource("a")
	fill(t, core, 5, func(int) *ring.Resource { return r })
	x := newTestOTLP(t, backend.Address(), func(o *Options) { o.GiveUp = 20 * time.Second })
	time.AfterFunc(100*time.Millisecond, func() {
		if err := backend.Start(); err != nil {
			t.Error(err)
		}
	})
	if got := send(t, x, core); got.Exported != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestDecodedGivesTheSpans(t *testing.T) {
	core := testCore()
	r := resource("a")
	fill(t, core, 70, func(int) *ring.Resource { return r })
	n := 0
	x := NewDecoded(func(rs []*tracepb.ResourceSpans) {
		for _, g := range rs {
			n += len(g.ScopeSpans[0].Spans)
		}
	}, slog.New(slog.DiscardHandler))
	var b ring.Batch
	core.Gather(t.Context(), &b)
	if got := x.Export(t.Context(), &b); got.Exported != n || n != 70 {
		t.Errorf("result %+v, decoded %d", got, n)
	}
	b.Release()
	if core.Held() != 0 {
		t.Error("chunks are left")
	}
}
