package attributes

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// The oracle does what the package does with the official runtime's messages, as plainly as can be.

// attribute is one of a decoded message, with its bytes.
type attribute struct {
	*commonpb.KeyValue
	field   []byte
	touched bool
}

type attributes []attribute

func (l attributes) find(key string) *attribute {
	for i := range l {
		if l[i].Key == key {
			return &l[i]
		}
	}
	return nil
}

func (l attributes) put(key string, v *commonpb.AnyValue) attributes {
	if a := l.find(key); a != nil {
		a.Value, a.touched = v, true
		return l
	}
	return append(l, attribute{&commonpb.KeyValue{Key: key, Value: v}, nil, true})
}

func (l attributes) act(x Action) attributes {
	re := regexp.MustCompile(x.Pattern)
	matches := func(a attribute) bool { return x.Pattern != "" && re.MatchString(a.Key) }
	first := l.find(x.Key)
	switch verb := strings.ToLower(x.Action); verb {
	case "insert", "update", "upsert":
		v := anyOf(x.Value)
		if x.FromAttribute != "" {
			from := l.find(x.FromAttribute)
			if from == nil {
				return l
			}
			v = from.Value
		}
		if verb == "upsert" || (verb == "update") == (first != nil) {
			return l.put(x.Key, v)
		}
	case "delete":
		if i := slices.IndexFunc(l, func(a attribute) bool { return a.Key == x.Key }); i >= 0 {
			l = slices.Delete(l, i, i+1)
		}
		return slices.DeleteFunc(l, matches)
	case "hash":
		if first != nil {
			first.Value, first.touched = hashOf(first.Value), true
		}
		for i := range l {
			if matches(l[i]) {
				l[i].Value, l[i].touched = hashOf(l[i].Value), true
			}
		}
	case "extract":
		if first == nil {
			return l
		}
		if s, ok := first.Value.Value.(*commonpb.AnyValue_StringValue); ok {
			for i, group := range re.FindStringSubmatch(s.StringValue) {
				if i > 0 {
					l = l.put(re.SubexpNames()[i], stringOf(group))
				}
			}
		}
	case "convert":
		if first != nil {
			if v := convertedOf(first.Value, x.ConvertedType); v != nil {
				first.Value, first.touched = v, true
			}
		}
	}
	return l
}

func (l attributes) mask(r Redaction) {
	mask := func(match string) string {
		b := []byte(match)
		switch strings.ToLower(r.HashFunction) {
		case "md5":
			sum := md5.Sum(b)
			return hex.EncodeToString(sum[:])
		case "sha1":
			sum := sha1.Sum(b)
			return hex.EncodeToString(sum[:])
		case "sha3":
			sum := sha3.Sum256(b)
			return hex.EncodeToString(sum[:])
		case "sha256":
			sum := sha256.Sum256(b)
			return hex.EncodeToString(sum[:])
		}
		return "****"
	}
	for i := range l {
		a := &l[i]
		if slices.Contains(r.IgnoredKeys, a.Key) {
			continue
		}
		text := a.Value.GetStringValue()
		masked := text
		if slices.ContainsFunc(r.BlockedKeyPatterns, func(p string) bool { return regexp.MustCompile(p).MatchString(a.Key) }) {
			lines := strings.Split(text, "\n")
			for i := range lines {
				lines[i] = mask(lines[i])
			}
			masked = strings.Join(lines, "\n")
		} else {
			for _, p := range r.BlockedValues {
				masked = regexp.MustCompile(p).ReplaceAllStringFunc(masked, mask)
			}
		}
		if masked != text {
			a.Value, a.touched = stringOf(masked), true
		}
	}
}

func stringOf(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func intOf(n int64) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
}

func doubleOf(f float64) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: f}}
}

func anyOf(x any) *commonpb.AnyValue {
	switch x := x.(type) {
	case string:
		return stringOf(x)
	case int64:
		return intOf(x)
	case float64:
		return doubleOf(x)
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: x}}
	case []any:
		list := &commonpb.ArrayValue{}
		for _, x := range x {
			list.Values = append(list.Values, anyOf(x))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	}
	return &commonpb.AnyValue{}
}

func hashOf(v *commonpb.AnyValue) *commonpb.AnyValue {
	var b []byte
	switch x := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		b = []byte(x.StringValue)
	case *commonpb.AnyValue_BoolValue:
		b = []byte{0}
		if x.BoolValue {
			b[0] = 1
		}
	case *commonpb.AnyValue_IntValue:
		b = binary.LittleEndian.AppendUint64(nil, uint64(x.IntValue))
	case *commonpb.AnyValue_DoubleValue:
		b = binary.LittleEndian.AppendUint64(nil, math.Float64bits(x.DoubleValue))
	default:
		return stringOf("")
	}
	sum := sha256.Sum256(b)
	return stringOf(hex.EncodeToString(sum[:]))
}

// convertedOf gives nil for what stays as it is.
func convertedOf(v *commonpb.AnyValue, to string) *commonpb.AnyValue {
	if x, ok := v.Value.(*commonpb.AnyValue_BoolValue); ok && to != "string" {
		v = intOf(0)
		if x.BoolValue {
			v = intOf(1)
		}
		if to == "int" {
			return v
		}
	}
	switch x := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		if n, err := strconv.ParseInt(x.StringValue, 10, 64); err == nil && to == "int" {
			return intOf(n)
		}
		if f, err := strconv.ParseFloat(x.StringValue, 64); err == nil && to == "double" {
			return doubleOf(f)
		}
		return nil
	case *commonpb.AnyValue_IntValue:
		if to == "double" {
			return doubleOf(float64(x.IntValue))
		}
		if to == "int" {
			return nil
		}
	case *commonpb.AnyValue_DoubleValue:
		if to == "int" {
			return intOf(int64(x.DoubleValue))
		}
		if to == "double" {
			return nil
		}
	}
	if to != "string" {
		return nil
	}
	switch x := plainOf(v).(type) {
	case nil:
		return stringOf("")
	case []byte:
		return stringOf(base64.StdEncoding.EncodeToString(x))
	case float64:
		switch {
		case math.IsNaN(x):
			return stringOf("NaN")
		case math.IsInf(x, 1):
			return stringOf("Infinity")
		case math.IsInf(x, -1):
			return stringOf("-Infinity")
		}
		return stringOf(jsonOf(x))
	default:
		return stringOf(jsonOf(x))
	}
}

func jsonOf(x any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(x) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func plainOf(v *commonpb.AnyValue) any {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return x.StringValue
	case *commonpb.AnyValue_BoolValue:
		return x.BoolValue
	case *commonpb.AnyValue_IntValue:
		return x.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return x.DoubleValue
	case *commonpb.AnyValue_BytesValue:
		if len(x.BytesValue) == 0 {
			return []byte(nil)
		}
		return x.BytesValue
	case *commonpb.AnyValue_ArrayValue:
		list := []any{}
		for _, v := range x.ArrayValue.Values {
			list = append(list, plainOf(v))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		all := map[string]any{}
		for _, kv := range x.KvlistValue.Values {
			all[kv.Key] = plainOf(kv.Value)
		}
		return all
	}
	return nil
}
