package agent

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/traces"
)

// cluster has the pod of the first stream, and a collector that sends spans on.
func cluster() *pods.Index {
	x := pods.NewIndex()
	for name, a := range map[string]string{"gateway": "10.0.0.1", "collector": "10.0.0.99"} {
		p := &pods.Pod{Namespace: "n", Name: name, UID: "uid-" + name, Started: 1, Detail: &pods.Detail{}}
		x.Set("pod/n/"+name, []pods.Record{{Pod: p, IPs: []netip.Addr{netip.MustParseAddr(a)}}})
	}
	x.Publish(time.Now())
	return x
}

// The span of a request that comes by way of somebody else, from a node whose id names no pod, is of the pod
// that has logged the request, unless its resource names another one.
func TestJoinedSpanIsOfTheLoggersPod(t *testing.T) {
	for _, c := range []struct {
		from, resource string
		want           string
	}{
		{"", "", "edge gateway"},
		{"10.0.0.99", "", "edge gateway"},
		{"10.0.0.99", "uid-collector", "edge collector"},
		{"10.0.0.99", "unheard of", "edge <nil>"},
	} {
		t.Run(c.from+" "+c.resource, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rigOf(t, cluster(), nil)
				e, s := pair(1)
				resource := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "unknown_service:envoy")}}
				if c.resource != "" {
					resource.Attributes = append(resource.Attributes, text("k8s.pod.uid", c.resource))
				}
				body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{Resource: resource, ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}}}}})
				if err != nil {
					t.Fatal(err)
				}
				from, _ := netip.ParseAddr(c.from)
				r.logs(1, alsMessage(t, e))
				r.after(time.Second)
				m := traces.NewMessage(body, from)
				r.spans(&m)
				for _, l := range r.end() {
					said := map[string]any{}
					for _, a := range l.Resource.Attributes {
						said[a.Key] = a.Value.GetStringValue()
					}
					if got := fmt.Sprint(said["service.name"], " ", said["k8s.pod.name"]); got != c.want {
						t.Errorf("it is %s, want %s", got, c.want)
					}
				}
			})
		})
	}
}
