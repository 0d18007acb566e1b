package spanbuilder

// Two loggers may log one request, with different headers. The entry with a trace context counts.

// addEntry takes the record of a request.
func (t *Table) addEntry(i *Item) {
	if i.Replaces {
		t.replace(i)
		return
	}
	if better := t.overtaking(i); better != nil {
		t.end(i, Duplicate)
		i = better
	}
	t.head(i)
	t.meet(i)
}

// replace takes a copy with trace context of an entry that came without. It takes the place of that one if it still waits.
func (t *Table) replace(i *Item) {
	for old := t.waiting[i.Request]; old != nil; old = old.next {
		if old.What == EntryItem && old.Print == i.Print && !old.HasContext && !old.Replaces {
			i.Replaces = false
			t.unwait(old)
			if i.head = old.head; i.head == nil {
				t.head(i)
			} else {
				i.head.loggedTrace, i.head.logged = i.Trace, i.ID
			}
			t.end(old, Duplicate)
			t.meet(i)
			return
		}
	}
	if t.crowded(i.Request) {
		t.end(i, Duplicate)
		return
	}
	// That one has left, or is still on its way: the two streams are handled side by side.
	i.next = t.waiting[i.Request]
	t.waiting[i.Request] = i
	t.twins.push(i)
}

// overtaking gives the better copy of the entry i that has come before it.
func (t *Table) overtaking(i *Item) *Item {
	for better := t.waiting[i.Request]; better != nil; better = better.next {
		if better.Replaces && better.Print == i.Print {
			t.unwait(better)
			better.Replaces = false
			return better
		}
	}
	return nil
}
