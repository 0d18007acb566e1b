package spanbuilder

// lately remembers values by key for some time, and forgets the oldest when there are too many.
type lately[T any] struct {
	byKey       map[uint64]*kept[T]
	first, last *kept[T] // in order of arrival
	n, most     int
	life        int64
	reuse       bool // nobody holds on to a value, so that its memory can be used again
	spare       *kept[T]
}

type kept[T any] struct {
	value T
	key   uint64
	at    int64
	next  *kept[T] // with the same key, older
	newer *kept[T]
}

func newLately[T any](most int, life int64, reuse bool) lately[T] {
	return lately[T]{byKey: map[uint64]*kept[T]{}, most: most, life: life, reuse: reuse}
}

// add gives a new value with that key, to be filled in.
func (l *lately[T]) add(key uint64, now int64) *T {
	l.forget(now)
	k := l.spare
	if k == nil {
		k = new(kept[T])
	} else {
		l.spare = k.newer
	}
	*k = kept[T]{key: key, at: now, next: l.byKey[key]}
	l.byKey[key] = k
	if l.last != nil {
		l.last.newer = k
	} else {
		l.first = k
	}
	l.last = k
	l.n++
	return &k.value
}

// of gives the values with that key, the newest first: the others follow by next.
func (l *lately[T]) of(key uint64) *kept[T] { return l.byKey[key] }

// forget lets go what is too old, or too much.
func (l *lately[T]) forget(now int64) {
	for k := l.first; k != nil && (k.at+l.life < now || l.n >= l.most); k = l.first {
		if l.first = k.newer; l.first == nil {
			l.last = nil
		}
		l.n--
		l.unlink(k)
		if l.reuse {
			*k = kept[T]{newer: l.spare}
			l.spare = k
		}
	}
}

func (l *lately[T]) unlink(k *kept[T]) {
	head := l.byKey[k.key]
	switch {
	case head == k && k.next == nil:
		delete(l.byKey, k.key)
	case head == k:
		l.byKey[k.key] = k.next
	default:
		for p := head; p != nil; p = p.next {
			if p.next == k {
				p.next = k.next
				return
			}
		}
	}
}
