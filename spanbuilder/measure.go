package spanbuilder

import (
	"bytes"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/red"
	"github.com/alspan/alspan/internal/wire"
)

// Measures are what metrics say of one request: how it went for its caller, and how for Envoy, who called the upstream. It belongs to
// one goroutine and is used again.
type Measures struct {
	list     [2]red.Request
	route    []byte
	pods     [64]podMemo
	clusters map[string]string // what clusters call their services
}

// podMemo is an address that was asked for, and whose it was.
type podMemo struct {
	address    [maxMemo]byte
	length     uint8
	generation uint64
	second     int64
	pod        *pods.Pod
}

const (
	maxMemo     = 16 // an IPv4 address as a text
	maxClusters = 1024
)

// Measure gives what metrics say of the request that e tells of, of an Envoy that is that service. It is valid until the next call, and
// as long as e.
//
// An Envoy at the edge tells of two sides: of the request that came, and of the one that it sent. A sidecar tells of one: of what
// came to its pod or of what its pod sent, for the other side of it is the pod itself.
func (b *Builder) Measure(m *Measures, e *wire.Entry, l *Logger, service string) []red.Request {
	r := b.about(e, l)
	r.start, _ = e.Start.Unix()
	came := &m.list[0]
	*came = red.Request{Service: service, Method: r.methodLabel(), Route: m.routeOf(&r), Failed: r.failure() != "", Duration: time.Duration(length(e))}
	if r.answered {
		came.Class = uint8(min(e.Code/100, 255))
	}
	if r.kind == kindClient {
		came.Kind = red.Client
		came.Peer, came.Edge = m.called(&r)
		return m.list[:1]
	}
	came.Peer, came.Edge = m.caller(&r)
	if !e.HasUpstream() || l.inbound(e) {
		return m.list[:1]
	}
	sent := &m.list[1]
	*sent = *came
	sent.Kind = red.Client
	sent.Peer, sent.Edge = m.called(&r)
	sent.Duration = upstreamTime(e)
	r.asClient()
	if sent.Class = 0; r.answered {
		sent.Class = came.Class
	}
	sent.Failed = r.failure() != ""
	return m.list[:2]
}

// methodLabel gives the request's method, one of few.
func (r *request) methodLabel() string {
	if i := r.e.Method; i > 0 && int(i) < len(wire.MethodNames) {
		return wire.MethodNames[i]
	}
	return otherMethod
}

// routeOf gives the name of Envoy's route, and of a gRPC call its method.
func (m *Measures) routeOf(r *request) []byte {
	if r.rpc.method == "" {
		return r.e.Text(wire.RouteName)
	}
	m.route = append(m.route[:0], r.rpc.method...)
	return m.route
}

// asClient makes the request the one that Envoy sent: a code without a byte from the host is Envoy's own.
func (r *request) asClient() {
	r.kind = kindClient
	if !r.e.Timings[wire.FirstUpstreamRx].Set && string(r.e.Text(wire.CodeDetails)) != "via_upstream" {
		r.answered, r.rpc.status = false, -1
	}
}

// upstreamTime gives how long the last attempt took, from its first byte up to its last byte down.
func upstreamTime(e *wire.Entry) time.Duration {
	from, to := int64(0), int64(length(e))
	if t := e.Timings[wire.FirstUpstreamTx]; t.Set {
		from = min(max(t.Duration(), 0), to)
	}
	if t := e.Timings[wire.LastUpstreamRx]; t.Set {
		to = max(min(max(t.Duration(), 0), to), from)
	}
	return time.Duration(to - from)
}

// inbound tells whether e is the receiving half of a mesh hop: what the sidecar calls is its own pod.
func (l *Logger) inbound(e *wire.Entry) bool { return l.sidecar.IsValid() && !l.outbound(e) }

// caller gives the service that sent the request. The service graph counts its edge here, where the request is known for sure.
func (m *Measures) caller(r *request) (string, red.Edge) {
	p := m.podAt(r, &r.e.DownstreamDirect)
	if p == nil {
		p = m.podAt(r, &r.e.DownstreamRemote)
	}
	if p == nil {
		return "", red.EdgeVirtual
	}
	return p.PeerName(), red.EdgeCount
}

// called gives the service that Envoy called. If that has a sidecar, the agent of its node counts the edge: one that is known whole
// says so, and of others it is what Istio does by default.
func (m *Measures) called(r *request) (string, red.Edge) {
	p := m.podAt(r, &r.e.UpstreamRemote)
	if p == nil {
		return m.clusterService(r.e.Text(wire.UpstreamCluster)), red.EdgeVirtual
	}
	sidecar := r.l.istio
	if p.Detail != nil {
		sidecar = p.Detail.Sidecar
	}
	if sidecar {
		return p.PeerName(), red.EdgeLatency
	}
	return p.PeerName(), red.EdgeVirtual
}

// podAt is that of a request; the same addresses are asked for again and again.
func (m *Measures) podAt(r *request, a *wire.Address) *pods.Pod {
	host := r.e.Bytes(a.Host)
	if len(host) == 0 || len(host) > maxMemo || r.b.opts.Pods == nil {
		return r.podAt(a)
	}
	// The digits at the end differ.
	memo := &m.pods[(uint(host[len(host)-1])+uint(host[len(host)/2])*5+uint(len(host))*16)%uint(len(m.pods))]
	generation, at := r.b.opts.Pods.Load().Generation, int64(r.start)/second
	if memo.generation != generation || memo.second != at || string(memo.address[:memo.length]) != string(host) {
		memo.length, memo.generation, memo.second = uint8(copy(memo.address[:], host)), generation, at
		memo.pod = r.podAt(a)
	}
	return memo.pod
}

func (m *Measures) clusterService(cluster []byte) string {
	if name, ok := m.clusters[string(cluster)]; ok {
		return name
	}
	if m.clusters == nil || len(m.clusters) >= maxClusters {
		m.clusters = map[string]string{}
	}
	name := clusterService(cluster)
	m.clusters[string(cluster)] = name
	return name
}

// clusterService gives what a cluster calls the service behind it, where nothing else does: the host in a cluster of Istio's
// (outbound|port|subset|host), else its whole name.
func clusterService(cluster []byte) string {
	if !bytes.HasPrefix(cluster, []byte("outbound|")) {
		return string(cluster)
	}
	host := cluster[bytes.LastIndexByte(cluster, '|')+1:]
	if service, _, ok := strings.Cut(string(host), "."); ok && bytes.HasSuffix(host, []byte(".svc.cluster.local")) {
		return service
	}
	return string(host)
}
