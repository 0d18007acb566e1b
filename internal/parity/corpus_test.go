package parity

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// entry is one configuration of the corpus. Its text begins with comments: why it is there, and what is expected of it
// where that is not that some spans are left as they came and others not.
type entry struct {
	name   string // theme/name
	reason string
	expect effect
	idle   int // conditions without which the same is left
	text   string
}

// effect is what becomes of the spans of the corpus.
type effect string

const (
	decides effect = ""        // some are dropped or changed
	same    effect = "same"    // all are left as they are
	nothing effect = "nothing" // none is left
	fails   effect = "fails"   // the request is refused
	refused effect = "refused" // the configuration is
)

//go:embed testdata/*.txtar
var testdata embed.FS

// corpus reads all configurations in testdata.
func corpus(t testing.TB) []*entry {
	t.Helper()
	files, err := fs.Glob(testdata, "testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var list []*entry
	seen := map[string]bool{}
	for _, file := range files {
		data, err := testdata.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(data).Files {
			e, err := parseEntry(strings.TrimSuffix(path.Base(file), ".txtar")+"/"+f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			if seen[e.name] {
				t.Fatalf("%s is there twice", e.name)
			}
			seen[e.name] = true
			list = append(list, e)
		}
	}
	return list
}

// parseEntry reads what the comments at the beginning of data say.
func parseEntry(name string, data []byte) (*entry, error) {
	e := &entry{name: name, text: string(data)}
	for line := range bytes.Lines(data) {
		comment, found := strings.CutPrefix(strings.TrimSpace(string(line)), "# ")
		if !found {
			break
		}
		key, value, _ := strings.Cut(comment, ": ")
		switch key {
		case "expect":
			switch e.expect = effect(value); e.expect {
			case same, nothing, fails, refused:
			default:
				return nil, fmt.Errorf("%s expects %q", name, value)
			}
		case "idle":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			e.idle = n
		default:
			e.reason = comment
		}
	}
	if e.reason == "" {
		return nil, fmt.Errorf("%s has no reason", name)
	}
	return e, nil
}

// changes tells whether a configuration does more than to drop.
func (e *entry) changes() bool {
	for _, key := range []string{"attributes:", "resource:", "redaction:"} {
		if strings.HasPrefix(e.text, key) || strings.Contains(e.text, "\n"+key) {
			return true
		}
	}
	return false
}
