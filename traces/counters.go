package traces

import "github.com/alspan/alspan/internal/ledger"

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
	TooLarge    Refusal = iota // longer than receive.limits.request, or than all room that there is for its signal
	Malformed                  // it cannot be read
	Full                       // there was no room: the sender was asked to try again
	Unsupported                // a path, method, content type or encoding that is not served
	Stopping                   // the agent is stopping: the sender was asked to try again
	NumRefusals
)

var refusals = [NumRefusals]string{"too_large", "malformed", "full", "unsupported", "stopping"}

func (r Refusal) String() string { return refusals[r] }

// Signal is what is received besides spans.
type Signal = ledger.Signal

// The signals, see there.
const (
	Metrics = ledger.Metrics
	Logs    = ledger.Logs
)
