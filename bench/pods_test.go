package bench

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// cluster has 50,000 pods, and one at each of the addresses that the entries have.
func cluster(views []wire.Entry) *pods.Index {
	x, all, seen := pods.NewIndex(), map[string][]pods.Record{}, map[netip.Addr]bool{}
	add := func(i int, a netip.Addr) {
		name := fmt.Sprintf("application-%d-7d9fb6c5d8-%05d", i/10, i)
		slice := fmt.Sprint("slice/", i/100)
		all[slice] = append(all[slice], pods.Record{Pod: &pods.Pod{Namespace: fmt.Sprint("namespace-", i/1000), Name: name, UID: name, Service: fmt.Sprint("service-", i/10)}, IPs: []netip.Addr{a}})
	}
	for i := range 50_000 {
		add(i, netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	for i := range views {
		for k, a := range []*wire.Address{&views[i].DownstreamDirect, &views[i].UpstreamRemote} {
			if ip, err := netip.ParseAddr(string(views[i].Bytes(a.Host))); err == nil && !seen[ip] {
				seen[ip] = true
				add(60_000+2*i+k, ip)
			}
		}
	}
	x.Set("pod/ingress/envoy-1", []pods.Record{{Pod: &pods.Pod{Namespace: "ingress", Name: "envoy-1", UID: "u", Detail: &pods.Detail{}}}})
	x.Replace("slice/", all)
	x.Publish(time.Now())
	return x
}

// logged gives the entries of the load generator, and who has logged them.
func logged(b *testing.B) ([]wire.Entry, *spanbuilder.Logger) {
	list, err := load.Entries(load.W3C)
	if err != nil {
		b.Fatal(err)
	}
	views := make([]wire.Entry, len(list))
	for i, e := range list {
		if !views[i].WalkHTTP(e) {
			b.Fatal("malformed")
		}
	}
	return views, spanbuilder.NewLoggers(spanbuilder.NewNodes(), nil).Find(&wire.Node{ID: []byte("envoy-1")}, []byte("edge"), netip.Addr{})
}

// BenchmarkPods is what pod detail costs for one entry: who the sender is, its resource, and the other side.
func BenchmarkPods(b *testing.B) {
	views, logger := logged(b)
	for _, c := range []struct {
		name  string
		index *pods.Index
	}{{"none", pods.NewIndex()}, {"50000", cluster(views)}} {
		senders := spanbuilder.NewSenders(c.index, spanbuilder.PodOptions{}, "bench")
		sender, resources := senders.Sender(netip.Addr{}), senders.Resources()
		b.Run("step=sender/pods="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				pod, _ := sender.OfEntry(&views[i%len(views)], logger)
				resources.Made(logger, pod)
			}
		})
	}
	dst := make([]byte, 0, 1<<20)
	for _, c := range []struct {
		name  string
		index *pods.Index
	}{{"off", nil}, {"none", pods.NewIndex()}, {"50000", cluster(views)}} {
		o := builderOptions(false)
		o.Pods = c.index
		builder := spanbuilder.New(o)
		identity := builder.Identity()
		claims := make([]spanbuilder.Claim, len(views))
		for i := range views {
			identity.Claim(&views[i], logger, &claims[i])
		}
		b.Run("step=build/pods="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dst, _ = builder.Server(dst[:0], &views[i%len(views)], logger, &claims[i%len(views)])
			}
		})
	}
}
