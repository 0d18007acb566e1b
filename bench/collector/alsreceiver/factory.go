package alsreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// Config is the collector's usual gRPC server configuration.
type Config struct {
	configgrpc.ServerConfig `mapstructure:",squash"`
}

// NewFactory is what the collector's main calls. The type is "als".
func NewFactory() receiver.Factory {
	return receiver.NewFactory(component.MustNewType("als"), defaults, receiver.WithLogs(create, component.StabilityLevelDevelopment))
}

func defaults() component.Config {
	address := confignet.NewDefaultAddrConfig()
	address.Transport, address.Endpoint = confignet.TransportTypeTCP, "localhost:19001"
	c := &Config{ServerConfig: configgrpc.NewDefaultServerConfig()}
	c.NetAddr = address
	return c
}

func create(_ context.Context, s receiver.Settings, c component.Config, next consumer.Logs) (receiver.Logs, error) {
	return newReceiver(c.(*Config), s, next)
}
