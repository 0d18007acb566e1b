package watch

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/cluster"
)

// EndpointSlices do not say that an address is a node's: nobody is known by one while that is not known yet.
func TestSlicesWaitForTheHostNetwork(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	serviceAccount(t, c)
	makePod(t, c, "host-pod", "n2", "192.168.0.7", nil, object{"hostNetwork": true})
	makePod(t, c, "pod", "n2", "10.0.0.7", nil, nil)
	host := endpoint("host-pod", "n2", "192.168.0.7")
	delete(host["targetRef"].(object), "uid") // this one is not the pod's
	makeSlice(t, c, "s", "svc", []object{host, endpoint("pod", "n2", "10.0.0.7")})
	var f faults
	f.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Query().Get("fieldSelector"), "hostNetwork") {
			time.Sleep(time.Second)
		}
		return false
	})
	x, _, _ := begin(t, Options{Kubeconfig: f.before(t, c), Node: "n1"})
	eventually(t, func() error {
		if got := name(x, "192.168.0.7"); got != "" {
			t.Fatalf("the node's address is that of %s", got)
		}
		if name(x, "10.0.0.7") == "" {
			return errors.New("the other pod is not known")
		}
		return nil
	})
}
