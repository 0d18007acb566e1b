package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// record is Envoy's own account of one pass of a request: a line of a JSON access log, formatted by Envoy itself, that
// the agent never sees. Values that Envoy does not have are absent.
type record struct {
	Type      string
	Start     string // seconds.nanoseconds
	Duration  int64  // ms, rounded down
	Method    string
	Scheme    string
	Path      string
	Authority string
	UserAgent string `json:"user_agent"`
	RequestID string `json:"request_id"`
	Protocol  string
	Code      int64
	Details   string
	Flags     string
	Cluster   string
	Upstream  string
	Attempts  int64
	Route     string
	Client    string
	Peer      string
	Closed    string
	Received  int64 // bytes of the body
	Sent      int64
	TraceID   string            `json:"trace_id"`
	SpanID    string            `json:"span_id"` // of Envoy's SERVER span; 1.38+
	Times     map[string]*int64 // ns since start
	Length    int64             `json:"-"` // the duration in ns, from another log; 0 is unknown
	Hop       string            `json:"-"`
}

// account is the access log whose lines are records.
func (b bootstrap) account(file string) m {
	since := func(point string) string { return "%COMMON_DURATION(DS_RX_BEG:" + point + ":ns)%" }
	format := m{
		"type": "%ACCESS_LOG_TYPE%", "start": "%START_TIME(%s.%9f)%", "duration": "%DURATION%", "method": "%REQ(:METHOD)%",
		"path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "authority": "%REQ(:AUTHORITY)%", "user_agent": "%REQ(USER-AGENT)%",
		"request_id": "%REQ(X-REQUEST-ID)%", "protocol": "%PROTOCOL%", "code": "%RESPONSE_CODE%",
		"details": "%RESPONSE_CODE_DETAILS%", "flags": "%RESPONSE_FLAGS%", "cluster": "%UPSTREAM_CLUSTER_RAW%",
		"upstream": "%UPSTREAM_HOST%", "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "route": "%ROUTE_NAME%",
		"client": "%DOWNSTREAM_REMOTE_ADDRESS%", "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
		"closed": "%CONNECTION_TERMINATION_DETAILS%", "trace_id": "%TRACE_ID%",
		"scheme": "%REQ(:SCHEME)%", "received": "%BYTES_RECEIVED%", "sent": "%BYTES_SENT%",
		"times": m{
			"ds_rx_end": since("DS_RX_END"), "us_tx_beg": since("US_TX_BEG"), "us_tx_end": since("US_TX_END"),
			"us_rx_beg": since("US_RX_BEG"), "us_rx_end": since("US_RX_END"), "ds_tx_beg": since("DS_TX_BEG"),
			"ds_tx_end": since("DS_TX_END"),
		},
	}
	if b.Exact {
		format["span_id"] = "%SPAN_ID%"
	}
	return extension("envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog",
		m{"path": file, "log_format": m{"json_format": format, "omit_empty_values": true}})
}

// readRecords gives all complete lines that an Envoy has written so far, of every type.
func readRecords(t *testing.T, e *envoy) []record {
	t.Helper()
	content, err := os.ReadFile(e.records)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []record
	for line := range strings.Lines(string(content)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		r := record{Hop: e.hop}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("cannot read Envoy's record %s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// startNano is the start in Unix nanoseconds.
func (r record) startNano() int64 {
	seconds, fraction, _ := strings.Cut(r.Start, ".")
	n, err := strconv.ParseInt(seconds+fraction, 10, 64)
	if err != nil || len(fraction) != 9 {
		panic(fmt.Sprintf("start time %q", r.Start))
	}
	return n
}
