package spanbuilder

import (
	"math"
	"net/netip"
	"time"

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

// Sender finds the pod of one sender, for one goroutine. It remembers what it found until the pods change, for what began in the
// same second: another pod may have had the address, or the name, before.
type Sender struct {
	all  *Senders
	From netip.Addr // of the connection

	asked question
	pod   *pods.Pod
	by    By

	askedName       question
	namespace, name string
	named           *pods.Pod
}

// question is all that an answer depends on. Pods begin at whole seconds, so none more exact is needed.
type question struct {
	generation uint64
	second     int64
	logger     *Logger
	origin     *Origin
	node       uint64
	any        bool // there was a question
}

// Sender makes one, for what comes from that address.
func (s *Senders) Sender(from netip.Addr) Sender { return Sender{all: s, From: from.Unmap()} }

// OfEntry gives the pod that has logged e, nil if it is not known: the tags podName and podNamespace name it, else the node's
// id, else the address of the connection.
func (s *Sender) OfEntry(e *wire.Entry, l *Logger) (*pods.Pod, By) {
	if s.all.index == nil {
		return nil, ByNothing
	}
	start, _ := e.Start.Unix()
	at, known := moment(start), s.all.index.Load()
	if tags := e.Fields(wire.CustomTags); tags.Len() > 0 {
		if name, ok := tags.Get("podName"); ok {
			namespace, _ := tags.Get("podNamespace")
			if p := s.ofName(known, namespace, name, at); p != nil {
				return p, ByTags
			}
		}
	}
	if q := (question{generation: known.Generation, second: at / second, logger: l, any: true}); s.asked != q {
		s.asked = q
		s.pod, s.by = s.ofLogger(known, l, at)
	}
	return s.pod, s.by
}

const second = int64(time.Second)

// moment gives the time for which a pod is looked up: that of a start, or now where there is none.
func moment(start uint64) int64 {
	if start == 0 || start > math.MaxInt64 {
		return time.Now().UnixNano()
	}
	return int64(start)
}

func (s *Sender) ofLogger(known *pods.Snapshot, l *Logger, at int64) (*pods.Pod, By) {
	if n := &l.pod; n.name != "" {
		if p := known.ByName(n.namespace, n.name, at); p != nil {
			return p, ByNode
		}
	}
	return s.ofAddress(known, at)
}

func (s *Sender) ofAddress(known *pods.Snapshot, at int64) (*pods.Pod, By) {
	if p := known.ByIP(s.From, at); p != nil {
		return p, ByAddress
	}
	return nil, ByNothing
}

// ofName gives the pod that tags name. An Envoy's tags name the same one again and again.
func (s *Sender) ofName(known *pods.Snapshot, namespace, name []byte, at int64) *pods.Pod {
	if len(name) == 0 || len(name) > maxPodName || len(namespace) > maxPodName {
		return nil
	}
	q := question{generation: known.Generation, second: at / second, any: true}
	same := s.name == string(name) && s.namespace == string(namespace)
	if !same {
		s.namespace, s.name = string(namespace), string(name)
	}
	if !same || s.askedName != q {
		s.askedName, s.named = q, known.ByName(s.namespace, s.name, at)
	}
	return s.named
}

// OfSpan gives the pod that has sent the span i, from the origin o, at which look has looked last: its resource names it, else
// as for entries.
func (s *Sender) OfSpan(i *Item, o *Origin, look *Spans) (*pods.Pod, By) {
	if s.all.index == nil {
		return nil, ByNothing
	}
	at, known := moment(i.Start), s.all.index.Load()
	if len(look.podName) > 0 && o.claimed == (claimed{}) {
		if p := s.ofName(known, look.podNamespace, look.podName, at); p != nil {
			return p, ByTags
		}
	}
	if q := (question{generation: known.Generation, second: at / second, origin: o, node: i.Node, any: true}); s.asked != q {
		s.asked = q
		s.pod, s.by = s.ofOrigin(known, i.Node, look.node, o, at)
	}
	return s.pod, s.by
}

// ofOrigin finds the pod that a resource names; else that of a node or an address, unless the resource speaks of another one.
func (s *Sender) ofOrigin(known *pods.Snapshot, hash uint64, node []byte, o *Origin, at int64) (*pods.Pod, By) {
	if p := o.claimed.pod(known, at); p != nil {
		return p, ByAttributes
	}
	if len(node) > 0 {
		if p := s.all.ofNode(known, hash, node, at); p != nil && o.claimed.mayBe(p) {
			return p, ByNode
		}
	}
	if p, by := s.ofAddress(known, at); p != nil && o.claimed.mayBe(p) {
		return p, by
	}
	return nil, ByNothing
}

// pod gives the pod that a resource says it is of: by its uid, its name or its address.
func (c *claimed) pod(known *pods.Snapshot, at int64) (p *pods.Pod) {
	if *c == (claimed{}) {
		return nil
	}
	if c.uid != "" {
		p = known.ByUID(c.uid)
	}
	if p == nil && c.name != "" {
		p = known.ByName(c.namespace, c.name, at)
	}
	if ip, err := netip.ParseAddr(c.ip); p == nil && err == nil {
		p = known.ByIP(ip.Unmap(), at)
	}
	if p == nil || !c.fits(p) {
		return nil
	}
	return p
}

// mayBe tells whether nothing that a resource says speaks against that pod, which something else has told: what was sent on by
// somebody else, such as a collector, is not of the pod that sends it. An address is all that some collectors add.
func (c *claimed) mayBe(p *pods.Pod) bool {
	if c.ip != "" && c.uid == "" && c.name == "" && p.IP.IsValid() {
		if ip, err := netip.ParseAddr(c.ip); err == nil && ip.Unmap() != p.IP {
			return false
		}
	}
	return c.fits(p)
}

// fits tells whether what a resource says of its pod by name is true of p.
func (c *claimed) fits(p *pods.Pod) bool {
	return (c.uid == "" || p.UID == "" || c.uid == p.UID) && (c.name == "" || c.name == p.Name) && (c.namespace == "" || c.namespace == p.Namespace)
}

// sentBy takes for a span the pod of the entry with which it was joined, where only the connection tells of one: spans may
// come by way of somebody else, entries come from their Envoy.
func (i *Item) sentBy(entry *Item) {
	if p := entry.Pod; p != nil && (i.By == ByNothing || i.By == ByAddress) && i.Origin.claimed.mayBe(p) {
		i.Pod = p
	}
}
