package red

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIdleSetsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Sets: 10, Requests: true, Graph: true, Idle: 30 * time.Minute})
		meter := m.Meter()
		count := func(service string) {
			meter.Count(&Request{Service: service, Peer: "shop", Edge: EdgeCount})
		}
		check := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			all := gather(t, m)
			sets, edges := map[string]float64{}, map[string]float64{}
			for _, s := range want {
				sets["server||shop||"+s[1:]+"|none"] = float64(s[0] - '0')
				edges["shop||"+s[1:]] = float64(s[0] - '0')
			}
			if diff := cmp.Diff(sets, values(all["alspan_requests_total"])); diff != "" {
				t.Errorf("requests: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(edges, values(all["traces_service_graph_request_total"])); diff != "" {
				t.Errorf("edges: -want +got\n%s", diff)
			}
			for _, name := range []string{"alspan_request_label_sets", "alspan_service_graph_edges"} {
				if n := values(all[name])[""]; int(n) != len(want) {
					t.Errorf("%s is %v, want %d", name, n, len(want))
				}
			}
		}
		count("cart")
		count("stock")
		check(time.Minute, "1cart", "1stock") // looks for the first time
		count("stock")
		check(29*time.Minute, "1cart", "2stock")
		check(59*time.Second, "1cart", "2stock") // does not look again within a minute
		check(time.Second, "2stock")
		count("cart")
		check(time.Minute, "1cart", "2stock") // begins anew
		check(27*time.Minute, "1cart", "2stock")
		check(time.Minute, "1cart")
		check(time.Hour)
	})
}

func TestWithoutIdleNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Sets: 10, Requests: true})
		m.Meter().Count(&Request{})
		for range 3 {
			time.Sleep(1000 * time.Hour)
			if n := total(values(gather(t, m)["alspan_requests_total"])); n != 1 {
				t.Errorf("%v requests", n)
			}
		}
	})
}

// What is just being counted is neither exposed in part nor given up.
func TestWhatIsJustBeingCounted(t *testing.T) {
	m := New(Options{Sets: 10, Requests: true})
	k := requestKey(&Request{Service: "cart"})
	s, _ := m.requests.begin(&k, make([]byte, mostRoute))
	s.failed.Add(1)
	for now := range time.Duration(5) {
		if left := m.requests.giveUp(now, 0); left != nil {
			t.Error("the set was given up")
		}
		all := gather(t, m)
		for _, name := range []string{"alspan_requests_total", "alspan_request_errors_total"} {
			if n := total(values(all[name])); n != 0 {
				t.Errorf("%s is %v already", name, n)
			}
		}
	}
	s.end(0, 0, 1)
	m.requests.giveUp(5, 0)
	if left := m.requests.giveUp(6, 0); len(left) != 1 {
		t.Error("the set was not given up")
	}
}

// contents are what was counted in some series.
type contents struct {
	n, failed, counted, durations uint64
	sides                         [2]uint64
}

func (c *contents) add(s *series) {
	c.n += s.done()
	c.failed += s.failed.Load()
	c.counted += s.counted.Load()
	for i := range s.buckets {
		c.durations += s.sum[i].Load()
		for b := range s.buckets[i] {
			c.sides[i] += s.buckets[i][b].Load()
		}
	}
}

// looker gives up sets all the time and remembers what a scrape would have exposed of them.
type looker struct {
	f       *family
	exposed map[*series]contents
	left    []*series
	gone    atomic.Int64 // how many of them there are
}

func (l *looker) look(t *testing.T, now time.Duration) {
	for _, s := range l.f.giveUp(now, 0) {
		var c contents
		if c.add(s); c != l.exposed[s] {
			t.Errorf("%+v was given up with %+v, and %+v was exposed", s.key, c, l.exposed[s])
		}
		l.left = append(l.left, s)
		l.gone.Add(1)
	}
	for s := range l.f.table.Load().all {
		var c contents
		c.add(s)
		l.exposed[s] = c
	}
}

// check compares what is in sets of today and in those that were given up with what was counted.
func (l *looker) check(t *testing.T, want map[string]contents) {
	t.Helper()
	got := map[string]contents{}
	add := func(s *series) {
		k := fmt.Sprint(s.key.kind, s.key.service, s.key.peer, string(s.key.route), s.key.class)
		c := got[k]
		c.add(s)
		got[k] = c
	}
	for _, s := range l.left {
		var c contents
		if c.add(s); c != l.exposed[s] {
			t.Errorf("%+v went on after it was given up: %+v, not %+v", s.key, c, l.exposed[s])
		}
		add(s)
	}
	for s := range l.f.table.Load().all {
		add(s)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(contents{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Sets are given up and come back as fast as it goes; everything is counted once, and was exposed before it went.
func TestNothingIsLostWhenSetsAreGivenUp(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for procs := 1; procs <= 8; procs++ {
		runtime.GOMAXPROCS(procs)
		m := New(Options{Sets: 1000, Requests: true, Graph: true})
		requests, edges := map[string]contents{}, map[string]contents{}
		ls := []*looker{{f: m.requests, exposed: map[*series]contents{}}, {f: m.graph, exposed: map[*series]contents{}}}
		var mu sync.Mutex
		var counters, looking sync.WaitGroup
		for seed := range uint64(6) {
			counters.Go(func() {
				r, meter := rand.New(rand.NewPCG(seed, uint64(procs))), m.Meter()
				ownRequests, ownEdges := map[string]contents{}, map[string]contents{}
				for i := 0; i < 3000 || min(ls[0].gone.Load(), ls[1].gone.Load()) < 50; i++ {
					n := (i/300 + r.IntN(3)) % 7
					q := Request{
						Kind: Kind(n % 2), Service: "a", Peer: "b", Route: []byte{'a' + byte(n)}, Failed: r.IntN(2) == 0,
						Duration: time.Duration(r.Int64N(1e9)), Edge: []Edge{EdgeCount, EdgeLatency, EdgeVirtual}[n%3],
					}
					meter.Count(&q)
					tally(ownRequests, ownEdges, &q)
					if r.IntN(8) == 0 {
						runtime.Gosched()
					}
				}
				mu.Lock()
				defer mu.Unlock()
				merge(requests, ownRequests)
				merge(edges, ownEdges)
			})
		}
		stop := make(chan struct{})
		for _, l := range ls {
			looking.Go(func() {
				for now := time.Duration(1); ; now++ {
					select {
					case <-stop:
						return
					default:
						l.look(t, now)
						runtime.Gosched()
					}
				}
			})
		}
		counters.Wait()
		close(stop)
		looking.Wait()
		ls[0].check(t, requests)
		ls[1].check(t, edges)
		t.Logf("%d processors: %d sets and %d edges were given up", procs, len(ls[0].left), len(ls[1].left))
	}
}

func merge(all, own map[string]contents) {
	for k, o := range own {
		c := all[k]
		all[k] = contents{c.n + o.n, c.failed + o.failed, c.counted + o.counted, c.durations + o.durations, [2]uint64{c.sides[0] + o.sides[0], c.sides[1] + o.sides[1]}}
	}
}

// tally counts q in maps.
func tally(requests, edges map[string]contents, q *Request) {
	failed := uint64(0)
	if q.Failed {
		failed = 1
	}
	d := uint64(q.Duration)
	k := fmt.Sprint(q.Kind, q.Service, q.Peer, string(q.Route), 0)
	c := requests[k]
	requests[k] = contents{n: c.n + 1, failed: c.failed + failed, durations: c.durations + d, sides: [2]uint64{c.sides[0] + 1}}

	client, server := q.Peer, q.Service
	if q.Kind == Client {
		client, server = server, client
	}
	k = fmt.Sprint(edge, client, server, "", edgeClass(q))
	c = edges[k]
	c.n++
	c.durations += d
	if q.Edge != EdgeLatency {
		c.counted++
		c.failed += failed
	}
	if q.Edge == EdgeVirtual {
		c.sides[0]++
	} else {
		c.sides[q.Kind]++
	}
	edges[k] = c
}
