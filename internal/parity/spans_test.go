package parity

import (
	"slices"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// request has all spans of the corpus.
var request = func() []byte {
	all := slices.Concat(envoySpans(), sdkSpans(), typedSpans(), oddSpans())
	identify(all)
	return message(marshal(&tracepb.TracesData{ResourceSpans: all})).bytes(1, wireSpans())
}()

// requests has them too, one in each.
func requests(t testing.TB) [][]byte {
	t.Helper()
	var list [][]byte
	for _, l := range flatten(t, request) {
		list = append(list, marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{Resource: l.resource, SchemaUrl: l.resourceSchema,
			ScopeSpans: []*tracepb.ScopeSpans{{Scope: l.scope, SchemaUrl: l.scopeSchema, Spans: []*tracepb.Span{l.span}}}}}}))
	}
	return list
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// The collector without processors, and an agent with nothing but defaults, leave all spans as they are.
func TestSpansPass(t *testing.T) {
	all := flatten(t, request)
	if len(all) < 60 {
		t.Errorf("there are %d spans", len(all))
	}
	if diff := difference(all, collectorLeaves(t, "").left); diff != "" {
		t.Errorf("the collector changes spans:\n%s", diff)
	}
	if diff := difference(all, alspanLeaves(t, "").left); diff != "" {
		t.Errorf("alspan changes spans:\n%s", diff)
	}
}
