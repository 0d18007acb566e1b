package spanbuilder

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// reused is an index in which two pods have had one address and one name; the first is not known to be gone.
func reused(a netip.Addr) *pods.Index {
	x := pods.NewIndex()
	for i, uid := range []string{"old", "new"} {
		p := &pods.Pod{Namespace: "n", Name: "web-0", UID: uid, Started: began.Add(time.Duration(i) * time.Minute).UnixNano(), Detail: &pods.Detail{}}
		x.Set("pod/"+uid, []pods.Record{{Pod: p, IPs: []netip.Addr{a}}})
	}
	x.Publish(began)
	return x
}

// What was found for one entry holds for the next one only if that began at the same time, too.
func TestEachEntryHasItsTime(t *testing.T) {
	a := netip.MustParseAddr("10.4.0.9")
	for _, node := range []string{"", "web-0"} {
		s := NewSenders(reused(a), PodOptions{}, "test").Sender(a)
		l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte(node)}, nil, a)
		e := testEntry(wire.DownstreamEnd)
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{-time.Hour, ""}, {10 * time.Second, "old"}, {2 * time.Minute, "new"}, {20 * time.Second, "old"}, {-time.Hour, ""}, {2 * time.Minute, "new"}} {
			e.Start.Seconds = began.Add(c.after).Unix()
			p, _ := s.OfEntry(e, l)
			if uid := uidOf(p); uid != c.want {
				t.Errorf("node %q, an entry that began %s after the pod: %q, want %q", node, c.after, uid, c.want)
			}
		}
	}
}

func uidOf(p *pods.Pod) string {
	if p == nil {
		return ""
	}
	return p.UID
}

// An entry or a span that does not say when it began is of now.
func TestSenderWithoutAStart(t *testing.T) {
	s := senders(PodOptions{}).Sender(netip.MustParseAddr("10.4.0.3"))
	l := NewLoggers(NewNodes(), nil).Find(&wire.Node{}, nil, s.From)
	for _, start := range []wire.Time{{}, testEntry(wire.DownstreamEnd).Start} {
		e := testEntry(wire.DownstreamEnd)
		if e.Start = start; !start.Set && time.Now().Before(began) {
			continue // by this machine's clock the pod is yet to come
		}
		if p, _ := s.OfEntry(e, l); uidOf(p) != "u2" {
			t.Errorf("with the start %+v it is %q", start, uidOf(p))
		}
	}
}

// In the steady state nothing is allocated to find the sender and the resource, of entries and of spans.
func TestSendersAllocateNothing(t *testing.T) {
	const name, node = "cart-7d9fb6c5d8-x2lkq", "sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local"
	s := senders(PodOptions{}).Sender(netip.MustParseAddr("10.4.0.2"))
	r := s.all.Resources()
	l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte(node), Cluster: []byte("c")}, nil, s.From)
	for _, tags := range [][]string{nil, {"tag podName: " + name, "tag podNamespace: shop"}, {"tag podName: nobody-" + strings.Repeat("x", 60)}} {
		e := testEntry(wire.DownstreamEnd, tags...)
		if n := testing.AllocsPerRun(100, func() {
			p, _ := s.OfEntry(e, l)
			if r.Made(l, p); uidOf(p) != "u2" {
				t.Fatalf("it is %q", uidOf(p))
			}
		}); n != 0 {
			t.Errorf("%v allocations for an entry with %q", n, tags)
		}
	}
	origin := originOf(t, stringAttribute("service.name", "unknown_service:envoy"))
	for _, key := range []string{"podName", "node_id"} {
		span := proxySpan(stringAttribute(key, map[string]string{"podName": name, "node_id": node}[key]))
		span.StartTimeUnixNano = uint64(began.Add(time.Minute).UnixNano())
		var view wire.Span
		view.Walk(encoded(t, span))
		var look Spans
		var item Item
		if n := testing.AllocsPerRun(100, func() {
			look.Look(&item, &view, origin, propagation.TraceParent, 1)
			p, _ := s.OfSpan(&item, origin, &look)
			if r.Passed(origin, p, l.node); uidOf(p) != "u2" {
				t.Fatalf("it is %q", uidOf(p))
			}
		}); n != 0 {
			t.Errorf("%v allocations for a span with %s", n, key)
		}
	}
}

// Two ids with one hash are two nodes, and what is very long is no id of a pod.
func TestNodeIDs(t *testing.T) {
	s := senders(PodOptions{})
	for range 2 {
		for id, want := range map[string]string{"envoy-kz2x9": "u1", "router~10.4.0.3~named.shop~x": "u3", "nobody": "",
			"router~10.4.0.3~named.shop~" + strings.Repeat("x", 1<<20): ""} {
			if p := s.ofNode(s.index.Load(), 7, []byte(id), began.UnixNano()); uidOf(p) != want {
				t.Errorf("%.40s is %q, want %q", id, uidOf(p), want)
			}
		}
	}
}

// The tracer exports under the very name of the node's cluster: that one counts from then on, before the owner's.
func TestExportedNameIsTheClusters(t *testing.T) {
	l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte("n"), Cluster: []byte("front")}, nil, netip.Addr{})
	r, p := senders(PodOptions{}).Resources(), podOf(t, "u3")
	if got := listed(decodeResource(t, r.Made(l, p).Head)); !strings.HasPrefix(got, "service.name=by-owner\n") {
		t.Errorf("before: %s", got)
	}
	l.node.names(originOf(t, stringAttribute("service.name", "front")))
	if got := listed(decodeResource(t, r.Made(l, p).Head)); !strings.HasPrefix(got, "service.name=front\n") {
		t.Errorf("after: %s", got)
	}
}

// What is too large to be remembered as it came is not remembered with what a pod adds to it either.
func TestLargeResourcesAreNotKept(t *testing.T) {
	s := senders(PodOptions{})
	r, other, p, q := s.Resources(), s.Resources(), podOf(t, "u1"), podOf(t, "u2")
	for range 3 {
		o := originOf(t, stringAttribute("service.name", "edge"), stringAttribute("k", strings.Repeat("x", maxOriginSize)))
		first := r.Passed(o, p, nil)
		if r.Passed(o, q, nil) == first || r.Passed(o, p, nil) == first {
			t.Log("two pods have alternated")
		}
		last := r.Passed(o, p, nil)
		if other.Passed(o, p, nil) != last {
			t.Error("spans of one origin and pod have two resources: each is as large as that which came")
		}
	}
	if n := s.passed.Len(); n != 0 {
		t.Errorf("%d large resources are remembered", n)
	}
}
