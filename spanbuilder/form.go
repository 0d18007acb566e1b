package spanbuilder

import (
	"bytes"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/wire"
)

// Form is how access logs come. One request may be told in several forms; the better one says more.
type Form uint8

const (
	FromFile    Form = iota // JSON lines
	FromRecords             // OTLP log records
	FromALS
)

// Who is who logs.
type Who struct {
	Node    *wire.Node
	LogName []byte
	From    netip.Addr // the sender's address
	Form    Form
	// The pod that logs, where something else than the node tells it.
	Namespace, Pod string
}

// forms is what is known of the forms in which a node's access logs come.
type forms struct {
	seen    atomic.Uint32 // bit n: Form n
	several atomic.Int64  // since when there is more than one, in Unix nanoseconds; 0: there is one
	als     atomic.Int64  // when ALS came, if it came first
	coarse  atomic.Bool   // its entries tell their start in whole milliseconds
	mute    atomic.Bool   // its entries do not tell the status code
}

// use learns that the node's log comes in that form.
func (f *forms) use(form Form) {
	before := f.seen.Or(1 << form)
	if before == 0 && form == FromALS {
		f.als.Store(time.Now().UnixNano())
	}
	if bits.OnesCount32(before|1<<form) > 1 {
		f.several.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// writesFiles tells whether the entries of n may come from files, which Envoy writes late: some have, or files are followed and none have
// come in any form.
func (t *Table) writesFiles(n *Node) bool {
	seen := n.seen.Load()
	return seen>>FromFile&1 != 0 || t.o.FileWait > 0 && seen == 0
}

// nodeKey gives what tells an Envoy from all others in whatever names it: its id, or for Istio's, which have an address in them, the pod
// and its namespace, by which a log file is known.
func (d *derivation) nodeKey(id []byte) uint64 {
	tilde := []byte{'~'}
	_, rest, _ := bytes.Cut(id, tilde)
	_, rest, _ = bytes.Cut(rest, tilde)
	pod, _, istio := bytes.Cut(rest, tilde)
	if !istio || len(pod) == 0 {
		return d.hash(id)
	}
	return d.hash(pod)
}

// adopt learns that what l logs, which names no node, is of the node with that key: one of its entries has met that node's span.
func (s *Loggers) adopt(l *Logger, node uint64) {
	if l.named || node == 0 || l.successor.Load() != nil {
		return
	}
	next := &Logger{region: l.region, zone: l.zone, cluster: l.cluster, version: l.version, logName: l.logName, nameBlock: l.nameBlock,
		nodeHash: l.nodeHash, key: node, named: true, form: l.form, node: s.nodes.find(node), pod: l.pod, old: l.old, told: l.told}
	next.node.use(l.form)
	next.index = uint16(s.next.Add(1) % maxLoggers)
	s.byIndex[next.index].Store(next)
	l.successor.CompareAndSwap(nil, next)
}

// rank orders the copies of one entry: that with a trace context is better than one without, else the better form.
func rank(l *Logger, context bool) int {
	if context {
		return 4 + int(l.form)
	}
	return int(l.form)
}

func (i *Item) rank() int { return rank(i.Logger, i.HasContext) }

// copies tells whether the entries i and o are of one request, in different forms or with different headers.
func (i *Item) copies(o *Item) bool {
	if i.Print == o.Print {
		return true
	}
	return i.Twin != 0 && i.Twin == o.Twin && i.Logger.form != o.Logger.form && (i.Trace == o.Trace || i.Trace.IsZero() || o.Trace.IsZero())
}

// twin gives the fingerprint that the entry e of l has in common with reports of the same request in other forms, 0 if they cannot be told
// from other requests, or for ALS if there are none. Log lines and records tell milliseconds.
func (d *derivation) twin(e *wire.Entry, l *Logger) uint64 {
	id, from := e.Text(wire.RequestID), &e.DownstreamRemote
	if l.form == FromALS && l.node.several.Load() == 0 || len(id) == 0 && from.Port == 0 || byContext(e) {
		return 0
	}
	start, _ := e.Start.Unix()
	in := d.begin(roleTwin).uint(l.nodeName()).uint(start / 1e6).uint(uint64(e.Duration.Duration() / 1e6)).requestID(id)
	if len(id) == 0 {
		in = in.bytes(e.Bytes(from.Host)).uint(uint64(from.Port))
	}
	return d.sum(in)
}

// Twin is Enter for the fingerprint that an entry of l has in common with those in other forms: it finds the best of these, nil if none
// came. An entry that is not better than that is not remembered.
func (t *Prints) Twin(twin uint64, all *Loggers, l *Logger, context bool, now uint64) (other *Logger, had bool) {
	k := recentKey(twin)
	own := l.printMark(context)
	var f recent.Found
	for {
		t.Look(k.ID, now, &f)
		other, had = nil, false
		for _, s := range f.All() {
			if s.Sub != k.Sub {
				continue
			}
			o, c := all.At(s.Mark&loggerMask), s.Mark&withContext != 0
			if o != nil && o.form != l.form && (other == nil || rank(o, c) > rank(other, had)) {
				other, had = o, c
			}
		}
		if other != nil && rank(other, had) >= rank(l, context) || t.Table.Enter(k, own, &f) {
			return other, had
		}
	}
}

// Before tells whether e, which is of another form, ended when ALS was the only form of its node's log: that has told it.
func (l *Logger) Before(e *wire.Entry) bool {
	als := l.node.als.Load()
	if l.form == FromALS || als == 0 {
		return false
	}
	start, _ := e.Start.Unix()
	end := int64(start + length(e))
	return end >= als-int64(alsFlush) && end < l.node.several.Load()
}

// alsFlush is how long Envoy keeps entries before it sends them.
const alsFlush = time.Second

// omits learns from an entry of l what it leaves out.
func (l *Logger) omits(e *wire.Entry) {
	if e.Coarse && !l.node.coarse.Load() {
		l.node.coarse.Store(true)
	}
	if l.mute(e) && !l.node.mute.Load() {
		l.node.mute.Store(true)
	}
}

// mute tells whether e says nothing of the status code. An entry of ALS without one had no answer; a line or record tells that as 0.
func (l *Logger) mute(e *wire.Entry) bool { return !e.HasCode && l.form != FromALS }

// exactness is what the entries of a node tell, and so what they are found by.
type exactness struct{ coarse, mute bool }

func (f *forms) exactness() exactness { return exactness{f.coarse.Load(), f.mute.Load()} }

// Of makes the span i compared with entries as those of its node n are, nil if it names none.
func (i *Item) Of(n *Node) {
	if i.exact = (exactness{}); n != nil {
		i.exact = n.exactness()
	}
}

// Lesser learns that the requests of l are logged in a better form, too.
func (l *Logger) Lesser() {
	if !l.lesser.Load() {
		l.lesser.Store(true)
	}
}

// Better tells whether an entry of l is better than a copy of it from other, each with a trace context or without.
func Better(l *Logger, context bool, other *Logger, had bool) bool {
	return rank(l, context) > rank(other, had)
}
