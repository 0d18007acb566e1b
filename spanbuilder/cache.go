package spanbuilder

import lru "github.com/hashicorp/golang-lru/v2"

// cache is what was found or made lately. All goroutines share it.
type cache[K comparable, V any] struct{ *lru.Cache[K, V] }

func newCache[K comparable, V any](size int) cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic(err) // only a size below one is refused
	}
	return cache[K, V]{c}
}

// find gives the value of the key. One that is not there is made; of two that are made at a time all get the same.
func (c cache[K, V]) find(key K, fresh func() V) V {
	if v, ok := c.Get(key); ok {
		return v
	}
	v := fresh()
	if old, ok, _ := c.PeekOrAdd(key, v); ok {
		return old
	}
	return v
}
