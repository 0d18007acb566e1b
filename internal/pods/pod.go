// Package pods takes what a Kubernetes API server says of pods, in the pods themselves or in EndpointSlices, and gives the pod
// that has an address, a name or a uid.
//
// It knows no API server: internal/pods/watch does, and fills the Index. What is read is a Snapshot, which never changes, so
// that the data path takes no lock and waits for nobody.
package pods

import (
	"net/netip"
	"slices"
)

// Pod is one pod as far as spans tell of it. It never changes: when it does in the cluster there is another Pod.
type Pod struct {
	Namespace string
	Name      string
	UID       string
	Node      string     // name of its node
	IP        netip.Addr // the first one
	Service   string     // of the namespace, that selects it; "" for none
	Started   int64      // Unix nanoseconds, whole seconds; 0 when it is not known
	Deleted   int64      // Unix nanoseconds when it was seen to be gone; 0 while it is there

	// Detail is what only the pod itself says; nil when it is known from an EndpointSlice alone.
	Detail *Detail
}

// Detail is what the pod itself says.
type Detail struct {
	HostNetwork bool // its address is its node's, and that of others
	Sidecar     bool // it has Istio's proxy beside it
	Workload    Workload
	Container   string     // the only one; "" when there are several
	Image       string     // of that one
	App         App        // the recommended labels
	Attributes  []KeyValue // of annotations resource.opentelemetry.io/<attribute>, sorted by key
	Labels      []KeyValue // those that were asked for, sorted by key
	Annotations []KeyValue // the same
}

// App is the labels app.kubernetes.io/instance, name and version.
type App struct{ Instance, Name, Version string }

// KeyValue is a label, an annotation or an attribute.
type KeyValue struct{ Key, Value string }

// Workload is who made the pod.
type Workload struct {
	Kind Kind
	Name string
}

// Kind is the kind of a workload.
type Kind uint8

const (
	NoWorkload Kind = iota // a pod that nobody made, or somebody unknown
	Deployment
	ReplicaSet // without a Deployment
	StatefulSet
	DaemonSet
	CronJob
	Job // without a CronJob
	NumKinds
)

var kinds = [NumKinds]string{"", "deployment", "replicaset", "statefulset", "daemonset", "cronjob", "job"}

// String gives the word for k in attribute names: k8s.<word>.name.
func (k Kind) String() string { return kinds[k] }

// Attribute gives the value of the annotation resource.opentelemetry.io/<key>.
func (d *Detail) Attribute(key string) string {
	if d != nil {
		for _, a := range d.Attributes {
			if a.Key == key {
				return a.Value
			}
		}
	}
	return ""
}

// PeerName gives the name by which others call p's service: what its owner says, a Service that selects it, its workload, the pod.
func (p *Pod) PeerName() string {
	if name := p.Detail.Attribute("service.name"); name != "" {
		return name
	}
	if p.Service != "" {
		return p.Service
	}
	return p.WorkloadName()
}

// WorkloadName gives the name of what made p, p's own if nobody did.
func (p *Pod) WorkloadName() string {
	if p.Detail != nil && p.Detail.Workload.Kind != NoWorkload {
		return p.Detail.Workload.Name
	}
	return p.Name
}

// is tells whether two of the same pod say the same.
func (p *Pod) is(q *Pod) bool {
	a, b := *p, *q
	a.Detail, b.Detail = nil, nil
	return a == b && (p.Detail == q.Detail || p.Detail != nil && q.Detail != nil && p.Detail.is(q.Detail))
}

func (d *Detail) is(e *Detail) bool {
	return d.HostNetwork == e.HostNetwork && d.Sidecar == e.Sidecar && d.Workload == e.Workload && d.Container == e.Container && d.Image == e.Image && d.App == e.App &&
		slices.Equal(d.Attributes, e.Attributes) && slices.Equal(d.Labels, e.Labels) && slices.Equal(d.Annotations, e.Annotations)
}
