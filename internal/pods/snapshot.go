package pods

import (
	"net/netip"
	"time"
)

// Snapshot is all pods at one time. It may be read by all, and never changes.
type Snapshot struct {
	// Generation differs between snapshots of one Index.
	Generation uint64

	byIP   *table[netip.Addr]
	byName *table[string] // name of the pod, without its namespace
	byUID  *table[string]
}

// ByIP gives the pod that had the address at that time, in Unix nanoseconds, nil when none is known or more than one may
// have been it. Pods in the network of their node share its address and are never found by it.
func (s *Snapshot) ByIP(a netip.Addr, at int64) *Pod {
	one, more := s.byIP.get(a)
	p := choose(one, more, at)
	if p == nil || p.UID != "" {
		return p
	}
	// An EndpointSlice that gives no uid: the pod of that name says more, perhaps that the address is its node's.
	q := s.ByName(p.Namespace, p.Name, at)
	switch {
	case q == nil || q.UID == "":
		return p
	case q.Detail != nil && q.Detail.HostNetwork:
		return nil
	}
	return q
}

// ByUID gives the pod with that uid, nil when it is not known. Only pods of which more is known than an EndpointSlice says
// are found by it.
func (s *Snapshot) ByUID(uid string) *Pod {
	one, _ := s.byUID.get(uid)
	return one
}

// ByName gives the pod of that name, nil when none is known. An empty namespace is any, where only one has such a pod. Pods
// that follow each other under one name are told apart by the time, in Unix nanoseconds.
func (s *Snapshot) ByName(namespace, name string, at int64) *Pod {
	one, more := s.byName.get(name)
	if one != nil {
		more = []*Pod{one}
	}
	var room [4]*Pod
	list := room[:0]
	for _, p := range more {
		switch {
		case namespace != "" && p.Namespace != namespace:
		case len(list) > 0 && list[0].Namespace != p.Namespace:
			return nil
		default:
			list = append(list, p)
		}
	}
	return choose(nil, list, at)
}

// roundedTo is what pods' start times are.
const roundedTo = int64(time.Second)

// choose gives the pod that was there at that time.
func choose(one *Pod, more []*Pod, at int64) *Pod {
	if one != nil {
		if one.Started > at+roundedTo {
			return nil
		}
		return one
	}
	var best *Pod
	sure := false
	for _, p := range more {
		if p.Started > at+roundedTo {
			continue
		}
		switch {
		case best == nil || p.before(best, at):
			best, sure = p, true
		case best.before(p, at) || p.mayBe(best) && p.UID == "":
		case p.mayBe(best):
			best = p
		default:
			sure = false
		}
	}
	if !sure {
		return nil
	}
	return best
}

// before tells whether p rather than q was there at that time: one that was not gone, then the one that came later.
func (p *Pod) before(q *Pod, at int64) bool {
	if a, b := p.gone(at), q.gone(at); a != b {
		return b
	}
	return p.Started > q.Started
}

// mayBe tells whether p and q are one pod, of which one source gives no uid.
func (p *Pod) mayBe(q *Pod) bool {
	return p.Namespace == q.Namespace && p.Name == q.Name && (p.UID == "" || q.UID == "")
}

// gone tells whether the pod was gone at that time. That it is gone is heard a little later than it is so.
func (p *Pod) gone(at int64) bool { return p.Deleted != 0 && p.Deleted < at }
