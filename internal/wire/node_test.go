package wire

import (
	"fmt"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// hugeNode is as large as a real one: a record of every extension that Envoy was built with.
func hugeNode() *corev3.Node {
	n := &corev3.Node{
		Id: "router~10.244.1.4~edge.gateway~gateway.svc.cluster.local", Cluster: "edge.gateway",
		Metadata:      &structpb.Struct{Fields: map[string]*structpb.Value{"LABELS": structpb.NewStringValue(strings.Repeat("app=edge,", 200))}},
		Locality:      &corev3.Locality{Region: "eu-central-1", Zone: "eu-central-1a", SubZone: "rack7"},
		UserAgentName: "envoy",
		UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
			Version:  &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 39, Patch: 3},
			Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"build.type": structpb.NewStringValue("RELEASE")}},
		}},
		ClientFeatures: []string{"envoy.lb.does_not_support_overprovisioning"},
	}
	for i := range 330 {
		n.Extensions = append(n.Extensions, &corev3.Extension{
			Name: fmt.Sprintf("envoy.filters.http.extension_%03d", i), Category: "envoy.filters.http",
			TypeUrls: []string{fmt.Sprintf("envoy.extensions.filters.http.extension_%03d.v3.Extension", i), fmt.Sprintf("envoy.extensions.filters.http.extension_%03d.v3.PerRoute", i)},
		})
	}
	return n
}

func TestNode(t *testing.T) {
	b := marshal(t, hugeNode())
	if len(b) < 58_000 {
		t.Fatalf("%d bytes only", len(b))
	}
	n := Node{Patch: 99}
	want := Node{ID: []byte("router~10.244.1.4~edge.gateway~gateway.svc.cluster.local"), Cluster: []byte("edge.gateway"),
		Region: []byte("eu-central-1"), Zone: []byte("eu-central-1a"), SubZone: []byte("rack7"), Major: 1, Minor: 39, Patch: 3}
	if !n.Walk(b) {
		t.Fatal("malformed")
	}
	if d := cmp.Diff(want, n); d != "" {
		t.Error(d)
	}
	checkNode(t, b)
	if allocs := testing.AllocsPerRun(10, func() { n.Walk(b) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if !n.Walk(nil) || n.ID != nil || n.Major != 0 {
		t.Errorf("an empty node is %+v", n)
	}
	for _, cut := range []int{1, 30, len(b) / 2, len(b) - 1} {
		checkNode(t, b[:cut])
		if n.Walk(b[:cut]) {
			t.Errorf("well-formed with %d bytes", cut)
		}
	}
}

func TestOddNodes(t *testing.T) {
	version := func(major uint64) []byte { return AppendBytes(nil, 8, AppendBytes(nil, 1, AppendUint(nil, 1, major))) }
	for name, b := range map[string][]byte{
		"id twice":                    AppendBytes(AppendBytes(nil, 1, "a"), 1, "b"),
		"id as varint":                AppendUint(nil, 1, 7),
		"locality in two pieces":      AppendBytes(AppendBytes(nil, 4, AppendBytes(nil, 1, "eu")), 4, AppendBytes(nil, 2, "a")),
		"version in two pieces":       append(version(1), AppendBytes(nil, 8, AppendBytes(nil, 1, AppendUint(nil, 2, 39)))...),
		"version, then its name":      AppendBytes(version(1), 7, "1.39"),
		"name, then version":          append(AppendBytes(nil, 7, "1.39"), version(1)...),
		"version name as varint":      AppendUint(version(1), 7, 1),
		"broken locality":             AppendBytes(nil, 4, "\x0a"),
		"broken build":                AppendBytes(nil, 8, "\x0a"),
		"broken version":              AppendBytes(nil, 8, AppendBytes(nil, 1, "\x08")),
		"broken extension":            AppendBytes(nil, 9, "\x0a"),
		"broken build metadata":       AppendBytes(nil, 8, AppendBytes(nil, 2, "\x0a")),
		"major number beyond 32 bits": version(1<<32 + 1),
	} {
		t.Run(name, func(t *testing.T) { checkNode(t, b) })
	}
}

func TestRecordedNodes(t *testing.T) {
	nodes := 0
	recorded(t, func([]byte, bool) {}, func(b []byte) {
		nodes++
		checkNode(t, b)
		var n Node
		if !n.Walk(b) || len(n.ID) == 0 || n.Major != 1 || n.Minor != 39 {
			t.Errorf("node %s, version %d.%d", n.ID, n.Major, n.Minor)
		}
	})
	if nodes == 0 {
		t.Error("none")
	}
}
