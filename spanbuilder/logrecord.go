package spanbuilder

import (
	"bytes"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// Field numbers of opentelemetry/proto/logs/v1/logs.proto.
const (
	scopeLogs                                    = 2
	logTime, logSeverity, logSeverityText        = 1, 2, 3
	logBody, logAttributes, logDroppedAttributes = 5, 6, 7
	logFlags, logTraceID, logSpanID              = 8, 9, 10
	logObserved, logEventName                    = 11, 12
)

// LogRecordRoom is how much longer than its span a log record can be.
const LogRecordRoom = 512

const (
	eventName   = "envoy.access"
	flagSampled = 1
	w3cFlags    = 0xff // the other bits of a span's flags tell of its parent
	statusError = 2
)

// Severities, with their number and text.
type severity struct {
	number uint64
	text   string
}

var (
	severityInfo  = severity{9, "INFO"}
	severityWarn  = severity{13, "WARN"}
	severityError = severity{17, "ERROR"}
)

// LogRecord appends the log record of an entry, as a field of ScopeLogs: what span says, the encoded Span that the entry made, or that it
// was added to, as it leaves. kept tells whether the span leaves as well. What is appended has at most len(span)+LogRecordRoom bytes.
func LogRecord(dst, span []byte, kept bool) []byte {
	r := logRecord{encoder: encoder{dst: append(dst, scopeLogs<<3|wire.Bytes, 0, 0)}}
	at := len(r.dst)
	r.walk(span)
	if kept {
		r.flags |= flagSampled
	} else {
		r.flags &^= flagSampled
	}
	r.write()
	r.closeSpan(at)
	return r.dst
}

// logRecord is a span on its way into a log record. Its texts are parts of the span.
type logRecord struct {
	encoder
	trace, span, name  []byte
	url                summary // of a CLIENT
	start, end         uint64
	flags, status      uint32
	dropped            uint32
	method, path, code summary
}

// walk appends the attributes of the span b and remembers the rest.
func (r *logRecord) walk(b []byte) {
	for i := 0; i < len(b); {
		start := i
		key, v, next := wire.Field(b, i, len(b))
		if next < 0 {
			return
		}
		switch i = next; key {
		case spanAttributes<<3 | wire.Bytes:
			r.attribute(b[start:next], b[v:next])
		case spanTraceID<<3 | wire.Bytes:
			r.trace = b[v:next]
		case spanID<<3 | wire.Bytes:
			r.span = b[v:next]
		case spanName<<3 | wire.Bytes:
			r.name = b[v:next]
		case spanStart<<3 | wire.Fixed64:
			r.start = v
		case spanEnd<<3 | wire.Fixed64:
			r.end = v
		case spanDroppedAttributes<<3 | wire.Varint:
			r.dropped = uint32(v)
		case spanFlags<<3 | wire.Fixed32:
			r.flags = uint32(v) & w3cFlags
		case spanStatus<<3 | wire.Bytes: // the pieces of one that is there twice merge
			for s := wire.Read(b[v:next]); s.Next(); {
				if s.Key == 3<<3|wire.Varint {
					r.status = uint32(s.Int)
				}
			}
		}
	}
}

// attribute appends an attribute, which is field of the span with the message kv. It is field of the record, but for its number.
func (r *logRecord) attribute(field, kv []byte) {
	if at := len(r.dst); field[0] == spanAttributes<<3|wire.Bytes {
		r.dst = append(r.dst, field...)
		r.dst[at] = logAttributes<<3 | wire.Bytes
	} else { // a number may be written with more bytes than it needs
		r.dst = wire.AppendBytes(r.dst, logAttributes, kv)
	}
	if !isOther(kv) {
		r.summarize(kv)
	}
}

func (r *logRecord) write() {
	r.dst = wire.AppendBytes(r.dst, logTraceID, r.trace)
	r.dst = wire.AppendBytes(r.dst, logSpanID, r.span)
	r.dst = wire.AppendFixed64(r.dst, logTime, r.start)
	r.dst = wire.AppendFixed64(r.dst, logObserved, r.end)
	s := r.severity()
	r.dst = wire.AppendUint(r.dst, logSeverity, s.number)
	r.dst = wire.AppendBytes(r.dst, logSeverityText, s.text)
	var room [bodyBound]byte
	if text := r.body(room[:0]); len(text) > 0 {
		r.dst = wire.AppendVarint(append(r.dst, logBody<<3|wire.Bytes), uint64(stringSize(len(text))))
		r.dst = wire.AppendBytes(r.dst, valueString, text)
	}
	if r.dropped != 0 {
		r.dst = wire.AppendUint(r.dst, logDroppedAttributes, uint64(r.dropped))
	}
	if r.flags != 0 {
		r.dst = wire.AppendFixed32(r.dst, logFlags, r.flags)
	}
	r.dst = wire.AppendBytes(r.dst, logEventName, eventName)
}

// severity is that of the status, or of a 4xx, which is no error of a server.
func (r *logRecord) severity() severity {
	switch code := r.code.int(); {
	case r.status == statusError:
		return severityError
	case code >= 400 && code < 500:
		return severityWarn
	}
	return severityInfo
}

// What the body has of each text, in bytes.
const (
	bodyMethod = 64
	bodyPath   = 256
	bodyCode   = 20
	bodyBound  = bodyMethod + 1 + bodyPath + 1 + bodyCode
)

// body appends what a person reads of the request: its method, its path without a query, and the code of the response, as far as the
// attributes have them. A CLIENT has its path in the whole URL. Without a method it begins with the span's name.
func (r *logRecord) body(dst []byte) []byte {
	method := r.method.text
	if len(method) == 0 {
		method = r.name
	}
	dst = appendWord(dst, method, bodyMethod)
	path := r.path.text
	if len(path) == 0 {
		path = pathOf(r.url.text)
	}
	dst = appendWord(dst, path, bodyPath)
	if r.code.isInt {
		var digits [bodyCode]byte
		return appendWord(dst, strconv.AppendInt(digits[:0], r.code.n, 10), bodyCode)
	}
	return appendWord(dst, r.code.text, bodyCode)
}

// pathOf gives a URL from its path on.
func pathOf(url []byte) []byte {
	_, rest, _ := bytes.Cut(url, []byte("://"))
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return nil
}

// appendWord appends what of v stands before a query, at most that many bytes, and a blank before it unless it is the first.
func appendWord(dst, v []byte, most int) []byte {
	v, _, _ = bytes.Cut(v, []byte{'?'})
	if t := wire.NewText(v, most); t.Len() > 0 {
		if len(dst) > 0 {
			dst = append(dst, ' ')
		}
		dst = t.Append(dst)
	}
	return dst
}

// summary is the value of an attribute that the body has: a string or an integer.
type summary struct {
	text  []byte
	n     int64
	isInt bool
}

func (s *summary) int() int64 {
	if s.isInt || len(s.text) != 3 {
		return s.n
	}
	n, _ := strconv.ParseInt(string(s.text), 10, 64)
	return n
}

const (
	methodAttribute = "http.request.method"
	pathAttribute   = "url.path"
	fullAttribute   = "url.full" // as long as that
	codeAttribute   = "http.response.status_code"
)

// summarize takes what the body needs from the encoded KeyValue kv. Of a key that is there twice the last value counts.
func (r *logRecord) summarize(kv []byte) {
	var key []byte
	var value summary
	for f := wire.Read(kv); f.Next(); {
		switch f.Key {
		case 1<<3 | wire.Bytes:
			key = f.Bytes
		case 2<<3 | wire.Bytes:
			value.read(f.Bytes)
		}
	}
	switch string(key) {
	case methodAttribute:
		r.method = value
	case pathAttribute:
		r.path = value
	case fullAttribute:
		r.url = value
	case codeAttribute:
		r.code = value
	}
}

// isOther tells of most attributes that they are none of these: exactly another key of less than 128 bytes, and a value.
func isOther(kv []byte) bool {
	if len(kv) < 2 || kv[0] != 1<<3|wire.Bytes || kv[1] >= 0x80 {
		return false
	}
	v := 2 + int(kv[1])
	if v+2 > len(kv) || kv[v] != 2<<3|wire.Bytes {
		return false
	}
	switch string(kv[2:v]) {
	case methodAttribute, pathAttribute, fullAttribute, codeAttribute:
		return false
	}
	return kv[v+1] < 0x80 && v+2+int(kv[v+1]) == len(kv)
}

// read takes the value of an encoded AnyValue, nothing of one that is neither a string nor an integer. Of a oneof the last one counts.
func (s *summary) read(b []byte) {
	for a := wire.Read(b); a.Next(); {
		switch a.Key {
		case valueString<<3 | wire.Bytes:
			*s = summary{text: a.Bytes}
		case valueInt<<3 | wire.Varint:
			*s = summary{n: int64(a.Int), isInt: true}
		case 2<<3 | wire.Varint, 4<<3 | wire.Fixed64, 5<<3 | wire.Bytes, 6<<3 | wire.Bytes, 7<<3 | wire.Bytes, 8<<3 | wire.Varint:
			*s = summary{}
		}
	}
}
