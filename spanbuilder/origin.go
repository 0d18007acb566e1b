package spanbuilder

import (
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// Origin is what the spans of one resource and scope have in common.
type Origin struct {
	Resource *ring.Resource
	Service  uint64 // hash of service.name, 0 without one

	name    string // service.name
	unknown bool   // that is none
	claimed claimed
	kept    bool // it is found again

	extended atomic.Pointer[extension] // with what a pod adds, if it is not kept
}

// claimed is what a resource says of its pod.
type claimed struct{ uid, namespace, name, ip string }

// Origins finds the Origin of received spans. The strings in a resource are looked at once, not with each request.
type Origins struct {
	known cache[xxh3.Uint128, *Origin]
	// Repaired counts strings of resources and scopes that were not UTF-8, once for each resource that is remembered.
	Repaired atomic.Int64
}

// Resources beyond these are made anew each time they come.
const (
	maxOrigins    = 1024
	maxOriginSize = 16 << 10
)

// NewOrigins makes an empty set.
func NewOrigins() *Origins { return &Origins{known: newCache[xxh3.Uint128, *Origin](maxOrigins)} }

// Find gives the origin with those fields of ResourceSpans and of ScopeSpans. Nothing of the arguments is kept.
func (s *Origins) Find(head, scope []byte) *Origin {
	a, b := xxh3.Hash128(head), xxh3.Hash128(scope)
	key := xxh3.Uint128{Hi: a.Hi ^ b.Lo*0x9e3779b97f4a7c15, Lo: a.Lo ^ b.Hi*0xd6e8feb86659fd93}
	if o, ok := s.known.Get(key); ok {
		return o
	}
	o, repaired := newOrigin(head, scope)
	s.Repaired.Add(int64(repaired))
	if len(head)+len(scope) <= maxOriginSize {
		o.kept = true
		s.known.Add(key, o)
	}
	return o
}

func newOrigin(head, scope []byte) (o *Origin, repaired int) {
	o = &Origin{Resource: &ring.Resource{}}
	var n int
	o.Resource.Head, repaired = wire.AppendResource(nil, head)
	o.Resource.Scope, n = wire.AppendScope(nil, scope)
	repaired += n
	for r := wire.Read(o.Resource.Head); r.Next(); {
		if r.Key == resourceSpansResource<<3|wire.Bytes {
			o.look(r.Bytes, nil)
		}
	}
	o.unknown = isUnknown(o.name)
	return o, repaired
}

// look takes what an encoded Resource says, and notes in has, unless it is nil, which attributes there are. It gives false if the
// Resource is malformed.
func (o *Origin) look(resource []byte, has map[string]bool) bool {
	return wire.Sub(resource, func(r wire.Reader) {
		if r.Key != resourceAttributes<<3|wire.Bytes {
			return
		}
		key, value, isString := wire.StringAttribute(r.Bytes)
		if has != nil {
			has[string(key)] = true
		}
		if isString {
			o.said(string(key), value)
		}
	})
}

// said takes an attribute of the resource.
func (o *Origin) said(key string, value []byte) {
	switch key {
	case "service.name":
		o.Service, o.name = new(derivation).hash(value), string(value)
	case "k8s.pod.uid":
		o.claimed.uid = string(value)
	case "k8s.pod.name":
		o.claimed.name = string(value)
	case "k8s.pod.ip":
		o.claimed.ip = string(value)
	case "k8s.namespace.name":
		o.claimed.namespace = string(value)
	}
}
