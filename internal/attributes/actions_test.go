package attributes

import (
	"fmt"
	"math"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// pairs gives attributes of keys and values, by turns.
func pairs(list ...any) (all []*commonpb.KeyValue) {
	for i := 0; i < len(list); i += 2 {
		v := anyOf(list[i+1])
		switch x := list[i+1].(type) {
		case []byte:
			v.Value = &commonpb.AnyValue_BytesValue{BytesValue: x}
		case map[string]any:
			m := &commonpb.KeyValueList{}
			for k, x := range x {
				m.Values = append(m.Values, pairs(k, x)...)
			}
			v.Value = &commonpb.AnyValue_KvlistValue{KvlistValue: m}
		}
		all = append(all, &commonpb.KeyValue{Key: list[i].(string), Value: v})
	}
	return all
}

// shown gives attributes as text: a double with its letter, bytes as 0x.
func shown(list []*commonpb.KeyValue) string {
	var all []string
	for _, a := range list {
		s := ""
		switch x := plainOf(a.Value).(type) {
		case nil:
		case string:
			s = fmt.Sprintf("%q", x)
		case float64:
			s = fmt.Sprint("d", x)
		case []byte:
			s = fmt.Sprintf("0x%x", x)
		default:
			s = fmt.Sprint(x)
		}
		all = append(all, a.Key+"="+s)
	}
	return strings.Join(all, " ")
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// digest is the SHA-256 of "secret".
const digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

func TestActions(t *testing.T) {
	for _, c := range []struct {
		name    string
		actions []Action
		in      []any
		want    string
	}{
		{"insert", []Action{{Action: "insert", Key: "k", Value: "new"}}, []any{"a", "x"}, `a="x" k="new"`},
		{"insert what is there", []Action{{Action: "insert", Key: "k", Value: "new"}}, []any{"k", "x"}, `k="x"`},
		{"insert from", []Action{{Action: "insert", Key: "k", FromAttribute: "a"}}, []any{"a", []any{"x", int64(1)}}, `a=[x 1] k=[x 1]`},
		{"insert from nothing", []Action{{Action: "insert", Key: "k", FromAttribute: "b"}}, []any{"a", "x"}, `a="x"`},
		{"insert into nothing", []Action{{Action: "insert", Key: "k", Value: "new"}}, nil, `k="new"`},
		{"update", []Action{{Action: "update", Key: "k", Value: int64(-5)}}, []any{"k", "x", "l", "y"}, `k=-5 l="y"`},
		{"update what is not there", []Action{{Action: "update", Key: "k", Value: "new"}}, []any{"a", "x"}, `a="x"`},
		{"update from", []Action{{Action: "update", Key: "k", FromAttribute: "a"}}, []any{"k", "x", "a", map[string]any{"m": 1.5}}, `k=map[m:1.5] a=map[m:1.5]`},
		{"update from nothing", []Action{{Action: "update", Key: "k", FromAttribute: "b"}}, []any{"k", "x"}, `k="x"`},
		{"update the first", []Action{{Action: "update", Key: "k", Value: "new"}}, []any{"k", "x", "k", "y"}, `k="new" k="y"`},
		{"upsert", []Action{{Action: "UPSERT", Key: "k", Value: "new"}, {Action: "upsert", Key: "l", Value: "also"}}, []any{"k", "x", "a", "y"}, `k="new" a="y" l="also"`},
		{"upsert from itself", []Action{{Action: "upsert", Key: "k", FromAttribute: "k"}}, []any{"k", true}, `k=true`},
		{"types", []Action{{Action: "upsert", Key: "a", Value: ""}, {Action: "upsert", Key: "b", Value: false}, {Action: "upsert", Key: "c", Value: int64(math.MinInt64)},
			{Action: "upsert", Key: "d", Value: 1e300}, {Action: "upsert", Key: "e", Value: []any{"x", nil, []any{true}}}, {Action: "upsert", Key: "f", Value: []any{}}},
			nil, `a="" b=false c=-9223372036854775808 d=d1e+300 e=[x <nil> [true]] f=[]`},
		{"swap", []Action{{Action: "upsert", Key: "t", FromAttribute: "a"}, {Action: "upsert", Key: "a", FromAttribute: "b"}, {Action: "upsert", Key: "b", FromAttribute: "t"}, {Action: "delete", Key: "t"}},
			[]any{"a", "x", "b", int64(2)}, `a=2 b="x"`},
		{"delete", []Action{{Action: "delete", Key: "k"}}, []any{"a", "x", "k", "y", "k", "z", "b", "w"}, `a="x" k="z" b="w"`},
		{"delete by pattern", []Action{{Action: "delete", Pattern: "^k"}}, []any{"k", "x", "a.k", "y", "k.b", "z"}, `a.k="y"`},
		{"delete by both", []Action{{Action: "delete", Key: "a", Pattern: "k"}}, []any{"a", "x", "a", "y", "k", "z"}, `a="y"`},
		{"delete and insert", []Action{{Action: "delete", Key: "a"}, {Action: "insert", Key: "a", Value: "new"}, {Action: "insert", Key: "b", FromAttribute: "a"}}, []any{"a", "x", "c", "y"}, `c="y" a="new" b="new"`},
		{"insert and delete", []Action{{Action: "insert", Key: "a", Value: "new"}, {Action: "delete", Pattern: "a"}}, []any{"c", "y"}, `c="y"`},
		{"hash a string", []Action{{Action: "hash", Key: "k"}}, []any{"k", "secret"}, `k="` + digest + `"`},
		{"hash an int", []Action{{Action: "hash", Key: "k"}}, []any{"k", int64(1)}, `k="7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8"`},
		{"hash a double", []Action{{Action: "hash", Key: "k"}}, []any{"k", 1.0}, `k="6c3c396ed6b5c36dcae172271f462051b1266b851e92df3deea8ac65478fd712"`},
		{"hash a bool", []Action{{Action: "hash", Key: "k"}}, []any{"k", true}, `k="4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"`},
		{"hash what has no hash", []Action{{Action: "hash", Pattern: "."}}, []any{"a", []any{"x"}, "b", map[string]any{}, "c", []byte("x"), "d", nil}, `a="" b="" c="" d=""`},
		{"hash by pattern", []Action{{Action: "hash", Pattern: "^k$"}}, []any{"k", "secret", "k", "secret", "kk", "x"}, `k="` + digest + `" k="` + digest + `" kk="x"`},
		{"hash twice", []Action{{Action: "hash", Key: "k", Pattern: "k"}}, []any{"k", "secret"}, `k="3d91b58504a6cc3a159005ee7b16c7ae503ca6ac2a6a3c893837083c236b864a"`},
		{"extract", []Action{{Action: "extract", Key: "url", Pattern: `^(?P<scheme>\w+)://(?P<host>[^/:]+)(?::(?P<port>\d+))?`}}, []any{"url", "http://shop/cart", "host", int64(1), "port", "y"},
			`url="http://shop/cart" host="shop" port="" scheme="http"`},
		{"extract no match", []Action{{Action: "extract", Key: "k", Pattern: `(?P<a>\d)`}}, []any{"k", "x"}, `k="x"`},
		{"extract from a number", []Action{{Action: "extract", Key: "k", Pattern: `(?P<a>\d)`}}, []any{"k", int64(5)}, `k=5`},
		{"extract from nothing", []Action{{Action: "extract", Key: "k", Pattern: `(?P<a>.*)`}}, []any{"b", "x"}, `b="x"`},
		{"extract into itself", []Action{{Action: "extract", Key: "k", Pattern: `(?P<k>b+)(?P<l>c)`}}, []any{"k", "abbcd"}, `k="bb" l="c"`},
		{"to int", []Action{{Action: "convert", Key: "k", ConvertedType: "int"}}, []any{"k", "-17"}, `k=-17`},
		{"to int of a double", []Action{{Action: "convert", Key: "k", ConvertedType: "int"}}, []any{"k", -1.9}, `k=-1`},
		{"to int of a bool", []Action{{Action: "convert", Key: "k", ConvertedType: "int"}, {Action: "convert", Key: "l", ConvertedType: "int"}}, []any{"k", true, "l", false}, `k=1 l=0`},
		{"to int of no number", []Action{{Action: "convert", Key: "k", ConvertedType: "int"}, {Action: "convert", Key: "l", ConvertedType: "int"}, {Action: "convert", Key: "m", ConvertedType: "int"}},
			[]any{"k", "1.5", "l", []any{}, "m", nil}, `k="1.5" l=[] m=`},
		{"to double", []Action{{Action: "convert", Key: "k", ConvertedType: "double"}, {Action: "convert", Key: "l", ConvertedType: "double"}, {Action: "convert", Key: "m", ConvertedType: "double"}, {Action: "convert", Key: "n", ConvertedType: "double"}},
			[]any{"k", "1.5e3", "l", int64(2), "m", true, "n", false}, `k=d1500 l=d2 m=d1 n=d0`},
		{"to double of no number", []Action{{Action: "convert", Key: "k", ConvertedType: "double"}, {Action: "convert", Key: "l", ConvertedType: "double"}}, []any{"k", "x", "l", []byte("1")}, `k="x" l=0x31`},
		{"to string", []Action{{Action: "convert", Key: "a", ConvertedType: "string"}, {Action: "convert", Key: "b", ConvertedType: "string"}, {Action: "convert", Key: "c", ConvertedType: "string"}, {Action: "convert", Key: "d", ConvertedType: "string"}, {Action: "convert", Key: "e", ConvertedType: "string"}},
			[]any{"a", int64(-7), "b", true, "c", []byte("\xff\x00"), "d", nil, "e", "x"}, `a="-7" b="true" c="/wA=" d="" e="x"`},
		{"to string of a double", []Action{{Action: "convert", Key: "a", ConvertedType: "string"}, {Action: "convert", Key: "b", ConvertedType: "string"}, {Action: "convert", Key: "c", ConvertedType: "string"}, {Action: "convert", Key: "d", ConvertedType: "string"}, {Action: "convert", Key: "e", ConvertedType: "string"}},
			[]any{"a", 1e21, "b", 1e-7, "c", 500.0, "d", math.NaN(), "e", math.Inf(-1)}, `a="1e+21" b="1e-7" c="500" d="NaN" e="-Infinity"`},
		{"to string of a list", []Action{{Action: "convert", Key: "a", ConvertedType: "string"}, {Action: "convert", Key: "b", ConvertedType: "string"}, {Action: "convert", Key: "c", ConvertedType: "string"}},
			[]any{"a", []any{"<x>", int64(1), 2.5, nil, true, []any{}}, "b", map[string]any{"z": []byte("x"), "y": []byte{}, "x": "&"}, "c", []any{math.NaN()}}, `a="[\"<x>\",1,2.5,null,true,[]]" b="{\"x\":\"&\",\"y\":null,\"z\":\"eA==\"}" c=""`},
		{"five", []Action{{Action: "upsert", Key: "new", Value: "n"}, {Action: "delete", Key: "a"}, {Action: "hash", Key: "new"}, {Action: "convert", Key: "b", ConvertedType: "int"}, {Action: "update", Key: "c", FromAttribute: "b"}},
			[]any{"a", "x", "b", "12", "c", "y", "d", "z"}, `b=12 c=12 d="z" new="1b16b1df538ba12dc3f97edbb85caa7050d46c148134290feba80f8236c83db9"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compiled(t, c.actions, Redaction{})
			span := encoded(t, &tracepb.Span{Name: "n", Attributes: pairs(c.in...), Events: []*tracepb.Span_Event{{Name: "e", Attributes: pairs("k", "secret")}}})
			if got := shown(r.checkSpan(t, span).Attributes); got != c.want {
				t.Errorf("made %s\nwant %s", got, c.want)
			}
		})
	}
}
