package fake

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// Node gives the node that an Envoy 1.39 puts into its identifier, about 58 kB: nearly all of it is the list of the 493
// extensions that are compiled in. Their names here are made up after the same pattern, with the same length.
func Node(id, cluster string) *corev3.Node {
	text := func(s string) *structpb.Value { return structpb.NewStringValue(s) }
	n := &corev3.Node{
		Id:            id,
		Cluster:       cluster,
		Locality:      &corev3.Locality{Zone: "zone-a"},
		UserAgentName: "envoy",
		UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
			Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 39, Patch: 3},
			Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
				"build.type":      text("RELEASE"),
				"revision.sha":    text("6eb0d2d97489ec1b4e1584a004f5de443d97a41b"),
				"revision.status": text("Clean"),
				"ssl.version":     text("BoringSSL"),
			}},
		}},
	}
	for _, c := range []struct {
		category string
		count    int
	}{
		{"envoy.filters.http", 86}, {"envoy.filters.network", 32}, {"envoy.matching.http.input", 23},
		{"envoy.access_loggers", 18}, {"filter_state.object", 18}, {"envoy.filters.http.upstream", 16},
		{"envoy.matching.network.input", 14}, {"envoy.transport_sockets.upstream", 14}, {"envoy.clusters", 13},
		{"envoy.filters.listener", 13}, {"envoy.stats_sinks", 13}, {"envoy.load_balancing_policies", 12},
		{"envoy.transport_sockets.downstream", 11}, {"envoy.tracers", 8}, {"envoy.bootstrap", 7},
		{"envoy.resource_monitors", 4}, {"envoy.tracers.opentelemetry.samplers", 5}, {"envoy.network.resolvers", 186},
	} {
		for i := range c.count {
			n.Extensions = append(n.Extensions, extension(c.category, i))
		}
	}
	return n
}

// extension gives the i-th made-up extension of a category.
func extension(category string, i int) *corev3.Extension {
	words := []string{"header_mutation", "rate_limit", "generic", "dynamic_forward", "local_cache", "session_state", "grpc_stats",
		"original_src", "composite", "compressor", "fault", "lua", "proxy_protocol"}
	word := words[i%len(words)]
	if i >= len(words) {
		word = fmt.Sprintf("%s_%d", word, i/len(words)+1)
	}
	e := &corev3.Extension{Name: category + "." + word, Category: category}
	if i%5 == 4 { // a fifth of the real ones has no configuration
		return e
	}
	var camel strings.Builder
	for part := range strings.SplitSeq(word, "_") {
		camel.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	path := strings.TrimPrefix(category, "envoy.")
	e.TypeUrls = []string{fmt.Sprintf("envoy.extensions.%s.%s.v3.%s", path, word, camel.String())}
	if category == "envoy.filters.http" && i%3 == 0 {
		e.TypeUrls = append(e.TypeUrls, e.TypeUrls[0]+"PerRoute")
	}
	return e
}
