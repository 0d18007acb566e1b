package pods

import (
	"testing"
	"time"
)

// The EndpointSlice of a pod that is gone changes a little later than the pod: what was known of it stays.
func TestSliceOutlivesItsPod(t *testing.T) {
	for _, host := range []bool{false, true} {
		x := NewIndex()
		p := full("n", "p", "1", epoch)
		p.Detail.HostNetwork, p.Detail.Workload = host, Workload{Deployment, "w"}
		x.Set("pod/n/p", record(p, "10.0.0.5"))
		x.Set("slice/n/s", record(thin("n", "p", "1", "svc"), "10.0.0.5"))
		x.Publish(epoch)
		check := func(when string, deleted bool, service string) {
			t.Helper()
			at := epoch.Add(time.Minute).UnixNano()
			q := x.Load().ByName("n", "p", at)
			if q == nil || q.Detail == nil || q.Detail.Workload.Name != "w" || q.Started != p.Started || x.Load().ByUID("1") != q || (q.Deleted != 0) != deleted || q.Service != service {
				t.Fatalf("%s it is %+v", when, q)
			}
			if by := x.Load().ByIP(ip("10.0.0.5"), at); host && by != nil || !host && by != q {
				t.Errorf("%s its address is that of %+v", when, by)
			}
		}
		check("at first", false, "svc")
		x.Set("pod/n/p", nil)
		x.Publish(epoch.Add(time.Second))
		check("when only the slice tells of it", false, "svc")
		x.Set("slice/n/s", nil)
		again := x.Publish(epoch.Add(2 * time.Second))
		check("when it is gone", true, "svc")
		x.Set("slice/n/s", record(thin("n", "p", "1", "other"), "10.0.0.5"))
		x.Publish(epoch.Add(3 * time.Second))
		check("when a slice tells of it again", false, "other")
		x.Set("slice/n/s", nil)
		if x.Publish(again); x.Load().ByUID("1") == nil {
			t.Error("it has gone twice, and is forgotten at once")
		}
		if x.Publish(again.Add(Keep)); x.Len() != 0 || x.Load().ByUID("1") != nil {
			t.Error("it is known for ever")
		}
	}
}

// A slice that comes anew, and says what it said, changes nothing, in whatever order slices come.
func TestOrderOfSlicesDoesNotMatter(t *testing.T) {
	x := NewIndex()
	four := thin("n", "p", "1", "a")
	four.IP, four.Node = ip("10.0.0.5"), "node"
	six := thin("n", "p", "1", "a")
	six.IP = ip("fd00::5")
	x.Set("slice/n/4", record(four, "10.0.0.5"))
	x.Set("slice/n/6", record(six, "fd00::5"))
	x.Publish(epoch)
	known := x.Load()
	for _, c := range []struct {
		source string
		pod    *Pod
		ip     string
	}{{"slice/n/4", four, "10.0.0.5"}, {"slice/n/6", six, "fd00::5"}} {
		x.Set(c.source, record(c.pod, c.ip))
		if x.Publish(epoch); x.Load() != known {
			t.Errorf("%s came again, and the pod is %+v", c.source, x.Load().ByIP(ip(c.ip), 0))
		}
	}
}

// Somebody else's EndpointSlice may name a pod without its uid: that is the same pod.
func TestSlicesWithoutUID(t *testing.T) {
	at := epoch.Add(time.Minute).UnixNano()
	x := NewIndex()
	x.Set("slice/n/b", record(thin("n", "p", "", "b"), "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), at); p == nil || p.Name != "p" {
		t.Errorf("without a uid it is %+v", p)
	}
	x.Set("slice/n/a", record(thin("n", "p", "1", "a"), "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), at); uidOf(p) != "1" || x.Load().ByName("n", "p", at) != p {
		t.Errorf("with two slices it is %+v", p)
	}
	x.Set("pod/n/p", record(full("n", "p", "1", epoch), "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), at); uidOf(p) != "1" || p.Detail == nil || x.Load().ByName("n", "p", at) != p {
		t.Errorf("with the pod it is %+v", p)
	}
	host := full("n", "p", "1", epoch)
	host.Detail.HostNetwork = true
	x.Replace("slice/", map[string][]Record{"slice/n/b": record(thin("n", "p", "", "b"), "10.0.0.5")})
	x.Set("pod/n/p", record(host, "10.0.0.5"))
	x.Publish(epoch)
	if p := x.Load().ByIP(ip("10.0.0.5"), at); p != nil {
		t.Errorf("the node's address is that of %+v", p)
	}
	// The next pod of that name is another one.
	x.Set("pod/n/p", nil)
	x.Publish(epoch.Add(time.Second))
	if p := x.Load().ByIP(ip("10.0.0.5"), at); p == nil || p.UID != "" {
		t.Errorf("after the pod it is %+v", p)
	}
}
