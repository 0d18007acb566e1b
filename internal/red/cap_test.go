package red

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// by sums up values by one of their labels.
func by(v map[string]float64, label int) map[string]float64 {
	sums := map[string]float64{}
	for l, n := range v {
		sums[strings.Split(l, "|")[label]] += n
	}
	return sums
}

// Somebody asks for a million paths that are each their own route. No request is lost, what others have is exact, and the
// number of series is bounded.
func TestAttackWithRandomRoutes(t *testing.T) {
	const sets, attacks, usual = 1000, 250_000, 2_000
	m := New(Options{Sets: sets, Requests: true, Graph: true})
	want := newNaive()
	honest := func(r *rand.Rand) Request {
		q := random(r)
		q.Peer, q.Route = "", nil // 96 label sets
		return q
	}
	meter, r := m.Meter(), rand.New(rand.NewPCG(1, 1))
	for range usual {
		q := honest(r)
		meter.Count(&q)
		want.count(&q)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			r, meter, own := rand.New(rand.NewPCG(seed, 3)), m.Meter(), newNaive()
			route := make([]byte, 0, 64)
			for i := range attacks {
				route = fmt.Appendf(route[:0], "/%x", r.Uint64())
				meter.Count(&Request{Service: "attacked", Peer: "internet", Method: "GET", Route: route, Class: 4})
				if i%100 == 0 {
					q := honest(r)
					meter.Count(&q)
					own.count(&q)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			want.add(own)
		})
	}
	wg.Wait()
	all := gather(t, m)
	got := values(all["alspan_requests_total"])
	if n := total(got); n != 4*attacks+usual+4*attacks/100 {
		t.Errorf("%v requests", n)
	}
	if len(got) != sets+1 {
		t.Errorf("%d label sets", len(got))
	}
	if n := values(all["alspan_request_label_sets"])[""]; int(n) != len(got) {
		t.Errorf("%v label sets are told, %d are there", n, len(got))
	}
	others := 0.
	for l, n := range got {
		if strings.Contains(l, "|other|other|other|") {
			others += n
		}
	}
	if n := values(all["alspan_request_label_sets_overflow_total"])[""]; n != others || n < 4*attacks-sets {
		t.Errorf("%v requests are told to be counted as other, %v are", n, others)
	}
	services := by(got, 4)
	if services["attacked"] != 4*attacks {
		t.Errorf("%v requests of the attacked service", services["attacked"])
	}
	delete(services, "attacked")
	if diff := cmp.Diff(by(want.requests, 4), services); diff != "" {
		t.Errorf("requests of other services: -want +got\n%s", diff)
	}
	for l, n := range want.requests {
		if got[l] != n {
			t.Errorf("%s: %v requests, want %v", l, got[l], n)
		}
	}
}

// When there is no room even for the names of services, the kind is left.
func TestAttackWithRandomServices(t *testing.T) {
	m := New(Options{Sets: 20, Requests: true, Graph: true})
	meter := m.Meter()
	want := newNaive()
	for i := range 10_000 {
		q := Request{Kind: Kind(i % 2), Service: fmt.Sprint("service-", i), Peer: fmt.Sprint("peer-", i), Class: uint8(i % 6), Edge: EdgeCount + Edge(i%3)}
		meter.Count(&q)
		want.count(&q)
	}
	all := gather(t, m)
	got := values(all["alspan_requests_total"])
	if len(got) != 20+2+2 {
		t.Errorf("%d label sets: %v", len(got), got)
	}
	if diff := cmp.Diff(by(want.requests, 0), by(got, 0)); diff != "" {
		t.Errorf("by kind: -want +got\n%s", diff)
	}
	if got["server|other|other|other|other|other"]+got["client|other|other|other|other|other"] != 10_000-20-2 {
		t.Errorf("others: %v", got)
	}
	for name, want := range map[string]map[string]float64{
		"traces_service_graph_request_total": want.edges, "traces_service_graph_request_server_seconds": want.servers, "traces_service_graph_request_client_seconds": want.clients,
	} {
		got := values(all[name])
		if diff := cmp.Diff(by(want, 1), by(got, 1)); diff != "" {
			t.Errorf("%s by type: -want +got\n%s", name, diff)
		}
		if len(got) > 20+2 || got["other||other"] == 0 || got["other|virtual_node|other"] == 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := values(all["alspan_service_graph_edges"])[""]; n != 22 {
		t.Errorf("%v edges", n)
	}
	if n := values(all["alspan_service_graph_edges_overflow_total"])[""]; n != 10_000-20 {
		t.Errorf("%v requests of other edges", n)
	}
}

// A request may have the labels that those without room get. They are one set.
func TestWhoeverIsCalledOther(t *testing.T) {
	m := New(Options{Sets: 1, Requests: true, Graph: true})
	meter := m.Meter()
	for range 2 {
		for _, name := range []string{"other", "a", "b"} {
			meter.Count(&Request{Service: "cart", Peer: name, Method: name, Route: []byte(name), Class: 2, Edge: EdgeCount})
		}
	}
	all := gather(t, m)
	if diff := cmp.Diff(map[string]float64{"server|other|other|other|cart|2xx": 6}, values(all["alspan_requests_total"])); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := values(all["alspan_request_label_sets_overflow_total"])[""]; n != 4 {
		t.Errorf("%v requests were counted as other", n)
	}
}

// There may be room for an edge where there is none for the label set, and the other way round.
func TestEdgesAndSetsHaveRoomsOfTheirOwn(t *testing.T) {
	m := New(Options{Sets: 3, Requests: true, Graph: true})
	meter := m.Meter()
	count := func(kind Kind, peer, route string) {
		meter.Count(&Request{Kind: kind, Service: "cart", Peer: peer, Route: []byte(route), Edge: EdgeCount})
	}
	for _, route := range []string{"/1", "/2", "/3"} {
		count(Server, "shop", route)
	}
	for range 2 {
		count(Server, "a", "/4")
		count(Server, "b", "/4")
	}
	want := map[string]float64{"shop||cart": 3, "a||cart": 2, "b||cart": 2}
	if diff := cmp.Diff(want, values(gather(t, m)["traces_service_graph_request_total"])); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}

	m = New(Options{Sets: 3, Requests: true, Graph: true})
	meter = m.Meter()
	for _, route := range []string{"/1", "/2", "/3"} {
		m.graph.begin(&key{kind: edge, service: route, peer: route}, nil)
	}
	for range 3 {
		count(Server, "shop", "/1")
	}
	all := gather(t, m)
	if got := values(all["traces_service_graph_request_total"]); got["other||other"] != 3 {
		t.Errorf("edges: %v", got)
	}
	if n := values(all["alspan_service_graph_edges_overflow_total"])[""]; n != 3 {
		t.Errorf("%v requests of other edges", n)
	}
}

// Room that was given up is used again.
func TestRoomIsUsedAgain(t *testing.T) {
	m := New(Options{Sets: 2, Requests: true, Graph: true})
	meter := m.Meter()
	for round := range 5 {
		names := []string{fmt.Sprint("a", round), fmt.Sprint("b", round), fmt.Sprint("c", round)}
		for _, name := range names {
			meter.Count(&Request{Service: name, Peer: name, Edge: EdgeCount})
		}
		want := map[string]float64{"server||" + names[0] + "||" + names[0] + "|none": 1, "server||" + names[1] + "||" + names[1] + "|none": 1, "server|other|other|other|" + names[2] + "|none": 1}
		all := gather(t, m)
		if diff := cmp.Diff(want, values(all["alspan_requests_total"])); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if got := values(all["traces_service_graph_request_total"]); len(got) != 3 || got["other||other"] != 1 {
			t.Errorf("edges: %v", got)
		}
		for _, f := range []*family{m.requests, m.graph} {
			f.giveUp(1, 0)
			if left := f.giveUp(2, 0); len(left) != 3 {
				t.Errorf("%d sets were given up", len(left))
			}
		}
	}
}
