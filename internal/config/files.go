package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func (f *Files) declare() *node {
	return section("files", "Access logs as JSON lines in files, for Envoys that cannot send them, such as Contour's.",
		key("paths", &f.Paths, []string{},
			"Files to follow, as globs, such as `/var/log/pods/*/envoy/*.log`. Lines may be in the format of CRI or of Docker, as container runtimes write "+
				"them; those that are no access log are left out.",
			checked("globs of absolute paths", glob)),
		key("nodes", &f.Nodes, map[string]string{},
			"The id of the Envoy node that writes a file, by glob; of several the longest counts. For files of pods it need not be given: their paths name the pod.",
			keyed("glob", glob), checked("node id", notEmpty)),
		key("positions", &f.Positions, "",
			"The file in which is saved how far each file was read, so that a restart goes on from there. Without one a restart goes on at the end.",
			checked("file name", nil)),
		key("flush", &f.Flush, 10*time.Second,
			"How long Envoy keeps lines before it writes them (its option `--file-flush-interval-msec`, 10 s by default). Spans wait that much longer for their entries.",
			between(0, time.Minute)),
		key("max_line", &f.MaxLine, 1*MiB, "Longest line. A longer one is left out and counted.", between(1*KiB, 16*MiB)))
}

// glob checks a pattern of filepath.Match for absolute paths.
func glob(s string) (string, error) {
	if !filepath.IsAbs(s) {
		return "", fmt.Errorf("%q is not an absolute path", s)
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return "", fmt.Errorf("%q is not a glob: %w", s, err)
	}
	return s, nil
}

// LogFields are what a value in a JSON line or log record may be.
var LogFields = []string{"start_time", "duration", "method", "path", "original_path", "authority", "scheme", "protocol", "response_code", "response_code_details",
	"response_flags", "request_id", "user_agent", "x_forwarded_for", "bytes_received", "bytes_sent", "upstream_host", "upstream_cluster",
	"downstream_remote_address", "downstream_local_address", "downstream_direct_remote_address", "requested_server_name", "route_name", "grpc_status",
	"upstream_transport_failure_reason", "downstream_transport_failure_reason", "connection_termination_details", "upstream_request_attempt_count",
	"downstream_tls_version", "trace_id", "span_id", "access_log_type", "node_id", "log_name", "ignore"}

// logField checks the name of a field.
func logField(s string) (string, error) {
	for _, prefix := range []string{"request_header.", "response_header.", "tag."} {
		if rest, ok := strings.CutPrefix(s, prefix); ok && rest != "" {
			return s, nil
		}
	}
	if !slices.Contains(LogFields, s) {
		return "", fmt.Errorf("%q is none of %s, request_header.NAME, response_header.NAME, tag.NAME", s, strings.Join(LogFields, ", "))
	}
	return s, nil
}
