package watch

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/alspan/alspan/internal/pods"
)

// kept is what is left of an object as soon as it has been read: the records, and what a reflector asks of objects.
type kept struct {
	metav1.ObjectMeta
	records []pods.Record
}

func (k *kept) key(prefix string) string { return prefix + k.Namespace + "/" + k.Name }

// store takes what a reflector has listed and watched. It keeps no objects: what they say of pods goes into the index.
type store struct {
	w      *Watcher
	source *Source
}

var _ cache.TransformingStore = (*store)(nil)

// Transformer makes objects small before they are put beside each other.
func (s *store) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.small(object) }
}

func (s *store) small(object any) (*kept, error) {
	if k, ok := object.(*kept); ok {
		return k, nil
	}
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		return s.small(gone.Obj)
	}
	m, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("cannot read an object of the API server: %w", err)
	}
	k := &kept{ObjectMeta: metav1.ObjectMeta{Namespace: same(m.GetNamespace()), Name: m.GetName(), ResourceVersion: m.GetResourceVersion()}}
	switch o := object.(type) {
	case *corev1.Pod:
		k.records = s.w.pod(o)
	case *discoveryv1.EndpointSlice:
		k.records = s.w.slice(o)
	default:
		return nil, fmt.Errorf("cannot use an object of type %T", object)
	}
	return k, nil
}

// Add takes an object that is new.
func (s *store) Add(object any) error { return s.Update(object) }

// Update takes an object as it is now.
func (s *store) Update(object any) error {
	k, err := s.small(object)
	if err != nil {
		return err
	}
	s.set(k, k.records)
	return nil
}

// Delete takes an object that is gone.
func (s *store) Delete(object any) error {
	k, err := s.small(object)
	if err != nil {
		return err
	}
	s.set(k, nil)
	return nil
}

func (s *store) set(k *kept, records []pods.Record) {
	s.source.Events.Add(1)
	s.w.index.Set(k.key(s.source.prefix), records)
	s.w.changed()
}

// Replace takes all objects that there are.
func (s *store) Replace(objects []any, _ string) error {
	all := make(map[string][]pods.Record, len(objects))
	for _, o := range objects {
		k, err := s.small(o)
		if err != nil {
			return err
		}
		all[k.key(s.source.prefix)] = k.records
	}
	s.w.index.Replace(s.source.prefix, all)
	s.w.index.Publish(time.Now())
	s.source.Lists.Add(1)
	s.source.answer()
	if !s.source.synced.Swap(true) {
		s.w.log.Info("the "+s.source.Name+" of the cluster are known", "objects", len(objects))
	}
	s.w.changed()
	return nil
}

// Resync is asked for never.
func (s *store) Resync() error { return nil }
