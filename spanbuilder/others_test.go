package spanbuilder

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/wire"
)

var describedAt = began.Add(2 * time.Hour).UnixNano()

// describer is a sender whose connection comes from the pod u2.
func describer() Sender {
	return senders(PodOptions{Cluster: "c1", AppLabels: true}).Sender(netip.MustParseAddr("10.4.0.3"))
}

func logsOf(resources ...*resourcepb.Resource) *logspb.LogsData {
	var d logspb.LogsData
	for _, r := range resources {
		d.ResourceLogs = append(d.ResourceLogs, &logspb.ResourceLogs{Resource: r, SchemaUrl: "schema", ScopeLogs: []*logspb.ScopeLogs{{
			Scope: &commonpb.InstrumentationScope{Name: "scope"}, LogRecords: []*logspb.LogRecord{{SeverityText: "INFO", Body: stringAttribute("", "hello").Value}}}}})
	}
	return &d
}

func resourceWith(pairs ...string) *resourcepb.Resource {
	r := &resourcepb.Resource{}
	for i := 0; i < len(pairs); i += 2 {
		r.Attributes = append(r.Attributes, stringAttribute(pairs[i], pairs[i+1]))
	}
	return r
}

func TestDescribe(t *testing.T) {
	const uid2, uid4 = "k8s.pod.uid=u2\n", "k8s.pod.uid=u4\n"
	for _, c := range []struct {
		name     string
		resource *resourcepb.Resource
		want     []string // in the list of attributes; none: it stays as it is
	}{
		{"the connection's", resourceWith("service.name", "own", "a", "b"), []string{"service.name=own\na=b\n", uid2}},
		{"a name for one that has none", resourceWith("service.name", "unknown_service:java", "a", "b"), []string{"a=b\nservice.name=cart-eu\n", uid2}},
		{"no resource", nil, []string{"service.name=cart-eu\n", uid2}},
		{"its own claim", resourceWith("k8s.pod.name", "db-0", "k8s.namespace.name", "shop"), []string{"k8s.pod.name=db-0\nk8s.namespace.name=shop\n", uid4}},
		{"what is there is left alone", resourceWith("k8s.pod.uid", "u2", "k8s.node.name", "mine"), []string{"k8s.pod.uid=u2\nk8s.node.name=mine\n"}},
		{"of another pod", resourceWith("k8s.pod.uid", "elsewhere", "service.name", "unknown_service"), nil},
	} {
		in := encoded(t, logsOf(c.resource))
		s := describer()
		out, own := s.describe(s.all.index.Load(), in, describedAt)
		var got logspb.LogsData
		if err := proto.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if c.want == nil {
			if own || &out[0] != &in[0] || len(out) != len(in) {
				t.Errorf("%s: it is changed: %v", c.name, &got)
			}
			continue
		}
		said := listed(got.ResourceLogs[0].Resource)
		for _, want := range c.want {
			if !own || !strings.Contains(said, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, said)
			}
		}
		if n := strings.Count(said, "k8s.node.name="); n > 1 || strings.Contains(said, "unknown_service") {
			t.Errorf("%s: it says\n%s", c.name, said)
		}
	}
}

// A request of very many Resources does not become very much larger than it is, and one that has all already stays as it is.
func TestDescribeIsBounded(t *testing.T) {
	s := describer()
	in := bytes.Repeat([]byte{requestResources<<3 | wire.Bytes, 0}, 1<<20)
	out, own := s.describe(s.all.index.Load(), in, describedAt)
	if most := 2*len(in) + describeRoom + len(in); !own || len(out) > most { // each length prefix may grow, too
		t.Errorf("%d bytes became %d", len(in), len(out))
	}
	checkDescribed(t, &s, in[:60])
	once, _ := s.describe(s.all.index.Load(), encoded(t, logsOf(resourceWith("a", "b"))), describedAt)
	if twice, own := s.describe(s.all.index.Load(), once, describedAt); own || !bytes.Equal(twice, once) {
		t.Error("a request that says all is changed")
	}
	nobody := senders(PodOptions{})
	nobody.index = nil
	s = nobody.Sender(s.From)
	if out, own := s.Describe(in[:2]); own || !bytes.Equal(out, in[:2]) {
		t.Error("without pods it is changed")
	}
}

// checkDescribed compares with the official runtime: of each Resource is told what is told where spans pass, and all the rest is
// there byte for byte.
func checkDescribed(t *testing.T, s *Sender, in []byte) {
	t.Helper()
	known := s.all.index.Load()
	before := slices.Clone(in)
	out, own := s.describe(known, in, describedAt)
	if !bytes.Equal(in, before) {
		t.Fatal("the request itself is changed")
	}
	if !own && !bytes.Equal(out, in) {
		t.Fatal("what is not its own is changed")
	}
	var want, got tracepb.TracesData // only its Resources are looked at: all else are fields that it does not know
	if proto.Unmarshal(bare(in), &want) != nil {
		return // no such request, or not UTF-8
	}
	if err := proto.Unmarshal(bare(out), &got); err != nil {
		t.Fatalf("%v: %x became %x", err, in, out)
	}
	if len(want.ResourceSpans)*1000 > describeRoom {
		return
	}
	for _, rs := range want.ResourceSpans {
		o, _ := newOrigin(encoded(t, &tracepb.ResourceSpans{Resource: rs.Resource}), nil)
		p, _ := s.ofOrigin(known, 0, nil, o, describedAt)
		if p == nil {
			continue
		}
		service := ""
		if o.unknown {
			service = s.all.serviceName(nil, p, "")
		}
		var with tracepb.ResourceSpans
		if err := proto.Unmarshal(s.all.extend(o, p, service), &with); err != nil {
			t.Fatal(err)
		}
		if rs.Resource != nil || len(with.Resource.GetAttributes()) > 0 {
			rs.Resource = with.Resource
		}
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("%x\nbecame %v\nwant   %v", in, &got, &want)
	}
	if a, b := rest(in), rest(out); !bytes.Equal(a, b) {
		t.Errorf("beside the Resources %x became %x", a, b)
	}
}

// fields gives the fields of a message.
func fields(b []byte, f func(num protowire.Number, value, field []byte)) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return
		}
		var value []byte
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b[n:])
			f(num, value, b[:n+size])
		} else {
			f(-1, nil, b[:n+size])
		}
		b = b[n+size:]
	}
}

// rest gives the request without its Resources and without the lengths of their groups.
func rest(request []byte) (out []byte) {
	fields(request, func(num protowire.Number, value, field []byte) {
		if num != 1 {
			out = append(out, field...)
			return
		}
		fields(value, func(num protowire.Number, _, field []byte) {
			if num != 1 {
				out = append(out, field...)
			}
		})
	})
	return out
}

// bare gives the groups of a request with their Resources alone, as groups of spans; a malformed request stays one.
func bare(request []byte) (out []byte) {
	var m metricspb.MetricsData
	var l logspb.LogsData
	if proto.Unmarshal(request, &m) != nil && proto.Unmarshal(request, &l) != nil {
		return []byte{0xff}
	}
	fields(request, func(num protowire.Number, value, _ []byte) {
		if num != 1 {
			return
		}
		var group []byte
		fields(value, func(num protowire.Number, _, field []byte) {
			if num == 1 {
				group = append(group, field...)
			}
		})
		out = wire.AppendBytes(out, 1, group)
	})
	return out
}

func FuzzDescribe(f *testing.F) {
	resource := resourceWith("service.name", "unknown_service:go", "k8s.pod.ip", "10.4.0.2")
	resource.DroppedAttributesCount = 7
	resource.EntityRefs = []*commonpb.EntityRef{{Type: "service", IdKeys: []string{"service.name"}}}
	resource.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 200, protowire.BytesType), "newer"))
	logs := logsOf(resource, nil, resourceWith("k8s.pod.uid", "u1"), resourceWith("k8s.pod.uid", "gone"))
	logs.ResourceLogs[2].ProtoReflect().SetUnknown([]byte("\xc2\x0c\x05newer"))
	f.Add(encoded(f, logs))
	f.Add(encoded(f, &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{{Resource: resource, ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{
		Name: "m", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{{TimeUnixNano: 1, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: 1.5}}}}}}}}}}}}))
	// A Resource in pieces, one of them after the records; a service.name that is no string; fields of other wire types, and a group.
	number := encoded(f, &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 5}}}}})
	pieces := wire.AppendBytes(wire.AppendBytes(wire.AppendBytes(nil, 1, number), 2, ""), 1, encoded(f, resourceWith("k8s.pod.name", "named")))
	f.Add(append(wire.AppendBytes(nil, 1, pieces), "\x08\x05\x0b\x08\x01\x0c"...))
	f.Add([]byte("\x0a\x00\x8a\x80\x00\x02\x0a\x00"))
	f.Add([]byte("\x0a\x02\x0a\x7f\x0a\x00"))
	f.Add([]byte("\x0a\x7f"))
	s := describer()
	f.Fuzz(func(t *testing.T, in []byte) { checkDescribed(t, &s, in) })
}
