package propagation

import "bytes"

const traceStateKey = "tracestate"

// Limits of W3C Trace Context, section tracestate. maxStateLen is what must at least be propagated; longer lists are cut
// to it, members over longMember first; "ot" stays.
const (
	maxMembers  = 32
	maxKeyLen   = 256
	maxValueLen = 256
	maxStateLen = 512
	longMember  = 128
)

// TraceStateLoss tells what FilterTraceState did not forward.
type TraceStateLoss struct {
	Malformed  bool // the whole list: bad syntax or more than 32 members
	BadOT      bool // the member "ot"
	Duplicates int  // members whose key stands further left
	Cut        int  // members beyond 512 characters
}

// AppendTraceState is FilterTraceState for callers who do not count losses.
func AppendTraceState(dst, value []byte) []byte {
	dst, _ = FilterTraceState(dst, value)
	return dst
}

// FilterTraceState takes the value of a tracestate header and appends to dst the list that may be forwarded: members
// joined by single commas, empty ones left out. A malformed list gives nothing. A member "ot" whose hints cannot be read
// (OpenTelemetry, TraceState handling) is deleted alone. What it appended is at most 512 characters, or a single member.
// dst must not overlap value; value is not kept.
func FilterTraceState(dst, value []byte) ([]byte, TraceStateLoss) {
	l := stateList{value: value}
	if !l.read() {
		return dst, TraceStateLoss{Malformed: true}
	}
	if l.ot >= 0 {
		if h, ok := ReadHints(l.otValue()); !ok || h.Bad {
			l.drop(l.ot)
			l.loss.BadOT = true
		}
	}
	l.cut(maxStateLen, 1)
	return l.append(dst, len(dst)), l.loss
}

// ReplaceOT is AppendTraceState that puts a member "ot" with that value in front, in place of the one that the list has; an
// empty value takes that one away. A malformed list counts as an empty one. Of 32 members without "ot" the last one makes room.
// ot is not checked.
func ReplaceOT(dst, value, ot []byte) []byte {
	l := stateList{value: value}
	if !l.read() {
		l = stateList{ot: -1}
	}
	if l.ot >= 0 {
		l.drop(l.ot)
	}
	start, room, least := len(dst), maxStateLen, 1
	if len(ot) > 0 {
		if l.kept == maxMembers {
			l.drop(maxMembers - 1)
		}
		dst = append(append(dst, "ot="...), ot...)
		room, least = room-(len(dst)-start+1), 0
	}
	l.cut(room, least)
	return l.append(dst, start)
}

// OT gives the value of the member "ot" of a tracestate, nil when there is none. It is borrowed. ok is false for a malformed
// list, of which nothing is to be believed.
func OT(traceState []byte) (value []byte, ok bool) {
	n := 0
	for at := 0; at <= len(traceState); {
		var m stateMember
		if m, at, ok = nextMember(traceState, at); !ok {
			return nil, false
		}
		if m.end > m.at {
			if n++; n > maxMembers {
				return nil, false
			}
			if value == nil && string(traceState[m.at:m.key]) == otKey {
				value = traceState[m.key+1 : m.end]
			}
		}
	}
	return value, true
}

// stateList is a tracestate and where its members are.
type stateList struct {
	value   []byte
	members [maxMembers]stateMember
	n       int
	ot      int // the member "ot", -1 if there is none
	kept    int // so many members of
	length  int // so many characters, each with a comma
	loss    TraceStateLoss
}

// stateMember is a member of a list: where it begins, where its "=" is, and where it ends.
type stateMember struct {
	at, key, end int
	keep         bool
}

// read finds the members and tells whether the list is well-formed. It keeps all but those whose key stands further left.
func (l *stateList) read() (ok bool) {
	l.ot = -1
	for at := 0; at <= len(l.value); {
		var m stateMember
		if m, at, ok = nextMember(l.value, at); !ok {
			return false
		}
		if m.at == m.end {
			continue
		}
		if l.n == maxMembers {
			return false
		}
		if m.keep = !l.hasKey(&m); m.keep {
			l.kept++
			l.length += m.end - m.at + 1
			if string(l.value[m.at:m.key]) == otKey {
				l.ot = l.n
			}
		} else {
			l.loss.Duplicates++
		}
		l.members[l.n] = m
		l.n++
	}
	return true
}

// nextMember gives the member that begins at that place and where the next one begins; it is empty or well-formed if ok.
func nextMember(list []byte, at int) (m stateMember, next int, ok bool) {
	m.at, m.end = at, len(list)
	if i := bytes.IndexByte(list[at:], ','); i >= 0 {
		m.end = at + i
	}
	next = m.end + 1
	for m.at < m.end && isBlank(list[m.at]) {
		m.at++
	}
	for m.at < m.end && isBlank(list[m.end-1]) {
		m.end--
	}
	if m.at == m.end {
		return m, next, true
	}
	b := list[m.at:m.end]
	key := max(bytes.IndexByte(b, '='), 0)
	m.key = m.at + key
	return m, next, validKey(b[:key]) && validValue(b[key+1:])
}

func (l *stateList) hasKey(m *stateMember) bool {
	for i := range l.members[:l.n] {
		if o := &l.members[i]; bytes.Equal(l.value[o.at:o.key], l.value[m.at:m.key]) {
			return true
		}
	}
	return false
}

func (l *stateList) otValue() []byte {
	m := &l.members[l.ot]
	return l.value[m.key+1 : m.end]
}

func (l *stateList) drop(i int) {
	m := &l.members[i]
	m.keep = false
	l.kept--
	l.length -= m.end - m.at + 1
}

// cut drops members until the list has at most that many characters, or only the least number of members. "ot" stays: without it,
// the stages that a trace passes would sample it in different ways.
func (l *stateList) cut(most, least int) {
	for _, limit := range [...]int{longMember, 0} {
		for i := l.n - 1; i >= 0 && l.length-1 > most && l.kept > least; i-- {
			if m := &l.members[i]; m.keep && i != l.ot && m.end-m.at > limit {
				l.drop(i)
				l.loss.Cut++
			}
		}
	}
}

// append appends what is kept to a list that begins at start of dst.
func (l *stateList) append(dst []byte, start int) []byte {
	for i := range l.members[:l.n] {
		m := &l.members[i]
		if !m.keep {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, l.value[m.at:m.end]...)
	}
	return dst
}

// validKey: ( lcalpha / DIGIT ) 0*255 ( lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@" )
func validKey(b []byte) bool {
	if len(b) == 0 || len(b) > maxKeyLen || !isLowerAlnum(b[0]) {
		return false
	}
	for _, c := range b {
		if !isLowerAlnum(c) && c != '_' && c != '-' && c != '*' && c != '/' && c != '@' {
			return false
		}
	}
	return true
}

// validValue: 0*255( chr ) nblk-chr, where chr is %x20-7E without "," and "=", and nblk-chr is chr without the space. That
// the last character is no space is known: the member was trimmed.
func validValue(b []byte) bool {
	if len(b) == 0 || len(b) > maxValueLen {
		return false
	}
	for _, c := range b {
		if c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
