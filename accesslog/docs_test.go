package accesslog

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of values into the documentation")

const doc = "../docs/access-logs.md"

// meanings say what is read from a value, for those that are not taken as they are.
var meanings = map[field]string{
	isStartTime: "`%START_TIME%` with any fraction and zone, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970; of a log record its time counts",
	isDuration:  "milliseconds, or a number with a unit, such as `250us`", isResponseFlags: "short or long names, joined by commas",
	isGRPCStatus: "a name or a number; it also says that the request is a gRPC call", isUpstreamHost: "`ip:port`, `[ip]:port`, a path, or `envoy://name`",
	isTraceID: "`%TRACE_ID%`: the trace of Envoy's own span", isSpanID: "`%SPAN_ID%`: Envoy's own span", isLogType: "`%ACCESS_LOG_TYPE%`; log it where the router logs attempts, too",
	isProtocol: "`HTTP/1.1` and so on", isTLSVersion: "`TLSv1.3` and so on",
	isNodeID: "the id of the Envoy's node; only by `receive.fields`", isLogName: "the name of the log; only by `receive.fields`",
}

// table renders what values are known by which names.
func table() string {
	names := map[field][]string{}
	for name, t := range builtIn {
		if t.field != isRequestHeader {
			names[t.field] = append(names[t.field], name)
		}
	}
	var b strings.Builder
	fmt.Fprint(&b, "\n| value | names | |\n|---|---|---|\n")
	for f := isStartTime; f < numFields; f++ {
		slices.Sort(names[f])
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", fieldNames[f], quoted(names[f]), meanings[f])
	}
	fmt.Fprintf(&b, "| `request_header.NAME` | %s | the header with that name |\n\n", quoted(slices.Sorted(maps.Keys(knownHeaders))))
	return b.String()
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

// The table in the documentation has the names that are known.
func TestDocumentedValues(t *testing.T) {
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte("<!-- values -->\n"))
	_, after, found := bytes.Cut(rest, []byte("<!-- /values -->"))
	if !ok || !found {
		t.Fatal("the documentation has no place for the table")
	}
	want := slices.Concat(before, []byte("<!-- values -->\n"), []byte(table()), []byte("<!-- /values -->"), after)
	if *update {
		if err := os.WriteFile(doc, want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want) {
		t.Errorf("%s has another table: go test ./accesslog -update", doc)
	}
}

// Every field that can be told has a name of its own.
func TestFieldNames(t *testing.T) {
	seen := map[string]bool{}
	for f, name := range fieldNames {
		if name == "" || seen[name] {
			t.Errorf("field %d is called %q", f, name)
		}
		seen[name] = true
	}
}
