package zipkin

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/wire"
)

// strict is a span whose JSON has the types that the specification wants.
type strict struct {
	TraceID, ID, ParentID string
	Kind, Name            string
	Timestamp, Duration   int64
	LocalEndpoint         *strictEndpoint
	RemoteEndpoint        *strictEndpoint
	Annotations           []struct {
		Timestamp int64
		Value     string
	}
	Tags          map[string]string
	Debug, Shared bool
}

type strictEndpoint struct {
	ServiceName, IPv4, IPv6 string
	Port                    int32
}

// listOf gives a ListOfSpans of encoded spans.
func listOf(spans ...[]byte) (list []byte) {
	for _, s := range spans {
		list = wire.AppendBytes(list, 1, s)
	}
	return list
}

// protobuf gives the spans of a JSON list, false if they cannot be said in protobuf.
func protobuf(body []byte) (spans [][]byte, ok bool) {
	var list []strict
	if json.Unmarshal(body, &list) != nil {
		return nil, false
	}
	for i := range list {
		s, ok := list[i].encode()
		if !ok {
			return nil, false
		}
		spans = append(spans, s)
	}
	return spans, true
}

func (s *strict) encode() (b []byte, ok bool) {
	for i, id := range []string{s.TraceID, s.ParentID, s.ID} {
		if len(id)%2 != 0 {
			id = "0" + id
		}
		bytes, err := hex.DecodeString(id)
		if err != nil || id != strings.ToLower(id) {
			return nil, false
		}
		b = wire.AppendBytes(b, uint32(i+1), bytes)
	}
	kind := slices.Index([]string{"", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"}, s.Kind)
	b = wire.AppendUint(b, 4, uint64(kind)) // -1 for one that is not known
	b = wire.AppendBytes(b, 5, s.Name)
	b = wire.AppendFixed64(b, 6, uint64(s.Timestamp))
	b = wire.AppendUint(b, 7, uint64(s.Duration))
	for i, e := range []*strictEndpoint{s.LocalEndpoint, s.RemoteEndpoint} {
		if e != nil {
			b = wire.AppendBytes(b, uint32(8+i), e.encode())
		}
	}
	for _, a := range s.Annotations {
		b = wire.AppendBytes(b, 10, wire.AppendBytes(wire.AppendFixed64(nil, 1, uint64(a.Timestamp)), 2, a.Value))
	}
	for k, v := range s.Tags {
		b = wire.AppendBytes(b, 11, wire.AppendBytes(wire.AppendBytes(nil, 1, k), 2, v))
	}
	for i, set := range []bool{s.Debug, s.Shared} {
		if set {
			b = wire.AppendUint(b, uint32(12+i), 1)
		}
	}
	return b, true
}

func (e *strictEndpoint) encode() (b []byte) {
	b = wire.AppendBytes(b, 1, e.ServiceName)
	for i, text := range []string{e.IPv4, e.IPv6} {
		if address, err := netip.ParseAddr(text); err == nil {
			b = wire.AppendBytes(b, uint32(2+i), address.AsSlice())
		}
	}
	return wire.AppendUint(b, 4, uint64(e.Port))
}

// TestProtoIsJSON: what can be said in both forms gives the same.
func TestProtoIsJSON(t *testing.T) {
	var d, p Decoder
	same := func(t *testing.T, body []byte) bool {
		spans, ok := protobuf(body)
		if !ok {
			return false
		}
		want, err := d.JSON(body, received)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Proto(listOf(spans...), received)
		if err != nil || got.Truncated {
			t.Fatal(got, err)
		}
		check(t, got)
		if diff := cmp.Diff(render(t, want), render(t, got)); diff != "" || !slices.Equal(want.Marks, got.Marks) || want.Invalid != got.Invalid {
			t.Errorf("JSON and protobuf differ: %v %v, %v %v\n%s", want.Marks, got.Marks, want.Invalid, got.Invalid, diff)
		}
		return true
	}
	n := 0
	for _, c := range spanTests {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(c.fields, "localEndpoint") < 2 && !strings.Contains(c.fields, ":null") && utf8.ValidString(c.fields) && same(t, []byte("[{"+c.fields+"}]")) {
				n++
			}
		})
	}
	if n < 60 {
		t.Errorf("only %d of %d spans were compared", n, len(spanTests))
	}
	for _, body := range recorded(t) {
		if !same(t, body) {
			t.Error("a recorded body cannot be said in protobuf")
		}
	}
}

// TestProtoAlone has what JSON cannot say.
func TestProtoAlone(t *testing.T) {
	id := wire.AppendBytes(wire.AppendBytes(nil, 1, []byte{1, 2, 3, 4, 5, 6, 7, 8}), 3, []byte{1, 2, 3, 4, 5, 6, 7, 9})
	id = wire.AppendFixed64(id, 6, 5)
	out := "00000000000000000102030405060708-0102030405060709"
	with := func(num uint32, v string) []byte { return wire.AppendBytes(slices.Clone(id), num, v) }
	for _, c := range []struct {
		name string
		span []byte
		want string
	}{
		{"8 bytes of trace id", id, out + ` INTERNAL "unknown" 5000+0` + local},
		{"17 bytes of trace id", with(1, "\x0112345678901234567"), "trace_id"},
		{"9 bytes of id", with(3, "123456789"), "span_id"},
		{"no bytes of id", with(3, ""), "span_id"},
		{"zero id", with(3, "\x00\x00\x00\x00\x00\x00\x00\x00"), "span_id"},
		{"9 bytes of parent", with(2, "123456789"), out + ` INTERNAL "unknown" 5000+0` + local},
		{"zero parent", with(2, "\x00\x00\x00\x00\x00\x00\x00\x00"), out + ` INTERNAL "unknown" 5000+0` + local},
		{"own parent", with(2, "\x01\x02\x03\x04\x05\x06\x07\x09"), out + ` INTERNAL "unknown" 5000+0` + local},
		{"no UTF-8", with(5, "a\xffb"), out + ` INTERNAL "a�b" 5000+0` + local},
		{"odd address", with(8, "\x12\x03abc\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), out + ` INTERNAL "unknown" 5000+0` + local},
		{"pieces of an endpoint", wire.AppendBytes(with(8, "\x0a\x01s"), 8, "\x20\x50"), out + ` INTERNAL "unknown" 5000+0 network.local.port=80 | service.name="s"`},
		{"a tag twice", wire.AppendBytes(with(11, "\x0a\x01k\x12\x01a"), 11, "\x0a\x01k\x12\x01b"), out + ` INTERNAL "unknown" 5000+0 k="b"` + local},
		{"unknown field", with(99, "x"), out + ` INTERNAL "unknown" 5000+0` + local},
		{"broken span", append(slices.Clone(id), 0x0f), "malformed"},
		{"broken endpoint", with(8, "\x0a\x05s"), "malformed"},
		{"broken annotation", with(10, "\x12\x05s"), "malformed"},
		{"broken tag", with(11, "\x12\x05s"), "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := new(Decoder)
			got, err := d.Proto(listOf(c.span), received)
			if err != nil || got.Truncated {
				t.Fatal(got, err)
			}
			check(t, got)
			if text := outcome(t, got); text != c.want {
				t.Errorf("is %s\nnot %s", text, c.want)
			}
		})
	}
}

// TestHostOrder: the protobuf of Envoy itself has span ids in the byte order of its host; that of others, and what a relay
// made of Envoy's spans, has not.
func TestHostOrder(t *testing.T) {
	span := wire.AppendBytes(wire.AppendBytes(nil, 1, []byte{1, 2, 3, 4, 5, 6, 7, 8}), 3, []byte{9, 7, 6, 5, 4, 3, 2, 1})
	span = wire.AppendFixed64(wire.AppendBytes(span, 2, []byte{3, 0, 0, 0, 0, 0, 0, 0}), 6, 5)
	tag := func(value string) []byte {
		return wire.AppendBytes(slices.Clone(span), 11, wire.AppendBytes(wire.AppendBytes(nil, 1, "component"), 2, value))
	}
	const asSent, turned = "0907060504030201 < 0300000000000000", "0102030405060709 < 0000000000000003"
	for _, c := range []struct {
		name      string
		firstHand bool
		span      []byte
		want      string
	}{
		{"Envoy", true, tag("proxy"), turned},
		{"relay", false, tag("proxy"), asSent},
		{"somebody else", true, tag("db"), asSent},
		{"no tags", true, span, asSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Decoder{FirstHand: c.firstHand}
			got, err := d.Proto(listOf(c.span), received)
			if err != nil || got.Spans != 1 {
				t.Fatal(got, err)
			}
			var request tracepb.TracesData // the same fields
			if err := proto.Unmarshal(got.Request, &request); err != nil {
				t.Fatal(err)
			}
			s := request.ResourceSpans[0].ScopeSpans[0].Spans[0]
			if text := hex.EncodeToString(s.SpanId) + " < " + hex.EncodeToString(s.ParentSpanId); text != c.want {
				t.Errorf("is %s, not %s", text, c.want)
			}
			if hex.EncodeToString(s.TraceId[8:]) != "0102030405060708" {
				t.Error("the trace id is turned round")
			}
		})
	}
}
