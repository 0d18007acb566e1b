package spanbuilder

import (
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// Senders knows who sends: it gives the Resource of the spans of a sender and its pod. All goroutines share it.
type Senders struct {
	opts   PodOptions
	index  *pods.Index
	scope  []byte // of all spans that are made
	ids    cache[uint64, nodeID]
	made   cache[madeKey, *named]
	passed cache[passedKey, *ring.Resource]
}

// PodOptions say what is told of pods.
type PodOptions struct {
	Cluster   string // k8s.cluster.name
	AppLabels bool   // the labels app.kubernetes.io/... name services and their versions
}

type (
	madeKey struct {
		logger   *Logger
		pod      *pods.Pod
		service  string
		exported bool // by the tracer; else it is the node's cluster, before which other names come
	}
	passedKey struct {
		origin  *Origin
		pod     *pods.Pod
		service string
	}
	// named is a resource with the name of its service.
	named struct {
		ring.Resource
		service string
	}
	extension struct {
		passedKey
		resource *ring.Resource
	}
)

const (
	maxNodeNames = 8192
	maxResources = 2048
)

// NewSenders makes an empty set. Pods are looked up in the index, which is nil where there are none; version is that of the agent.
func NewSenders(index *pods.Index, o PodOptions, version string) *Senders {
	return &Senders{opts: o, index: index, scope: newScope(version), ids: newCache[uint64, nodeID](maxNodeNames),
		made: newCache[madeKey, *named](maxResources), passed: newCache[passedKey, *ring.Resource](maxResources)}
}

// Resources gives resources to one goroutine, which usually asks for the same ones again and again.
type Resources struct {
	all    *Senders
	made   madeKey
	passed passedKey
	last   struct {
		made   *named
		passed *ring.Resource
	}
}

// Resources makes one.
func (s *Senders) Resources() Resources { return Resources{all: s} }

// Made gives the resource of the spans that are made from what l logs, in the pod p, which may be nil.
func (r *Resources) Made(l *Logger, p *pods.Pod) *ring.Resource { return &r.of(l, p).Resource }

// Service gives the name of the service in that resource.
func (r *Resources) Service(l *Logger, p *pods.Pod) string { return r.of(l, p).service }

func (r *Resources) of(l *Logger, p *pods.Pod) *named {
	k := madeKey{logger: l, pod: p}
	if s := l.node.service.Load(); s != nil {
		k.service, k.exported = *s, true
	} else if s := l.node.cluster.Load(); s != nil {
		k.service = *s
	}
	if r.last.made != nil && k == r.made {
		return r.last.made
	}
	r.made, r.last.made = k, r.all.made.find(k, func() *named {
		head, service := r.all.describe(l, p)
		return &named{ring.Resource{Head: head, Scope: r.all.scope}, service}
	})
	return r.last.made
}

// Passed gives the resource of a span that came, from an Envoy or, with nil, from somebody else: what it was, and what the pod
// p, which may be nil, adds.
func (r *Resources) Passed(o *Origin, p *pods.Pod, n *Node) *ring.Resource {
	k := passedKey{origin: o, pod: p}
	if o.unknown && (n != nil || p != nil) {
		k.service = r.all.serviceName(n, p, "")
	}
	if p == nil && (k.service == "" || k.service == unknownService) {
		return o.Resource
	}
	if r.last.passed != nil && k == r.passed {
		return r.last.passed
	}
	r.passed, r.last.passed = k, r.all.extended(k)
	return r.last.passed
}

// extended gives the resource of what came with what a pod adds. That of an origin which is too large to be found again goes
// when its spans have gone: the origin has it.
func (s *Senders) extended(k passedKey) *ring.Resource {
	o := k.origin
	fresh := func() *ring.Resource {
		return &ring.Resource{Head: s.extend(o, k.pod, k.service), Scope: o.Resource.Scope}
	}
	if o.kept {
		return s.passed.find(k, fresh)
	}
	if x := o.extended.Load(); x != nil && x.passedKey == k {
		return x.resource
	}
	x := &extension{k, fresh()}
	o.extended.Store(x)
	return x.resource
}

// extend gives the fields of a ResourceSpans with what the pod adds to its Resource. What is there already is left alone,
// but for the name of a service that has none.
func (s *Senders) extend(o *Origin, p *pods.Pod, service string) []byte {
	a := attributes{has: map[string]bool{}}
	var head, resource []byte
	wire.EachField(o.Resource.Head, func(key uint32, value, field []byte) {
		if key != resourceSpansResource<<3|wire.Bytes {
			head = append(head, field...)
			return
		}
		wire.EachField(value, func(key uint32, value, field []byte) {
			if key == resourceAttributes<<3|wire.Bytes {
				name, _, _ := wire.StringAttribute(value)
				if string(name) == "service.name" && service != "" {
					return
				}
				a.has[string(name)] = true
			}
			resource = append(resource, field...)
		})
	})
	a.add("service.name", service)
	if p != nil {
		s.describePod(&a, p)
	}
	return append(wire.AppendBytes(nil, resourceSpansResource, a.append(resource)), head...)
}

// nodeName is what a node id says of its pod.
type nodeName struct{ namespace, name string } // without a namespace it is whatever pod has that name

// nodeID is an id with what it says: others may have the same hash.
type nodeID struct {
	id string
	nodeName
}

// namedBy gives the name of the pod in a node id, by the forms of Istio (role~ip~pod.namespace~domain), Envoy Gateway and Contour
// (the pod's name).
func namedBy(id string) nodeName {
	if len(id) > maxResourceValue {
		return nodeName{}
	}
	if istio, ok := parseIstio(id); ok {
		return nodeName{istio.namespace, istio.pod}
	}
	if len(id) > maxPodName {
		return nodeName{}
	}
	return nodeName{name: id}
}

// ofNode gives the pod that the node with that id names. What is longer than any id that names one is not remembered.
func (s *Senders) ofNode(known *pods.Snapshot, hash uint64, id []byte, at int64) *pods.Pod {
	if len(id) > maxResourceValue {
		return nil
	}
	n, ok := s.ids.Get(hash)
	if !ok || n.id != string(id) {
		n.id = string(id)
		n.nodeName = namedBy(n.id)
		s.ids.Add(hash, n)
	}
	if n.name == "" {
		return nil
	}
	return known.ByName(n.namespace, n.name, at)
}
