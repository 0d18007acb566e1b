package e2e

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// The forms in which the agent gets an Envoy's access log.
const (
	formALS     = "als"
	formRecords = "records"     // OTLP log records
	formFiles   = "files"       // JSON lines in a file, with the times of Contour's: milliseconds
	formExact   = "files-exact" // the same with microseconds
)

// form tells whether the agent gets the access log in that form.
func (f *envoyFlags) form(name string) bool { return slices.Contains(f.Forms, name) }

func (f *envoyFlags) inFiles() bool { return f.form(formFiles) || f.form(formExact) }

// loggers counts the loggers that the agent serves on each Envoy.
func (f *envoyFlags) loggers() (n int) {
	for _, form := range f.Forms {
		if n++; form == formALS {
			n += max(len(f.Logs), 1) - 1
		}
	}
	return n
}

// lines gives the file in which the Envoy of that name has its log. A form has a log name of its own where there are several.
func (f *envoyFlags) lines(dir, hop string) string {
	return filepath.Join(dir, f.logName(hop, formFiles)+".log")
}

func (f *envoyFlags) logName(hop, form string) string {
	if len(f.Forms) > 1 && form != formALS {
		return hop + "-" + form
	}
	return hop
}

// formOf gives the form of the entry of which a span has its detail.
func (f *envoyFlags) formOf(hop, logName string) string {
	if len(f.Forms) == 1 {
		return f.Forms[0]
	}
	for _, form := range f.Forms {
		if f.logName(hop, form) == logName || form == formExact && f.logName(hop, formFiles) == logName {
			return form
		}
	}
	return formALS
}

// followed is the agent's configuration of the files in a directory.
func (f *envoyFlags) followed(dir string) m {
	nodes := m{}
	for _, hop := range f.Hops {
		nodes[f.lines(dir, hop)] = f.node(hop)
	}
	flush := "100ms"
	if f.DefaultFlush {
		flush = "10s"
	}
	return m{"paths": []string{filepath.Join(dir, "*.log")}, "nodes": nodes, "positions": filepath.Join(dir, "positions.json"), "flush": flush}
}

// traceHeaders are those that lines and records have as values.
var traceHeaders = []string{"traceparent", "tracestate", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "b3"}

// recordAttributes are those of Envoy Gateway's access log.
var recordAttributes = [][2]string{
	{"start_time", "%START_TIME%"}, {"method", "%REQ(:METHOD)%"}, {"x-envoy-origin-path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"}, {"protocol", "%PROTOCOL%"},
	{"response_code", "%RESPONSE_CODE%"}, {"response_flags", "%RESPONSE_FLAGS%"}, {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
	{"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"}, {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
	{"bytes_received", "%BYTES_RECEIVED%"}, {"bytes_sent", "%BYTES_SENT%"}, {"duration", "%DURATION%"},
	{"x-envoy-upstream-service-time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"}, {"x-forwarded-for", "%REQ(X-FORWARDED-FOR)%"},
	{"user-agent", "%REQ(USER-AGENT)%"}, {"x-request-id", "%REQ(X-REQUEST-ID)%"}, {":authority", "%REQ(:AUTHORITY)%"}, {"upstream_host", "%UPSTREAM_HOST%"},
	{"upstream_cluster", "%UPSTREAM_CLUSTER%"}, {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"}, {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
	{"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"}, {"requested_server_name", "%REQUESTED_SERVER_NAME%"}, {"route_name", "%ROUTE_NAME%"},
}

// recordLog is the access log as OTLP log records.
func (b bootstrap) recordLog() m {
	common := b.stream("als")
	common["log_name"] = b.logName(b.Name, formRecords)
	if !b.DefaultFlush {
		common["buffer_flush_interval"] = "0.1s"
	}
	attributes := slices.Clone(recordAttributes)
	for _, header := range traceHeaders {
		attributes = append(attributes, [2]string{header, "%REQ(" + header + ")%"})
	}
	var values []m
	for _, a := range attributes {
		values = append(values, m{"key": a[0], "value": m{"string_value": a[1]}})
	}
	return extension("envoy.access_loggers.open_telemetry", "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
		m{"common_config": common, "attributes": m{"values": values}, "body": m{"string_value": "%REQ(:METHOD)% %RESPONSE_CODE%"}})
}

// lineFields are the fields that Contour has by default.
func lineFields() m {
	return m{
		"@timestamp": "%START_TIME%", "authority": "%REQ(:AUTHORITY)%", "bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%",
		"downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%", "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%", "duration": "%DURATION%",
		"grpc_status": "%GRPC_STATUS%", "grpc_status_number": "%GRPC_STATUS_NUMBER%", "method": "%REQ(:METHOD)%",
		"path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "protocol": "%PROTOCOL%", "request_id": "%REQ(X-REQUEST-ID)%",
		"requested_server_name": "%REQUESTED_SERVER_NAME%", "response_code": "%RESPONSE_CODE%", "response_flags": "%RESPONSE_FLAGS%",
		"uber_trace_id": "%REQ(UBER-TRACE-ID)%", "upstream_cluster": "%UPSTREAM_CLUSTER%", "upstream_host": "%UPSTREAM_HOST%",
		"upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%", "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
		"user_agent": "%REQ(USER-AGENT)%", "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
	}
}

// lineLog is the access log as lines in a file.
func (b bootstrap) lineLog() m {
	fields := lineFields()
	if b.form(formExact) {
		fields["@timestamp"] = "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%"
	}
	for _, header := range traceHeaders {
		fields[strings.ReplaceAll(header, "-", "_")] = "%REQ(" + header + ")%"
	}
	return jsonLog(b.Lines, fields)
}

func jsonLog(file string, fields m) m {
	return extension("envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog",
		m{"path": file, "log_format": m{"json_format": fields}})
}

// as gives what an entry of that form can say of a pass.
func (r record) as(form string) record {
	if form == formALS {
		return r
	}
	seconds, fraction, _ := strings.Cut(r.Start, ".")
	exact := 6
	if form == formFiles {
		exact = 3
	}
	r.Start = seconds + "." + fraction[:exact] + "000000"[exact-3:]
	r.Length, r.Times = r.Duration*1e6, nil
	r.Scheme, r.Attempts, r.Peer = "", 0, ""
	if form != formRecords {
		r.Route, r.Details, r.Closed = "", "", ""
	}
	return r
}

// unit is the least time that an entry of that form tells, in nanoseconds.
func unit(form string) int64 {
	switch form {
	case formALS:
		return 1
	case formFiles:
		return 1e6
	}
	return 1e3
}

// node gives the id of an Envoy's node.
func (f *envoyFlags) node(hop string) string { return cmp.Or(f.Nodes[hop], hop+"-1") }
