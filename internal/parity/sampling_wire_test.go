package parity

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"slices"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/agent"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/sampler"
)

// encoded is a span as it is on the wire, with the fields of its ResourceSpans and of its ScopeSpans beside what these hold.
type encoded struct{ resource, scope, span message }

// takeApart gives the spans of a request in their order.
func takeApart(t testing.TB, request []byte) (list []encoded) {
	t.Helper()
	_, resources := split(t, request, 1)
	for _, rs := range resources {
		resource, scopes := split(t, rs, 2)
		for _, ss := range scopes {
			scope, spans := split(t, ss, 2)
			for _, s := range spans {
				list = append(list, encoded{resource, scope, s})
			}
		}
	}
	return list
}

// split gives the values of one field of a message, which are messages, and the other fields.
func split(t testing.TB, m message, field protowire.Number) (rest message, values []message) {
	t.Helper()
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeField(m)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		if number == field && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(m)
			v, _ := protowire.ConsumeBytes(m[tag:])
			values = append(values, slices.Clip(v))
		} else {
			rest = append(rest, m[:n]...)
		}
		m = m[n:]
	}
	return rest, values
}

// putTogether gives a request with those spans in their order. Neighbours of the same resource and scope share them.
func putTogether(list []encoded) message {
	var request message
	for len(list) > 0 {
		n := 1
		for n < len(list) && bytes.Equal(list[n].resource, list[0].resource) && bytes.Equal(list[n].scope, list[0].scope) {
			n++
		}
		scope := slices.Clip(list[0].scope)
		for _, e := range list[:n] {
			scope = scope.bytes(2, e.span)
		}
		request = request.bytes(1, slices.Clip(list[0].resource).bytes(2, scope))
		list = list[n:]
	}
	return request
}

// survivors are the spans that a stage has left, by their numbers.
type survivors struct {
	requests [][]byte
	decoded  map[int]*left
	encoded  map[int]encoded
}

// newSurvivors gives those in requests; none may be there twice.
func newSurvivors(t testing.TB, requests [][]byte) *survivors {
	t.Helper()
	s := &survivors{requests: requests, decoded: map[int]*left{}, encoded: map[int]encoded{}}
	for _, r := range requests {
		for _, l := range flatten(t, r) {
			s.decoded[numberOf(l.span.SpanId)] = l
		}
		for _, e := range takeApart(t, r) {
			_, ids := split(t, e.span, fieldSpanID)
			n := numberOf(ids[len(ids)-1])
			if _, twice := s.encoded[n]; twice {
				t.Errorf("span %d is there twice", n)
			}
			s.encoded[n] = e
		}
	}
	return s
}

// numbered gives the id of a span with that number, numberOf the number.
func numbered(n int) []byte { return binary.BigEndian.AppendUint64(nil, 0xb7<<56+uint64(n)) }

func numberOf(id []byte) int { return int(binary.BigEndian.Uint64(id) & (1<<56 - 1)) }

// fate gives what became of the span with that number.
func (s *survivors) fate(n int) string {
	l, ok := s.decoded[n]
	return words(ok, l.traceState())
}

func (l *left) traceState() string {
	if l == nil {
		return ""
	}
	return l.span.TraceState
}

// butSampling gives the span without what samplers write.
func (l *left) butSampling() *left {
	other := *l
	other.span = proto.CloneOf(l.span)
	other.span.TraceState = ""
	other.span.Attributes = slices.DeleteFunc(other.span.Attributes, func(a *commonpb.KeyValue) bool { return a.Key == sampler.RuleAttribute })
	return &other
}

// exports starts an agent with the configuration in text, lets feed give it something, stops it, and gives the requests that it sent.
func exports(t *testing.T, text string, feed func(*running) error) (requests [][]byte) {
	t.Helper()
	backend, err := fake.NewBackend(fake.BackendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	c, err := agentConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	c.Export.Endpoint = "http://" + backend.Address()
	a, err := agent.Start(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = feed(&running{agent: a})
	if a.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := backend.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range backend.Requests() {
		requests = append(requests, r.Raw)
	}
	return requests
}
