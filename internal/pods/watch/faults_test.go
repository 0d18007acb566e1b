package watch

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/cluster"
)

// faults stands before an API server and answers in its place as it is told.
type faults struct {
	mu     sync.Mutex
	answer func(http.ResponseWriter, *http.Request) bool // false: the API server does
}

func (f *faults) set(answer func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *faults) before(t testing.TB, c *cluster.Cluster) (kubeconfig string) {
	t.Helper()
	target, err := url.Parse(c.URL)
	must(t, err)
	pem, err := os.ReadFile(c.CAFile)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	proxy.FlushInterval, proxy.ErrorLog = -1, log.New(io.Discard, "", 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		answer := f.answer
		f.mu.Unlock()
		if answer != nil && answer(w, r) {
			return
		}
		r.Header.Set("Authorization", "Bearer "+c.AdminToken) // clients keep their tokens for TLS
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {}}]}`, server.URL)), 0o600))
	return kubeconfig
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
}

// What a real API server does on a bad day: too many requests, a version that is too old, a watch that breaks off in the middle of an
// event, rights that are taken away, a watch on which nothing comes.
func TestBadDays(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	serviceAccount(t, c)
	var f faults
	x, w, said := begin(t, Options{Kubeconfig: f.before(t, c), Node: "n1"})
	synced(t, w)
	next := 0
	works := func() {
		t.Helper()
		next++
		makePod(t, c, fmt.Sprint("pod-", next), "n1", fmt.Sprint("10.0.0.", next), nil, nil)
		for i := range next {
			wants(t, x, fmt.Sprint("10.0.0.", i+1), fmt.Sprint("pod-", i+1))
		}
	}
	works()
	watches := func(r *http.Request) bool { return r.URL.Query().Get("watch") != "" }
	for _, day := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request) bool
	}{
		{"429", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "1")
			status(w, http.StatusTooManyRequests, "TooManyRequests")
			return true
		}},
		{"410", func(w http.ResponseWriter, r *http.Request) bool {
			if watches(r) {
				status(w, http.StatusGone, "Expired")
			}
			return watches(r)
		}},
		{"403", func(w http.ResponseWriter, _ *http.Request) bool {
			status(w, http.StatusForbidden, "Forbidden")
			return true
		}},
		{"half an event", func(w http.ResponseWriter, r *http.Request) bool {
			if watches(r) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"type":"ADDED","object":{"kind":"Pod"`)
			}
			return watches(r)
		}},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(day.name, func(t *testing.T) {
			failed, began := w.Sources[0].Failed.Load(), time.Now()
			var answered sync.Map // what was asked for: by each source something else
			f.set(func(rw http.ResponseWriter, r *http.Request) bool {
				inItsPlace := true
				defer func() {
					if inItsPlace {
						answered.Store(r.URL.Path+r.URL.Query().Get("fieldSelector"), true)
					}
				}()
				inItsPlace = day.answer(rw, r)
				return inItsPlace
			})
			c.StopAPI() // all watches end
			must(t, c.StartAPI())
			eventually(t, func() error {
				sources := 0
				for range answered.Range {
					sources++
				}
				if sources < len(w.Sources) {
					return fmt.Errorf("%d of %d sources have seen that day", sources, len(w.Sources))
				}
				return nil
			})
			if got := name(x, "10.0.0.1"); got != "pod-1" {
				t.Errorf("a pod is %q on that day", got)
			}
			f.set(nil)
			works()
			if n, took := w.Sources[0].Failed.Load()-failed, time.Since(began); n > 10+int64(took/(100*time.Millisecond)) {
				t.Errorf("the API server was asked %d times for nothing in %s", n, took)
			}
		})
	}
	if !said.has("cannot read pods") || !said.has("answers again") {
		t.Errorf("the log says %s", said.String())
	}
}
