package agent

import (
	"errors"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/alspan/alspan"

// Who may import whom: the agent knows every stage, a stage knows leaves, a leaf knows nobody but what all parse with. A folder that is not listed
// has no place in the house yet.
var arrows = map[string][]string{
	".":                      {"agent"},
	"agent":                  {"accesslog", "traces", "spanbuilder", "export", "internal/*", "internal/pods/watch", "docs/examples"},
	"agent/e2e":              {"internal/*"},
	"accesslog":              {"internal/*"},
	"traces":                 {"internal/*"},
	"spanbuilder":            {"internal/*"},
	"export":                 {"internal/*"},
	"internal/tools":         {"internal/tools/toolbox"},
	"internal/tools/toolbox": {},
	"internal/attributes":    {"internal/wire"},
	"internal/cluster":       {"internal/tools/toolbox"},
	"internal/config":        {},
	// Only tests import these three: the worlds need the recordings, which the program must not carry.
	"internal/correlation":        {},
	"internal/correlation/check":  {"internal/correlation"},
	"internal/correlation/worlds": {"internal/correlation", "internal/recordings"},
	"internal/fake":               {},
	"internal/filter":             {"internal/wire"},
	"internal/ledger":             {},
	"internal/pods":               {},
	"internal/pods/watch":         {"internal/pods"},
	"internal/propagation":        {},
	"internal/recent":             {},
	"internal/sampler":            {"internal/filter", "internal/propagation", "internal/sampling", "internal/wire"},
	"internal/red":                {},
	"internal/slab":               {},
	"internal/tail":               {},
	"internal/rawgrpc":            {},
	"internal/recordings":         {},
	"internal/ring":               {},
	"internal/ring/model":         {"internal/tools/toolbox"},
	"internal/sampling":           {"internal/propagation"},
	"internal/tree":               {},
	"internal/wire":               {},
	"internal/zipkin":             {"internal/wire", "internal/propagation"},
	"charts":                      {"internal/*"},
	"docs/examples":               {},
}

// Every dependency that our own go.mod asks for, and why.
var dependencies = map[string]string{
	"github.com/agnivade/levenshtein":                                    "the nearest known key of a misspelt one",
	"github.com/KimMachineGun/automemlimit":                              "GOMEMLIMIT from the container's limit, cgroup v1 and v2",
	"github.com/envoyproxy/go-control-plane/envoy":                       "Envoy's messages: oracle of the decoder, fake Envoy",
	"github.com/goccy/go-yaml":                                           "configuration with line numbers",
	"github.com/go-faster/jx":                                            "Zipkin JSON, token by token, so that what stands before a break is kept",
	"github.com/google/go-cmp":                                           "tests: differences that can be read",
	"github.com/hashicorp/golang-lru/v2":                                 "bounded tables of loggers",
	"github.com/klauspost/compress":                                      "zstd, with bounded memory",
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl": "the language of filters, as users have it in their collectors",
	"github.com/schollz/progressbar/v3":                                  "progress of convert on a terminal",
	"github.com/prometheus/client_golang":                                "metrics",
	"github.com/prometheus/client_model":                                 "histograms that are classic and native, from counters of our own",
	"github.com/prometheus/common":                                       "tests: metrics as a scrape reads them",
	"github.com/spf13/cobra":                                             "commands and their completion",
	"github.com/zeebo/xxh3":                                              "derived ids: XXH3, whose values are fixed for ever; where label sets are in their table",
	"go.opentelemetry.io/collector/component":                            "what pkg/ottl wants to be told of its surroundings",
	"go.opentelemetry.io/collector/pdata":                                "spans as pkg/ottl has them, where one must be decoded; metrics and logs that come as JSON",
	"go.uber.org/zap":                                                    "to keep what pkg/ottl would log out of our log",
	"go.opentelemetry.io/proto/otlp":                                     "OTLP messages: tests, demo, printing",
	"golang.org/x/net":                                                   "HPACK: whether a connection over HTTP/2 is gRPC",
	"golang.org/x/term":                                                  "is there a terminal: colours",
	"golang.org/x/tools":                                                 "tests: txtar",
	"google.golang.org/genproto/googleapis/rpc":                          "RetryInfo; tests: Status",
	"google.golang.org/grpc":                                             "the transport on both sides",
	"google.golang.org/protobuf":                                         "oracle of the decoder, cold paths",
	"k8s.io/api":                                                         "pods and EndpointSlices",
	"k8s.io/apimachinery":                                                "their encoding, field selectors",
	"k8s.io/client-go":                                                   "the reflector, which lists and watches and begins anew where that is due; kubeconfig files",
	"k8s.io/klog/v2":                                                     "to keep what client-go would log out of our log",
}

// packages gives the folders of the module that have Go files, with their packages.
func packages(t *testing.T) map[string]*build.Package {
	t.Helper()
	found := map[string]*build.Package{}
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || strings.HasPrefix(name, ".") && name != ".." {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && p != ".." {
			return filepath.SkipDir // a module of its own
		}
		pkg, err := build.ImportDir(p, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		rel, _ := filepath.Rel("..", p)
		found[filepath.ToSlash(rel)] = pkg
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestImportsPointOneWay(t *testing.T) {
	for dir, pkg := range packages(t) {
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("%s has no place in the house: add it to the arrows", dir)
			continue
		}
		for _, imp := range pkg.Imports {
			own, ok := strings.CutPrefix(imp, module+"/")
			if !ok {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				m, _ := path.Match(a, own)
				return m || a == own || a == "internal/*" && own == "internal/tools/toolbox"
			}) {
				t.Errorf("%s may not import %s", dir, own)
			}
		}
	}
}

// A package says first what it takes and gives; a command says what it does.
func TestPackagesSayWhatTheyTakeAndGive(t *testing.T) {
	for dir, pkg := range packages(t) {
		doc := ""
		for _, name := range append(slices.Clone(pkg.GoFiles), pkg.TestGoFiles...) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				doc = f.Doc.Text()
			}
		}
		first, _, _ := strings.Cut(doc, "\n\n")
		if want := "Package " + pkg.Name + " takes "; pkg.Name != "main" && (!strings.HasPrefix(doc, want) || !strings.Contains(first, " gives ")) {
			t.Errorf("the doc comment of %s does not begin with %q and what it gives", dir, want)
		}
		if pkg.Name == "main" && doc == "" {
			t.Errorf("the command %s has no doc comment", dir)
		}
	}
}

func TestDependenciesAreListed(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "replace") {
		t.Error("go.mod replaces a module")
	}
	direct := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:require )?(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		direct[m[1]] = true
	}
	for name := range direct {
		if dependencies[name] == "" {
			t.Errorf("%s is not in the list of dependencies: say there why it is needed", name)
		}
	}
	for name := range dependencies {
		if !direct[name] {
			t.Errorf("%s is in the list of dependencies but not in go.mod", name)
		}
	}
}

// No stage knows of a metrics library, and no protobuf object is built on the data path.
func TestStagesKeepOutOf(t *testing.T) {
	forbidden := map[string][]string{
		"accesslog":     {"prometheus", "google.golang.org/protobuf/proto", "go-control-plane"},
		"traces":        {"prometheus", "google.golang.org/protobuf/proto", "go-control-plane", "proto/otlp"},
		"spanbuilder":   {"prometheus", "google.golang.org/protobuf/proto", "go-control-plane", "proto/otlp"},
		"internal/wire": {"google.golang.org/protobuf/proto", "go-control-plane"},
		"internal/ring": {"grpc", "protobuf"},
	}
	all := packages(t)
	for dir, words := range forbidden {
		for _, imp := range all[dir].Imports {
			for _, w := range words {
				if strings.Contains(imp+"/", w+"/") {
					t.Errorf("%s may not import %s", dir, imp)
				}
			}
		}
	}
}

// The project speaks of itself alone, and files stay readable.
func TestFilesAreReadable(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|t\.Sk` + `ip`)
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(p) != ".go" {
			return nil
		}
		text, err := os.ReadFile(p)
		if n := strings.Count(string(text), "\n"); n > 400 {
			t.Errorf("%s has %d lines, more than 400", p, n)
		}
		if m := marks.Find(text); m != nil {
			t.Errorf("%s has the mark %q", p, m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
