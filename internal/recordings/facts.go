package recordings

import (
	"encoding/json"
	"fmt"
)

// Known is what is known about a mode's requests. The field names are those of facts.json.
type Known struct {
	Entries  []Entry           `json:"entries"`
	Requests []Request         `json:"requests"`
	Seen     map[string][]Seen `json:"seen"` // what the upstream received, by request: "r000" is Requests[0]; "tcp" is the TCP proxy's
	Spans    []Span            `json:"spans"`
}

// Entry is an access-log entry as the official runtime, made lenient about UTF-8, decoded it.
type Entry struct {
	Log         string // the log's name: the listener, with "-upstream" for the router's upstream log
	Node        string // the Envoy's node id
	Start       int64  // Unix ns
	Dur         int64  // ns; 0 if the entry has none
	Type        int    // AccessLogType
	StreamID    string
	Interim     bool // flagged intermediate_log_entry
	Cluster     string
	Attempts    int
	HasUpstream bool // has an upstream_remote_address
	Path        string
	ReqID       string
	Method      int               // the ALS enum
	Code        int               // 0 if the entry has none
	Details     string            // response_code_details
	Headers     map[string]string // logged request headers
	Tags        map[string]string // custom tags
	Flags       []byte            // the encoded ResponseFlags message; nil if the entry has none
	TCP         bool
}

// Request is what the caller sent.
type Request struct {
	Name   string
	Path   string            // %s stands for the request's number, such as r007
	Ctx    string            // the kind of trace context that was sent: w3c, w3c-off, b3, b3single, both, ...
	Raw    string            // the request's own text where no HTTP client could write it; %s as in Path, %c for the context
	H2     bool              // HTTP/2
	Abort  bool              // the caller gave up
	Body   int               // bytes
	Header map[string]string // further headers
	Trace  string            // the context's trace id, hex; empty if none was sent
	Span   string            // the context's span id, hex
}

// Seen is the headers of one request as the upstream received it.
type Seen map[string][]string

// Span is a span that an Envoy's tracer exported, OTLP or Zipkin.
type Span struct {
	Trace, ID, Parent string // hex; Parent is empty for a root
	Name              string
	Kind              string // SERVER or CLIENT
	Service           string
	Start, End        int64 // Unix ns
	Shared            bool  // Zipkin only
	State             string
	Attr, Res         map[string]string // of the span, of its resource
	Status            int               // the OTLP status code
}

// Facts gives what is known about a mode.
func Facts(mode string) (*Known, error) {
	b, err := read(mode + "/facts.json")
	if err != nil {
		return nil, err
	}
	f := new(Known)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("cannot decode the facts of %s: %w", mode, err)
	}
	return f, nil
}
