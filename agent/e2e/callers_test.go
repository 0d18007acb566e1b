package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reportZipkin sends the caller's span of a request to the agent, as an application with a Zipkin tracer does, and gives how
// many spans that were: it reports none of a trace that is not sampled.
func reportZipkin(t *testing.T, zipkin string, r *request, ids [2]string, began time.Time) int {
	t.Helper()
	if strings.HasSuffix(r.Context, "-off") {
		return 0
	}
	body, err := json.Marshal([]m{{"traceId": ids[0], "id": ids[1], "kind": "CLIENT", "name": r.Name, "timestamp": began.UnixMicro(),
		"duration": time.Since(began).Microseconds(), "localEndpoint": m{"serviceName": "caller"}, "tags": m{"http.route": r.Path}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+zipkin+"/api/v2/spans", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("cannot report the caller's span: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the agent answered the caller's report with %s", resp.Status)
	}
	return 1
}
