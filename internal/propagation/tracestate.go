package propagation

import "bytes"

const traceStateKey = "tracestate"

// Limits of W3C Trace Context, section tracestate. maxStateLen is what must at least be propagated; longer lists are cut
// to it, members over longMember first.
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
	var (
		members [maxMembers]stateMember
		n, kept int
		loss    TraceStateLoss
		length  = -1 // with a comma before each member but the first
	)
	for rest, more := value, true; more; {
		var b []byte
		b, rest, more = bytes.Cut(rest, []byte{','})
		if b = trim(b); len(b) == 0 {
			continue
		}
		m := stateMember{text: b, key: max(bytes.IndexByte(b, '='), 0)}
		if n == maxMembers || !validKey(b[:m.key]) || !validValue(b[min(m.key+1, len(b)):]) {
			return dst, TraceStateLoss{Malformed: true}
		}
		switch key := b[:m.key]; {
		case hasKey(members[:n], key):
			loss.Duplicates++
		case string(key) == "ot" && !validOT(b[m.key+1:]):
			loss.BadOT = true
		default:
			m.keep = true
			length += 1 + len(b)
			kept++
		}
		members[n] = m
		n++
	}
	for _, limit := range [...]int{longMember, 0} {
		for i := n - 1; i >= 0 && length > maxStateLen && kept > 1; i-- {
			if m := &members[i]; m.keep && len(m.text) > limit {
				m.keep = false
				length -= 1 + len(m.text)
				kept--
				loss.Cut++
			}
		}
	}
	start := len(dst)
	for _, m := range members[:n] {
		if !m.keep {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, m.text...)
	}
	return dst, loss
}

type stateMember struct {
	text []byte
	key  int // length of the key in text
	keep bool
}

func hasKey(members []stateMember, key []byte) bool {
	for i := range members {
		if bytes.Equal(members[i].text[:members[i].key], key) {
			return true
		}
	}
	return false
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

// validOT takes the value of the member "ot", a list k:v;k:v, and checks the two hints that have a meaning: th, 1 to 14
// lower hex digits, and rv, exactly 14. Other keys only have to be well-formed.
func validOT(b []byte) bool {
	for rest, more := b, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{';'})
		key, value, found := bytes.Cut(pair, []byte{':'})
		if !found || !validOTKey(key) || !validOTValue(value) {
			return false
		}
		switch string(key) {
		case "th":
			if len(value) < 1 || len(value) > 14 || !isLowerHex(value) {
				return false
			}
		case "rv":
			if len(value) != 14 || !isLowerHex(value) {
				return false
			}
		}
	}
	return true
}

// validOTKey: lcalpha *( lcalpha / DIGIT )
func validOTKey(b []byte) bool {
	if len(b) == 0 || '0' <= b[0] && b[0] <= '9' {
		return false
	}
	for _, c := range b {
		if !isLowerAlnum(c) {
			return false
		}
	}
	return true
}

// validOTValue: *( ucalpha / lcalpha / DIGIT / "." / "_" / "-" )
func validOTValue(b []byte) bool {
	for _, c := range b {
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isLowerHex(b []byte) bool {
	for _, c := range b {
		if hexDigits[c]&lowerCase != 0 {
			return false
		}
	}
	return true
}
