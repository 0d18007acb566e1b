package agent

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/alspan/alspan/internal/config"
)

var update = flag.Bool("update", false, "write what the commands in testdata print, and the numbers in docs/sampling.md and docs/metrics.md")

// TestCommandsOfFiles runs what testdata/filter has. A file there whose name begins with "alspan" is a command line, perhaps with a
// file for its standard input, and has what it prints and how it fails. The others are its files.
func TestCommandsOfFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/filter/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { commandsOf(t, name) })
	}
}

func commandsOf(t *testing.T, name string) {
	old, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if name, err = filepath.Abs(name); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	now := &txtar.Archive{Comment: old.Comment}
	for _, f := range old.Files {
		line, isCommand := strings.CutPrefix(f.Name, "alspan ")
		if !isCommand {
			if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			f.Data = printedBy(t, line)
		}
		now.Files = append(now.Files, f)
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(now), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(old)), string(txtar.Format(now))); diff != "" {
		t.Errorf("the commands print something else (-file +now); -update accepts it:\n%s", diff)
	}
}

// printedBy gives what a command prints, and its error as Main prints it.
func printedBy(t *testing.T, line string) []byte {
	t.Helper()
	line, from, _ := strings.Cut(line, " < ")
	var in, out bytes.Buffer
	if from != "" {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(data)
	}
	c := command()
	c.SetArgs(strings.Fields(line))
	c.SetIn(&in)
	c.SetOut(&out)
	c.SetErr(io.Discard)
	if err := c.ExecuteContext(t.Context()); err != nil {
		out.WriteString("alspan: " + err.Error() + "\n")
	}
	return out.Bytes()
}

// Where nothing is to be read, the rules are printed without what they count.
func TestRulesAlone(t *testing.T) {
	c := config.Default()
	c.Filter.Traces.Span = []config.Text{{Value: "name ==\n  \"a\"", Path: "filter.traces.span[0]"}}
	r, err := newTrial(c, false)
	if err != nil {
		t.Fatal(err)
	}
	for color, want := range map[bool]string{
		false: "RULE                   WAY    CONDITION\nfilter.traces.span[0]  quick  name == \"a\"\n",
		true:  "\x1b[2mRULE\x1b[0m                   \x1b[2mWAY\x1b[0m    \x1b[2mCONDITION\x1b[0m\nfilter.traces.span[0]  quick  name == \"a\"\n",
	} {
		var out bytes.Buffer
		if err := r.print(&out, printing{color: color}); err != nil || out.String() != want {
			t.Errorf("%q, %v, want %q", out.String(), err, want)
		}
	}
}
