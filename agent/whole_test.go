package agent

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/spanbuilder"
)

func unpairedIs(what string) func(*config.Config) {
	return func(c *config.Config) { c.Correlate.Unpaired = what }
}

// traceOf gives the trace of request n, see pair.
func traceOf(n int) string { return fmt.Sprintf("%032x", 0xabc000+n) }

// complete tells whether of each of the n requests of pair that were fed, entry and span, all is there and there is one SERVER.
func (r *rig) complete(n int) {
	r.t.Helper()
	type request struct{ servers, entries, spans int }
	all, ids := map[string]*request{}, map[string]bool{}
	for _, s := range r.out {
		trace := fmt.Sprintf("%x", s.TraceId)
		q := all[trace]
		if q == nil {
			q = &request{}
			all[trace] = q
		}
		if s.Kind == tracepb.Span_SPAN_KIND_SERVER {
			q.servers++
		}
		if a := attributesOf(s.Span); s.Kind != tracepb.Span_SPAN_KIND_CLIENT {
			if a["url.path"] != "" {
				q.entries++
			}
			if a["component"] != "" {
				q.spans++
			}
		}
		if id := trace + fmt.Sprintf("%x", s.SpanId); ids[id] {
			r.t.Errorf("the id %s twice", id)
		} else {
			ids[id] = true
		}
	}
	wrong, gone := 0, r.p.Spans.Dropped[ledger.SpanAlreadyMade].Load()
	for i := range n {
		q := all[traceOf(i)]
		if q == nil && n == 1 {
			q = all[traceOf(1)]
		}
		if q != nil && gone > 0 && *q == (request{1, 1, 0}) { // made from its entry, with the span's own id
			q.spans++
			gone--
		}
		if q == nil || *q != (request{1, 1, 1}) {
			if wrong++; wrong < 5 {
				r.t.Errorf("request %d of %d has %+v (servers, entries, spans)", i, n, q)
			}
		}
	}
	if wrong > 0 {
		r.t.Errorf("%d requests are wrong", wrong)
	}
}

// When the join's memory is full, the oldest go, and what finds no room leaves at once. Nothing is lost by it, and no request
// has two SERVERs.
func TestJoinWithoutMemory(t *testing.T) {
	const n = 600
	orders := map[string]func(r *rig, n int, logs, spans func(int)){
		"entries first": func(r *rig, n int, logs, spans func(int)) {
			for i := range n {
				logs(i)
			}
			r.after(time.Millisecond)
			for i := range n {
				spans(i)
			}
		},
		"spans first": func(r *rig, n int, logs, spans func(int)) {
			for i := range n {
				spans(i)
			}
			r.after(time.Millisecond)
			for i := range n {
				logs(i)
			}
		},
		"in waves": func(r *rig, n int, logs, spans func(int)) {
			for i := range n {
				if i%2 == 0 {
					logs(i)
				} else {
					spans(i)
				}
				if j := i - 450; j >= 0 && j%2 == 0 {
					spans(j)
				} else if j >= 0 {
					logs(j)
				}
				if i%50 == 0 {
					r.after(100 * time.Millisecond)
				}
			}
			for j := n - 450; j < n; j++ {
				if j%2 == 0 {
					spans(j)
				} else {
					logs(j)
				}
			}
		},
	}
	for order, feed := range orders {
		for _, unpaired := range []string{"child", "span"} {
			t.Run(order+"/"+unpaired, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(c *config.Config) { c.Correlate.Unpaired, c.Correlate.Memory = unpaired, 2*64*config.KiB })
					e, s := pair(n) // from now on its entries wait
					r.logs(1, alsMessage(t, e))
					r.request(otlpMessage(t, s))
					r.after(time.Second)
					var es []*alspb.HTTPAccessLogEntry
					var ss []*tracepb.Span
					for i := range n {
						e, s := pair(i)
						es, ss = append(es, e), append(ss, s)
					}
					feed(r, n, func(i int) { r.logs(1, alsMessage(t, es[i])) }, func(i int) { r.request(otlpMessage(t, ss[i])) })
					r.after(30 * time.Second)
					r.end()
					r.complete(n)
					if order != "in waves" && r.p.noRoom.Load() == 0 && r.p.entryFates[spanbuilder.Evicted].Load()+r.p.spanFates[spanbuilder.Evicted].Load() == 0 {
						t.Error("there was room for all")
					}
				})
			})
		}
	}
}

// A stop lets everything go at once.
func TestDrainIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for n := range 20 {
			e, s := pair(n)
			if n%2 == 0 {
				r.logs(1, alsMessage(t, e))
			} else {
				r.request(otlpMessage(t, s))
			}
		}
		up, _ := pair(50)
		up.CommonProperties.AccessLogType = alspb.AccessLogType_UpstreamEnd
		r.logs(1, alsMessage(t, up))
		r.after(time.Second)
		if len(r.out) != 0 {
			t.Fatalf("%d have left", len(r.out))
		}
		stopped := time.Now()
		if out := r.end(); len(out) != 21 {
			t.Errorf("%d spans", len(out))
		}
		for _, s := range r.out {
			if late := s.At.Sub(stopped); late > 10*time.Millisecond {
				t.Errorf("a span leaves %v after the stop", late)
			}
		}
		if n := r.p.entryFates[spanbuilder.Drained].Load() + r.p.spanFates[spanbuilder.Drained].Load() + r.p.entryFates[spanbuilder.UnpairedInner].Load(); n != 21 {
			t.Errorf("%d were drained", n)
		}
	})
}

// What becomes of an entry whose span does not come, of a logger that has met one, is a matter of configuration.
func TestUnpaired(t *testing.T) {
	for what, kind := range map[string]tracepb.Span_SpanKind{"child": tracepb.Span_SPAN_KIND_INTERNAL, "span": tracepb.Span_SPAN_KIND_SERVER, "drop": 0} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, unpairedIs(what))
			e, s := pair(1)
			r.request(otlpMessage(t, s))
			r.logs(1, alsMessage(t, e))
			r.after(time.Second)
			e, _ = pair(2)
			r.logs(1, alsMessage(t, e))
			r.after(10 * time.Second)
			out, dropped := r.end(), r.p.Entries.Dropped[ledger.EntryUnpaired].Load()
			if kind == 0 {
				if len(out) != 1 || dropped != 1 {
					t.Errorf("%s: %d spans, %d dropped", what, len(out), dropped)
				}
				return
			}
			if len(out) != 2 || out[1].Kind != kind || dropped != 0 {
				t.Fatalf("%s: %v", what, out[1:])
			}
			if kind == tracepb.Span_SPAN_KIND_INTERNAL && fmt.Sprintf("%x", out[1].ParentSpanId) != fmt.Sprintf("%016x", 0x1002) {
				t.Errorf("it is below %x", out[1].ParentSpanId)
			}
		})
	}
}

// What Envoy sends twice leaves once, its spans and its entries.
func TestTwiceIsOnce(t *testing.T) {
	for _, gap := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 7 * time.Second} {
		for _, joins := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				e, s := pair(1)
				logs, spans := alsMessage(t, e), otlpMessage(t, s)
				r.request(spans)
				if joins {
					r.logs(1, logs)
					r.logs(2, logs)
				}
				r.after(gap)
				r.request(spans)
				if joins {
					r.logs(1, logs)
				}
				r.after(20 * time.Second)
				if out := r.end(); len(out) != 1 || r.p.Spans.Dropped[ledger.SpanDuplicate].Load() != 1 {
					t.Errorf("after %v, joined: %v: %d spans, %d dropped", gap, joins, len(out), r.p.Spans.Dropped[ledger.SpanDuplicate].Load())
				}
				if n := r.p.Entries.Duplicate.Load(); joins && n != 2 {
					t.Errorf("%d entries twice", n)
				}
			})
		}
	}
}

func names(out []*leaving) (list []string) {
	for _, s := range out {
		list = append(list, fmt.Sprintf("%s %v", s.Name, s.Kind))
	}
	slices.Sort(list)
	return list
}
