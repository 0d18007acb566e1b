package spanbuilder

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/alspan/alspan/internal/wire"
)

// maxResourceValue bounds what a node may say of itself.
const maxResourceValue = 1024

// unknownService is what OpenTelemetry prescribes for a service without a name.
const unknownService = "unknown_service:envoy"

// appendResource appends the encoded Resource of the spans of one logger: who did the work, as far as the Envoy node says.
// The service is the node's cluster, which is what Envoy's own tracers and Istio take, else the log's name.
func appendResource(dst []byte, node *wire.Node, logName []byte) []byte {
	s := encoder{dst: dst, field: resourceAttributes, limit: maxResourceValue}
	switch {
	case len(node.Cluster) > 0:
		s.textOf("service.name", node.Cluster)
	case len(logName) > 0:
		s.textOf("service.name", logName)
	default:
		s.strOf("service.name", unknownService)
	}
	if id, ok := parseIstio(string(node.ID)); ok {
		s.textOf("service.namespace", []byte(id.namespace))
		s.textOf("k8s.pod.name", []byte(id.pod))
		s.textOf("k8s.namespace.name", []byte(id.namespace))
		s.strOf("k8s.pod.ip", id.ip.String())
	} else {
		s.textOf("service.instance.id", node.ID)
		if podName.Match(node.ID) && len(node.ID) <= maxPodName {
			s.textOf("k8s.pod.name", node.ID)
		}
	}
	s.textOf("envoy.node.id", node.ID)
	s.textOf("envoy.node.cluster", node.Cluster)
	if node.Major > 0 {
		s.strOf("envoy.version", fmt.Sprintf("%d.%d.%d", node.Major, node.Minor, node.Patch))
	}
	s.textOf("cloud.region", node.Region)
	s.textOf("cloud.availability_zone", node.Zone)
	return s.dst
}

// newScope gives the encoded field scope of ScopeSpans: message InstrumentationScope { string name = 1; string version = 2; }
func newScope(version string) []byte {
	scope := wire.AppendBytes(wire.AppendBytes(nil, 1, "github.com/alspan/alspan"), 2, version)
	return wire.AppendBytes(nil, scopeSpansScope, scope)
}

const maxPodName = 253

// podName is the form of a pod's name that a controller has made: Contour and Envoy Gateway use it as the node's id. The
// letters of the last part are those that Kubernetes uses for generated names.
var podName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?-[bcdfghjklmnpqrstvwxz2456789]{5}$`)

// istioID is a node id of Istio: role~ip~pod.namespace~domain.
type istioID struct {
	role           string
	ip             netip.Addr
	pod, namespace string
}

func parseIstio(id string) (istioID, bool) {
	parts := strings.Split(id, "~")
	if len(parts) != 4 {
		return istioID{}, false
	}
	ip, err := netip.ParseAddr(parts[1])
	dot := strings.LastIndexByte(parts[2], '.') // a pod's name may have dots, a namespace may not
	if err != nil || dot <= 0 || dot == len(parts[2])-1 {
		return istioID{}, false
	}
	return istioID{role: parts[0], ip: ip.Unmap(), pod: parts[2][:dot], namespace: parts[2][dot+1:]}, true
}
