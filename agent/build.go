package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/slab"
	"github.com/alspan/alspan/spanbuilder"
)

// clock gives the join's time: nanoseconds of a clock that does not jump.
func (p *Pipeline) clock() int64 { return int64(time.Since(p.began)) + int64(time.Second) }

// An exporter sends batches: export.OTLP, or export.Decoded for a person.
type exporter interface {
	Export(context.Context, *ring.Batch) export.Result
}

// chunkSize is the size of a chunk of the batching core.
const chunkSize = 64 << 10

// A printer takes spans instead of the upstream.
type printer func([]*tracepb.ResourceSpans)

// drawing gives an exporter that gives spans to print, nil if that is nil.
func drawing(print printer, log *slog.Logger) exporter {
	if print == nil {
		return nil
	}
	return export.NewDecoded(print, log)
}

// newPipeline makes the pipeline that c describes; index has the pods, and is nil where there are none. Without an exporter spans are
// sent to the upstream.
func newPipeline(c *config.Config, index *pods.Index, to exporter, log *slog.Logger) (*Pipeline, error) {
	nodes := spanbuilder.NewNodes()
	p := &Pipeline{
		nodes:   nodes,
		origins: spanbuilder.NewOrigins(),
		loggers: spanbuilder.NewLoggers(nodes, relations(c)),
		waits:   c.Export.WhenFull == "wait",
		rows:    make([]atomic.Int64, len(spanbuilder.Rows())),
		core:    ring.New(coreOptions(c)),
		relay:   newRelay(int(c.Export.OtherMemory), log),

		inbox:    newInbox(),
		cells:    slab.New(int64(c.Correlate.Memory)),
		requests: spanbuilder.NewRequests(requestMemory),
		prints:   spanbuilder.NewPrints(printMemory),
		ids:      spanbuilder.NewIDs(idMemory),
		verdicts: spanbuilder.NewVerdicts(verdictMemory),
		red:      newRequestMetrics(&c.Metrics),
		began:    time.Now(),
	}
	s, err := newSettings(c, index, nil, log)
	if err != nil {
		return nil, err
	}
	p.settings.Store(s)
	if c.Receive.Records == "entries" {
		fields, err := logFields(&c.Receive)
		if err != nil {
			return nil, err
		}
		p.records(fields)
	}
	if p.exporter = to; to != nil {
		return p, nil
	}
	o, err := newOTLP(c, exportOptions(c, log))
	if err != nil {
		return nil, err
	}
	p.exporter = o
	if c.Export.Logs {
		o := exportOptions(c, log)
		o.Logs = true
		logs, err := newOTLP(c, o)
		if err != nil {
			return nil, err
		}
		p.logTo(c, logs)
	}
	if c.Receive.OtherSignals == "forward" {
		p.relay.otlp, err = newOTLP(c, exportOptions(c, log))
	}
	return p, err
}

// Memory for what was seen and what has left: ten seconds of about 25,000 requests a second, less of more.
const (
	requestMemory = 4 << 20
	printMemory   = 2 << 20
	idMemory      = 2 << 20
	// and of requests of which something was decided, which have two words each
	verdictMemory = 2 << 20
)

func joinOptions(c *config.Config) spanbuilder.JoinOptions {
	o := spanbuilder.JoinOptions{Wait: c.Correlate.Wait, SpanWait: c.Correlate.SpanWait}
	if len(c.Receive.Files.Paths) > 0 {
		o.FileWait = c.Correlate.SpanWait + c.Receive.Files.Flush
	}
	switch c.Correlate.Unpaired {
	case "span":
		o.Unpaired = spanbuilder.UnpairedSpan
	case "drop":
		o.Unpaired = spanbuilder.UnpairedDrop
	}
	return o
}

func coreOptions(c *config.Config) ring.Options {
	e := &c.Export
	return ring.Options{Memory: int64(e.Memory), Chunk: chunkSize, Bytes: int64(e.Batch.Bytes), Spans: e.Batch.Spans, Age: e.Batch.Age, Wait: e.WhenFull == "wait"}
}

func logCoreOptions(c *config.Config) ring.Options {
	o := coreOptions(c)
	o.Memory, o.Wait = int64(c.Export.LogsMemory), false
	return o
}

func podOptions(c *config.Config) spanbuilder.PodOptions {
	return spanbuilder.PodOptions{Cluster: c.Pods.Cluster, AppLabels: c.Pods.AppLabels}
}

func spanOptions(c *config.Config, index *pods.Index) spanbuilder.Options {
	o := spanbuilder.Options{
		Events:          c.Spans.Events,
		RequestHeaders:  c.Spans.RequestHeaders,
		ResponseHeaders: c.Spans.ResponseHeaders,
		Baggage:         c.Spans.Baggage,
		RedactQuery:     c.Spans.RedactQuery,
		MaxValue:        int(c.Spans.MaxValue),
		TraceTags:       c.Correlate.IDTags.TraceID,
		SpanTags:        c.Correlate.IDTags.SpanID,
		StartMemory:     int64(c.Correlate.StartMemory),
	}
	if c.Pods.Peers {
		o.Pods = index // nil, too
	}
	switch c.Spans.Upstream {
	case "always":
		o.Upstream = spanbuilder.UpstreamAlways
	case "never":
		o.Upstream = spanbuilder.UpstreamNever
	}
	for _, name := range c.Correlate.Headers {
		if f, ok := propagation.ParseFormat(name); ok {
			o.Headers = append(o.Headers, f)
		}
	}
	return o
}

func relations(c *config.Config) map[string]spanbuilder.Relation {
	m := map[string]spanbuilder.Relation{}
	for name, relation := range c.Correlate.HeaderSpanID {
		m[name], _ = spanbuilder.ParseRelation(relation)
	}
	return m
}

// newOTLP makes an exporter with those options to the endpoint of c.
func newOTLP(c *config.Config, o export.Options) (*export.OTLP, error) {
	if _, secure := c.Export.Target(); secure {
		t, err := clientTLS(&c.Export.TLS)
		if err != nil {
			return nil, err
		}
		o.TLS = t
	}
	return export.NewOTLP(o)
}

func exportOptions(c *config.Config, log *slog.Logger) export.Options {
	e := &c.Export
	target, _ := e.Target()
	return export.Options{
		Target: target, Gzip: e.Compression == "gzip", Headers: e.Headers, Timeout: e.Timeout,
		Initial: e.Retry.Initial, Max: e.Retry.Max, GiveUp: e.Retry.GiveUp, Version: version(), Log: log,
	}
}

func clientTLS(c *config.ClientTLS) (*tls.Config, error) {
	t := &tls.Config{ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := readCAs(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cannot use export.tls.ca_file: %w", err)
		}
		t.RootCAs = pool
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot use export.tls.cert_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// checkFiles tells whether the files that c names can be used.
func checkFiles(c *config.Config) error {
	_, server := serverTLS(&c.Receive.TLS)
	_, client := clientTLS(&c.Export.TLS)
	return errors.Join(server, client)
}

// serverTLS gives the receiver's TLS, nil when it is plaintext.
func serverTLS(c *config.ServerTLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot use receive.tls.cert_file: %w", err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.ClientCAFile != "" {
		pool, err := readCAs(c.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("cannot use receive.tls.client_ca_file: %w", err)
		}
		t.ClientCAs, t.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return t, nil
}

func readCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot find a certificate in %s", file)
	}
	return pool, nil
}
