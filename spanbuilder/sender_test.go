package spanbuilder

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// began is when the pods of these tests began, an hour before the entries.
var began = time.Unix(1795247511, 0).Add(-time.Hour)

// cluster has a gateway and an application with a sidecar on this node, and another application elsewhere.
func cluster() *pods.Index {
	x := pods.NewIndex()
	add := func(p *pods.Pod, ip string) {
		p.IP, p.Started = netip.MustParseAddr(ip), began.UnixNano()
		x.Set("pod/"+p.Namespace+"/"+p.Name, []pods.Record{{Pod: p, IPs: []netip.Addr{p.IP}}})
	}
	add(&pods.Pod{Namespace: "ingress", Name: "envoy-kz2x9", UID: "u1", Node: "n1", Detail: &pods.Detail{Workload: pods.Workload{Kind: pods.DaemonSet, Name: "envoy"},
		Labels: []pods.KeyValue{{Key: "team", Value: "edge"}}}}, "10.4.0.2")
	add(&pods.Pod{Namespace: "shop", Name: "cart-7d9fb6c5d8-x2lkq", UID: "u2", Node: "n1", Service: "cart-http", Detail: &pods.Detail{
		Workload: pods.Workload{Kind: pods.Deployment, Name: "cart"}, Container: "app", Image: "reg.example:5000/cart:1.2@sha256:ab",
		App:         pods.App{Instance: "cart-eu", Name: "cart-app", Version: "9"},
		Attributes:  []pods.KeyValue{{Key: "deployment.environment.name", Value: "prod"}},
		Annotations: []pods.KeyValue{{Key: "owner", Value: "a@b"}}}}, "10.4.0.3")
	add(&pods.Pod{Namespace: "shop", Name: "named", UID: "u3", Detail: &pods.Detail{Attributes: []pods.KeyValue{{Key: "service.name", Value: "by-owner"}, {Key: "service.version", Value: "v"}}}}, "10.4.0.4")
	x.Set("slice/shop/db", []pods.Record{{Pod: &pods.Pod{Namespace: "shop", Name: "db-0", UID: "u4", Service: "db"}, IPs: []netip.Addr{netip.MustParseAddr("10.9.0.9")}}})
	x.Publish(began)
	return x
}

func senders(o PodOptions) *Senders { return NewSenders(cluster(), o, "test") }

func listed(r *resourcepb.Resource) string {
	var b strings.Builder
	for _, a := range r.Attributes {
		fmt.Fprintf(&b, "%s=%s\n", a.Key, a.Value.GetStringValue())
	}
	return b.String()
}

func TestSenderOfEntries(t *testing.T) {
	const istio = "sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local"
	for _, c := range []struct {
		name, node, from string
		tags             []string
		want             string
	}{
		{"Istio", istio, "10.4.0.2", nil, "u2 node_id"},
		{"Contour, Envoy Gateway", "envoy-kz2x9", "", nil, "u1 node_id"},
		{"tags before the node", istio, "", []string{"tag podName: db-0", "tag podNamespace: shop"}, "u4 tags"},
		{"a tag without a namespace", "", "", []string{"tag podName: db-0"}, "u4 tags"},
		{"tags of nobody", istio, "", []string{"tag podName: nobody", "tag podNamespace: shop"}, "u2 node_id"},
		{"a node of nobody", "router-1", "10.4.0.3", nil, "u2 address"},
		{"IPv4 in IPv6", "router-1", "::ffff:10.4.0.3", nil, "u2 address"},
		{"Istio's form, and nobody", "router~10.4.0.3~gone.shop~x", "10.4.0.9", nil, " nothing"},
		{"nobody", "", "192.168.0.1", nil, " nothing"},
	} {
		from, _ := netip.ParseAddr(c.from)
		s := senders(PodOptions{}).Sender(from)
		l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte(c.node)}, nil, from)
		for range 2 {
			p, by := s.OfEntry(testEntry(wire.DownstreamEnd, c.tags...), l)
			uid := ""
			if p != nil {
				uid = p.UID
			}
			if got := uid + " " + by.String(); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	}
}

// What comes later about pods is known at once, and a pod that came back under its name is another one.
func TestSenderFollowsThePods(t *testing.T) {
	x := cluster()
	s := NewSenders(x, PodOptions{}, "test").Sender(netip.Addr{})
	l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte("late-0")}, nil, netip.Addr{})
	e := testEntry(wire.DownstreamEnd)
	now := time.Unix(e.Start.Seconds, 0)
	if p, _ := s.OfEntry(e, l); p != nil {
		t.Errorf("it is %s", p.Name)
	}
	set := func(uid string, started time.Time) {
		x.Set("pod/shop/late-0", []pods.Record{{Pod: &pods.Pod{Namespace: "shop", Name: "late-0", UID: uid, Started: started.UnixNano(), Detail: &pods.Detail{}}}})
		x.Publish(now)
	}
	set("a", began)
	if p, by := s.OfEntry(e, l); p == nil || p.UID != "a" || by != ByNode {
		t.Errorf("it is %+v by %s", p, by)
	}
	set("b", now.Add(time.Minute))
	if p, _ := s.OfEntry(e, l); p == nil || p.UID != "a" {
		t.Errorf("the pod before the present one is %+v", p)
	}
	e.Start.Seconds += 3600
	if p, _ := s.OfEntry(e, l); p == nil || p.UID != "b" {
		t.Errorf("the present one is %+v", p)
	}
}

func TestSenderOfSpans(t *testing.T) {
	proxy := func(tags ...string) []*commonpb.KeyValue {
		all := []*commonpb.KeyValue{stringAttribute("component", "proxy")}
		for i := 0; i < len(tags); i += 2 {
			all = append(all, stringAttribute(tags[i], tags[i+1]))
		}
		return all
	}
	for _, c := range []struct {
		name     string
		resource []string
		span     []*commonpb.KeyValue
		from     string
		want     string
	}{
		{"uid", []string{"k8s.pod.uid", "u2"}, nil, "10.4.0.2", "u2 attributes"},
		{"name", []string{"k8s.pod.name", "db-0", "k8s.namespace.name", "shop"}, nil, "10.4.0.2", "u4 attributes"},
		{"address", []string{"k8s.pod.ip", "10.4.0.3"}, nil, "10.4.0.2", "u2 attributes"},
		{"an address of nobody, sent on by another pod", []string{"k8s.pod.ip", "10.4.9.9"}, nil, "10.4.0.2", " nothing"},
		{"an address of nobody, and a node", []string{"k8s.pod.ip", "10.4.9.9"}, proxy("node_id", "envoy-kz2x9"), "10.4.0.2", " nothing"},
		{"the address of the connection", []string{"k8s.pod.ip", "::ffff:10.4.0.2"}, nil, "10.4.0.2", "u1 attributes"},
		{"no address", []string{"k8s.pod.ip", "?"}, nil, "10.4.0.2", "u1 address"},
		{"sent on by another pod", []string{"k8s.pod.uid", "elsewhere"}, nil, "10.4.0.2", " nothing"},
		{"name and another namespace", []string{"k8s.pod.name", "db-0", "k8s.namespace.name", "other"}, nil, "10.4.0.2", " nothing"},
		{"connection", nil, nil, "10.4.0.3", "u2 address"},
		{"a namespace alone fits", []string{"k8s.namespace.name", "shop"}, nil, "10.4.0.3", "u2 address"},
		{"Contour's tags", nil, proxy("podName", "envoy-kz2x9", "podNamespace", "ingress", "node_id", "x"), "10.4.0.3", "u1 tags"},
		{"an application's attribute", nil, []*commonpb.KeyValue{stringAttribute("podName", "envoy-kz2x9")}, "10.4.0.3", "u2 address"},
		{"node", nil, proxy("node_id", "sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~x"), "10.4.0.2", "u2 node_id"},
		{"attributes before tags", []string{"k8s.pod.uid", "u2"}, proxy("podName", "envoy-kz2x9"), "", "u2 attributes"},
	} {
		var attributes []*commonpb.KeyValue
		for i := 0; i < len(c.resource); i += 2 {
			attributes = append(attributes, stringAttribute(c.resource[i], c.resource[i+1]))
		}
		origin := originOf(t, attributes...)
		from, _ := netip.ParseAddr(c.from)
		s := senders(PodOptions{}).Sender(from)
		span := proxySpan()
		span.Attributes, span.Kind, span.StartTimeUnixNano = c.span, tracepb.Span_SPAN_KIND_SERVER, uint64(began.Add(time.Hour).UnixNano())
		var view wire.Span
		view.Walk(encoded(t, span))
		var look Spans
		var item Item
		for range 2 {
			look.Look(&item, &view, origin, propagation.TraceParent, 1)
			p, by := s.OfSpan(&item, origin, &look)
			uid := ""
			if p != nil {
				uid = p.UID
			}
			if got := uid + " " + by.String(); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func originOf(t testing.TB, attributes ...*commonpb.KeyValue) *Origin {
	head := wire.AppendBytes(nil, 1, encoded(t, &resourcepb.Resource{Attributes: attributes, DroppedAttributesCount: 3}))
	return NewOrigins().Find(wire.AppendBytes(head, 3, "schema"), nil)
}

func podOf(t testing.TB, uid string) *pods.Pod {
	for _, name := range []string{"envoy-kz2x9", "cart-7d9fb6c5d8-x2lkq", "named", "db-0"} {
		if p := cluster().Load().ByName("", name, began.Add(time.Hour).UnixNano()); p != nil && p.UID == uid {
			return p
		}
	}
	t.Fatalf("there is no pod %s", uid)
	return nil
}

func TestResourceOfPods(t *testing.T) {
	cart := strings.TrimPrefix(`
k8s.namespace.name=shop
k8s.pod.name=cart-7d9fb6c5d8-x2lkq
k8s.pod.uid=u2
k8s.pod.ip=10.4.0.3
k8s.pod.start_time=2026-11-21T06:51:51Z
k8s.node.name=n1
k8s.cluster.name=c1
k8s.deployment.name=cart
`, "\n")
	const rest = "service.instance.id=shop.cart-7d9fb6c5d8-x2lkq.app\nk8s.container.name=app\nk8s.pod.annotation.owner=a@b\n"
	for _, c := range []struct {
		name, uid, cluster, exported string
		labels                       bool
		want                         string
	}{
		{"workload", "u2", "", "", false, "service.name=cart\ndeployment.environment.name=prod\nservice.namespace=shop\n" + cart + "service.version=1.2@sha256:ab\n" + rest},
		{"labels", "u2", "cluster", "", true, "service.name=cart-eu\ndeployment.environment.name=prod\nservice.namespace=shop\n" + cart + "service.version=9\n" + rest + "envoy.node.cluster=cluster\n"},
		{"the node's cluster", "u2", "cluster", "", false, "service.name=cluster\ndeployment.environment.name=prod\nservice.namespace=shop\n" + cart + "service.version=1.2@sha256:ab\n" + rest + "envoy.node.cluster=cluster\n"},
		{"the tracer's name", "u2", "cluster", "tracer", true, "service.name=tracer\ndeployment.environment.name=prod\nservice.namespace=shop\n" + cart + "service.version=9\n" + rest + "envoy.node.cluster=cluster\n"},
		{"the owner's name", "u3", "cluster", "", true, "service.name=by-owner\nservice.version=v\nservice.namespace=shop\nk8s.namespace.name=shop\nk8s.pod.name=named\nk8s.pod.uid=u3\nk8s.pod.ip=10.4.0.4\n" +
			"k8s.pod.start_time=2026-11-21T06:51:51Z\nk8s.cluster.name=c1\nenvoy.node.cluster=cluster\n"},
		{"an endpoint", "u4", "", "", false, "service.name=db-0\nservice.namespace=shop\nk8s.namespace.name=shop\nk8s.pod.name=db-0\nk8s.pod.uid=u4\nk8s.cluster.name=c1\n"},
	} {
		l := NewLoggers(NewNodes(), nil).Find(&wire.Node{Cluster: []byte(c.cluster)}, nil, netip.Addr{})
		if c.exported != "" {
			l.node.names(originOf(t, stringAttribute("service.name", "unknown_service:envoy")))
			l.node.names(originOf(t, stringAttribute("service.name", c.exported)))
			l.node.names(originOf(t, stringAttribute("service.name", "unknown_service")))
			l.node.names(originOf(t))
		}
		r := senders(PodOptions{Cluster: "c1", AppLabels: c.labels}).Resources()
		p := podOf(t, c.uid)
		if diff := cmp.Diff(c.want, listed(decodeResource(t, r.Made(l, p).Head))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if first, again := r.Made(l, p), r.Made(l, p); first != again {
			t.Errorf("%s: the resource is made twice", c.name)
		}
	}
}

// What a resource has is left alone; what the pod adds stands behind it, and all else of it is there still.
func TestPassedResources(t *testing.T) {
	const pod = "service.namespace=ingress\nk8s.namespace.name=ingress\nk8s.pod.name=envoy-kz2x9\nk8s.pod.uid=u1\nk8s.pod.ip=10.4.0.2\nk8s.pod.start_time=2026-11-21T06:51:51Z\n" +
		"k8s.node.name=n1\nk8s.daemonset.name=envoy\nk8s.pod.label.team=edge\n"
	with := func(pairs ...string) (all []*commonpb.KeyValue) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, stringAttribute(pairs[i], pairs[i+1]))
		}
		return all
	}
	for _, c := range []struct {
		name       string
		attributes []*commonpb.KeyValue
		cluster    string
		want       string
	}{
		{"a name", with("service.name", "edge", "k", "v"), "", "service.name=edge\nk=v\n" + pod},
		{"no name", with("k", "v"), "", "k=v\nservice.name=envoy\n" + pod},
		{"unknown_service", with("service.name", "unknown_service:envoy", "k", "v"), "", "k=v\nservice.name=envoy\n" + pod},
		{"one name for spans of both kinds", with("service.name", "unknown_service:envoy"), "front", "service.name=front\n" + pod},
		{"what is there stays", with("service.name", "edge", "k8s.node.name", "mine", "service.namespace", "ns"), "",
			"service.name=edge\nk8s.node.name=mine\nservice.namespace=ns\n" + strings.NewReplacer("service.namespace=ingress\n", "", "k8s.node.name=n1\n", "").Replace(pod)},
	} {
		origin, nodes := originOf(t, c.attributes...), NewNodes()
		if c.cluster != "" {
			NewLoggers(nodes, nil).Find(&wire.Node{ID: []byte("n"), Cluster: []byte(c.cluster)}, nil, netip.Addr{})
		}
		item := Item{Origin: origin, facts: facts{Node: new(derivation).hash([]byte("n"))}}
		r := senders(PodOptions{}).Resources()
		got := r.Passed(origin, podOf(t, "u1"), nodes.Unnamed(&item, nil))
		var rs tracepb.ResourceSpans
		if err := proto.Unmarshal(got.Head, &rs); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, listed(rs.Resource)); diff != "" || rs.SchemaUrl != "schema" || rs.Resource.DroppedAttributesCount != 3 {
			t.Errorf("%s: schema %q, %d dropped (-want +got):\n%s", c.name, rs.SchemaUrl, rs.Resource.DroppedAttributesCount, diff)
		}
		if again := r.Passed(origin, podOf(t, "u1"), nil); again == origin.Resource {
			t.Errorf("%s: it is passed as it came", c.name)
		}
		if same := r.Passed(origin, nil, nil); same != origin.Resource {
			t.Errorf("%s: without a pod it is another one", c.name)
		}
	}
}

func TestOtherSide(t *testing.T) {
	o := options()
	o.Pods, o.Upstream = cluster(), UpstreamAlways
	b := New(o)
	keys := []string{"service.peer.name", "service.peer.namespace", "peer.service", "envoy.upstream.pod", "envoy.upstream.namespace", "envoy.upstream.service"}
	facts := func(span []byte) (facts string) {
		s := decodeSpan(t, span)
		for _, k := range keys {
			facts += " " + strings.Trim(attr(s, k), `"`)
		}
		return facts
	}
	for _, c := range []struct{ name, direct, remote, upstream, server, client string }{
		{"both sides", "10.4.0.2", "203.0.113.9", "10.9.0.9", " envoy ingress envoy db-0 shop db", " db shop db   "},
		{"from outside", "203.0.113.9", "203.0.113.9", "10.4.0.3", "    cart-7d9fb6c5d8-x2lkq shop cart-http", " cart-http shop cart-http   "},
		{"behind a translation of addresses", "192.168.0.1", "10.4.0.4", "", " by-owner shop by-owner   ", "      "},
		{"nobody", "10.0.0.1", "", "10.0.0.2", "      ", "      "},
		{"IPv4 in IPv6", "::ffff:10.4.0.2", "", "", " envoy ingress envoy   ", "      "},
		{"no address", "10.4.0", "1.2.3.4.5", "10.4.0.300", "      ", "      "},
	} {
		e := testEntry(wire.DownstreamEnd)
		e.DownstreamDirect, e.DownstreamRemote, e.UpstreamRemote = address(e, c.direct), address(e, c.remote), address(e, c.upstream)
		span, _ := b.Server(make([]byte, 0, b.Bound(e)), e, testLogger(0), testClaim())
		if got := facts(span); got != c.server {
			t.Errorf("%s: the SERVER has%s, want%s", c.name, got, c.server)
		}
		span, _ = b.Client(make([]byte, 0, b.Bound(e)), e, testLogger(0), testClaim(), mustSpan(idC))
		if got := facts(span); got != c.client {
			t.Errorf("%s: the CLIENT has%s, want%s", c.name, got, c.client)
		}
	}
	e := testEntry(wire.DownstreamEnd)
	e.UpstreamRemote = address(e, "10.9.0.9")
	e.Start.Seconds -= 7200
	e.UpstreamRemote = address(e, "10.4.0.3")
	if span, _ := b.Server(make([]byte, 0, b.Bound(e)), e, testLogger(0), testClaim()); facts(span) != "      " {
		t.Errorf("a pod that began later has the address:%s", facts(span))
	}
}

// An attribute that is no string is there all the same, and a resource in two parts is one.
func TestPassedOddResources(t *testing.T) {
	number := &commonpb.KeyValue{Key: "k8s.pod.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 1}}}
	part := func(all ...*commonpb.KeyValue) []byte {
		return wire.AppendBytes(nil, 1, encoded(t, &resourcepb.Resource{Attributes: all}))
	}
	head := append(part(number, stringAttribute("service.namespace", "")), part(&commonpb.KeyValue{Key: "k8s.pod.uid"}, stringAttribute("service.name", "unknown_service:java"))...)
	r := senders(PodOptions{}).Resources()
	var rs tracepb.ResourceSpans
	if err := proto.Unmarshal(r.Passed(NewOrigins().Find(head, nil), podOf(t, "u2"), nil).Head, &rs); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, a := range rs.Resource.Attributes {
		seen[a.Key]++
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if seen["k8s.pod.ip"] != 1 || seen["service.name"] != 1 || rs.Resource.Attributes[0].Value.GetIntValue() != 1 {
		t.Errorf("it is %v", rs.Resource)
	}
}
