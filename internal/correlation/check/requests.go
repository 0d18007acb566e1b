package check

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/correlation"
)

// Request is what a span that the agent sent is of.
type Request struct {
	*correlation.Pass                    // nil: a span of an application
	Entry             *correlation.Entry // nil: there is no entry in it
	What              string             // which of the request's spans it is, without ids
}

// Requests gives what each span is of. The error tells of those that are of nothing that was fed.
func Requests(w *correlation.World, output []Out) (map[*tracepb.Span]Request, error) {
	j := &judge{truth: &w.Truth, ids: map[[2]string][]*out{}}
	if err := j.feed(w); err != nil {
		return nil, err
	}
	j.link(output)
	of := map[*tracepb.Span]Request{}
	for _, o := range j.out {
		of[o.Span] = Request{j.pass(o), o.entry, o.String()}
	}
	return of, nil
}
