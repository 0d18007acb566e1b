package systems

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// Names of systems to which others are compared.
const (
	AlspanName    = "alspan"
	CollectorName = "collector"
)

// alspanWindow is about half of what alspan holds by default (export.memory), in spans.
const alspanWindow = 8000

// Alspan is the agent as it ships, with or without timings as span events.
func Alspan(takes load.Protocol, events bool) *System {
	name := AlspanName
	if takes == load.ALS && !events {
		name += ", no events"
	}
	return &System{Name: name, Takes: takes, Gives: Spans, Window: alspanWindow, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		return b.alspan(b.Alspan, dir, alspanConfig{correlate: shortWaits, events: events}, to)
	}}
}

// WithoutMetrics is the agent without metrics of requests.
func WithoutMetrics() *System {
	return &System{Name: AlspanName + ", no request metrics", Takes: load.ALS, Gives: Spans, Window: alspanWindow, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		return b.alspan(b.Alspan, dir, alspanConfig{correlate: shortWaits, more: "metrics: {requests: false, service_graph: false}\n", events: true}, to)
	}}
}

// Other is another build of alspan, to compare with: another commit, say, or a script that starts one with a configuration
// that it understands.
func Other() *System {
	return &System{Name: AlspanName + ", other build", Takes: load.ALS, Gives: Spans, Window: alspanWindow, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		return b.alspan(b.Other, dir, alspanConfig{correlate: shortWaits, events: true}, to)
	}}
}

// What waits for its other half when there is none stops to wait when that is known. Where the join is not what is measured, it is
// known soon.
const (
	shortWaits = "{wait: 1s, span_wait: 1s}"
	longWaits  = "{}" // as it ships
	noWaits    = "{wait: 0s, span_wait: 0s}"

	longestWait = 8 * time.Second
)

// Join is alspan as it ships, or so that nothing waits, with its metrics. The rows of one table have names of their own.
func Join(name string, waits bool) *System {
	correlate := longWaits
	if !waits {
		correlate = noWaits
	}
	return &System{Name: name, Takes: load.Both, Gives: Spans, Quiet: longestWait + 2*time.Second, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		return b.alspan(b.Alspan, dir, alspanConfig{correlate: correlate, events: true, metrics: true}, to)
	}}
}

// alspanConfig is what differs between the rows.
type alspanConfig struct {
	correlate       string
	more            string // further blocks
	events, metrics bool
}

// alspan starts a build of it.
func (b *Binaries) alspan(binary, dir string, c alspanConfig, to Sink) (*Running, error) {
	admin, pprof := "", ""
	for address, wanted := range map[*string]bool{&admin: c.metrics, &pprof: b.Profiles != ""} {
		if !wanted {
			continue
		}
		var err error
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	config := fmt.Sprintf(`receive: {grpc: {address: "%%[1]s"}, http: {address: ""}, zipkin: {address: ""}}
correlate: %s
spans: {events: %t}
export: {endpoint: "http://%s", compression: none}
admin: {address: "%s", pprof: "%s"}
log: {level: warn}
%s`, c.correlate, c.events, to.OTLP, admin, pprof, c.more)
	r, err := configured(dir, config, func(file string) []string { return []string{binary, "run", "--config", file} })
	if err == nil {
		r.Admin, r.Pprof = admin, pprof
	}
	return r, err
}

// The collector's batches are as large as alspan's.
const collectorConfig = `receivers: {%s}
processors:
  batch: {send_batch_size: 750, send_batch_max_size: 750, timeout: 200ms}
%s
exporters:
  otlp: {endpoint: "%s", compression: none, tls: {insecure: true}}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    %s: {receivers: [%s], processors: [%s], exporters: [otlp]}
`

func collector(name string, takes load.Protocol, gives Output, receivers, more, signal, receiver, processors string) *System {
	return &System{Name: name, Takes: takes, Gives: gives, Needs: (*Binaries).needsCollector, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		config := fmt.Sprintf(collectorConfig, receivers, more, to.OTLP, signal, receiver, processors)
		return configured(dir, config, func(file string) []string { return []string{b.Collector, "--config", file} })
	}}
}

const otlpIn = `otlp: {protocols: {grpc: {endpoint: "%[1]s"}}}`

// CollectorLogs is the collector with the stand-in for contrib's envoyalsreceiver: it makes text logs of the entries.
func CollectorLogs() *System {
	return collector(CollectorName+" (stand-in receiver, text logs)", load.ALS, Records, `als: {endpoint: "%[1]s"}`, "", "logs", "als", "batch")
}

// CollectorTraces is the collector between OTLP and OTLP.
func CollectorTraces() *System {
	return collector(CollectorName, load.OTLP, Spans, otlpIn, "", "traces", "otlp", "batch")
}

// Official is the official path: generated structs both ways.
func Official(events bool) *System {
	return &System{Name: "official runtime", Takes: load.ALS, Gives: Spans, start: func(b *Binaries, _ string, to Sink) (*Running, error) {
		return announced(b.Official, "-to", to.OTLP, fmt.Sprintf("-events=%t", events))
	}}
}

// Floor reads, copies and writes the same bytes over plain TCP.
func Floor() *System {
	return &System{Name: "floor: read, copy, write", Takes: load.Raw, Gives: Bytes, start: func(b *Binaries, _ string, to Sink) (*Running, error) {
		return announced(b.Floor, "-to", to.Raw)
	}}
}

// ReadFloor only reads them.
func ReadFloor() *System {
	return &System{Name: "floor: read", Takes: load.Raw, Gives: Nothing, start: func(b *Binaries, _ string, _ Sink) (*Running, error) {
		return announced(b.Floor, "-discard")
	}}
}

// takesTraces asks with an empty request.
func takesTraces(ctx context.Context, address string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()})))
	if err != nil {
		return fmt.Errorf("cannot make a client: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var answer rawgrpc.Message
	defer answer.Free()
	err = conn.Invoke(ctx, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", rawgrpc.Empty{}, &answer)
	if status.Code(err) == codes.Unimplemented {
		return ErrNotYet
	}
	return err
}
