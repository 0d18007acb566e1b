package spanbuilder

import (
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
)

// otherSide writes who was on the other side of a request's span, and, where that is the caller, who was called.
func (r *request) otherSide() {
	if r.b.opts.Pods == nil {
		return
	}
	called := r.podAt(&r.e.UpstreamRemote)
	if called != nil {
		r.str(envoyUpstreamPodKey, called.Name)
		r.str(envoyUpstreamNamespaceKey, called.Namespace)
		r.str(envoyUpstreamServiceKey, called.Service)
	}
	if r.kind == kindClient { // a sidecar's, of a request that its own pod made
		r.peer(called)
		return
	}
	// Who has the connection has sent the request; behind a translation of addresses there may be a better one.
	caller := r.podAt(&r.e.DownstreamDirect)
	if caller == nil {
		caller = r.podAt(&r.e.DownstreamRemote)
	}
	r.peer(caller)
}

// peer writes the service of the other side: by OpenTelemetry's conventions, and by the older one that Tempo's service graph
// knows.
func (r *request) peer(p *pods.Pod) {
	if p == nil {
		return
	}
	name := p.PeerName()
	r.str(servicePeerNameKey, name)
	r.str(servicePeerNamespaceKey, p.Namespace)
	r.str(peerServiceKey, name)
}

// podAt gives the pod that had that address when the request began, nil when it is not known.
func (r *request) podAt(a *wire.Address) *pods.Pod {
	if r.b.opts.Pods == nil || a.Kind != wire.SocketAddress {
		return nil
	}
	ip, ok := parseIP(r.e.Bytes(a.Host))
	if !ok {
		return nil
	}
	return r.b.opts.Pods.Load().ByIP(ip, int64(r.start))
}
