package agent

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// changes are what the actions do to the attributes of a span that is kept, of its events and of its resource.
type changes struct {
	Span     []change       `json:"span,omitempty"`
	Events   []eventChanges `json:"events,omitempty"`
	Resource []change       `json:"resource,omitempty"`
}

// eventChanges are those of one event.
type eventChanges struct {
	Event      string   `json:"event"`
	Attributes []change `json:"attributes"`
}

// change is what becomes of one key.
type change struct {
	Key    string `json:"key"`
	What   string `json:"change"` // added, changed, removed
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// changesOf compares a span with what became of it, which has the same events.
func changesOf(before, after *tracepb.Span) changes {
	c := changes{Span: attributeChanges(before.Attributes, after.Attributes)}
	for i, event := range before.Events {
		if list := attributeChanges(event.Attributes, after.Events[i].Attributes); len(list) > 0 {
			c.Events = append(c.Events, eventChanges{event.Name, list})
		}
	}
	return c
}

// attributeChanges compares attributes. Of several with one key the first one counts, as it does for the actions.
func attributeChanges(before, after []*commonpb.KeyValue) (list []change) {
	find := func(in []*commonpb.KeyValue, key string) int {
		return slices.IndexFunc(in, func(a *commonpb.KeyValue) bool { return a.Key == key })
	}
	for i, a := range before {
		at := find(after, a.Key)
		switch {
		case find(before, a.Key) < i:
		case at < 0:
			list = append(list, change{a.Key, "removed", plain(a.Value), nil})
		case !proto.Equal(a.Value, after[at].Value):
			list = append(list, change{a.Key, "changed", plain(a.Value), plain(after[at].Value)})
		}
	}
	for i, a := range after {
		if find(before, a.Key) < 0 && find(after, a.Key) == i {
			list = append(list, change{a.Key, "added", nil, plain(a.Value)})
		}
	}
	return list
}

// plain gives a value for JSON. Values of different types look different.
func plain(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return double(v.DoubleValue)
	case *commonpb.AnyValue_BytesValue:
		return map[string]any{"bytes": v.BytesValue}
	case *commonpb.AnyValue_ArrayValue:
		list := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			list = append(list, plain(e))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		m := map[string]any{}
		for _, e := range v.KvlistValue.GetValues() {
			m[e.Key] = plain(e.Value)
		}
		return m
	}
	return nil
}

// double is a number that does not look like an integer.
type double float64

// MarshalJSON gives it with a point or an exponent, and as a text if JSON has no such number.
func (d double) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(d), 'g', -1, 64)
	if math.IsNaN(float64(d)) || math.IsInf(float64(d), 0) {
		return json.Marshal(text)
	}
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}
