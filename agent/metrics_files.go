package agent

// files adds what is known of log files.
func (m *metrics) files(f *files) {
	if f == nil {
		return
	}
	m.gauge("files_open", "Log files that are open.", f.Files.Load)
	m.gauge("files_behind_bytes", "Bytes of log files that are not read yet.", f.Behind.Load)
	m.counter("file_lines_total", "Lines that were read from log files.", &f.Lines)
	m.counter("file_bytes_total", "Bytes that were read from log files.", &f.Bytes)
	m.counter("file_lines_other_total", "Lines that are no access log, such as those of Envoy's own log.", &f.inlet.Other)
	m.counter("file_lines_too_long_total", "Lines that were longer than receive.files.max_line, and left out.", &f.TooLong)
	m.counter("files_rotated_total", "Log files that were renamed or deleted.", &f.Rotated)
	m.counter("files_truncated_total", "Times that a log file was cut or written anew.", &f.Truncated)
	m.counter("file_lost_bytes_total", "Bytes of log files that were gone before they were read.", &f.Lost)
	m.counter("file_failures_total", "Errors of opening and reading log files.", &f.Failed)
}
