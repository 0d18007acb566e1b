package traces

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

// Documents gives each of the ExportTraceServiceRequests in, which are in the JSON of OTLP, one after another with or without white
// space between them: what requests have in their bodies and files of a collector in their lines. A message is valid until take
// returns, whose error ends it. line is where it begins, from 1.
//
// It is stricter than the receiver: a span that does not fit the schema is an error. Errors of what is read name the line.
func Documents(in []byte, take func(m *Message, line int) error) error {
	t := transcoder{scanner: scanner{in: in}, strict: true}
	for n, line, counted := 1, 1, 0; ; n++ {
		if t.peek(); t.i == len(in) {
			return nil
		}
		line += bytes.Count(in[counted:t.i], []byte("\n"))
		counted = t.i
		t.out, t.depth = t.out[:0], 0
		if err := t.message(requestShape); err != nil {
			return placed(in, n, err)
		}
		m := NewMessage(t.out, netip.Addr{})
		if err := take(&m, line); err != nil {
			return err
		}
	}
}

// placed names the place of an error in document n by its line and the byte in that.
func placed(in []byte, n int, err error) error {
	as, at, want := "", 0, ""
	if e, ok := errors.AsType[*jsonError](err); ok {
		at, want = e.at, e.want
	} else if e, ok := errors.AsType[*shapeError](err); ok {
		as, at, want = " as OTLP", e.at, e.want
	}
	before := in[:min(at, len(in))]
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("cannot read document %d%s at line %d, byte %d: %s is expected", n, as, 1+bytes.Count(before, []byte("\n")), column, want)
}
