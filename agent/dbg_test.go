package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"strconv"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/worlds"
)

func TestDbg(t *testing.T) {
	var w *correlation.World
	if m := os.Getenv("W"); strings.Contains(m, "/") {
		a, b, _ := strings.Cut(m, "/")
		w, _ = worlds.Recorded(a, b)
	} else {
		n, _ := strconv.Atoi(m)
		w = worlds.Generate(uint64(n))
	}
	grep := os.Getenv("G")
	for _, o := range live(t, w) {
		for _, rs := range o.Spans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					a := attributes(s)
					line := fmt.Sprintf("%12v %-8s %x/%x below %x %s [%s] %s log=%s code=%s start=%d", o.At, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), s.TraceId, s.SpanId, s.ParentSpanId, s.Name, a["envoy.request_id"], a["guid:x-request-id"], a["envoy.log_name"], a["http.response.status_code"], s.StartTimeUnixNano)
					if strings.Contains(line, grep) {
						fmt.Println(line)
					}
				}
			}
		}
	}
	for _, e := range w.Events {
		if e.Kind == correlation.Zipkin && strings.Contains(string(e.Bytes), grep) {
			fmt.Println(e.At, string(e.Bytes))
		}
	}
	records, _ := w.Records()
	for _, r := range records {
		for _, e := range r.Entries {
			if line := fmt.Sprintf("ENTRY %12v %s", e.At, entryText(e)); strings.Contains(line, grep) {
				fmt.Println(line)
			}
		}
		for _, e := range r.Spans {
			if line := fmt.Sprintf("SPAN %12v %+v", e.At, *e); strings.Contains(line, grep) {
				fmt.Println(line)
			}
		}
	}
	results, _, _ := correlation.Broken(w, "")
	for _, r := range results {
		if line := fmt.Sprintf("MODEL %12v %-8s %s/%s below %s how=%s derived=%v %s", r.At, strings.TrimPrefix(r.Kind.String(), "SPAN_KIND_"), r.Trace, r.ID, r.Parent, r.How, r.Derived, entryText(r.Entry)); strings.Contains(line, grep) {
			fmt.Println(line)
		}
	}
}

func entryText(e *correlation.Entry) string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("[%s] log=%s type=%d code=%d start=%d at=%v hdr=%v", e.RequestID, e.Log, e.Type, e.Code, e.Start, e.At, e.Headers) + fmt.Sprint(e.Tags)
}
