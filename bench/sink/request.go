package sink

import (
	"errors"

	"github.com/alspan/alspan/bench/mark"
	"github.com/alspan/alspan/internal/wire"
)

var errMalformed = errors.New("cannot read the request: it is malformed")

// parsed is what one request holds; it is reused.
type parsed struct {
	spans   []seen
	foreign int
}

// read walks an ExportTraceServiceRequest: resource_spans = 1, scope_spans = 2, spans = 2.
func (p *parsed) read(b []byte, byRequest bool) error {
	p.spans, p.foreign = p.spans[:0], 0
	r := wire.Read(b)
	for r.Next() {
		if r.Key != 1<<3|wire.Bytes {
			continue
		}
		rs := wire.Read(r.Bytes)
		for rs.Next() {
			if rs.Key != 2<<3|wire.Bytes {
				continue
			}
			ss := wire.Read(rs.Bytes)
			for ss.Next() {
				if ss.Key == 2<<3|wire.Bytes && !p.span(ss.Bytes, byRequest) {
					return errMalformed
				}
			}
			if ss.Broken() {
				return errMalformed
			}
		}
		if rs.Broken() {
			return errMalformed
		}
	}
	if r.Broken() {
		return errMalformed
	}
	return nil
}

// span takes trace_id = 1 and end_time_unix_nano = 8, and of the attributes = 9 the request id if that is what bears
// the number. What comes after them is not looked at.
func (p *parsed) span(b []byte, byRequest bool) bool {
	var s seen
	known := false
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			if !byRequest {
				s.id, known = mark.FromTrace(r.Bytes)
			}
		case 8<<3 | wire.Fixed64:
			if s.end = int64(r.Int); known { // that is all that is needed
				p.spans = append(p.spans, s)
				return true
			}
		case 9<<3 | wire.Bytes:
			if byRequest && !known {
				s.id, known = requestID(r.Bytes)
			}
		}
	}
	if r.Broken() {
		return false
	}
	if known {
		p.spans = append(p.spans, s)
	} else {
		p.foreign++
	}
	return true
}

// requestID reads a KeyValue { key = 1, value = 2 } whose AnyValue has string_value = 1.
func requestID(b []byte) (id mark.ID, ok bool) {
	right := false
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			right = string(r.Bytes) == "envoy.request_id"
		case 2<<3 | wire.Bytes:
			v := wire.Read(r.Bytes)
			for right && v.Next() {
				if v.Key == 1<<3|wire.Bytes {
					id, ok = mark.FromRequestID(v.Bytes)
				}
			}
		}
	}
	return id, ok
}

// countRecords counts log records: resource_logs = 1, scope_logs = 2, log_records = 2.
func countRecords(b []byte) (n int, err error) {
	ok := wire.Sub(b, func(r wire.Reader) {
		if r.Key != 1<<3|wire.Bytes {
			return
		}
		wire.Sub(r.Bytes, func(r wire.Reader) {
			if r.Key != 2<<3|wire.Bytes {
				return
			}
			wire.Sub(r.Bytes, func(r wire.Reader) {
				if r.Key == 2<<3|wire.Bytes {
					n++
				}
			})
		})
	})
	if !ok {
		return n, errMalformed
	}
	return n, nil
}
