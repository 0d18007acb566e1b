package agent

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/ledger"
)

// What the scopes of a resource have in common is sent with each of them: a small request cannot become a very large one.
func TestManyScopesOfALargeResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		rs := &tracepb.ResourceSpans{SchemaUrl: strings.Repeat("x", 1<<20)}
		const n = 200
		for i := range n {
			_, s := pair(i)
			s.Attributes = nil
			rs.ScopeSpans = append(rs.ScopeSpans, &tracepb.ScopeSpans{SchemaUrl: fmt.Sprint(i), Spans: []*tracepb.Span{s}})
		}
		body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{rs}})
		if err != nil {
			t.Fatal(err)
		}
		got := r.request(body)
		r.after(time.Second)
		if dropped := r.p.Spans.Dropped[ledger.SpanHeads].Load(); got.Rejected != n-2 || int(dropped) != n-2 || len(r.out) != 2 {
			t.Errorf("%d rejected, %d dropped, %d out", got.Rejected, dropped, len(r.out))
		}
		r.end()
	})
}
