package traces

// kind is how a field looks in JSON, and how it is encoded.
type kind uint8

const (
	textKind kind = iota
	hexKind       // an id: bytes as hexadecimal digits
	base64Kind
	boolKind
	intKind     // varint, signed
	uint32Kind  // varint
	fixed32Kind // unsigned
	fixed64Kind
	doubleKind
	enumKind
	messageKind
	spanKind // a message that may be malformed without harm to others
)

// shape is a message: its fields by their name in JSON.
type shape map[string]*jsonField

// jsonField is one field of a message.
type jsonField struct {
	num      uint32
	kind     kind
	repeated bool
	present  bool // it is encoded even if it is empty: a member of a oneof
	message  shape
	names    map[string]int // of an enum
}

func scalar(num uint32, k kind) *jsonField { return &jsonField{num: num, kind: k} }
func oneof(num uint32, k kind) *jsonField  { return &jsonField{num: num, kind: k, present: true} }
func message(num uint32, m shape) *jsonField {
	return &jsonField{num: num, kind: messageKind, message: m}
}
func list(num uint32, k kind, m shape) *jsonField { return &jsonField{num, k, true, false, m, nil} }
func enum(num uint32, names map[string]int) *jsonField {
	return &jsonField{num: num, kind: enumKind, names: names}
}

// opentelemetry/proto/{collector/trace,trace,common,resource}/v1
var (
	requestShape = shape{"resourceSpans": list(1, messageKind, shape{
		"resource": message(1, shape{
			"attributes":             list(1, messageKind, keyValueShape),
			"droppedAttributesCount": scalar(2, uint32Kind),
			"entityRefs": list(3, messageKind, shape{
				"schemaUrl": scalar(1, textKind), "type": scalar(2, textKind),
				"idKeys": list(3, textKind, nil), "descriptionKeys": list(4, textKind, nil),
			}),
		}),
		"scopeSpans": list(2, messageKind, shape{
			"scope": message(1, shape{
				"name": scalar(1, textKind), "version": scalar(2, textKind),
				"attributes":             list(3, messageKind, keyValueShape),
				"droppedAttributesCount": scalar(4, uint32Kind),
			}),
			"spans":     list(2, spanKind, spanShape),
			"schemaUrl": scalar(3, textKind),
		}),
		"schemaUrl": scalar(3, textKind),
	})}

	spanShape = shape{
		"traceId": scalar(1, hexKind), "spanId": scalar(2, hexKind), "traceState": scalar(3, textKind), "parentSpanId": scalar(4, hexKind),
		"name": scalar(5, textKind),
		"kind": enum(6, map[string]int{"SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2,
			"SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5}),
		"startTimeUnixNano": scalar(7, fixed64Kind), "endTimeUnixNano": scalar(8, fixed64Kind),
		"attributes": list(9, messageKind, keyValueShape), "droppedAttributesCount": scalar(10, uint32Kind),
		"events": list(11, messageKind, shape{
			"timeUnixNano": scalar(1, fixed64Kind), "name": scalar(2, textKind),
			"attributes": list(3, messageKind, keyValueShape), "droppedAttributesCount": scalar(4, uint32Kind),
		}),
		"droppedEventsCount": scalar(12, uint32Kind),
		"links": list(13, messageKind, shape{
			"traceId": scalar(1, hexKind), "spanId": scalar(2, hexKind), "traceState": scalar(3, textKind),
			"attributes": list(4, messageKind, keyValueShape), "droppedAttributesCount": scalar(5, uint32Kind), "flags": scalar(6, fixed32Kind),
		}),
		"droppedLinksCount": scalar(14, uint32Kind),
		"status": message(15, shape{
			"message": scalar(2, textKind),
			"code":    enum(3, map[string]int{"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}),
		}),
		"flags": scalar(16, fixed32Kind),
	}

	keyValueShape = shape{"key": scalar(1, textKind), "value": message(2, valueShape)}
	valueShape    = shape{
		"stringValue": oneof(1, textKind), "boolValue": oneof(2, boolKind), "intValue": oneof(3, intKind), "doubleValue": oneof(4, doubleKind),
		"bytesValue": oneof(7, base64Kind),
	}
)

func init() { // values may hold values
	values := list(1, messageKind, valueShape)
	values.present = true // an element that is null has its place
	valueShape["arrayValue"] = message(5, shape{"values": values})
	valueShape["kvlistValue"] = message(6, shape{"values": list(1, messageKind, keyValueShape)})
}
