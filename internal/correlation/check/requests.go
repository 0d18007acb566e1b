package check

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/correlation"
)

// Origin is what a span that the agent sent is of.
type Origin struct {
	Pass  *correlation.Pass // of a request through an Envoy; nil: the span is an application's
	How   correlation.How
	Below bool               // the CLIENT that was made of an End
	Entry *correlation.Entry // nil: none has a part in it
	Span  *correlation.Span  // that came; nil: it was made
}

// Origins gives what each span is of. Those that are of nothing that was fed have neither an entry nor a span.
func Origins(w *correlation.World, output []Out) (map[*tracepb.Span]Origin, error) {
	j := &judge{truth: &w.Truth, ids: map[[2]string][]*out{}}
	if err := j.feed(w); err != nil {
		return nil, err
	}
	j.link(output)
	of := map[*tracepb.Span]Origin{}
	for _, o := range j.out {
		of[o.Span] = Origin{j.pass(o), o.how, o.below, o.entry, o.in}
	}
	return of, nil
}
