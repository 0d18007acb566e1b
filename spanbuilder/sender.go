package spanbuilder

import (
	"net/netip"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
)

// By says how a sender's pod was found.
type By uint8

const (
	ByNothing    By = iota // it is not known
	ByAttributes           // the resource of its spans
	ByTags                 // the tags podName and podNamespace
	ByNode                 // the id of the Envoy node
	ByAddress              // the address of the connection
	NumBys
)

var bys = [NumBys]string{"nothing", "attributes", "tags", "node_id", "address"}

func (b By) String() string { return bys[b] }

// Sender finds the pod of one sender, for one goroutine. It remembers what it found until the pods change.
type Sender struct {
	all  *Senders
	From netip.Addr // of the connection

	generation uint64
	logger     *Logger
	origin     *Origin
	node       uint64
	pod        *pods.Pod
	by         By
	asked      bool // all of that is set
}

// Sender makes one, for what comes from that address.
func (s *Senders) Sender(from netip.Addr) Sender { return Sender{all: s, From: from.Unmap()} }

// OfEntry gives the pod that has logged e, nil if it is not known: the tags podName and podNamespace name it, else the node's
// id, else the address of the connection.
func (s *Sender) OfEntry(e *wire.Entry, l *Logger) (*pods.Pod, By) {
	if s.all.index == nil {
		return nil, ByNothing
	}
	if tags := e.Fields(wire.CustomTags); tags.Len() > 0 {
		if name, ok := tags.Get("podName"); ok {
			namespace, _ := tags.Get("podNamespace")
			if p := s.named(namespace, name, startOf(e)); p != nil {
				return p, ByTags
			}
		}
	}
	known := s.all.index.Load()
	if !s.asked || s.generation != known.Generation || s.logger != l {
		s.asked, s.generation, s.logger = true, known.Generation, l
		s.pod, s.by = s.ofLogger(l, startOf(e))
	}
	if s.pod == nil || s.fits(startOf(e)) {
		return s.pod, s.by
	}
	return s.ofLogger(l, startOf(e))
}

// fits tells whether the pod was there at that time, and is still: then no other one can be meant.
func (s *Sender) fits(at int64) bool { return s.pod.Deleted == 0 && s.pod.Started <= at }

func (s *Sender) ofLogger(l *Logger, at int64) (*pods.Pod, By) {
	if len(l.nodeID) > 0 {
		if p := s.all.ofNode(l.nodeHash, l.nodeID, at); p != nil {
			return p, ByNode
		}
	}
	return s.ofAddress(at)
}

func (s *Sender) ofAddress(at int64) (*pods.Pod, By) {
	if p := s.all.index.Load().ByIP(s.From, at); p != nil {
		return p, ByAddress
	}
	return nil, ByNothing
}

func (s *Sender) named(namespace, name []byte, at int64) *pods.Pod {
	if len(name) == 0 {
		return nil
	}
	return s.all.index.Load().ByName(string(namespace), string(name), at)
}

// OfSpan gives the pod that has sent the span i, from the origin o, at which look has looked last: its resource names it, else
// as for entries.
func (s *Sender) OfSpan(i *Item, o *Origin, look *Spans) (*pods.Pod, By) {
	if s.all.index == nil {
		return nil, ByNothing
	}
	at := int64(i.Start)
	if len(look.podName) > 0 && o.claimed == (claimed{}) {
		if p := s.named(look.podNamespace, look.podName, at); p != nil {
			return p, ByTags
		}
	}
	known := s.all.index.Load()
	if !s.asked || s.generation != known.Generation || s.origin != o || s.node != i.Node {
		s.asked, s.generation, s.origin, s.node = true, known.Generation, o, i.Node
		s.pod, s.by = s.ofOrigin(i.Node, look.node, o, at)
	}
	if s.pod == nil || s.fits(at) {
		return s.pod, s.by
	}
	return s.ofOrigin(i.Node, look.node, o, at)
}

// ofOrigin finds the pod that a resource names; else that of a node or an address, unless the resource speaks of another one.
func (s *Sender) ofOrigin(hash uint64, node []byte, o *Origin, at int64) (*pods.Pod, By) {
	if p := s.all.claimed(&o.claimed, at); p != nil {
		return p, ByAttributes
	}
	if len(node) > 0 {
		if p := s.all.ofNode(hash, node, at); p != nil && o.claimed.mayBe(p) {
			return p, ByNode
		}
	}
	if p, by := s.ofAddress(at); p != nil && o.claimed.mayBe(p) {
		return p, by
	}
	return nil, ByNothing
}

// claimed gives the pod that a resource says it is of: by its uid, its name or its address.
func (s *Senders) claimed(c *claimed, at int64) (p *pods.Pod) {
	if *c == (claimed{}) {
		return nil
	}
	known := s.index.Load()
	if c.uid != "" {
		p = known.ByUID(c.uid)
	}
	if p == nil && c.name != "" {
		p = known.ByName(c.namespace, c.name, at)
	}
	if ip, err := netip.ParseAddr(c.ip); p == nil && err == nil {
		p = known.ByIP(ip.Unmap(), at)
	}
	if p == nil || !c.mayBe(p) {
		return nil
	}
	return p
}

// mayBe tells whether nothing that a resource says speaks against that pod: what was sent on by somebody else, such as a
// collector, is not of the pod that sends it.
func (c *claimed) mayBe(p *pods.Pod) bool {
	return (c.uid == "" || p.UID == "" || c.uid == p.UID) && (c.name == "" || c.name == p.Name) && (c.namespace == "" || c.namespace == p.Namespace)
}

func startOf(e *wire.Entry) int64 {
	start, _ := e.Start.Unix()
	return int64(start)
}
