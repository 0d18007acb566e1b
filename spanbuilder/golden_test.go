package spanbuilder

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "rewrite the spans in testdata/spans/*.txtar")

// settings are what a file of testdata/spans says before its cases.
type settings struct {
	Options
	Node, Log string
}

// TestSpans holds what spans say against testdata/spans. There, NAME.json is an HTTPAccessLogEntry and NAME.tcp.json a
// TCPAccessLogEntry, both in the official JSON form; NAME.span is the span of the request and NAME.client the one below
// it, for entries with an upstream host.
func TestSpans(t *testing.T) {
	files, err := filepath.Glob("testdata/spans/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { goldenFile(t, file) })
	}
}

func goldenFile(t *testing.T, file string) {
	old, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := settings{Options: options(), Node: "envoy-1", Log: "edge"}
	now := &txtar.Archive{Comment: old.Comment}
	for _, f := range old.Files {
		switch name, isJSON := strings.CutSuffix(f.Name, ".json"); {
		case f.Name == "settings.json":
			d := json.NewDecoder(bytes.NewReader(f.Data))
			d.DisallowUnknownFields()
			if err := d.Decode(&s); err != nil {
				t.Fatalf("cannot read %s: %v", f.Name, err)
			}
			now.Files = append(now.Files, f)
		case isJSON:
			now.Files = append(now.Files, f)
			now.Files = append(now.Files, goldenCase(t, &s, name, f.Data)...)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(old)), string(txtar.Format(now))); diff != "" {
		t.Errorf("spans differ (-%s +now); -update accepts them:\n%s", file, diff)
	}
}

func goldenCase(t *testing.T, s *settings, name string, entry []byte) []txtar.File {
	t.Helper()
	name, tcp := strings.CutSuffix(name, ".tcp")
	var m proto.Message = &alsdata.HTTPAccessLogEntry{}
	if tcp {
		m = &alsdata.TCPAccessLogEntry{}
	}
	if err := protojson.Unmarshal(entry, m); err != nil {
		t.Fatalf("cannot read %s: %v", name, err)
	}
	e := walked(t, m)
	if use, why := Classify(e, true); use != Request {
		t.Fatalf("%s makes no span: %v", name, why)
	}
	b, l, c := New(s.Options), loggerOf(s.Node, s.Log), testClaim()
	span, repairs := server(t, b, e, l, c)
	files := []txtar.File{{Name: name + ".span", Data: []byte(render(span, repairs))}}
	if e.HasUpstream() && !tcp {
		span, repairs = client(t, b, e, l, c)
		files = append(files, txtar.File{Name: name + ".client", Data: []byte(render(span, repairs))})
	}
	return files
}
