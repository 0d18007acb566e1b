package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	data "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	kube "github.com/alspan/alspan/internal/cluster"
	"github.com/alspan/alspan/internal/tools/toolbox"
)

type object = map[string]any

// town is a cluster with one pod of each kind, and the agent of its node n1.
type town struct {
	*kube.Cluster
	agent *alspan
	out   *relay
	conn  *grpc.ClientConn
}

// resident is one pod.
type resident struct {
	namespace, name, node, ip string
	owner                     [2]string // kind and name
	labels, annotations       object
	host                      bool
	began                     time.Time
}

func (c *town) create(t *testing.T, path string, o object) {
	t.Helper()
	if err := c.Create(t.Context(), path, o); err != nil {
		t.Fatal(err)
	}
}

func (c *town) settle(t *testing.T, r resident) {
	t.Helper()
	m := object{"name": r.name, "labels": r.labels, "annotations": r.annotations}
	if r.owner[0] != "" {
		api := "apps/v1"
		if r.owner[0] == "Job" {
			api = "batch/v1"
		}
		m["ownerReferences"] = []object{{"apiVersion": api, "kind": r.owner[0], "name": r.owner[1], "uid": "u", "controller": true}}
	}
	c.create(t, "/api/v1/namespaces/"+r.namespace+"/pods", object{"apiVersion": "v1", "kind": "Pod", "metadata": m,
		"spec": object{"nodeName": r.node, "hostNetwork": r.host, "containers": []object{{"name": "main", "image": "reg.example/main:1.0"}}}})
	if err := c.Report(t.Context(), r.namespace, r.name, "Running", r.began, r.ip); err != nil {
		t.Fatal(err)
	}
}

func (c *town) service(t *testing.T, namespace, name string, residents ...resident) {
	t.Helper()
	var endpoints []object
	for _, r := range residents {
		var pod struct{ Metadata struct{ UID string } }
		if err := c.Get(t.Context(), "/api/v1/namespaces/"+r.namespace+"/pods/"+r.name, &pod); err != nil {
			t.Fatal(err)
		}
		endpoints = append(endpoints, object{"addresses": []string{r.ip}, "nodeName": r.node, "targetRef": object{"kind": "Pod", "namespace": r.namespace, "name": r.name, "uid": pod.Metadata.UID}})
	}
	c.create(t, "/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices", object{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"endpoints": endpoints, "metadata": object{"name": name + "-1", "labels": object{"kubernetes.io/service-name": name}}})
}

func addressAt(ip string) *core.Address {
	if ip == "" {
		return nil
	}
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{Address: ip, PortSpecifier: &core.SocketAddress_PortValue{PortValue: 8080}}}}
}

// visit is one request that an Envoy logs, and what its span is to say.
type visit struct {
	name             string
	node, cluster    string
	tags             map[string]string
	began            time.Time
	direct, upstream string
	resource         string // wanted, key=value with spaces between; "-key" is not there
	span             string
}

// log sends the entry of a visit, on a stream of its own.
func (c *town) log(t *testing.T, v visit) {
	t.Helper()
	method := als.AccessLogService_ServiceDesc.Streams[0]
	stream, err := c.conn.NewStream(t.Context(), &method, "/"+als.AccessLogService_ServiceDesc.ServiceName+"/"+method.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	entry := &data.HTTPAccessLogEntry{
		CommonProperties: &data.AccessLogCommon{StartTime: timestamppb.New(v.began), Duration: durationpb.New(time.Millisecond), AccessLogType: data.AccessLogType_DownstreamEnd,
			DownstreamDirectRemoteAddress: addressAt(v.direct), UpstreamRemoteAddress: addressAt(v.upstream), CustomTags: v.tags},
		Request:  &data.HTTPRequestProperties{Path: "/" + v.name, RequestMethod: core.RequestMethod_GET},
		Response: &data.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(200)},
	}
	err = stream.SendMsg(&als.StreamAccessLogsMessage{
		Identifier: &als.StreamAccessLogsMessage_Identifier{Node: &core.Node{Id: v.node, Cluster: v.cluster}, LogName: "log"},
		LogEntries: &als.StreamAccessLogsMessage_HttpLogs{HttpLogs: &als.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*data.HTTPAccessLogEntry{entry}}},
	})
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		t.Fatal(err)
	}
	stream.RecvMsg(new(als.StreamAccessLogsResponse)) // until the agent has read it
}

// lacks tells what of the wanted attributes is not there as it should be.
func lacks(attributes []*common.KeyValue, want string) (wrong []string) {
	for _, w := range strings.Fields(want) {
		if key, not := strings.CutPrefix(w, "-"); not {
			if slices.ContainsFunc(attributes, func(a *common.KeyValue) bool { return a.Key == key }) {
				wrong = append(wrong, key+" is there")
			}
			continue
		}
		key, value, _ := strings.Cut(w, "=")
		if got := text(attributes, key); got != value {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", key, got, value))
		}
	}
	return wrong
}

func (c *town) check(t *testing.T, name, wantResource, wantSpan string) {
	t.Helper()
	eventually(t, 15*time.Second, func() error {
		for _, s := range c.out.all() {
			if s.text("url.path") != "/"+name && s.Name != name {
				continue
			}
			if wrong := append(lacks(s.Resource.Attributes, wantResource), lacks(s.Attributes, wantSpan)...); len(wrong) > 0 {
				return fmt.Errorf("%s: %s\nresource %v\nspan %v", name, strings.Join(wrong, "; "), s.Resource, s.Attributes)
			}
			return nil
		}
		return fmt.Errorf("%s: there is no span", name)
	})
}

// pods has pods of all kinds in a real API server, and entries and spans of theirs.
func (l *lab) pods(t *testing.T) {
	t.Parallel()
	c := &town{Cluster: kube.Start(t, kube.Options{}), out: startRelay(t, l.jaeger.otlp)}
	now := time.Now().Truncate(time.Second)
	hour := now.Add(-time.Hour)
	for _, ns := range []string{"ingress", "shop"} {
		c.create(t, "/api/v1/namespaces", object{"metadata": object{"name": ns}})
		c.create(t, "/api/v1/namespaces/"+ns+"/serviceaccounts", object{"metadata": object{"name": "default"}})
	}
	gateway := resident{namespace: "ingress", name: "envoy-kz2x9", node: "n1", ip: "10.1.0.2", owner: [2]string{"DaemonSet", "envoy"}, began: hour}
	cart := resident{namespace: "shop", name: "cart-7d9fb6c5d8-x2lkq", node: "n1", ip: "10.1.0.3", owner: [2]string{"ReplicaSet", "cart-7d9fb6c5d8"}, began: hour,
		labels: object{"pod-template-hash": "7d9fb6c5d8", "team": "t1", "secret": "s"}, annotations: object{"resource.opentelemetry.io/deployment.environment.name": "prod"}}
	db := resident{namespace: "shop", name: "db-0", node: "n2", ip: "10.2.0.4", owner: [2]string{"StatefulSet", "db"}, began: hour}
	host := resident{namespace: "ingress", name: "host", node: "n2", ip: "192.168.9.2", owner: [2]string{"DaemonSet", "host"}, host: true, began: hour}
	for _, r := range []resident{gateway, cart, db, host,
		{namespace: "shop", name: "bare-abcde", node: "n1", ip: "10.1.0.5", owner: [2]string{"ReplicaSet", "bare"}, began: hour},
		{namespace: "shop", name: "nightly-x", node: "n1", ip: "10.1.0.6", owner: [2]string{"Job", fmt.Sprint("nightly-", now.Unix()/60)}, began: hour},
		{namespace: "shop", name: "web-0", node: "n1", ip: "10.1.0.7", owner: [2]string{"StatefulSet", "web"}, began: hour},
		{namespace: "shop", name: "first", node: "n1", ip: "10.1.0.8", began: hour},
		{namespace: "shop", name: "second", node: "n1", ip: "10.1.0.8", began: now.Add(-time.Minute)},
	} {
		c.settle(t, r)
	}
	c.service(t, "shop", "db", db)
	c.service(t, "shop", "cart-http", cart)
	c.service(t, "ingress", "host", host)

	config := merge(basicConfig(c.out.address, "200ms", "200ms"), object{"pods": object{"enabled": "on", "kubeconfig": c.Kubeconfig(), "node": "n1", "cluster": "c1", "labels": []string{"team"}}})
	c.agent = startAgent(t, l.agent, config)
	conn, err := grpc.NewClient("passthrough:///"+c.agent.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.conn = conn
	c.known(t)

	const cartIs = "service.namespace=shop k8s.namespace.name=shop k8s.pod.name=cart-7d9fb6c5d8-x2lkq k8s.deployment.name=cart k8s.node.name=n1 k8s.cluster.name=c1 " +
		"k8s.pod.label.team=t1 -k8s.pod.label.secret deployment.environment.name=prod service.version=1.0 service.instance.id=shop.cart-7d9fb6c5d8-x2lkq.main"
	const gatewayIs = "k8s.pod.name=envoy-kz2x9 k8s.namespace.name=ingress k8s.daemonset.name=envoy"
	visits := []visit{
		{name: "istio", node: "sidecar~10.1.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local", cluster: "cart.shop", direct: gateway.ip, upstream: "10.1.0.3", resource: "service.name=cart.shop " + cartIs,
			span: "service.peer.name=envoy peer.service=envoy service.peer.namespace=ingress envoy.upstream.pod=cart-7d9fb6c5d8-x2lkq envoy.upstream.service=cart-http"},
		{name: "contour", node: "envoy-kz2x9", upstream: db.ip, resource: gatewayIs + " service.name=envoy", span: "envoy.upstream.pod=db-0 envoy.upstream.namespace=shop envoy.upstream.service=db -service.peer.name"},
		{name: "tags", node: "x", tags: map[string]string{"podName": "cart-7d9fb6c5d8-x2lkq", "podNamespace": "shop"}, resource: "service.name=cart " + cartIs},
		{name: "statefulset", node: "web-0", resource: "k8s.statefulset.name=web k8s.pod.name=web-0"},
		{name: "replicaset", node: "bare-abcde", resource: "k8s.replicaset.name=bare -k8s.deployment.name"},
		{name: "cronjob", node: "nightly-x", resource: "k8s.cronjob.name=nightly -k8s.job.name"},
		{name: "other-node", node: "db-0", resource: "k8s.pod.name=db-0 k8s.namespace.name=shop k8s.node.name=n2 -k8s.statefulset.name"},
		{name: "host", node: "host", upstream: host.ip, direct: host.ip, resource: "k8s.pod.name=host k8s.daemonset.name=host k8s.node.name=n2", span: "-envoy.upstream.pod -service.peer.name"},
		{name: "late", node: "first", direct: "10.1.0.8", resource: "k8s.pod.name=first", span: "service.peer.name=second"},
		{name: "early", node: "first", direct: "10.1.0.8", began: now.Add(-30 * time.Minute), resource: "k8s.pod.name=first", span: "service.peer.name=first"},
		{name: "nobody", node: "somebody", direct: "203.0.113.1", upstream: "203.0.113.2", resource: "-k8s.pod.name -k8s.cluster.name", span: "-service.peer.name -envoy.upstream.pod"},
	}
	for _, v := range visits {
		if v.began.IsZero() {
			v.began = now
		}
		c.log(t, v)
		c.check(t, v.name, v.resource, v.span)
	}
	spans := c.pass(t, now)
	c.moves(t, now)
	eventually(t, 20*time.Second, func() error {
		page, err := c.agent.metrics()
		if err != nil {
			return err
		}
		if got := page["alspan_entries_received_total"]; got != float64(len(visits)+2) || page["alspan_spans_in_total"] != float64(spans) {
			return fmt.Errorf("the agent has got %v entries and %v spans", got, page["alspan_spans_in_total"])
		}
		if err := page.idle(); err != nil {
			return err
		}
		return page.balanced()
	})
	l.namedEnvoy(t, c)
}

// known waits until the agent knows all pods.
func (c *town) known(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		page, err := c.agent.metrics()
		if err == nil && page["alspan_pods_synced"] != 3 {
			err = fmt.Errorf("of three sources %v are read", page["alspan_pods_synced"])
		}
		return err
	})
}

// pass sends spans of applications and of Contour's Envoy through, and gives how many.
func (c *town) pass(t *testing.T, now time.Time) (sent int) {
	t.Helper()
	attributes := func(pairs ...string) (all []*common.KeyValue) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}}})
		}
		return all
	}
	for _, s := range []struct {
		name           string
		resource, span []*common.KeyValue
		want           string
	}{
		{"by-address", attributes("service.name", "db", "k8s.pod.ip", "10.2.0.4", "k8s.node.name", "kept"), nil, "service.name=db k8s.pod.name=db-0 k8s.node.name=kept"},
		{"by-name", attributes("service.name", "unknown_service:java", "k8s.pod.name", "cart-7d9fb6c5d8-x2lkq", "k8s.namespace.name", "shop"), nil, "service.name=cart k8s.deployment.name=cart"},
		{"of-nobody", attributes("service.name", "unknown_service:java"), nil, "service.name=unknown_service:java -k8s.pod.name"},
		{"contour-span", attributes("service.name", "contour"), attributes("component", "proxy", "node_id", "envoy-kz2x9", "podName", "envoy-kz2x9", "podNamespace", "ingress"),
			"service.name=contour k8s.pod.name=envoy-kz2x9 k8s.namespace.name=ingress k8s.daemonset.name=envoy"},
	} {
		sent++
		span := &trace.Span{TraceId: unhex(digest(16, s.name)), SpanId: unhex(digest(8, s.name)), Name: s.name, Kind: trace.Span_SPAN_KIND_SERVER, Attributes: s.span,
			StartTimeUnixNano: uint64(now.UnixNano()), EndTimeUnixNano: uint64(now.UnixNano() + 5)}
		err := sendTraces(context.Background(), c.conn, &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{Resource: &resource.Resource{Attributes: s.resource},
			ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{span}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		c.check(t, s.name, s.want, "")
	}
	return sent
}

// moves lets an address move to another pod, while the API server is away for a moment.
func (c *town) moves(t *testing.T, now time.Time) {
	t.Helper()
	c.StopAPI()
	c.log(t, visit{name: "away", node: "web-0", began: now.Add(time.Millisecond), resource: "k8s.pod.name=web-0"})
	c.check(t, "away", "k8s.statefulset.name=web", "")
	if err := c.StartAPI(); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "/api/v1/namespaces/shop/pods/web-0?gracePeriodSeconds=0"); err != nil {
		t.Fatal(err)
	}
	c.settle(t, resident{namespace: "shop", name: "moved", node: "n1", ip: "10.1.0.7", began: now})
	eventually(t, 20*time.Second, func() error {
		page, err := c.agent.metrics()
		if err == nil && page["alspan_pods_events_total"] == 0 {
			err = fmt.Errorf("the agent has seen no change")
		}
		return err
	})
	time.Sleep(time.Second)
	c.log(t, visit{name: "moved", node: "x", direct: "10.1.0.7", began: now.Add(2 * time.Second)})
	c.check(t, "moved", "", "service.peer.name=moved")
}

// namedEnvoy is a real Envoy whose node id is a pod's name: its own spans, and what alspan makes of its entries, say the same of it.
func (l *lab) namedEnvoy(t *testing.T, c *town) {
	t.Helper()
	sink, app := startSink(t), startUpstream(t, "app", false, func(_, _, _ string, _ traceContext, _ string, _, _ time.Time) {})
	version := toolbox.Envoy().Version
	e := startEnvoy(t, version, bootstrap{envoyFlags: envoyFlags{Tracing: "otel", Nodes: map[string]string{"edge": "envoy-kz2x9"}}, Name: "edge", Exact: knowsSpanID(version), Agent: c.agent.grpc, Sink: sink.grpc,
		OTLP: c.agent.grpc, OTLPWeb: sink.web, Zipkin: sink.web, App: app.address, Unix: app.unix, Mirror: app.address, Next: app.address, Dead: deadAddress(t)})
	r := &request{Name: "real", Method: "GET", Path: "/ok", Context: "w3c", HTTP: "1.1", Trace: digest(16, "real"), Span: digest(8, "real")}
	if err := r.send(t.Context(), e.address, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		for _, s := range c.out.all() {
			if s.trace() == r.Trace && s.Kind == trace.Span_SPAN_KIND_SERVER {
				if wrong := lacks(s.Resource.Attributes, "service.name=edge k8s.pod.name=envoy-kz2x9 k8s.namespace.name=ingress k8s.daemonset.name=envoy"); len(wrong) > 0 {
					return fmt.Errorf("%v: %v", wrong, s.Resource)
				}
				return nil
			}
		}
		return fmt.Errorf("there is no span of Envoy")
	})
}
