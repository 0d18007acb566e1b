package red

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// requests gives requests of n label sets, in a random order.
func requests(n int, e Edge) []Request {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]Request, 512)
	for i := range all {
		set := r.IntN(n)
		all[i] = Request{
			Kind: Kind(set % 2), Service: fmt.Sprintf("service-%d", set%20), Peer: fmt.Sprintf("peer-%d", set%30), Method: "GET",
			Route: fmt.Appendf(nil, "/api/v1/things/%d/{id}", set), Class: 2, Duration: time.Duration(r.ExpFloat64() * 2e7), Edge: e,
		}
	}
	services := map[string]string{}
	for i := range all {
		for _, s := range []*string{&all[i].Service, &all[i].Peer} {
			if _, ok := services[*s]; !ok {
				services[*s] = *s
			}
			*s = services[*s]
		}
	}
	return all
}

func BenchmarkCount(b *testing.B) {
	for _, n := range []int{1, 20, 500} {
		for _, graph := range []bool{false, true} {
			m := New(Options{Sets: 2000, Requests: true, Graph: graph})
			all := requests(n, EdgeCount)
			name := fmt.Sprintf("sets=%d/graph=%t", n, graph)
			b.Run(name, func(b *testing.B) {
				meter := m.Meter()
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					meter.Count(&all[i%len(all)])
				}
			})
			b.Run(name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					meter := m.Meter()
					for i := rand.IntN(len(all)); pb.Next(); i++ {
						meter.Count(&all[i%len(all)])
					}
				})
			})
		}
	}
}

// Requests of label sets for which there is no room.
func BenchmarkCountOther(b *testing.B) {
	m := New(Options{Sets: 250, Requests: true, Graph: true})
	meter, all := m.Meter(), requests(500, EdgeCount)
	for i := range 250 {
		meter.Count(&Request{Service: "attacked", Route: fmt.Append(nil, i)})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		meter.Count(&all[i%len(all)])
	}
}

func BenchmarkExemplar(b *testing.B) {
	m := New(Options{Sets: 2000, Requests: true})
	meter, all := m.Meter(), requests(20, EdgeCount)
	for i := range all {
		meter.Count(&all[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		meter.Exemplar(&all[i%len(all)], [16]byte{1}, [8]byte{2}, time.Unix(0, int64(i)*1000)) // a million in a second
	}
}

// A scrape of 2,000 label sets and the edges between 30 services and 20.
func BenchmarkScrape(b *testing.B) {
	m := New(Options{Sets: 2000, Requests: true, Graph: true})
	meter := m.Meter()
	r := rand.New(rand.NewPCG(8, 8))
	for i := range 100_000 {
		set := i % 2000
		meter.Count(&Request{
			Kind: Kind(set % 2), Service: fmt.Sprintf("service-%d", set%20), Peer: fmt.Sprintf("peer-%d", set%30), Method: "GET",
			Route: fmt.Appendf(nil, "/api/v1/things/%d/{id}", set), Class: 2, Duration: time.Duration(r.ExpFloat64() * 2e7), Edge: EdgeCount,
		})
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	b.Run("collect", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := make(chan prometheus.Metric, 1000)
			go func() { m.Collect(c); close(c) }()
			for range c {
			}
		}
	})
	for name, accept := range map[string]string{"text": "text/plain", "protobuf": protobuf} {
		b.Run(name, func(b *testing.B) {
			h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
			b.ReportAllocs()
			var n int64
			for b.Loop() {
				w := httptest.NewRecorder()
				q := httptest.NewRequest(http.MethodGet, "/", nil)
				q.Header.Set("Accept", accept)
				h.ServeHTTP(w, q)
				n, _ = io.Copy(io.Discard, w.Body)
			}
			b.ReportMetric(float64(n), "bytes")
		})
	}
}
