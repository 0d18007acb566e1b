package filter

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/alspan/alspan/internal/wire"
)

var (
	errNotLazy = errors.New("the span must be decoded for this path")
	errDecode  = errors.New("the span must be decoded for this value")
)

func lazyFunctions() map[string]ottl.Factory[*View] {
	all := ottlfuncs.StandardConverters[*View]()
	all["IsRootSpan"] = ottl.NewFactory("IsRootSpan", nil, func(ottl.FunctionContext, ottl.Arguments) (ottl.ExprFunc[*View], error) {
		return func(_ context.Context, v *View) (any, error) { return spanID(v.bytes(4)).IsEmpty(), nil }, nil
	})
	return all
}

func enum(symbol *ottl.EnumSymbol) (*ottl.Enum, error) {
	if n, ok := enums[string(*symbol)]; ok {
		return new(ottl.Enum(n)), nil
	}
	return nil, fmt.Errorf("cannot find the enum %s", *symbol)
}

// path gives the getter of a path that can be read off a span's bytes, errNotLazy for others. What a path gives is what the
// collector's span context gives (pkg/ottl/contexts/ottlspan/README.md).
func (c *compiler) path(path ottl.Path[*View]) (ottl.GetSetter[*View], error) {
	of := path.Context()
	if of == "" {
		switch path.Name() {
		case "span", "resource", "scope", "instrumentation_scope":
			if of, path = path.Name(), path.Next(); path == nil {
				return nil, errNotLazy
			}
		default:
			of = "span"
		}
	}
	name, next := path.Name(), ""
	if n := path.Next(); n != nil {
		next = n.Name()
	}
	switch {
	case name == "attributes" && next == "" && (of == "span" || of == "resource"):
		return c.attributePath(of, path.Keys())
	case of == "span" && next == "":
		if get, ok := plainPaths[name]; ok {
			return getter(get), nil
		}
	case of == "span":
		if get, ok := dottedPaths[name+"."+next]; ok {
			return getter(get), nil
		}
	case (of == "scope" || of == "instrumentation_scope") && next == "" && (name == "name" || name == "version"):
		field := map[string]uint32{"name": 1, "version": 2}[name]
		return getter(func(v *View) any { return v.resource.scopeText(field) }), nil
	}
	return nil, errNotLazy
}

func getter(get func(*View) any) ottl.GetSetter[*View] {
	return ottl.StandardGetSetter[*View]{Getter: func(_ context.Context, v *View) (any, error) { return get(v), nil }}
}

// attributePath gives the getter of an attribute with a key that is written down.
func (c *compiler) attributePath(of string, list []ottl.Key[*View]) (ottl.GetSetter[*View], error) {
	if len(list) != 1 {
		return nil, errNotLazy
	}
	key, err := list[0].String(background, nil)
	if err != nil || key == nil {
		return nil, errNotLazy
	}
	p, from := c.f.program, spanAttribute
	var slot uint8
	var ok bool
	if of == "resource" {
		from = resourceAttribute
		slot, ok = p.resource.slot(*key)
	} else if slot, ok = p.span.slot(*key); ok {
		ok = p.alias(*key, slot)
	}
	if !ok {
		return nil, errNotLazy
	}
	numeric := from == spanAttribute && c.numeric[*key]
	return ottl.StandardGetSetter[*View]{Getter: func(_ context.Context, v *View) (any, error) {
		is := v.get(from, slot)
		if numeric && is.kind == isText {
			v.mixed(*key, is.bytes)
		}
		return is.any()
	}}, nil
}

// any gives a value as OTTL has it.
func (v *value) any() (any, error) {
	switch v.kind {
	case isNil:
		return nil, nil
	case isText:
		return string(v.bytes), nil
	case isInt:
		return int64(v.bits), nil
	case isFloat:
		return v.float(), nil
	case isBool:
		return v.bits != 0, nil
	}
	return nil, errDecode
}

var plainPaths = map[string]func(*View) any{
	"name":                     func(v *View) any { return string(v.name) },
	"kind":                     func(v *View) any { return int64(v.kind) },
	"trace_id":                 func(v *View) any { return traceIDOf(v.traceID) },
	"span_id":                  func(v *View) any { return spanID(v.bytes(2)) },
	"parent_span_id":           func(v *View) any { return spanID(v.bytes(4)) },
	"start_time_unix_nano":     func(v *View) any { return pcommon.Timestamp(v.number(7, wire.Fixed64)).AsTime().UnixNano() },
	"end_time_unix_nano":       func(v *View) any { return pcommon.Timestamp(v.number(8, wire.Fixed64)).AsTime().UnixNano() },
	"start_time":               func(v *View) any { return v.time(7) },
	"end_time":                 func(v *View) any { return v.time(8) },
	"dropped_attributes_count": func(v *View) any { return v.count(10) },
	"dropped_events_count":     func(v *View) any { return v.count(12) },
	"dropped_links_count":      func(v *View) any { return v.count(14) },
	"flags":                    func(v *View) any { return int64(uint32(v.number(16, wire.Fixed32))) },
}

var dottedPaths = map[string]func(*View) any{
	"kind.string":           func(v *View) any { return ptrace.SpanKind(v.kind).String() },
	"trace_id.string":       func(v *View) any { id := traceIDOf(v.traceID); return hex.EncodeToString(id[:]) },
	"span_id.string":        func(v *View) any { id := spanID(v.bytes(2)); return hex.EncodeToString(id[:]) },
	"parent_span_id.string": func(v *View) any { id := spanID(v.bytes(4)); return hex.EncodeToString(id[:]) },
	"status.code":           func(v *View) any { return int64(v.status) },
	"status.message":        func(v *View) any { return v.statusMessage() },
}

func traceIDOf(b []byte) (id pcommon.TraceID) {
	copy(id[:], b)
	return id
}

func spanID(b []byte) (id pcommon.SpanID) {
	copy(id[:], b)
	return id
}

// bytes and number give the last value of a field of the span.
func (v *View) bytes(field uint32) (last []byte) {
	for r := wire.Read(v.span); r.Next(); {
		if r.Key == field<<3|wire.Bytes {
			last = r.Bytes
		}
	}
	return last
}

func (v *View) number(field, wireType uint32) (last uint64) {
	for r := wire.Read(v.span); r.Next(); {
		if r.Key == field<<3|wireType {
			last = r.Int
		}
	}
	return last
}

func (v *View) count(field uint32) int64 { return int64(v.number(field, wire.Varint) & math.MaxUint32) }

func (v *View) time(field uint32) time.Time {
	return pcommon.Timestamp(v.number(field, wire.Fixed64)).AsTime()
}

// statusMessage gives Status.message: the pieces of a message that is there several times are one.
func (v *View) statusMessage() (text string) {
	for r := wire.Read(v.span); r.Next(); {
		if r.Key != spanStatus {
			continue
		}
		for s := wire.Read(r.Bytes); s.Next(); {
			if s.Key == 2<<3|wire.Bytes {
				text = string(s.Bytes)
			}
		}
	}
	return text
}

// scopeText gives a text of the scope: message InstrumentationScope { string name = 1; string version = 2; }
func (r *resource) scopeText(field uint32) (text string) {
	for s := wire.Read(r.scope); s.Next(); {
		if s.Key != 1<<3|wire.Bytes { // ScopeSpans.scope
			continue
		}
		for i := wire.Read(s.Bytes); i.Next(); {
			if i.Key == field<<3|wire.Bytes {
				text = string(i.Bytes)
			}
		}
	}
	return text
}
