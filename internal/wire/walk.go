package wire

import "encoding/binary"

// walk reads the message of that schema in b[i:end].
//
// A walk is as fast as the chain from one field to the next: load a length, add it. So nearly all fields are read right
// here, those whose tag has one byte or two, and so has their length or integer; field reads the others.
func (e *Entry) walk(b []byte, i, end int, fields *schema) bool {
	for i < end {
		to, n, v := unusual, 0, i+2
		if i+4 <= len(b) {
			w := binary.LittleEndian.Uint32(b[i : i+4])
			tag := w & 0xff
			w >>= 8
			if tag >= 0x80 {
				tag, w, v = tag&0x7f|w&0xff<<7, w>>8, v+1
			}
			n = int(w & 0xff)
			if n >= 0x80 {
				n, v = n&0x7f|int(w>>8&0xff)<<7, v+1
			}
			if tag < uint32(len(fields)) && n < 1<<14 { // else there was one more byte
				to = fields[tag]
			}
		}
		next := v + n
		switch {
		case to == unusual:
			if to, v, next = e.walkUnusual(b, i, end, fields); next < 0 {
				return false
			}
		case to < skipped:
			if i = v; i > end {
				return false
			}
			if to != skippedInt {
				e.take(to, uint64(n))
			}
			continue
		}
		if i = next; i > end {
			return false
		}
		switch {
		case to >= textOf:
			e.texts[to-textOf] = Place{uint32(v), uint32(next)}
		case to >= memberOf:
			if !e.walkMember(MapField(to-memberOf), b, v, next) {
				return false
			}
		case to >= durationTime:
			t := &e.Duration
			if to != durationTime {
				t = &e.Timings[to-timing]
			}
			// Nearly all are below a second, and have nothing but nanos.
			if size := next - v; size < len(varints) && v+8 <= len(b) {
				w := binary.LittleEndian.Uint64(b[v : v+8])
				if x := w >> 8; byte(w) == 2<<3|Varint && x&varints[size].mask == varints[size].want {
					t.Nanos, t.Set = int32(squeeze(x&varints[size].bits)), true
					continue
				}
			}
			if !t.walk(b, v, next) {
				return false
			}
		case to > skipped:
			if !e.part(to, b, v, next) {
				return false
			}
		}
	}
	return true
}

// walkUnusual reads any field: it gives the use of one that has a length, and takes an integer. next is -1 when the field is
// malformed.
func (e *Entry) walkUnusual(b []byte, i, end int, fields *schema) (to use, v, next int) {
	key, x, next := field(b, i, end)
	if next < 0 || key >= uint32(len(fields)) {
		return skipped, 0, next
	}
	switch to = fields[key]; key & 7 {
	case Bytes:
		return to, int(x), next
	case Varint:
		e.take(to, x)
	}
	return skipped, 0, next
}

// part reads a message in an entry.
func (e *Entry) part(to use, b []byte, i, end int) bool {
	switch to {
	case commonMessage:
		return e.walk(b, i, end, &commonSchema)
	case requestMessage:
		return e.walk(b, i, end, &requestSchema)
	case responseMessage:
		return e.walk(b, i, end, &responseSchema)
	case connectionMessage:
		return e.walk(b, i, end, &connectionSchema)
	case tlsMessage:
		return e.walk(b, i, end, &tlsSchema)
	case codeMessage:
		e.HasCode = true
		return e.walk(b, i, end, &codeSchema)
	case flagsMessage:
		return e.Flags.walk(b, i, end)
	case startTime:
		return e.Start.walk(b, i, end)
	case downstreamRemote:
		return e.DownstreamRemote.walk(b, i, end)
	case downstreamLocal:
		return e.DownstreamLocal.walk(b, i, end)
	case downstreamDirect:
		return e.DownstreamDirect.walk(b, i, end)
	case upstreamRemote:
		return e.UpstreamRemote.walk(b, i, end)
	}
	return true
}

// take takes an integer, as the official runtime does: an enum and a uint32 are the low 32 bits.
func (e *Entry) take(to use, x uint64) {
	switch to {
	case attempts:
		e.Attempts = uint32(x)
	case intermediate:
		e.Intermediate = x != 0
	case logType:
		e.Type = AccessLogType(x)
	case tlsVersion:
		e.TLSVersion = int32(x)
	case protocolVersion:
		e.Protocol = int32(x)
	case requestMethod:
		e.Method = int32(x)
	case requestBody:
		e.RequestBody = x
	case responseBody:
		e.ResponseBody = x
	case responseCode:
		e.Code = uint32(x)
	case bytesReceived:
		e.BytesReceived = x
	case bytesSent:
		e.BytesSent = x
	}
}
