package spanbuilder

import (
	"slices"
	"time"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/slab"
	"github.com/alspan/alspan/internal/wire"
)

// Unpaired says what becomes of a sampled entry without its span, of a logger whose entries have met theirs before.
type Unpaired uint8

const (
	UnpairedChild Unpaired = iota // an INTERNAL span below the logged id
	UnpairedSpan                  // what it can prove: a SERVER
	UnpairedDrop
)

// JoinOptions are the limits of a Table.
type JoinOptions struct {
	Wait     time.Duration // an entry for its span
	SpanWait time.Duration // a span for its entry, and an attempt for its request
	FileWait time.Duration // a span for its entry, where Envoy writes that to a file; 0: no files are followed
	Unpaired Unpaired
}

// mostCandidates is how many items with one key may wait.
const mostCandidates = 16

// Table is where entries and spans of one request meet. It belongs to one goroutine: all calls are made on it, and the sink
// is called on it.
type Table struct {
	o        JoinOptions
	b        *Builder
	loggers  *Loggers
	nodes    *Nodes
	requests *Requests
	ids      *IDs
	slab     *slab.Slab
	sink     Sink

	now   int64 // of the item or the timer that is being handled
	ticks uint64
	id    *Identity
	entry wire.Entry
	claim Claim // of it
	tried Claim // of an attempt that is handled meanwhile
	cause Fate  // of what leaves alone

	waiting   map[uint64]*Item               // by request
	entries   list                           // for their spans
	spans     list                           // for their entries
	twins     list                           // poor entries, for a copy with trace context
	parks     list                           // entries, for the copy in a better form
	spansLate list                           // spans of nodes whose entries come from files
	holds     list                           // spans whose id may be shared, when all else is decided
	tries     [3]list                        // attempts, by how long they have waited
	callers   list                           // Envoy's CLIENT spans, for their attempts
	clients   map[propagation.SpanID]*Item   // those in callers
	attempts  map[uint64][]*Item             // by node and x-request-id
	byID      map[propagation.SpanID][]*Item // the same
	followers followers
	heads     lately[head]     // requests of nodes that log attempts
	gone      lately[departed] // spans that left without their entry
	halves    halves
	services  map[uint64][]*Node // who exports spans as that service
	unproven  unproven
	spare     *Item // chain of items to use again

	heldBytes int
	lastNode  *Node // that was found

	entryWait, spanWait patience
}

// NewTable makes a table. The slab is where the items' bytes are.
func NewTable(o JoinOptions, b *Builder, loggers *Loggers, requests *Requests, ids *IDs, cells *slab.Slab, sink Sink) *Table {
	t := &Table{o: o, b: b, loggers: loggers, nodes: loggers.nodes, requests: requests, ids: ids, slab: cells, sink: sink, id: b.Identity(),
		waiting: map[uint64]*Item{}, clients: map[propagation.SpanID]*Item{}, attempts: map[uint64][]*Item{}, byID: map[propagation.SpanID][]*Item{},
		services: map[uint64][]*Node{}, unproven: unproven{}, followers: followers{byParent: map[uint64][]*Item{}, byID: map[propagation.SpanID]int{}}}
	t.heads = newLately[head](mostHeads, int64(o.Wait+2*o.SpanWait), false)
	t.gone = newLately[departed](mostGone, int64(remember), true)
	t.halves.init(int64(o.SpanWait))
	return t
}

// Renew makes the table go by other options and another builder from now on.
func (t *Table) Renew(o JoinOptions, b *Builder) {
	t.o, t.b, t.id = o, b, b.Identity()
	t.heads.life, t.halves.life = int64(o.Wait+2*o.SpanWait), int64(o.SpanWait)+int64(remember)
}

// Add takes an item, whose bytes are the table's from now on.
func (t *Table) Add(in *Item) {
	t.at(in.Arrived)
	t.cause = NotWaited
	i := t.spare
	if i == nil {
		i = new(Item)
	} else {
		t.spare = i.next
	}
	*i = *in
	switch i.What {
	case EntryItem:
		t.addEntry(i)
	case ProxySpan:
		t.arrives(i)
		t.meet(i)
	case AttemptItem:
		t.addAttempt(i)
	case AttemptSpan:
		t.arrives(i)
		t.addAttemptSpan(i)
	case ZipkinSpan:
		t.arrives(i)
		t.send(i, t.cause)
	}
	t.release()
}

// Touch brings what is remembered of an item that will be added soon into the processor's caches.
func (t *Table) Touch(i *Item) uint64 {
	if i.What != ProxySpan {
		return 0
	}
	return t.requests.Touch(i.Key().ID) ^ t.ids.Touch(t.ids.key(i.Trace, i.ID).ID)
}

// Departed takes a proxy span that has left already, without bytes: there was no room for it. Its entry is late, even if it
// waits here.
func (t *Table) Departed(s *Item) {
	t.at(s.Arrived)
	t.arrives(s)
	t.departs(s)
	if e := t.partner(s); e != nil {
		t.unwait(e)
		t.lateEntry(e, t.departedOf(e))
	}
	t.release()
}

func (t *Table) at(now int64) { t.now, t.ticks = now, recent.Ticks(now) }

// end lets an item go.
func (t *Table) end(i *Item, f Fate) {
	if i.counted {
		i.Logger.held.Add(-1)
		t.heldBytes -= len(i.Bytes)
	}
	t.sink.Ended(i, f)
	t.slab.Free(i.Cell)
	*i = Item{table: table{next: t.spare}}
	t.spare = i
}

// node gives the node with that hash.
func (t *Table) node(hash uint64) *Node {
	if t.lastNode == nil || t.lastNode.hash != hash {
		t.lastNode = t.nodes.find(hash)
	}
	return t.lastNode
}

// arrives learns from a span.
func (t *Table) arrives(s *Item) {
	if s.What == ProxySpan && s.Node != 0 {
		n := t.node(s.Node)
		n.exported(s.Tracer)
		n.names(s.Origin)
		t.serves(n, s.Origin.Service)
	}
	t.halves.add(s, t.now)
}

// mostServing is how many nodes of a service are remembered.
const mostServing = 256

// serves learns that the node n exports spans as that service.
func (t *Table) serves(n *Node, service uint64) {
	list := t.services[service]
	if service == 0 || len(list) >= mostServing || slices.Contains(list, n) {
		return
	}
	if len(t.services) >= maxNodes {
		clear(t.services)
	}
	t.services[service] = append(list, n)
}

// meet finds the partner of an entry or a proxy span that has come, or lets it wait, or lets it go.
func (t *Table) meet(i *Item) {
	if p := t.partner(i); p != nil {
		t.unwait(p)
		if p.What == EntryItem {
			t.entryWait.met(t.now - p.Arrived)
		} else {
			t.spanWait.met(t.now - p.Arrived)
		}
		if i.What == EntryItem {
			t.joined(i, p)
		} else {
			t.joined(p, i)
		}
		return
	}
	if i.What == EntryItem {
		if g := t.departedOf(i); g != nil {
			t.lateEntry(i, g)
			return
		}
		if t.requests.passed(i, t.ticks) {
			t.belated(i)
			return
		}
	} else if logger, sealed, left := t.requests.entryOf(i, t.ticks); left {
		t.lateSpan(i, logger, sealed)
		return
	}
	l := t.listFor(i)
	if l == nil || t.crowded(i.Request) {
		t.timeUp(i)
		return
	}
	i.next = t.waiting[i.Request]
	t.waiting[i.Request] = i
	l.insert(i)
}

// listFor tells how long i waits: as long as the items of that list; not at all for nil.
func (t *Table) listFor(i *Item) *list {
	if i.What == ProxySpan {
		if i.Node == 0 || t.node(i.Node).alone.Load() >= mostAlone {
			return nil
		}
		if t.writesFiles(t.node(i.Node)) {
			return &t.spansLate
		}
		return &t.spans
	}
	l := i.Logger
	if i.Waits && l.expects() && (l.state() != unknown || t.hold(i)) {
		return &t.entries
	}
	if l.poor.Load() && !i.HasContext {
		return &t.twins
	}
	return nil
}

// mostHeldBytes bounds the entries of all loggers that have never met a span.
const mostHeldBytes = 4 << 20

// hold counts i as one of those.
func (t *Table) hold(i *Item) bool {
	if t.heldBytes+len(i.Bytes) > mostHeldBytes {
		return false
	}
	t.heldBytes += len(i.Bytes)
	i.Logger.held.Add(1)
	i.counted = true
	return true
}

func (t *Table) crowded(key uint64) bool {
	n := 0
	for i := t.waiting[key]; i != nil; i = i.next {
		n++
	}
	return n >= mostCandidates
}

// unwait takes an item out of all in which it waits.
func (t *Table) unwait(i *Item) {
	if i.list != nil {
		i.list.remove(i)
	}
	head, ok := t.waiting[i.Request]
	if !ok {
		return
	}
	if head == i {
		if i.next == nil {
			delete(t.waiting, i.Request)
		} else {
			t.waiting[i.Request] = i.next
		}
	} else {
		for p := head; p != nil; p = p.next {
			if p.next == i {
				p.next = i.next
				break
			}
		}
	}
	i.next = nil
}

// read makes t.entry and t.id speak of the entry i.
func (t *Table) read(i *Item) {
	t.entry.WalkHTTP(i.Bytes)
	t.id.Pod = i.Pod
	t.id.Recall(&t.entry, i.Logger, i.Started)
}

// met learns that an entry of the logger l and a span of its node were of one request.
func (t *Table) met(l *Logger) {
	l.met(t.now)
	l.node.met()
}

// joined makes one span of both.
func (t *Table) joined(e, s *Item) {
	t.read(e)
	t.met(e.Logger)
	t.loggers.adopt(e.Logger, s.Node)
	t.id.learnRelation(s)
	h, is := e.head, t.spanHead(s)
	s.pair = e
	s.sentBy(e)
	if t.holdsBack(s) {
		t.holds.insert(s)
		t.foresee(h, s)
	} else if id := t.finish(s, Joined); is.half == nil {
		is.own = id
	}
	t.headDone(h, is)
}

// finish sends the span s, with its entry if it has one, which t.read has read. It gives the id with which it leaves.
func (t *Table) finish(s *Item, f Fate) propagation.SpanID {
	change, ok, before := t.leave(s, f == LateSpan)
	if before == Sent && s.pair == nil && s.half == nil && s.What != ZipkinSpan {
		f = Duplicate // its sender has sent it again
	}
	switch e := s.pair; {
	case f == Duplicate:
	case !ok && e != nil: // what it says must not be lost
		f = AlreadyMade
		t.id.proveJoined(&t.claim, s)
		t.id.Below(&t.claim, s.Trace, s.ID)
		t.sink.Inner(&t.entry, e.Logger, &t.claim)
	case !ok:
		f = AlreadyMade
	case e != nil:
		t.id.proveJoined(&t.claim, s)
		t.sink.Span(s, change, &t.entry, e.Logger, &t.claim)
	default:
		t.sink.Span(s, change, nil, nil, nil)
	}
	id := change.Of(s.ID)
	t.decides(s, id)
	if s.pair != nil {
		t.end(s.pair, Joined)
	}
	t.end(s, f)
	return id
}

// leave remembers that s leaves and gives what is not as it came. It gives false for a span that has left already, made
// from an entry, and how a span with its id left before.
func (t *Table) leave(s *Item, inner bool) (c Change, ok bool, before How) {
	c.Inner = inner
	id := s.ID
	if s.half != nil {
		if t.settle(s.half); s.half.final != s.ID {
			id, c.ID, c.Parent = s.half.final, s.half.final, s.ID
		}
	}
	if c.ID.IsZero() {
		c.Parent = t.follow(s)
	}
	if before = t.ids.Leave(s.Trace, id, Sent, t.ticks); s.promised {
		return c, true, NotSeen
	}
	if before == Made {
		ok = t.id.collide(&c, s)
		if s.half != nil && !c.ID.IsZero() {
			s.half.final = c.ID // what hangs below it follows
		}
		return c, ok, before
	}
	return c, true, before
}
