package wire

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// wrap puts an AccessLogCommon into an entry.
func wrap(common []byte) []byte { return AppendBytes(nil, 1, common) }

func groups(num protowire.Number, depth int) []byte {
	start, end := protowire.AppendTag(nil, num, protowire.StartGroupType), protowire.AppendTag(nil, num, protowire.EndGroupType)
	return slices.Concat(bytes.Repeat(start, depth), bytes.Repeat(end, depth))
}

func messages(num uint32, depth int) (b []byte) {
	for range depth {
		b = AppendBytes(nil, num, b)
	}
	return b
}

// oddEntries are what Envoy does not send. Whether each is malformed, the official runtime says.
func oddEntries() map[string][]byte {
	return map[string][]byte{
		"empty":                          {},
		"unknown fields":                 wrap(slices.Concat(AppendUint(nil, 99, 1), AppendBytes(nil, 100, "x"), AppendFixed64(nil, 101, 1), AppendFixed32(nil, 102, 1), AppendBytes(nil, 19, "route"))),
		"start time as varint":           wrap(AppendUint(nil, 5, 7)),
		"start time as fixed64":          wrap(AppendFixed64(nil, 5, 7)),
		"seconds as fixed64":             wrap(AppendBytes(nil, 5, AppendFixed64(nil, 1, 7))),
		"attempts as bytes":              wrap(AppendBytes(nil, 24, "x")),
		"route as fixed32":               wrap(AppendFixed32(nil, 19, 7)),
		"route as group":                 wrap(groups(19, 1)),
		"flags packed":                   wrap(AppendBytes(nil, 16, AppendBytes(nil, 2, "\x01"))),
		"unauthorized as bool":           wrap(AppendBytes(nil, 16, AppendUint(nil, 13, 1))),
		"unauthorized without reason":    wrap(AppendBytes(nil, 16, AppendBytes(nil, 13, ""))),
		"unauthorized twice":             wrap(AppendBytes(nil, 16, append(AppendBytes(nil, 13, "\x08\x01"), AppendBytes(nil, 13, "")...))),
		"unauthorized for a reason of 0": wrap(AppendBytes(nil, 16, append(AppendBytes(nil, 13, "\x08\x01"), AppendBytes(nil, 13, "\x08\x00")...))),
		"reason beyond 32 bits":          wrap(AppendBytes(nil, 16, AppendBytes(nil, 13, AppendUint(nil, 1, 1<<32)))),
		"flag beyond 32 bits":            wrap(AppendBytes(nil, 16, AppendUint(nil, 2, 1<<32))),
		"flag set and unset":             wrap(AppendBytes(nil, 16, AppendUint(AppendUint(nil, 2, 1), 2, 0))),
		"flag 29":                        wrap(AppendBytes(nil, 16, AppendUint(AppendUint(nil, 29, 1), 33, 1))),
		"numbers beyond 32 bits":         wrap(slices.Concat(AppendUint(nil, 24, 1<<32+5), AppendUint(nil, 33, 1<<32+6), AppendUint(nil, 27, 1<<40))),
		"type of another time":           wrap(AppendUint(nil, 33, math.MaxUint64)),
		"over-long varint":               wrap([]byte{24<<3&0x7f | 0x80, 24 >> 4, 0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}),
		"over-long tag":                  wrap([]byte{19<<3&0x7f | 2 | 0x80, 19>>4 | 0x80, 0x80, 0x80, 0, 1, 'r'}),
		"over-long length":               wrap([]byte{19<<3&0x7f | 2 | 0x80, 19 >> 4, 0x81, 0x80, 0x80, 0, 'r'}),
		"varint of 11 bytes":             wrap(append(AppendVarint(nil, 24<<3), "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"...)),
		"varint past 64 bits":            wrap(append(AppendVarint(nil, 24<<3), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"...)),
		"varint without end":             wrap(append(AppendVarint(nil, 24<<3), "\xff\xff"...)),
		"tag past 32 bits":               wrap(append(AppendVarint(nil, 1<<35|19<<3|2), 1, 'r')),
		"field 0":                        wrap([]byte{0, 0}),
		"field 0 with bytes":             wrap([]byte{2, 1, 'r'}),
		"highest field":                  wrap(AppendUint(nil, uint32(protowire.MaxValidNumber), 1)),
		"field past the highest":         wrap(append(AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), 1)),
		"wire type 6":                    wrap([]byte{19<<3&0x7f | 6 | 0x80, 19 >> 4, 1}),
		"wire type 7":                    wrap([]byte{1<<3 | 7, 1}),
		"end of no group":                wrap(protowire.AppendTag(nil, 50, protowire.EndGroupType)),
		"group without end":              wrap(protowire.AppendTag(nil, 50, protowire.StartGroupType)),
		"group with another's end":       wrap(protowire.AppendTag(protowire.AppendTag(nil, 50, protowire.StartGroupType), 51, protowire.EndGroupType)),
		"group with field 0":             wrap(slices.Concat(protowire.AppendTag(nil, 50, protowire.StartGroupType), []byte{0, 0}, protowire.AppendTag(nil, 50, protowire.EndGroupType))),
		"groups":                         wrap(append(groups(50, 100), AppendBytes(nil, 19, "route")...)),
		"groups as deep as may be":       wrap(groups(50, 10001)),
		"groups deeper than may be":      wrap(groups(50, 10002)),
		"groups without end":             wrap(bytes.Repeat(protowire.AppendTag(nil, 50, protowire.StartGroupType), 1<<16)),
		"deep metadata":                  wrap(append(AppendBytes(nil, 17, messages(1, 3000)), AppendBytes(nil, 19, "route")...)),
		"broken metadata":                wrap(AppendBytes(nil, 17, "\xff\xff\xff")),
		"broken start":                   wrap(AppendBytes(nil, 5, "\x08")),
		"broken timing":                  wrap(AppendBytes(nil, 9, "\x08\x80")),
		"broken duration":                wrap(AppendBytes(nil, 23, "\x07")),
		"broken address":                 wrap(AppendBytes(nil, 3, "\x0a\x05")),
		"broken socket address":          wrap(AppendBytes(nil, 3, AppendBytes(nil, 1, "\x12\x05x"))),
		"broken pipe":                    wrap(AppendBytes(nil, 20, AppendBytes(nil, 2, "\x0a\x05x"))),
		"broken internal address":        wrap(AppendBytes(nil, 2, AppendBytes(nil, 3, "\x12\x05x"))),
		"broken TLS":                     wrap(AppendBytes(nil, 4, "\x08")),
		"broken flags":                   wrap(AppendBytes(nil, 16, "\x10")),
		"broken unauthorized":            wrap(AppendBytes(nil, 16, AppendBytes(nil, 13, "\x08"))),
		"broken tag":                     wrap(AppendBytes(nil, 22, "\x0a\x01k\x12")),
		"broken code":                    AppendBytes(nil, 4, AppendBytes(nil, 1, "\x08")),
		"broken trailer":                 AppendBytes(nil, 4, AppendBytes(nil, 5, "\x0a\x09k")),
		"broken request":                 AppendBytes(nil, 3, "\x12\x09h"),
		"broken connection":              AppendBytes(nil, 2, "\x08"),
		"code present, 0":                AppendBytes(nil, 4, AppendBytes(nil, 1, "")),
		"code in two pieces":             append(AppendBytes(nil, 4, AppendBytes(nil, 1, AppendUint(nil, 1, 404))), AppendBytes(nil, 4, AppendBytes(nil, 1, ""))...),
		"common in two pieces":           append(wrap(AppendBytes(AppendBytes(nil, 19, "first"), 15, "cluster")), wrap(AppendBytes(nil, 19, "second"))...),
		"start in two pieces":            wrap(append(AppendBytes(nil, 5, AppendUint(nil, 1, 5)), AppendBytes(nil, 5, AppendUint(nil, 2, 6))...)),
		"socket in two pieces": wrap(append(AppendBytes(nil, 13, AppendBytes(nil, 1, AppendBytes(nil, 2, "10.0.0.1"))),
			AppendBytes(nil, 13, AppendBytes(nil, 1, AppendUint(nil, 3, 80)))...)),
		"socket, then pipe": wrap(append(AppendBytes(nil, 13, AppendBytes(nil, 1, AppendUint(AppendBytes(nil, 2, "10.0.0.1"), 3, 80))),
			AppendBytes(nil, 13, AppendBytes(nil, 2, ""))...)),
		"socket, pipe, socket": wrap(AppendBytes(nil, 13, slices.Concat(AppendBytes(nil, 1, AppendBytes(nil, 2, "10.0.0.1")),
			AppendBytes(nil, 2, AppendBytes(nil, 1, "/p")), AppendBytes(nil, 1, AppendUint(nil, 3, 80))))),
		"pipe as varint":      wrap(AppendBytes(nil, 13, AppendUint(AppendBytes(nil, 1, AppendUint(nil, 3, 80)), 2, 1))),
		"port, then its name": wrap(AppendBytes(nil, 13, AppendBytes(nil, 1, AppendBytes(AppendUint(nil, 3, 80), 4, "http")))),
		"name, then its port": wrap(AppendBytes(nil, 13, AppendBytes(nil, 1, AppendUint(AppendBytes(nil, 4, "http"), 3, 80)))),
		"not UTF-8":           append(wrap(AppendBytes(nil, 19, "\xff\xfe")), AppendBytes(nil, 3, AppendBytes(nil, 13, "\x0a\x01\xc3\x12\x01\xff"))...),
	}
}

func TestOddEntries(t *testing.T) {
	var e Entry
	for name, b := range oddEntries() {
		t.Run(name, func(t *testing.T) {
			checkEntry(t, &e, b, false)
			checkEntry(t, &e, b, true)
			checkNode(t, b)
		})
	}
}

// The oracle itself: what this package takes it to say.
func TestOracle(t *testing.T) {
	malformed := map[string]bool{"varint of 11 bytes": true, "varint past 64 bits": true, "varint without end": true, "tag past 32 bits": true,
		"field 0": true, "field 0 with bytes": true, "field past the highest": true, "wire type 6": true, "wire type 7": true,
		"end of no group": true, "group without end": true, "group with another's end": true, "group with field 0": true,
		"groups deeper than may be": true, "groups without end": true, "broken start": true, "broken timing": true, "broken duration": true,
		"broken address": true, "broken socket address": true, "broken pipe": true, "broken internal address": true, "broken TLS": true,
		"broken flags": true, "broken unauthorized": true, "broken tag": true, "broken code": true, "broken trailer": true, "broken request": true}
	for name, b := range oddEntries() {
		if _, err := ask(httpEntry, b); (err != nil) != malformed[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	m, err := ask(httpEntry, oddEntries()["not UTF-8"])
	if want := "\xff\xfe"; err != nil || string(m.sub("common_properties").text("route_name")) != want {
		t.Errorf("%v, %v", m, err)
	}
}

func TestReader(t *testing.T) {
	b := slices.Concat(AppendUint(nil, 1, 300), AppendFixed64(nil, 2, 1<<40), AppendBytes(nil, 3, "three"), AppendFixed32(nil, 4, 1<<31),
		groups(5, 2), AppendBytes(nil, 6, ""))
	type field struct {
		Key   uint32
		Int   uint64
		Bytes string
	}
	want := []field{{1<<3 | Varint, 300, ""}, {2<<3 | Fixed64, 1 << 40, ""}, {3<<3 | Bytes, 0, "three"}, {4<<3 | Fixed32, 1 << 31, ""},
		{5<<3 | uint32(protowire.StartGroupType), 0, ""}, {6<<3 | Bytes, 0, ""}}
	var got []field
	r := Read(b)
	for r.Next() {
		f := field{Key: r.Key}
		switch r.Key & 7 {
		case Varint, Fixed64, Fixed32:
			f.Int = r.Int
		case Bytes:
			if f.Bytes = string(r.Bytes); cap(r.Bytes) != len(r.Bytes) {
				t.Errorf("field %d: an append to it would write into the next field", r.Key>>3)
			}
		}
		got = append(got, f)
	}
	if !slices.Equal(got, want) || r.Broken() || r.Next() {
		t.Errorf("%v, broken %v", got, r.Broken())
	}
	// A broken reader stays where it is.
	r = Read([]byte{1<<3 | Fixed32, 1, 2, 3})
	if r.Next() || !r.Broken() || r.Next() || !r.Broken() {
		t.Error("a cut field is read")
	}
	if Sub([]byte{0}, func(Reader) { t.Error("field 0") }) || !Sub(nil, nil) {
		t.Error("Sub")
	}
}
