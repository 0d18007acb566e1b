package spanbuilder

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
)

// What Envoys of several control planes say of themselves, and the resource that their spans get.
func TestResource(t *testing.T) {
	node := func(id, cluster string) *wire.Node { return &wire.Node{ID: []byte(id), Cluster: []byte(cluster)} }
	for name, c := range map[string]struct {
		node    *wire.Node
		logName string
		want    string
	}{
		"Istio sidecar": {node("sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local", "cart.shop"), "http_envoy_accesslog", `
			service.name = "cart.shop"
			service.namespace = "shop"
			k8s.pod.name = "cart-7d9fb6c5d8-x2lkq"
			k8s.namespace.name = "shop"
			k8s.pod.ip = "10.4.0.3"
			envoy.node.id = "sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local"
			envoy.node.cluster = "cart.shop"`},
		"Istio gateway, IPv6, pod with dots": {node("router~fd00::3~gw.eu-0.mesh~mesh.svc.cluster.local", "gw.mesh"), "", `
			service.name = "gw.mesh"
			service.namespace = "mesh"
			k8s.pod.name = "gw.eu-0"
			k8s.namespace.name = "mesh"
			k8s.pod.ip = "fd00::3"
			envoy.node.id = "router~fd00::3~gw.eu-0.mesh~mesh.svc.cluster.local"
			envoy.node.cluster = "gw.mesh"`},
		"Envoy Gateway": {node("envoy-default-eg-e41e7b31-5d5b5f8c9b-7xkzq", "default/eg"), "default/eg", `
			service.name = "default/eg"
			service.instance.id = "envoy-default-eg-e41e7b31-5d5b5f8c9b-7xkzq"
			k8s.pod.name = "envoy-default-eg-e41e7b31-5d5b5f8c9b-7xkzq"
			envoy.node.id = "envoy-default-eg-e41e7b31-5d5b5f8c9b-7xkzq"
			envoy.node.cluster = "default/eg"`},
		"Contour": {node("envoy-kz2x9", "projectcontour"), "", `
			service.name = "projectcontour"
			service.instance.id = "envoy-kz2x9"
			k8s.pod.name = "envoy-kz2x9"
			envoy.node.id = "envoy-kz2x9"
			envoy.node.cluster = "projectcontour"`},
		"by hand": {&wire.Node{ID: []byte("front-proxy"), Cluster: []byte("front"), Region: []byte("eu-1"), Zone: []byte("eu-1b"), SubZone: []byte("r7")}, "log", `
			service.name = "front"
			service.instance.id = "front-proxy"
			envoy.node.id = "front-proxy"
			envoy.node.cluster = "front"
			cloud.region = "eu-1"
			cloud.availability_zone = "eu-1b"`},
		"only an id":          {node("front-proxy", ""), "", "\n\t\t\tservice.name = \"unknown_service:envoy\"\n\t\t\tservice.instance.id = \"front-proxy\"\n\t\t\tenvoy.node.id = \"front-proxy\""},
		"no cluster, a log":   {node("", ""), "access", "\n\t\t\tservice.name = \"access\""},
		"nothing":             {node("", ""), "", "\n\t\t\tservice.name = \"unknown_service:envoy\""},
		"not UTF-8":           {node("", "a\xff"), "", "\n\t\t\tservice.name = \"a\uFFFD\"\n\t\t\tenvoy.node.cluster = \"a\uFFFD\""},
		"Istio, no address":   {node("sidecar~x~a.b~d", "c"), "", "\n\t\t\tservice.name = \"c\"\n\t\t\tservice.instance.id = \"sidecar~x~a.b~d\"\n\t\t\tenvoy.node.id = \"sidecar~x~a.b~d\"\n\t\t\tenvoy.node.cluster = \"c\""},
		"Istio, no pod":       {node("sidecar~10.0.0.1~.b~d", "c"), "", "\n\t\t\tservice.name = \"c\"\n\t\t\tservice.instance.id = \"sidecar~10.0.0.1~.b~d\"\n\t\t\tenvoy.node.id = \"sidecar~10.0.0.1~.b~d\"\n\t\t\tenvoy.node.cluster = \"c\""},
		"letters of no pod":   {node("front-proxy-aeiou", "c"), "", "\n\t\t\tservice.name = \"c\"\n\t\t\tservice.instance.id = \"front-proxy-aeiou\"\n\t\t\tenvoy.node.id = \"front-proxy-aeiou\"\n\t\t\tenvoy.node.cluster = \"c\""},
		"mapped IPv4 address": {node("sidecar~::ffff:10.0.0.1~a.b~d", "c"), "", "\n\t\t\tservice.name = \"c\"\n\t\t\tservice.namespace = \"b\"\n\t\t\tk8s.pod.name = \"a\"\n\t\t\tk8s.namespace.name = \"b\"\n\t\t\tk8s.pod.ip = \"10.0.0.1\"\n\t\t\tenvoy.node.id = \"sidecar~::ffff:10.0.0.1~a.b~d\"\n\t\t\tenvoy.node.cluster = \"c\""},
	} {
		r := decodeResource(t, madeHead(NewLoggers(NewNodes(), nil).Find(c.node, []byte(c.logName), netip.Addr{})))
		var got strings.Builder
		for _, a := range r.Attributes {
			got.WriteString("\n\t\t\t" + a.Key + " = " + valueText(a.Value))
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// decodeResource reads b with the official runtime and checks what holds for every resource.
func decodeResource(t testing.TB, b []byte) *resourcepb.Resource {
	t.Helper()
	r, head := &resourcepb.Resource{}, wire.Read(b)
	if !head.Next() || head.Key != resourceSpansResource<<3|wire.Bytes || head.Rest() > 0 {
		t.Fatalf("%x is not one field with a resource", b)
	}
	if err := proto.Unmarshal(head.Bytes, r); err != nil {
		t.Fatalf("cannot decode the resource: %v", err)
	}
	if len(r.ProtoReflect().GetUnknown()) > 0 {
		t.Errorf("unknown fields: %x", r.ProtoReflect().GetUnknown())
	}
	seen := map[string]bool{}
	for _, a := range r.Attributes {
		if seen[a.Key] || a.Value.GetStringValue() == "" || len(a.Value.GetStringValue()) > maxResourceValue {
			t.Errorf("attribute %s of %d bytes is empty, too long, or there twice", a.Key, len(a.Value.GetStringValue()))
		}
		seen[a.Key] = true
	}
	if !seen["service.name"] {
		t.Error("no service.name")
	}
	return r
}

// madeHead gives the encoded resource of the spans that are made for a logger in no known pod.
func madeHead(l *Logger) []byte {
	r := NewSenders(pods.NewIndex(), PodOptions{}, "test").Resources()
	return r.Made(l, nil).Head
}

func TestResourceIsBounded(t *testing.T) {
	long := []byte(strings.Repeat("\xff-", 50_000))
	n := len(madeHead(NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: long, Cluster: long, Region: long, Zone: long}, long, netip.Addr{})))
	if n > 6*(maxResourceValue+64) {
		t.Errorf("a resource of %d bytes", n)
	}
}

// A pod may have more labels than a span may have attributes.
func TestResourceOfManyLabels(t *testing.T) {
	const n = 3 * maxAttributes
	p := &pods.Pod{Namespace: "n", Name: "p", Detail: &pods.Detail{}}
	for i := range n {
		p.Detail.Labels = append(p.Detail.Labels, pods.KeyValue{Key: fmt.Sprint("l", i), Value: "v"})
	}
	r := NewSenders(pods.NewIndex(), PodOptions{}, "test").Resources()
	got := decodeResource(t, r.Made(NewLoggers(NewNodes(), nil).Find(&wire.Node{}, nil, netip.Addr{}), p).Head)
	if len(got.Attributes) < n {
		t.Errorf("%d attributes, want more than %d", len(got.Attributes), n)
	}
}
