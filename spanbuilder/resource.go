package spanbuilder

import (
	"cmp"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
)

// maxResourceValue bounds what a node may say of itself.
const maxResourceValue = 1024

// unknownService is what OpenTelemetry prescribes for a service without a name.
const unknownService = "unknown_service:envoy"

// attributes are those of a Resource, in their order. What is said first counts, and an empty value says nothing.
type attributes struct {
	list []pods.KeyValue
	has  map[string]bool
}

func (a *attributes) add(key, value string) {
	if value == "" || a.has[key] {
		return
	}
	if a.has == nil {
		a.has = map[string]bool{}
	}
	a.has[key] = true
	a.list = append(a.list, pods.KeyValue{Key: key, Value: value})
}

// maxResourceAttributes is far above what any pod has: OpenTelemetry has no limit for resources.
const maxResourceAttributes = 4096

// append appends them as fields of a Resource.
func (a *attributes) append(dst []byte) []byte {
	s := encoder{dst: dst, field: resourceAttributes, limit: maxResourceValue, count: maxAttributes - maxResourceAttributes}
	for _, kv := range a.list {
		s.textOf(kv.Key, []byte(kv.Value))
	}
	return s.dst
}

// describe gives the encoded Resource of the spans of one logger: who did the work, as far as the pod and the Envoy node say; and what
// its service is called.
func (s *Senders) describe(l *Logger, p *pods.Pod) (resource []byte, service string) {
	var a attributes
	service = s.serviceName(l.node, p, string(l.logName))
	a.add("service.name", service)
	if p != nil {
		s.describePod(&a, p)
	} else if id, ok := parseIstio(string(l.nodeID)); ok {
		a.add("service.namespace", id.namespace)
		a.add("k8s.pod.name", id.pod)
		a.add("k8s.namespace.name", id.namespace)
		a.add("k8s.pod.ip", id.ip.String())
	} else if l.pod.namespace != "" {
		a.add("service.namespace", l.pod.namespace)
		a.add("k8s.pod.name", l.pod.name)
		a.add("k8s.namespace.name", l.pod.namespace)
	} else {
		a.add("service.instance.id", string(l.nodeID))
		if podName.Match(l.nodeID) && len(l.nodeID) <= maxPodName {
			a.add("k8s.pod.name", string(l.nodeID))
		}
	}
	a.add("envoy.node.id", string(l.nodeID))
	a.add("envoy.node.cluster", l.cluster)
	a.add("envoy.version", l.version)
	a.add("cloud.region", l.region)
	a.add("cloud.availability_zone", l.zone)
	return wire.AppendBytes(nil, resourceSpansResource, a.append(nil)), service
}

// serviceName gives the service that an Envoy and its pod are. An Envoy has one name: that under which its tracer exports.
// Its node's cluster is the one which Envoy's own tracers and Istio take.
func (s *Senders) serviceName(n *Node, p *pods.Pod, logName string) string {
	if n != nil {
		if exported := n.service.Load(); exported != nil {
			return *exported
		}
	}
	if name := s.wanted(p); name != "" {
		return name
	}
	if n != nil {
		if cluster := n.cluster.Load(); cluster != nil {
			return *cluster
		}
	}
	switch {
	case p != nil:
		return p.WorkloadName()
	case logName != "":
		return logName
	}
	return unknownService
}

// wanted gives the name that the pod's owner wants its service to have, "" if he does not say.
func (s *Senders) wanted(p *pods.Pod) string {
	if p == nil || p.Detail == nil {
		return ""
	}
	if name := p.Detail.Attribute("service.name"); name != "" || !s.opts.AppLabels {
		return name
	}
	return cmp.Or(p.Detail.App.Instance, p.Detail.App.Name)
}

// describePod adds what is known of a pod, by OpenTelemetry's conventions for Kubernetes (resource/k8s, and
// non-normative/k8s-attributes).
func (s *Senders) describePod(a *attributes, p *pods.Pod) {
	d := p.Detail
	if d != nil { // its owner knows best
		for _, kv := range d.Attributes {
			a.add(kv.Key, kv.Value)
		}
	}
	a.add("service.namespace", p.Namespace)
	a.add("k8s.namespace.name", p.Namespace)
	a.add("k8s.pod.name", p.Name)
	a.add("k8s.pod.uid", p.UID)
	if p.IP.IsValid() {
		a.add("k8s.pod.ip", p.IP.String())
	}
	if p.Started != 0 {
		a.add("k8s.pod.start_time", time.Unix(0, p.Started).UTC().Format(time.RFC3339))
	}
	a.add("k8s.node.name", p.Node)
	a.add("k8s.cluster.name", s.opts.Cluster)
	if d == nil {
		return
	}
	if d.Workload.Kind != pods.NoWorkload {
		a.add("k8s."+d.Workload.Kind.String()+".name", d.Workload.Name)
	}
	if s.opts.AppLabels {
		a.add("service.version", d.App.Version)
	}
	a.add("service.version", imageVersion(d.Image))
	if d.Container != "" {
		a.add("service.instance.id", p.Namespace+"."+p.Name+"."+d.Container)
		a.add("k8s.container.name", d.Container)
	}
	for _, kv := range d.Labels {
		a.add("k8s.pod.label."+kv.Key, kv.Value)
	}
	for _, kv := range d.Annotations {
		a.add("k8s.pod.annotation."+kv.Key, kv.Value)
	}
}

// imageVersion gives the version that the name of an image has: tag@digest, the digest or the tag.
func imageVersion(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	tag := ""
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') { // else it is a registry's port
		tag = name[colon+1:]
	}
	if tag != "" && digest != "" {
		return tag + "@" + digest
	}
	return cmp.Or(digest, tag)
}

// isUnknown tells whether a service has no name, or the one that OpenTelemetry's SDKs put where there is none.
func isUnknown(service string) bool {
	return service == "" || service == "unknown_service" || strings.HasPrefix(service, "unknown_service:")
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
