package watch

import (
	"net/netip"
	"slices"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alspan/alspan/internal/pods"
)

// attributePrefix begins the annotations by which the owner of a pod says what its spans say (OpenTelemetry's
// non-normative/k8s-attributes).
const attributePrefix = "resource.opentelemetry.io/"

// maxValue is how long a label, an annotation or an attribute may be; longer ones are left out.
const maxValue = 1024

// A pick tells which keys of labels or annotations are wanted: those in a list, or that begin with one of it that ends with *.
type pick []string

func (p pick) has(key string) bool {
	return slices.ContainsFunc(p, func(want string) bool {
		begin, isPrefix := strings.CutSuffix(want, "*")
		return want == key || isPrefix && strings.HasPrefix(key, begin)
	})
}

func (p pick) of(all map[string]string) (some []pods.KeyValue) {
	for key, value := range all {
		if p.has(key) && len(value) <= maxValue {
			some = append(some, pods.KeyValue{Key: same(key), Value: value})
		}
	}
	return sorted(some)
}

func sorted(list []pods.KeyValue) []pods.KeyValue {
	slices.SortFunc(list, func(a, b pods.KeyValue) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// same gives the one copy of a string that many objects have.
func same(s string) string { return unique.Make(s).Value() }

// pod gives what is kept of a pod, nothing of one that has no address or will never have it again.
func (w *Watcher) pod(p *corev1.Pod) []pods.Record {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return nil
	}
	ips := addresses(p)
	known := &pods.Pod{Namespace: same(p.Namespace), Name: p.Name, UID: string(p.UID), Node: same(p.Spec.NodeName), Detail: w.detail(p)}
	if len(ips) > 0 {
		known.IP = ips[0]
	}
	if p.Status.StartTime != nil {
		known.Started = p.Status.StartTime.UnixNano()
	}
	return []pods.Record{{Pod: known, IPs: ips}}
}

func addresses(p *corev1.Pod) (ips []netip.Addr) {
	add := func(text string) {
		if ip, err := netip.ParseAddr(text); err == nil && !slices.Contains(ips, ip.Unmap()) {
			ips = append(ips, ip.Unmap())
		}
	}
	add(p.Status.PodIP)
	for _, ip := range p.Status.PodIPs {
		add(ip.IP)
	}
	return ips
}

func (w *Watcher) detail(p *corev1.Pod) *pods.Detail {
	d := &pods.Detail{HostNetwork: p.Spec.HostNetwork, Sidecar: hasSidecar(p), Labels: w.labels.of(p.Labels), Annotations: w.annotations.of(p.Annotations)}
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		d.Workload = pods.Owner(owner.Kind, owner.Name, p.Labels["pod-template-hash"], p.CreationTimestamp.Time)
		d.Workload.Name = same(d.Workload.Name)
	}
	if len(p.Spec.Containers) == 1 {
		d.Container, d.Image = same(p.Spec.Containers[0].Name), same(p.Spec.Containers[0].Image)
	}
	d.App = pods.App{Instance: same(p.Labels["app.kubernetes.io/instance"]), Name: same(p.Labels["app.kubernetes.io/name"]),
		Version: same(p.Labels["app.kubernetes.io/version"])}
	for key, value := range p.Annotations {
		if name, ok := strings.CutPrefix(key, attributePrefix); ok && name != "" && value != "" && len(value) <= maxValue {
			d.Attributes = append(d.Attributes, pods.KeyValue{Key: same(name), Value: value})
		}
	}
	d.Attributes = sorted(d.Attributes)
	return d
}

// hasSidecar tells whether Istio's proxy is beside a pod; it may be among the containers that start before the others.
func hasSidecar(p *corev1.Pod) bool {
	isProxy := func(c corev1.Container) bool { return c.Name == "istio-proxy" }
	return slices.ContainsFunc(p.Spec.Containers, isProxy) || slices.ContainsFunc(p.Spec.InitContainers, isProxy)
}

// slice gives what is kept of an EndpointSlice: its pods, and the Service that selects them.
func (w *Watcher) slice(s *discoveryv1.EndpointSlice) (records []pods.Record) {
	if s.AddressType == discoveryv1.AddressTypeFQDN {
		return nil
	}
	service, namespace := same(s.Labels[discoveryv1.LabelServiceName]), same(s.Namespace)
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if e.TargetRef == nil || e.TargetRef.Kind != "Pod" || e.TargetRef.Name == "" {
			continue
		}
		var ips []netip.Addr
		for _, text := range e.Addresses {
			if ip, err := netip.ParseAddr(text); err == nil {
				ips = append(ips, ip.Unmap())
			}
		}
		if len(ips) == 0 {
			continue
		}
		p := &pods.Pod{Namespace: namespace, Name: e.TargetRef.Name, UID: string(e.TargetRef.UID), IP: ips[0], Service: service}
		if e.TargetRef.Namespace != "" {
			p.Namespace = same(e.TargetRef.Namespace)
		}
		if e.NodeName != nil {
			p.Node = same(*e.NodeName)
		}
		records = append(records, pods.Record{Pod: p, IPs: ips})
	}
	return records
}
