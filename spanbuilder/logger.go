package spanbuilder

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Relation is what an operator says of the span id in the logged trace headers of a log (correlate.header_span_id).
type Relation uint8

const (
	Unsaid     Relation = iota
	ParentID            // the caller's
	OwnID               // that of Envoy's own span of the request
	UpstreamID          // that of Envoy's span of the upstream attempt
)

// ParseRelation gives the relation with that name in configuration.
func ParseRelation(name string) (Relation, bool) {
	switch name {
	case "parent":
		return ParentID, true
	case "own":
		return OwnID, true
	case "upstream":
		return UpstreamID, true
	}
	return Unsaid, false
}

// Logger is who logs, an Envoy node and a log name, and what has been learned about it. It is shared by all streams of
// the same logger.
type Logger struct {
	region, zone     string
	cluster, version string
	nodeID, logName  []byte
	nameBlock        block  // the attribute for logName, when it is a short one
	nodeHash         uint64 // of the node's id
	key              uint64 // of the node, see nodeKey
	named            bool   // the node is known
	form             Form
	node             *Node
	successor        atomic.Pointer[Logger] // of one that names no node: what it is now known to be
	pod              nodeName               // that the node's id names
	index            uint16                 // by which Loggers.at finds it
	old              bool                   // an Envoy before 1.39, or of unknown version
	sidecar          netip.Addr             // the pod's address when the node is an Istio sidecar
	istio            bool                   // the node is Istio's
	told             *told                  // of all loggers

	logsTraceState atomic.Bool // a tracestate was seen, so the logger lists that header
	wentWithout    atomic.Bool // a tagged request went upstream without a tracestate
	wentBare       atomic.Bool // a tagged request went upstream without any context
	stateless      atomic.Int32
	meetings
}

// tracerFormat gives the format of the node's tracer: what its spans came in, else what its entries have proven.
func (l *Logger) tracerFormat() (propagation.Format, bool) {
	t := l.node.tracer.Load()
	if t == 0 {
		t = l.node.proven.Load()
	}
	return propagation.Format(t - 1), t != 0
}

// observe learns from an entry what holds for all entries of its logger.
func (l *Logger) observe(v *evidence) {
	switch {
	case v.traceState:
		l.logsTraceState.Store(true)
	case !v.tagged() || !v.entry.HasUpstream():
	case v.logged == nil:
		l.wentBare.Store(true)
	case v.tagTrace.Low() == v.logged.Trace.Low():
		l.wentWithout.Store(true)
		if l.stateless.Load() < enoughStateless {
			l.stateless.Add(1)
		}
	}
}

// neverInjects tells whether Envoy was seen not to overwrite trace headers (no_context_propagation). A tracer writes a
// traceparent, and with it a tracestate, even an empty one, whenever it injects. So a logger that has shown a tagged request
// that went upstream without a context belongs to an Envoy that does not; and so does one that lists the tracestate, and has
// shown one without.
func (l *Logger) neverInjects() bool {
	return l.logsTraceState.Load() && l.wentWithout.Load() || l.wentBare.Load()
}

// enoughStateless is how many tagged requests must have gone upstream with a context, and none with a tracestate, until the log
// is taken for one that does not list that header.
const enoughStateless = 16

func (l *Logger) listsNoState() bool {
	return !l.logsTraceState.Load() && l.stateless.Load() >= enoughStateless
}

// outbound tells whether e is the sending half of a mesh hop: a sidecar's record of a request that its own pod made.
func (l *Logger) outbound(e *wire.Entry) bool {
	if !l.sidecar.IsValid() {
		return false
	}
	switch {
	case bytes.HasPrefix(e.Text(wire.UpstreamCluster), []byte("outbound|")):
		return true
	case bytes.HasPrefix(e.Text(wire.UpstreamCluster), []byte("inbound|")), bytes.HasPrefix(e.Text(wire.UpstreamCluster), []byte("InboundPassthrough")):
		return false
	}
	// No cluster, or one for both sides such as PassthroughCluster.
	peer, err := netip.ParseAddr(string(e.Bytes(e.DownstreamDirect.Host)))
	return err == nil && peer.Unmap() == l.sidecar
}

// Loggers finds the Logger of an identifier. A stream asks once, when its identifier comes.
type Loggers struct {
	nodes    *Nodes
	next     atomic.Uint32
	byIndex  [maxLoggers]atomic.Pointer[Logger] // the newest that has the index
	settings told
	known    cache[string, *Logger]
}

// maxLoggers bounds the loggers that are remembered: several logs for each Envoy of a large cluster, since a proxy may
// send to any agent.
const maxLoggers = 16384

// NewLoggers makes an empty set. The settings are by log name.
func NewLoggers(nodes *Nodes, settings map[string]Relation) *Loggers {
	s := &Loggers{nodes: nodes, known: newCache[string, *Logger](maxLoggers)}
	s.settings.Store(&settings)
	return s
}

// Set takes other settings, for those that are known, too.
func (s *Loggers) Set(settings map[string]Relation) { s.settings.Store(&settings) }

// told is what the operator says, by log name.
type told = atomic.Pointer[map[string]Relation]

// said gives what the operator says of the id in the logged header.
func (l *Logger) said() Relation {
	if by := *l.told.Load(); len(by) > 0 {
		return by[string(l.logName)]
	}
	return Unsaid
}

// Find gives the logger of an ALS stream with that node and log name; from is the sender's address. Nothing of the arguments is kept.
func (s *Loggers) Find(node *wire.Node, logName []byte, from netip.Addr) *Logger {
	return s.Of(Who{Node: node, LogName: logName, From: from, Form: FromALS})
}

// Of gives the logger that who is. Nothing of the argument is kept.
func (s *Loggers) Of(who Who) *Logger {
	node, logName := who.Node, who.LogName
	key := string(who.appendKey(nil))
	if l, ok := s.known.Get(key); ok {
		return l.now()
	}
	l := &Logger{
		nodeID:   bytes.Clone(node.ID),
		region:   string(node.Region),
		zone:     string(node.Zone),
		cluster:  string(node.Cluster),
		nodeHash: new(derivation).hash(node.ID),
		key:      new(derivation).nodeKey(node.ID),
		named:    len(node.ID) > 0,
		form:     who.Form,
		logName:  bytes.Clone(logName),
		told:     &s.settings,
		old:      node.Major == 0 || node.Major == 1 && node.Minor <= 38,
	}
	if node.Major > 0 {
		l.version = fmt.Sprintf("%d.%d.%d", node.Major, node.Minor, node.Patch)
	}
	if l.node = new(Node); l.named {
		l.node = s.nodes.find(l.key)
	}
	l.node.use(l.form)
	if l.cluster != "" {
		l.node.cluster.Store(&l.cluster)
	}
	if len(logName) <= 32 && wire.ASCII(logName) {
		l.nameBlock = newBlock(envoyLogNameKey.name, string(logName))
	}
	if l.pod = namedBy(string(l.nodeID)); who.Pod != "" {
		l.pod = nodeName{who.Namespace, who.Pod}
	}
	if id, ok := parseIstio(string(node.ID)); ok {
		if l.istio = true; id.role == "sidecar" {
			l.sidecar = id.ip
		}
	}
	l.index = uint16(s.next.Add(1) % maxLoggers)
	if old, ok, _ := s.known.PeekOrAdd(key, l); ok {
		return old.now()
	}
	s.byIndex[l.index].Store(l)
	return l
}

// now gives what l is by now.
func (l *Logger) now() *Logger {
	if next := l.successor.Load(); next != nil {
		return next
	}
	return l
}

// appendKey appends what tells loggers apart.
func (w *Who) appendKey(dst []byte) []byte {
	node := w.Node
	dst = append(dst, byte(w.Form))
	for _, part := range [][]byte{node.ID, node.Cluster, node.Region, node.Zone, w.LogName, []byte(w.Namespace), []byte(w.Pod)} {
		dst = wire.AppendVarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	for _, n := range [...]uint32{node.Major, node.Minor, node.Patch} { // an upgraded Envoy is another one
		dst = wire.AppendVarint(dst, uint64(n))
	}
	if len(node.ID) == 0 {
		dst = w.From.AppendTo(dst) // nodes without an id are told apart by their address
	}
	return dst
}
