// Package recordings takes nothing and gives what real Envoys (1.39.3, two listeners "edge" and "mid", two workers, 38
// scripted requests) sent on the wire, together with what is known about each of those requests. The files are embedded,
// so only tests may import this package: the program must not carry them.
package recordings

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
)

//go:embed testdata
var files embed.FS

// Kinds of frames.
const (
	KindALS      = 'A' // an envoy.service.accesslog.v3.StreamAccessLogsMessage
	KindTraces   = 'O' // an OTLP/gRPC ExportTraceServiceRequest
	KindLogs     = 'L' // an OTLP/gRPC ExportLogsServiceRequest
	KindOTLPHTTP = 'H' // the body of an OTLP/HTTP request (in none of these modes)
	KindZipkin   = 'Z' // the body of a Zipkin v2 POST, JSON
)

// Frame is one message as it arrived. Frames are in order of arrival.
type Frame struct {
	Kind   byte
	Stream uint64 // the ALS stream it came on, from 1; 0 for the other kinds
	At     int64  // arrival, Unix ns
	Bytes  []byte // the message, without gRPC's or HTTP's own framing
}

// Modes gives the names of the recordings: how the Envoys were configured.
//
//	none                 no tracing
//	otel, otel-spawn     OpenTelemetry tracer without and with spawn_upstream_span
//	otel-start           otel-spawn, with DownstreamStart entries and the router's upstream logs
//	otel-tags            otel-spawn, with the custom tags tid (%TRACE_ID%) and sid (%SPAN_ID%)
//	otel-logs            otel-spawn, each entry written three times: ALS, OTLP log records and JSON lines
//	zipkin-shared        Zipkin tracer with shared span contexts
//	zipkin-spawn-shared  the same with spawn_upstream_span
func Modes() []string {
	return []string{"none", "otel", "otel-logs", "otel-spawn", "otel-start", "otel-tags", "zipkin-shared", "zipkin-spawn-shared"}
}

// Frames gives a mode's frames. The bytes belong to the caller.
func Frames(mode string) ([]Frame, error) {
	rest, err := read(mode + "/frames.cap")
	if err != nil {
		return nil, err
	}
	var frames []Frame
	for len(rest) > 0 {
		f := Frame{Kind: rest[0]}
		var at, size uint64
		rest = rest[1:]
		for _, v := range []*uint64{&f.Stream, &at, &size} {
			n := 0
			if *v, n = binary.Uvarint(rest); n <= 0 {
				return nil, fmt.Errorf("cannot read frame %d of %s: bad varint", len(frames), mode)
			}
			rest = rest[n:]
		}
		if size > uint64(len(rest)) {
			return nil, fmt.Errorf("cannot read frame %d of %s: %d bytes of %d", len(frames), mode, len(rest), size)
		}
		f.At = int64(at)
		f.Bytes, rest = rest[:size:size], rest[size:]
		frames = append(frames, f)
	}
	return frames, nil
}

// Lines gives the JSON lines that the listener log ("edge" or "mid") wrote in mode otel-logs, without their line ends.
func Lines(log string) ([][]byte, error) {
	b, err := read("otel-logs/" + log + ".jsonl")
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")), nil
}

// read gives an embedded file, decompressed.
func read(name string) ([]byte, error) {
	f, err := files.Open("testdata/" + name + ".gz")
	if err != nil {
		return nil, fmt.Errorf("cannot open recording: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("cannot decompress recording %s: %w", name, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("cannot decompress recording %s: %w", name, err)
	}
	return b, nil
}
