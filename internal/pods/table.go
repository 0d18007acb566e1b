package pods

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// A table finds pods by a key. It is cut into shards, of which a change copies only those that it touches.
type table[K comparable] struct {
	of     func(K) uint8 // the shard
	shards [numShards]*shard[K]
}

const numShards = 1 << 8

// Nearly every key has one pod, so a list for each would be waste.
type shard[K comparable] struct {
	one  map[K]*Pod
	more map[K][]*Pod // two or more
}

func newTable[K comparable](of func(K) uint8) *table[K] {
	t := &table[K]{of: of}
	for i := range t.shards {
		t.shards[i] = &shard[K]{}
	}
	return t
}

func shardOfName(name string) uint8 {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint8(h >> 24)
}

func shardOfIP(a netip.Addr) uint8 {
	b := a.As16()
	return uint8(binary.BigEndian.Uint64(b[8:]) * 0x9e3779b97f4a7c15 >> 56)
}

// get gives the pods with that key: one, or more in the list.
func (t *table[K]) get(key K) (*Pod, []*Pod) {
	s := t.shards[t.of(key)]
	if p := s.one[key]; p != nil || s.more == nil {
		return p, nil
	}
	return nil, s.more[key]
}

// change is a table that is being changed: the shards that are its own already may be written to.
type change[K comparable] struct {
	*table[K]
	own [numShards]bool
}

func (t *table[K]) change() *change[K] {
	next := *t
	return &change[K]{table: &next}
}

func (c *change[K]) shard(key K) *shard[K] {
	i := c.of(key)
	if !c.own[i] {
		c.shards[i] = &shard[K]{one: maps.Clone(c.shards[i].one), more: maps.Clone(c.shards[i].more)}
		c.own[i] = true
	}
	if s := c.shards[i]; s.one == nil {
		s.one = map[K]*Pod{}
	}
	return c.shards[i]
}

// swap takes the pod old out of those with that key and puts next among them; each may be nil.
func (c *change[K]) swap(key K, old, next *Pod) {
	s := c.shard(key)
	list := slices.Clone(s.more[key]) // a snapshot has that one
	if p := s.one[key]; p != nil {
		list = []*Pod{p}
	}
	if old != nil {
		list = slices.DeleteFunc(list, func(p *Pod) bool { return p == old })
	}
	if next != nil {
		list = append(list, next)
	}
	delete(s.one, key)
	delete(s.more, key)
	switch {
	case len(list) == 1:
		s.one[key] = list[0]
	case len(list) > 1:
		if s.more == nil {
			s.more = map[K][]*Pod{}
		}
		s.more[key] = list
	}
}
