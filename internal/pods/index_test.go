package pods

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

var epoch = time.Unix(1_800_000_000, 0)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// full is a pod as its node's agent sees it, thin as an EndpointSlice tells of it.
func full(namespace, name, uid string, started time.Time) *Pod {
	return &Pod{Namespace: namespace, Name: name, UID: uid, Started: started.UnixNano(), Detail: &Detail{}}
}

func thin(namespace, name, uid, service string) *Pod {
	return &Pod{Namespace: namespace, Name: name, UID: uid, Service: service}
}

func record(p *Pod, ips ...string) []Record {
	r := Record{Pod: p}
	for _, text := range ips {
		r.IPs = append(r.IPs, ip(text))
	}
	return []Record{r}
}

func uidOf(p *Pod) string {
	if p == nil {
		return ""
	}
	return p.UID
}

// An address is used again: the start of the request decides.
func TestAddressIsUsedAgain(t *testing.T) {
	x, a := NewIndex(), "10.0.0.5"
	at := func(d time.Duration) string { return uidOf(x.Load().ByIP(ip(a), epoch.Add(d).UnixNano())) }
	x.Set("pod/n/old", record(full("n", "old", "1", epoch), a))
	x.Publish(epoch)
	x.Set("pod/n/old", nil)
	x.Publish(epoch.Add(time.Minute))
	if got := at(61 * time.Second); got != "1" {
		t.Errorf("a deleted pod is %q: its last requests come a little later", got)
	}
	x.Set("pod/n/new", record(full("n", "new", "2", epoch.Add(70*time.Second)), a))
	again := x.Publish(epoch.Add(70 * time.Second))
	for d, want := range map[time.Duration]string{-2 * time.Second: "", 0: "1", 30 * time.Second: "1", 71 * time.Second: "2", 10 * time.Minute: "2"} {
		if got := at(d); got != want {
			t.Errorf("at %s the address is that of %q, want %q", d, got, want)
		}
	}
	if want := epoch.Add(time.Minute + Keep); !again.Equal(want) {
		t.Errorf("it has to be called again at %s, want %s", again, want)
	}
	x.Publish(again)
	if got := at(30 * time.Second); got != "" {
		t.Errorf("%q is still known after %s", got, Keep)
	}
	if x.Len() != 1 {
		t.Errorf("%d pods are kept", x.Len())
	}
}

// Two pods that are there at the same time, with one start, cannot be told apart; with two the later one has it.
func TestTwoPodsWithOneAddress(t *testing.T) {
	x := NewIndex()
	x.Set("pod/n/a", record(full("n", "a", "1", epoch), "10.0.0.5"))
	x.Set("pod/n/b", record(full("n", "b", "2", epoch), "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), epoch.UnixNano()); p != nil {
		t.Errorf("it is %s", p.Name)
	}
	x.Set("pod/n/b", record(full("n", "b", "2", epoch.Add(time.Minute)), "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), epoch.Add(time.Hour).UnixNano()); uidOf(p) != "2" {
		t.Errorf("it is %q, want the later one", uidOf(p))
	}
	if p := x.Load().ByIP(ip("10.0.0.5"), epoch.Add(time.Second).UnixNano()); uidOf(p) != "1" {
		t.Errorf("it is %q, want the earlier one", uidOf(p))
	}
}

// Pods in the network of their node have its address, like everything else on it: also where only an EndpointSlice says so.
func TestHostNetwork(t *testing.T) {
	x := NewIndex()
	x.Set("slice/n/s", record(thin("n", "host", "1", "svc"), "192.168.0.7"))
	host := full("n", "host", "1", epoch)
	host.Detail.HostNetwork = true
	x.Set("host/n/host", record(host, "192.168.0.7"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("192.168.0.7"), epoch.UnixNano()); p != nil {
		t.Errorf("the node's address is %s", p.Name)
	}
	if p := x.Load().ByName("n", "host", epoch.UnixNano()); uidOf(p) != "1" || p.Service != "svc" {
		t.Errorf("by its name it is %+v", p)
	}
}

// What several sources say of one pod is one pod.
func TestSourcesAreMerged(t *testing.T) {
	x := NewIndex()
	x.Set("slice/n/z", record(thin("n", "p", "1", "z"), "10.0.0.5"))
	x.Set("slice/n/a", record(thin("n", "p", "1", "a"), "fd00::5"))
	x.Publish(epoch)
	for _, a := range []string{"10.0.0.5", "fd00::5"} {
		if p := x.Load().ByIP(ip(a), 0); uidOf(p) != "1" || p.Service != "a" {
			t.Errorf("%s is %+v", a, p)
		}
	}
	if p := x.Load().ByUID("1"); p != nil {
		t.Error("a uid is not looked for among endpoints")
	}
	x.Set("pod/n/p", record(full("n", "p", "1", epoch), "10.0.0.5", "fd00::5"))
	x.Publish(epoch)
	known := x.Load()
	p := known.ByUID("1")
	if p == nil || p.Service != "a" || p.Detail == nil || known.ByIP(ip("fd00::5"), epoch.UnixNano()) != p || known.ByName("n", "p", epoch.UnixNano()) != p {
		t.Errorf("it is %+v", p)
	}
	x.Set("slice/n/z", record(thin("n", "p", "1", "z"), "10.0.0.5"))
	x.Publish(epoch)
	if x.Load() != known {
		t.Error("nothing has changed, and there is another snapshot")
	}
	x.Replace("slice/", nil)
	x.Publish(epoch)
	if p := x.Load().ByUID("1"); p == nil || p.Service != "" || p.Deleted != 0 {
		t.Errorf("without its slices it is %+v", p)
	}
}

func TestByName(t *testing.T) {
	x := NewIndex()
	x.Set("pod/a/web-0", record(full("a", "web-0", "1", epoch), "10.0.0.1"))
	x.Set("pod/b/web-0", record(full("b", "web-0", "2", epoch), "10.0.0.2"))
	x.Set("pod/b/envoy", record(full("b", "envoy", "3", epoch), "10.0.0.3"))
	x.Publish(epoch)
	by := func(namespace, name string, d time.Duration) string {
		return uidOf(x.Load().ByName(namespace, name, epoch.Add(d).UnixNano()))
	}
	if by("", "web-0", 0) != "" || by("a", "web-0", 0) != "1" || by("b", "web-0", 0) != "2" || by("", "envoy", 0) != "3" || by("a", "envoy", 0) != "" {
		t.Error("a name is the wrong pod")
	}
	// The pod of a StatefulSet comes back under its name.
	x.Set("pod/a/web-0", record(full("a", "web-0", "4", epoch.Add(time.Minute)), "10.0.0.1"))
	x.Publish(epoch.Add(time.Minute))
	if by("a", "web-0", 30*time.Second) != "1" || by("a", "web-0", 2*time.Minute) != "4" {
		t.Error("the start of a request does not tell two pods of one name apart")
	}
}

// Against a simple model: whatever is set in whatever order, the index has what the model has.
func TestIndexIsItsModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		x, model, now := NewIndex(), map[string][]Record{}, epoch
		for step := range 400 {
			source := fmt.Sprintf("%s/n/%d", []string{"pod", "slice"}[r.IntN(2)], r.IntN(12))
			var records []Record
			for range r.IntN(3) {
				n := r.IntN(20)
				p := thin("n", fmt.Sprint("p", n), fmt.Sprint(n), fmt.Sprint("s", r.IntN(3)))
				if source[0] == 'p' {
					p = full("n", fmt.Sprint("p", n), fmt.Sprint(n), epoch)
				}
				records = append(records, record(p, fmt.Sprint("10.0.0.", n))...)
			}
			model[source] = records
			if r.IntN(8) == 0 {
				prefix, some := []string{"pod/", "slice/"}[r.IntN(2)], map[string][]Record{}
				for _, name := range slices.Sorted(maps.Keys(model)) {
					if name[:len(prefix)] == prefix {
						if delete(model, name); r.IntN(2) == 0 {
							some[name], model[name] = records, records
						}
					}
				}
				x.Replace(prefix, some)
			}
			if _, still := model[source]; still {
				x.Set(source, records)
			}
			if now = now.Add(time.Duration(r.IntN(40)) * time.Second); r.IntN(3) > 0 {
				continue
			}
			x.Publish(now)
			alive := map[string]bool{}
			for _, records := range model {
				for _, q := range records {
					alive[q.Pod.UID] = true
				}
			}
			for n := range 20 {
				p := x.Load().ByIP(ip(fmt.Sprint("10.0.0.", n)), now.UnixNano())
				if is := p != nil && p.Deleted == 0; is != alive[fmt.Sprint(n)] || p != nil && p.UID != fmt.Sprint(n) {
					t.Fatalf("seed %d, step %d: pod %d is %+v, alive: %v", seed, step, n, p, alive[fmt.Sprint(n)])
				}
			}
		}
	}
}

// Those who read never wait, and what they read is whole.
func TestReadersBesideAWriter(t *testing.T) {
	x := NewIndex()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				known := x.Load()
				for n := range 50 {
					a := known.ByIP(ip(fmt.Sprint("10.0.1.", n)), epoch.Add(time.Hour).UnixNano())
					if b := known.ByName("n", fmt.Sprint("p", n), epoch.Add(time.Hour).UnixNano()); a != b {
						t.Errorf("pod %d is %+v by its address, and %+v by its name", n, a, b)
						return
					}
				}
			}
		})
	}
	for step := range 2000 {
		n := step * 7 % 50
		var records []Record
		if step%3 > 0 {
			records = record(full("n", fmt.Sprint("p", n), fmt.Sprint(n), epoch.Add(time.Duration(step))), fmt.Sprint("10.0.1.", n))
		}
		x.Set(fmt.Sprint("pod/n/", n), records)
		x.Publish(epoch.Add(time.Duration(step) * time.Second))
	}
	close(done)
	readers.Wait()
}

func TestOwner(t *testing.T) {
	created := time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)
	due := fmt.Sprint(created.Unix() / 60)
	for _, c := range []struct{ kind, name, hash, want string }{
		{"ReplicaSet", "cart-7d9fb6c5d8", "7d9fb6c5d8", "deployment cart"},
		{"ReplicaSet", "a-b-7d9fb6c5d8", "7d9fb6c5d8", "deployment a-b"},
		{"ReplicaSet", "bare", "", "replicaset bare"},
		{"ReplicaSet", "bare-7d9fb6c5d8", "", "replicaset bare-7d9fb6c5d8"},
		{"ReplicaSet", "bare-7d9fb6c5d8", "6c5d8", "replicaset bare-7d9fb6c5d8"},
		{"StatefulSet", "db", "", "statefulset db"},
		{"DaemonSet", "agent", "", "daemonset agent"},
		{"Job", "backup-" + due, "", "cronjob backup"},
		{"Job", "nightly-backup-" + due, "", "cronjob nightly-backup"},
		{"Job", "backup-20261121", "", "job backup-20261121"},
		{"Job", "backup-7", "", "job backup-7"},
		{"Job", "backup", "", "job backup"},
		{"Job", due, "", "job " + due},
		{"Node", "n1", "", " "},
		{"", "", "", " "},
	} {
		if w := Owner(c.kind, c.name, c.hash, created); w.Kind.String()+" "+w.Name != c.want {
			t.Errorf("the owner of a pod of the %s %s is %s %s, want %s", c.kind, c.name, w.Kind, w.Name, c.want)
		}
	}
}

func BenchmarkByIP(b *testing.B) {
	x, all := NewIndex(), map[string][]Record{}
	var ips []netip.Addr
	for n := range 50_000 {
		a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		ips = append(ips, a)
		slice := fmt.Sprint("slice/n/", n/100)
		all[slice] = append(all[slice], Record{Pod: thin("n", fmt.Sprint("p", n), fmt.Sprint(n), "s"), IPs: []netip.Addr{a}})
	}
	x.Replace("slice/", all)
	x.Publish(epoch)
	b.Run("known", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if x.Load().ByIP(ips[i%len(ips)], 0) == nil {
				b.Fatal("it is not known")
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			x.Load().ByIP(netip.AddrFrom4([4]byte{192, 168, 0, 1}), 0)
		}
	})
	b.Run("publish one of 50000", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			x.Set("slice/n/0", record(thin("n", "p0", "0", fmt.Sprint("s", i)), "10.0.0.0"))
			x.Publish(epoch)
		}
	})
}
