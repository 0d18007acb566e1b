package spanbuilder

// list has items in the order in which they came; all wait equally long, so the first is due first.
type list struct{ first, last *Item }

func (l *list) push(i *Item) {
	i.list, i.prev, i.foll = l, l.last, nil
	if l.last != nil {
		l.last.foll = i
	} else {
		l.first = i
	}
	l.last = i
}

func (l *list) remove(i *Item) {
	if i.prev != nil {
		i.prev.foll = i.foll
	} else {
		l.first = i.foll
	}
	if i.foll != nil {
		i.foll.prev = i.prev
	} else {
		l.last = i.prev
	}
	i.list, i.prev, i.foll = nil, nil, nil
}

// insert puts i where it belongs by the time of its arrival: nearly always last.
func (l *list) insert(i *Item) {
	after := l.last
	for after != nil && after.Arrived > i.Arrived {
		after = after.prev
	}
	if after == l.last {
		l.push(i)
		return
	}
	i.list, i.prev = l, after
	if after == nil {
		i.foll, l.first = l.first, i
	} else {
		i.foll, after.foll = after.foll, i
	}
	i.foll.prev = i
}
