// Command shop is an instrumented application: it answers requests, and its tracer reports a span of each and one of the
// work in it, by OpenTelemetry's SDK over OTLP, or by Zipkin's.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/openzipkin/zipkin-go"
	zipkinhttp "github.com/openzipkin/zipkin-go/middleware/http"
	reporter "github.com/openzipkin/zipkin-go/reporter/http"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: shop otlp-grpc|otlp-http|zipkin ADDRESS")
	}
	var handler http.Handler
	var stop func() error
	var err error
	if os.Args[1] == "zipkin" {
		handler, stop, err = withZipkin(os.Args[2])
	} else {
		handler, stop, err = withOpenTelemetry(os.Args[1], os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(l, handler)
	fmt.Printf("listening on %s\n", l.Addr())
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, os.Interrupt)
	<-stopped
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}

func withOpenTelemetry(protocol, address string) (http.Handler, func() error, error) {
	ctx := context.Background()
	var exporter *otlptrace.Exporter
	var err error
	switch protocol {
	case "otlp-grpc":
		exporter, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(address), otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
	case "otlp-http":
		exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(address), otlptracehttp.WithInsecure(), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	default:
		err = fmt.Errorf("unknown protocol %q", protocol)
	}
	if err != nil {
		return nil, nil, err
	}
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "shop"), attribute.String("k8s.pod.name", "shop-1")))
	if err != nil {
		return nil, nil, err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter, trace.WithBatchTimeout(100*time.Millisecond)), trace.WithResource(described))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, span := provider.Tracer("shop").Start(r.Context(), "work")
		span.SetAttributes(attribute.Int("items", 3))
		span.AddEvent("packed")
		span.End()
		w.Write([]byte("hello"))
	})
	return otelhttp.NewHandler(handler, "shop", otelhttp.WithTracerProvider(provider)), func() error { return provider.Shutdown(ctx) }, nil
}

func withZipkin(address string) (http.Handler, func() error, error) {
	report := reporter.NewReporter("http://"+address+"/api/v2/spans", reporter.BatchInterval(100*time.Millisecond))
	endpoint, err := zipkin.NewEndpoint("shop", "127.0.0.1:80")
	if err != nil {
		return nil, nil, err
	}
	tracer, err := zipkin.NewTracer(report, zipkin.WithLocalEndpoint(endpoint), zipkin.WithTraceID128Bit(true))
	if err != nil {
		return nil, nil, err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span, _ := tracer.StartSpanFromContext(r.Context(), "work")
		span.Tag("items", "3")
		span.Annotate(time.Now(), "packed")
		span.Finish()
		w.Write([]byte("hello"))
	})
	return zipkinhttp.NewServerMiddleware(tracer)(handler), report.Close, nil
}
