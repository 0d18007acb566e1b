package pods

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Keep is how long a deleted pod is known: its last requests are still told of.
const Keep = 120 * time.Second

// Index is what is known of all pods. One side sets what sources say (a pod, or an EndpointSlice with many), the other reads
// snapshots. What was set is read after Publish.
type Index struct {
	snapshot atomic.Pointer[Snapshot]

	mu       sync.Mutex
	sources  map[string][]Record
	entities map[string]*entity // by uid, or namespace/name where a source gives none
	dirty    map[*entity]bool
	departed []*entity // in the order in which they went
}

// Record is what a source says of one pod.
type Record struct {
	Pod *Pod // its IP, Service and Detail are of this source
	IPs []netip.Addr
}

// entity is one pod, as all sources together describe it.
type entity struct {
	key     string
	views   []view
	shown   *Pod // in the snapshot
	ips     []netip.Addr
	deleted time.Time
}

type view struct {
	source string
	Record
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	x := &Index{sources: map[string][]Record{}, entities: map[string]*entity{}, dirty: map[*entity]bool{}}
	x.snapshot.Store(&Snapshot{byIP: newTable(shardOfIP), byName: newTable(shardOfName), byUID: newTable(shardOfName)})
	return x
}

// Load gives what is known now.
func (x *Index) Load() *Snapshot { return x.snapshot.Load() }

// Len gives how many pods are known.
func (x *Index) Len() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return int64(len(x.entities))
}

func (p *Pod) key() string {
	if p.UID != "" {
		return p.UID
	}
	return p.Namespace + "/" + p.Name
}

// Set says what a source says now, instead of what it said before; nothing when the source is gone.
func (x *Index) Set(source string, records []Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.set(source, records)
}

// Replace says that these are all sources whose names begin with that prefix.
func (x *Index) Replace(prefix string, sources map[string][]Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name := range x.sources {
		if _, ok := sources[name]; !ok && strings.HasPrefix(name, prefix) {
			x.set(name, nil)
		}
	}
	for name, records := range sources {
		x.set(name, records)
	}
}

func (x *Index) set(source string, records []Record) {
	for _, old := range x.sources[source] {
		e := x.entities[old.Pod.key()]
		e.views = slices.DeleteFunc(e.views, func(v view) bool { return v.source == source })
		x.dirty[e] = true
	}
	if len(records) == 0 {
		delete(x.sources, source)
		return
	}
	x.sources[source] = records
	for _, r := range records {
		key := r.Pod.key()
		e := x.entities[key]
		if e == nil {
			e = &entity{key: key}
			x.entities[key] = e
		}
		// In the order of their sources: what they say together does not depend on who spoke last.
		at, _ := slices.BinarySearchFunc(e.views, source, func(v view, source string) int { return cmp.Compare(v.source, source) })
		e.views = slices.Insert(e.views, at, view{source, r})
		x.dirty[e] = true
	}
}

// Publish makes visible what was set, and forgets pods that have been gone for Keep. It gives when it has to be called again
// for that; the zero time if it has not.
func (x *Index) Publish(now time.Time) (again time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.departed) > 0 {
		e := x.departed[0]
		if len(e.views) == 0 && now.Sub(e.deleted) < Keep {
			break
		}
		x.dirty[e] = true // it is forgotten, or it has come back
		x.departed = x.departed[1:]
	}
	if len(x.dirty) > 0 {
		x.publish(now)
	}
	if len(x.departed) > 0 {
		again = x.departed[0].deleted.Add(Keep)
	}
	return again
}

func (x *Index) publish(now time.Time) {
	old := x.snapshot.Load()
	ips, names, uids := old.byIP.change(), old.byName.change(), old.byUID.change()
	changed := false
	for e := range x.dirty {
		before, had := e.shown, e.ips
		if !x.show(e, now) {
			continue
		}
		changed = true
		for _, ip := range had {
			ips.swap(ip, before, nil)
		}
		for _, ip := range e.ips {
			ips.swap(ip, nil, e.shown)
		}
		if before != nil {
			names.swap(before.Name, before, nil)
		}
		if e.shown != nil {
			names.swap(e.shown.Name, nil, e.shown)
		}
		if before != nil && before.Detail != nil {
			uids.swap(before.UID, before, nil)
		}
		if e.shown != nil && e.shown.Detail != nil {
			uids.swap(e.shown.UID, nil, e.shown)
		}
	}
	clear(x.dirty)
	if changed {
		x.snapshot.Store(&Snapshot{Generation: old.Generation + 1, byIP: ips.table, byName: names.table, byUID: uids.table})
	}
}

// show settles what is shown of e from now on. It gives false when that is what was shown before.
func (x *Index) show(e *entity, now time.Time) bool {
	if len(e.views) == 0 {
		switch {
		case e.shown == nil, e.shown.Deleted != 0 && now.Sub(e.deleted) >= Keep:
			had := e.shown != nil
			e.shown, e.ips = nil, nil
			if x.entities[e.key] == e { // it may have gone twice, and been made anew meanwhile
				delete(x.entities, e.key)
			}
			return had
		case e.shown.Deleted != 0:
			return false
		}
		gone := *e.shown
		gone.Deleted, e.deleted = now.UnixNano(), now
		e.shown = &gone
		x.departed = append(x.departed, e)
		return true
	}
	next, ips := e.merged()
	if e.shown != nil && e.shown.Detail != nil && next.Detail == nil {
		// The pod has gone, and its EndpointSlice goes a little later: what was known of it stays until then.
		still := *e.shown
		still.Service, still.Deleted = next.Service, 0
		next, ips = &still, e.ips
	}
	if e.shown != nil && e.shown.is(next) && slices.Equal(e.ips, ips) {
		return false
	}
	e.shown, e.ips = next, ips
	return true
}

// merged makes one pod of what all sources say.
func (e *entity) merged() (*Pod, []netip.Addr) {
	best := e.views[0]
	for _, v := range e.views[1:] {
		if v.Pod.Detail != nil && best.Pod.Detail == nil {
			best = v
		}
	}
	service := ""
	for _, v := range e.views {
		if s := v.Pod.Service; s != "" && (service == "" || s < service) {
			service = s
		}
	}
	ips := best.IPs
	if best.Pod.Detail == nil {
		for _, v := range e.views { // a slice has addresses of one family
			for _, ip := range v.IPs {
				if !slices.Contains(ips, ip) {
					ips = append(slices.Clip(ips), ip)
				}
			}
		}
	}
	p := best.Pod
	if p.Service != service {
		with := *p
		with.Service = service
		p = &with
	}
	if p.Detail != nil && p.Detail.HostNetwork {
		ips = nil
	}
	return p, ips
}
