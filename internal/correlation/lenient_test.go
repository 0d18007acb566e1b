package correlation

import (
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// What is not UTF-8 survives decoding and encoding.
func TestLenient(t *testing.T) {
	const text = "caf\xe9-\xff\xfe é"
	b, err := Marshal(&commonpb.KeyValue{Key: Hidden(text), Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: Hidden("\x80")}}})
	if err != nil {
		t.Fatal(err)
	}
	var kv commonpb.KeyValue
	if err := Unmarshal(b, &kv); err != nil {
		t.Fatal(err)
	}
	if Raw(kv.Key) != text || Raw(kv.Value.GetStringValue()) != "\x80" {
		t.Errorf("%q %q", Raw(kv.Key), Raw(kv.Value.GetStringValue()))
	}
	if Unmarshal([]byte{0x0a, 0xff}, &kv) == nil {
		t.Error("a malformed message is decoded")
	}
}
