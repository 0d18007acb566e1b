package parity

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// chain has the keys of a configuration and the processors that they stand for, in the order in which spans pass them.
var chain = []struct {
	key     string
	factory processor.Factory
}{
	{"filter", filterprocessor.NewFactory()},
	{"attributes", attributesprocessor.NewFactory()},
	{"resource", resourceprocessor.NewFactory()},
	{"redaction", redactionprocessor.NewFactory()},
}

// collector is a pipeline of the processors that one configuration names.
type collector struct {
	head consumer.Traces
	sink *consumertest.TracesSink
}

// newCollector starts what conf names.
func newCollector(ctx context.Context, conf *confmap.Conf) (*collector, error) {
	known := map[string]bool{}
	for _, p := range chain {
		known[p.key] = true
	}
	for key := range conf.ToStringMap() {
		if !known[key] {
			return nil, fmt.Errorf("cannot read configuration: %s is no processor", key)
		}
	}
	c := &collector{sink: new(consumertest.TracesSink)}
	c.head = c.sink
	for i := len(chain) - 1; i >= 0; i-- {
		if key := chain[i].key; conf.IsSet(key) {
			p, err := start(ctx, conf, key, chain[i].factory, c.head)
			if err != nil {
				return nil, err
			}
			c.head = p
		}
	}
	return c, nil
}

// start makes the processor that is configured at key, in front of next.
func start(ctx context.Context, conf *confmap.Conf, key string, f processor.Factory, next consumer.Traces) (consumer.Traces, error) {
	sub, err := conf.Sub(key)
	if err != nil {
		return nil, err
	}
	cfg := f.CreateDefaultConfig()
	if err := sub.Unmarshal(&cfg); err != nil {
		return nil, err
	}
	if err := confmap.Validate(cfg); err != nil {
		return nil, err
	}
	p, err := f.CreateTraces(ctx, processor.Settings{ID: component.NewID(f.Type()), TelemetrySettings: silent}, cfg, next)
	if err != nil {
		return nil, err
	}
	return p, p.Start(ctx, host{})
}

// run gives one request to the collector. What it answers is the error, what comes out the message.
func (c *collector) run(ctx context.Context, request []byte) ([]byte, error) {
	td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(request)
	if err != nil {
		return nil, err
	}
	c.sink.Reset()
	if err := c.head.ConsumeTraces(ctx, td); err != nil {
		return nil, err
	}
	out := ptrace.NewTraces()
	for _, td := range c.sink.AllTraces() {
		td.ResourceSpans().MoveAndAppendTo(out.ResourceSpans())
	}
	return new(ptrace.ProtoMarshaler).MarshalTraces(out)
}

// resolve reads a configuration as the collector's command reads its file, variables and all.
func resolve(ctx context.Context, text string) (*confmap.Conf, error) {
	r, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:          []string{"text:"},
		DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{
			envprovider.NewFactory(),
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return provider(text) }),
		},
	})
	if err != nil {
		return nil, err
	}
	return r.Resolve(ctx)
}

// provider gives itself as the only configuration there is.
type provider string

func (p provider) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(p))
}

func (provider) Scheme() string { return "text" }

func (provider) Shutdown(context.Context) error { return nil }

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

var silent = component.TelemetrySettings{
	Logger:         zap.NewNop(),
	TracerProvider: nooptrace.NewTracerProvider(),
	MeterProvider:  noopmetric.NewMeterProvider(),
	Resource:       pcommon.NewResource(),
}
