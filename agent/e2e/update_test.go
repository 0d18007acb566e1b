package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// With -update what comes out is written into the cases, to be read and understood, and then committed.
var update = flag.Bool("update", false, "write what comes out into the wants of the cases")

var updating sync.Mutex

// wants puts the lines of a request into a case: into the section of the version where that differs from the others.
func wants(t *testing.T, c *testCase, version, request string, lines []string) {
	t.Helper()
	updating.Lock()
	defer updating.Unlock()
	file := filepath.Join("testdata", c.Name+".txtar")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := c.Section
	if version != toolbox.Envoy().Version {
		section += " " + version
	}
	archive := txtar.Parse(content)
	at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == section })
	if at < 0 {
		at = len(archive.Files)
		archive.Files = append(archive.Files, txtar.File{Name: section})
	}
	archive.Files[at].Data = replaced(archive.Files[at].Data, request, lines)
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replaced gives a section of wants with other lines for one request, but with its comments.
func replaced(section []byte, request string, lines []string) []byte {
	var out, old []string
	inside, done := false, false
	put := func() {
		for _, line := range old {
			if strings.HasPrefix(strings.TrimSpace(line), "//") {
				out = append(out, line)
			}
		}
		for _, line := range lines {
			out = append(out, "  "+line+"\n")
		}
		inside, done = false, true
	}
	for line := range strings.Lines(string(section)) {
		if inside && line[0] != ' ' {
			put()
		}
		if inside {
			old = append(old, line)
			continue
		}
		out = append(out, line)
		inside = line == request+":\n"
	}
	if !inside && !done {
		out = append(out, request+":\n")
	}
	if inside || !done {
		put()
	}
	return []byte(strings.Join(out, ""))
}
