package accesslog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alspan/alspan/internal/propagation"
)

// field is what a value of a JSON line or of a log record is for an entry.
type field uint8

const (
	ignored field = iota
	isStartTime
	isDuration
	isMethod
	isPath
	isOriginalPath
	isAuthority
	isScheme
	isProtocol
	isResponseCode
	isResponseCodeDetails
	isResponseFlags
	isRequestID
	isUserAgent
	isForwardedFor
	isBytesReceived
	isBytesSent
	isUpstreamHost
	isUpstreamCluster
	isDownstreamRemote
	isDownstreamLocal
	isDownstreamDirect
	isServerName
	isRouteName
	isGRPCStatus
	isUpstreamFailure
	isDownstreamFailure
	isTerminationDetails
	isAttempts
	isTLSVersion
	isTraceID
	isSpanID
	isLogType
	isNodeID
	isLogName
	numFields

	isRequestHeader // with a name
	isResponseHeader
	isCustomTag
)

// The names of the fields, as configuration has them. Most are also what a control plane calls the value.
var fieldNames = [numFields]string{ignored: "ignore", isStartTime: "start_time", isDuration: "duration", isMethod: "method", isPath: "path",
	isOriginalPath: "original_path", isAuthority: "authority", isScheme: "scheme", isProtocol: "protocol", isResponseCode: "response_code",
	isResponseCodeDetails: "response_code_details", isResponseFlags: "response_flags", isRequestID: "request_id", isUserAgent: "user_agent",
	isForwardedFor: "x_forwarded_for", isBytesReceived: "bytes_received", isBytesSent: "bytes_sent", isUpstreamHost: "upstream_host",
	isUpstreamCluster: "upstream_cluster", isDownstreamRemote: "downstream_remote_address", isDownstreamLocal: "downstream_local_address",
	isDownstreamDirect: "downstream_direct_remote_address", isServerName: "requested_server_name", isRouteName: "route_name",
	isGRPCStatus: "grpc_status", isUpstreamFailure: "upstream_transport_failure_reason", isDownstreamFailure: "downstream_transport_failure_reason",
	isTerminationDetails: "connection_termination_details", isAttempts: "upstream_request_attempt_count", isTLSVersion: "downstream_tls_version",
	isTraceID: "trace_id", isSpanID: "span_id", isLogType: "access_log_type", isNodeID: "node_id", isLogName: "log_name"}

// Further names that values have out of the box, in the form that plain gives: those of Contour, Envoy Gateway and Istio, and of the
// operators of Envoy's formats.
var furtherNames = map[string]field{
	"timestamp": isStartTime, "time": isStartTime, "duration_ms": isDuration, "request_method": isMethod, "request_path": isPath,
	"x_envoy_origin_path": isPath, "x_envoy_original_path": isOriginalPath, "host": isAuthority, "x_request_id": isRequestID,
	"x_forwarded_proto": isScheme, "forwarded_for": isForwardedFor, "status": isResponseCode, "response_flag": isResponseFlags,
	"grpc_status_number": isGRPCStatus, "downstream_direct_address": isDownstreamDirect, "sni": isServerName,
	"upstream_remote_address": isUpstreamHost, "attempts": isAttempts, "attempt_count": isAttempts,
}

// Names of headers under which a value is that request header, in the form that plain gives.
var knownHeaders = func() map[string]string {
	known := map[string]string{}
	for _, name := range append(propagation.HeaderNames(), "baggage", "content-type", "referer") {
		known[plain(name)] = name
	}
	return known
}()

// plain gives a name in lower case with underscores, and without what marks pseudo-headers and timestamps.
func plain(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(strings.TrimLeft(name, ":@")))
}

// target is what a value is, and for headers and tags the name that it has there.
type target struct {
	field
	name string
	told bool // by the operator
}

// Fields tells what the values of JSON lines and log records are, by their names. It is shared by all who read such logs.
type Fields struct {
	told map[string]target // by the operator
	// The names of the tags in which entries have the ids of Envoy's own span.
	traceTag, spanTag string
}

// The kinds of named fields, as configuration has them.
var named = map[string]field{"request_header.": isRequestHeader, "response_header.": isResponseHeader, "tag.": isCustomTag}

func parseField(name string) (target, error) {
	for prefix, f := range named {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			if f != isCustomTag {
				rest = strings.ToLower(rest)
			}
			return target{field: f, name: rest}, nil
		}
	}
	if i := slices.Index(fieldNames[:], name); i >= 0 {
		return target{field: field(i)}, nil
	}
	return target{}, fmt.Errorf("%q is no field", name)
}

// NewFields makes Fields that go by told, which has fields by the names that values have in the log, and else by the names that control
// planes use. Entries get the ids of Envoy's own span, where a value is one, as tags with these names.
func NewFields(told map[string]string, traceTag, spanTag string) (*Fields, error) {
	f := &Fields{told: map[string]target{}, traceTag: traceTag, spanTag: spanTag}
	for name, is := range told {
		t, err := parseField(is)
		if err != nil {
			return nil, fmt.Errorf("cannot use the field %q: %w", name, err)
		}
		t.told = true
		f.told[name] = t
	}
	return f, nil
}

// find tells what the value with that name is.
func (f *Fields) find(name []byte) target {
	if t, ok := f.told[string(name)]; ok {
		return t
	}
	p := plain(string(name))
	if t, ok := builtIn[p]; ok {
		return t
	}
	return target{}
}

var builtIn = func() map[string]target {
	known := map[string]target{}
	for i, name := range fieldNames {
		if f := field(i); f != ignored && f != isNodeID && f != isLogName {
			known[name] = target{field: f}
		}
	}
	for name, f := range furtherNames {
		known[name] = target{field: f}
	}
	for name, header := range knownHeaders {
		known[name] = target{field: isRequestHeader, name: header}
	}
	return known
}()
