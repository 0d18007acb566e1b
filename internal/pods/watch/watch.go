// Package watch takes a Kubernetes API server and gives the pods of one node or of all, and who has the other addresses of the
// cluster, in an index. It lists and watches pods and EndpointSlices, and needs no right but those two.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/alspan/alspan/internal/pods"
)

// Options say what is watched.
type Options struct {
	Kubeconfig  string // file; "" in a pod of the cluster
	Node        string // whose pods are watched whole; "" for none
	Cluster     bool   // the pods of all nodes are watched whole
	Labels      []string
	Annotations []string
	UserAgent   string
	Log         *slog.Logger
}

// InCluster tells whether this process is in a pod that may talk to its API server.
func InCluster() bool {
	_, err := rest.InClusterConfig()
	return err == nil
}

// Watcher keeps an index up to date. A nil one has none, and nothing to do.
type Watcher struct {
	// Sources are what is watched: each counts for itself.
	Sources []*Source

	index               *pods.Index
	labels, annotations pick
	log                 *slog.Logger
	dirty               chan struct{}
	stop                context.CancelFunc
	running             sync.WaitGroup
}

// Source is one kind of objects.
type Source struct {
	Name   string
	Events atomic.Int64 // objects that have changed
	Lists  atomic.Int64 // times that all objects were read anew
	Failed atomic.Int64 // requests that failed, or watches that broke off with an error

	prefix  string
	after   *Source // begins first; nil for none
	synced  atomic.Bool
	failing atomic.Int64 // requests in a row

	first    chan struct{} // closed when all have been read, or a request has failed
	answered sync.Once
}

func (s *Source) answer() { s.answered.Do(func() { close(s.first) }) }

// Synced tells whether all objects have been read once.
func (s *Source) Synced() bool { return s.synced.Load() }

// settle is how long changes are gathered before they are made visible.
const settle = 200 * time.Millisecond

// New makes a watcher of index. An error means that there is no usable configuration; an API server that does not answer is none.
func New(index *pods.Index, o Options) (*Watcher, error) {
	c, err := clientConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	quiet()
	c.UserAgent = o.UserAgent
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("cannot register the types of Kubernetes: %w", err)
	}
	codecs := serializer.NewCodecFactory(scheme)
	client := func(path string, v schema.GroupVersion) (*rest.RESTClient, error) {
		c := rest.CopyConfig(c)
		c.APIPath, c.GroupVersion, c.NegotiatedSerializer = path, &v, codecs.WithoutConversion()
		return rest.RESTClientFor(c)
	}
	core, err1 := client("/api", corev1.SchemeGroupVersion)
	discovery, err2 := client("/apis", discoveryv1.SchemeGroupVersion)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("cannot make a client of the API server: %w", err)
	}
	w := &Watcher{index: index, labels: o.Labels, annotations: o.Annotations, log: o.Log, dirty: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	switch {
	case o.Cluster:
		w.watch(ctx, &Source{Name: "pods", prefix: "pod/"}, core, "pods", &corev1.Pod{}, fields.Everything())
	default:
		if o.Node != "" {
			w.watch(ctx, &Source{Name: "pods", prefix: "pod/"}, core, "pods", &corev1.Pod{}, fields.OneTermEqualSelector("spec.nodeName", o.Node))
		}
		// An EndpointSlice does not say that a pod's address is its node's, and then that of others, too. So these come first.
		w.watch(ctx, &Source{Name: "host network pods", prefix: "host/"}, core, "pods", &corev1.Pod{}, fields.OneTermEqualSelector("spec.hostNetwork", "true"))
	}
	w.watch(ctx, &Source{Name: "endpoint slices", prefix: "slice/", after: w.Sources[len(w.Sources)-1]}, discovery, "endpointslices", &discoveryv1.EndpointSlice{}, fields.Everything())
	w.running.Go(func() { w.publish(ctx) })
	return w, nil
}

// quiet keeps the library from logging: that is counted and logged here. What it sets is read by all watchers without a lock.
var quiet = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

func clientConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		c, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("cannot find the API server: %w", err)
		}
		return c, nil
	}
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %w", err)
	}
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig %s: %w", kubeconfig, err)
	}
	return c, nil
}

// watch lists and watches the objects of a source until ctx is over. A reflector does what is due when a watch ends, when its
// version is too old, and when the server asks to wait.
func (w *Watcher) watch(ctx context.Context, s *Source, c *rest.RESTClient, resource string, kind runtime.Object, selector fields.Selector) {
	w.Sources, s.first = append(w.Sources, s), make(chan struct{})
	request := func(o metav1.ListOptions) *rest.Request {
		o.FieldSelector = selector.String()
		return c.Get().Resource(resource).VersionedParams(&o, metav1.ParameterCodec)
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := request(o).Do(ctx).Get()
			w.result(ctx, s, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (kwatch.Interface, error) {
			o.Watch = true
			events, err := request(o).Watch(ctx)
			w.result(ctx, s, err)
			return events, err
		},
	}
	r := cache.NewReflectorWithOptions(lw, kind, &store{w, s}, cache.ReflectorOptions{Name: "alspan " + s.Name, TypeDescription: s.Name, Backoff: backoff()})
	w.running.Go(func() {
		if s.after != nil {
			select {
			case <-ctx.Done():
			case <-s.after.first:
			case <-time.After(patience):
			}
		}
		r.RunWithContext(ctx)
	})
}

// patience is how long a source waits for the one before it, whatever becomes of that.
const patience = 10 * time.Second

// result counts what became of a request; the log says when requests begin to fail and when they are answered again. It holds up
// those that fail again and again: not all ways through a reflector have a pause, and every node asks.
func (w *Watcher) result(ctx context.Context, s *Source, err error) {
	if err == nil {
		if s.failing.Swap(0) > 0 {
			w.log.Info("the API server answers again", "source", s.Name)
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	s.answer()
	s.Failed.Add(1)
	n := s.failing.Add(1)
	if n == 1 {
		w.log.Warn("cannot read "+s.Name+" from the API server; what is known of them stays, and the agent goes on trying", "error", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause(n)):
	}
}

const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// pause gives how long to wait after n failures in a row: from 50 ms to 5 s, and a part of that by chance.
func pause(n int64) time.Duration {
	most := min(shortestPause<<min(n, 10), longestPause)
	return most/2 + rand.N(most/2)
}

// backoff gives a reflector's own pauses: it goes from 0.8 s to 10 s, not to a minute as it would by itself, since all that time
// nobody knows of new pods. Two minutes without a failure, and it begins anew.
func backoff() *wait.Backoff {
	return &wait.Backoff{Duration: 800 * time.Millisecond, Cap: longestPause, Steps: 10, Factor: 2, Jitter: 1}
}

func (w *Watcher) changed() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// publish makes changes visible, many at a time.
func (w *Watcher) publish(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
			timer.Reset(settle)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		case <-timer.C:
		}
		if again := w.index.Publish(time.Now()); !again.IsZero() {
			timer.Reset(max(time.Until(again), settle))
		}
	}
}

// Index gives what is kept up to date.
func (w *Watcher) Index() *pods.Index {
	if w == nil {
		return nil
	}
	return w.index
}

// Stop ends all watches.
func (w *Watcher) Stop() {
	if w == nil {
		return
	}
	w.stop()
	w.running.Wait()
}
