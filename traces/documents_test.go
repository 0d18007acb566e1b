package traces

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/wire"
)

// namesIn gives the names of the spans in documents, each behind the line of its document.
func namesIn(in string) (names string, err error) {
	err = Documents([]byte(in), func(m *Message, line int) error {
		var s wire.Span
		names += fmt.Sprint(line)
		for m.NextScope() {
			for m.NextSpan(&s) != End {
				names += " " + string(s.Bytes(s.Name))
			}
		}
		names += "; "
		return nil
	})
	return names, err
}

func TestDocuments(t *testing.T) {
	one := strings.ReplaceAll(inSpan(`"name":"x"`), "\n", "")
	for in, want := range map[string]string{
		"":                     "",
		" \n\t":                "",
		"{}":                   "1; ",
		one:                    "1 ok x; ",
		one + one + "\n" + one: "1 ok x; 1 ok x; 2 ok x; ",
		"\n" + one + "\n\r\n{\n\n}\n" + one + "\n ": "2 ok x; 4; 7 ok x; ",
	} {
		if got, err := namesIn(in); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestDocumentsThatCannotBeRead(t *testing.T) {
	one := strings.ReplaceAll(inSpan(`"name":"x"`), "\n", "")
	for in, want := range map[string]string{
		one + "\n" + one[:len(one)-3]:     fmt.Sprintf("cannot read document 2 at line 2, byte %d: a comma or } is expected", len(one)-2),
		one + ",\n" + one:                 fmt.Sprintf("cannot read document 2 as OTLP at line 1, byte %d: an object is expected", len(one)+1),
		"[" + one + "]":                   "cannot read document 1 as OTLP at line 1, byte 1: an object is expected",
		"{\n\"resourceSpans\":\n{}}":      "cannot read document 1 as OTLP at line 3, byte 1: an array is expected",
		"{}\n" + inSpan(`"name":7`):       "a string is expected",
		inSpan(`"spanId":"APBnqgupArc="`): "an id in hexadecimal digits is expected",
		"{}\x00":                          "document 2 as OTLP at line 1, byte 3: an object is expected",
	} {
		if _, err := namesIn(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100q: %v, want %q", in, err, want)
		}
	}
	stop := errors.New("enough")
	if err := Documents([]byte("{}{"), func(*Message, int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of take became %v", err)
	}
}
