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

func BenchmarkHash(b *testing.B) {
	all := requests(500, EdgeNone)
	b.Run("hash", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			k := requestKey(&all[i%len(all)])
			sink = k.hash(42)
		}
	})
	b.Run("bucket", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			sink = uint64(bucket(all[i%len(all)].Duration))
		}
	})
	m := New(Options{Sets: 2000, Requests: true})
	meter := m.Meter()
	for i := range all {
		meter.Count(&all[i])
	}
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			k := requestKey(&all[i%len(all)])
			if m.requests.table.Load().get(k.hash(m.requests.seed), &k) == nil {
				b.Fatal()
			}
		}
	})
}

var sink uint64

func BenchmarkScrape(b *testing.B) {
	m := New(Options{Sets: 2000, Requests: true, Graph: true})
	meter := m.Meter()
	for i := range 100000 {
		meter.Count(&requests2000[i%len(requests2000)])
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
	for name, accept := range map[string]string{"text": "text/plain", "protobuf": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
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

var requests2000 = requests(2000, EdgeCount)
