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
	b, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: all})
	if err != nil {
		panic(err)
	}
	return message(b).bytes(1, wireSpans())
}()

// The collector without processors, and an agent with nothing but defaults, leave all spans as they are.
func TestSpansPass(t *testing.T) {
	all := flatten(t, request)
	c, err := newCollector(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.run(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference(all, flatten(t, out)); diff != "" {
		t.Errorf("the collector changes spans:\n%s", diff)
	}
	a, err := startAgent("")
	if err != nil {
		t.Fatal(err)
	}
	if out, err = a.run(request); err != nil {
		t.Fatal(err)
	}
	if diff := difference(all, flatten(t, out)); diff != "" {
		t.Errorf("alspan changes spans:\n%s", diff)
	}
	t.Logf("%d spans", len(all))
}
