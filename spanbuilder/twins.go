package spanbuilder

// Two loggers may log one request, with different headers or in different forms. The better entry counts, see rank.

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
	t.place(i)
}

// place lets an entry meet its span, at once unless its copy in a better form is to come.
func (t *Table) place(i *Item) {
	if i.Logger.lesser.Load() && !t.crowded(i.Request) {
		t.park(i)
		return
	}
	t.meet(i)
}

// park lets an entry wait for the copy in a better form, before it may meet its span.
func (t *Table) park(i *Item) {
	i.parked = true
	i.next = t.waiting[i.Request]
	t.waiting[i.Request] = i
	t.parks.push(i)
}

// unpark lets go an entry whose copy has not come.
func (t *Table) unpark(i *Item) {
	t.unwait(i)
	i.parked = false
	t.meet(i)
}

// replace takes a better copy of an entry, one with a trace context or in a better form. It takes the place of that one if it still waits.
func (t *Table) replace(i *Item) {
	for old := t.waiting[i.Request]; old != nil; old = old.next {
		if old.What == EntryItem && !old.Replaces && old.copies(i) && old.rank() < i.rank() {
			i.Replaces = false
			t.unwait(old)
			if i.head = old.head; i.head == nil {
				t.head(i)
			} else {
				i.head.loggedTrace, i.head.logged = i.Trace, i.ID
			}
			t.end(old, Duplicate)
			t.place(i)
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
		if better.Replaces && better.copies(i) {
			t.unwait(better)
			better.Replaces = false
			return better
		}
	}
	return nil
}
