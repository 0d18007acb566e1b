package traces

import "strings"

// Transport is how spans came.
type Transport uint8

const (
	GRPC         Transport = iota // OTLP over gRPC
	HTTPProtobuf                  // OTLP over HTTP
	HTTPJSON
	ZipkinJSON // Zipkin v2 over HTTP
	ZipkinProtobuf
	NumTransports
)

var transports = [NumTransports]string{"grpc", "http_protobuf", "http_json", "zipkin_json", "zipkin_protobuf"}

func (t Transport) String() string { return transports[t] }

// Refusal says why nothing of a request was used.
type Refusal uint8

const (
	TooLarge    Refusal = iota // longer than receive.limits.request
	Malformed                  // it cannot be read
	Full                       // there was no room: the sender was asked to try again
	Unsupported                // a path, method, content type or encoding that is not served
	Stopping                   // the agent is stopping: the sender was asked to try again
	NumRefusals
)

var refusals = [NumRefusals]string{"too_large", "malformed", "full", "unsupported", "stopping"}

func (r Refusal) String() string { return refusals[r] }

// Signal is what is received besides spans.
type Signal uint8

const (
	Metrics Signal = iota
	Logs
	NumSignals
)

var signals = [NumSignals]string{"metrics", "logs"}

func (s Signal) String() string { return signals[s] }

// variable gives its part of the name of an environment variable.
func (s Signal) variable() string { return strings.ToUpper(signals[s]) }
