package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testFile is a file of testdata. Its leading comment lines are what is wanted: of a good file all values that are not
// the default, of a bad file the whole error without its head. A line "# env: NAME=value" sets a variable.
type testFile struct {
	path string
	data []byte
	want string
	env  map[string]string
}

func (f *testFile) lookup(name string) (string, bool) {
	v, ok := f.env[name]
	return v, ok
}

func testFiles(t testing.TB, pattern string) []*testFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	var files []*testFile
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := &testFile{path: path, data: data, env: map[string]string{}}
		for line := range strings.Lines(string(data)) {
			comment, ok := strings.CutPrefix(line, "# ")
			if !ok {
				break
			}
			if v, ok := strings.CutPrefix(comment, "env: "); ok {
				name, value, _ := strings.Cut(strings.TrimSpace(v), "=")
				f.env[name] = value
				continue
			}
			f.want += comment
		}
		files = append(files, f)
	}
	return files
}

func noEnv(string) (string, bool) { return "", false }

func TestGoodFiles(t *testing.T) {
	for _, f := range testFiles(t, "*.good.yaml") {
		c, err := Load(f.path, f.lookup)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		if diff := cmp.Diff(f.want, changes(c)); diff != "" {
			t.Errorf("%s: values that are not the default (-want +got):\n%s", f.path, diff)
		}
	}
}

// changes lists the keys whose value in c is not the default, one a line in the order of the file.
func changes(c *Config) string {
	var lines strings.Builder
	for _, path := range Changed(Default(), c) {
		fmt.Fprintf(&lines, "%s: %s\n", path, keyAt(bind(c), path).yaml())
	}
	return lines.String()
}

// keyAt gives the key at path.
func keyAt(n *node, path string) *node {
	for name := range strings.SplitSeq(path, ".") {
		n = n.key(name)
	}
	return n
}

func TestBadFiles(t *testing.T) {
	for _, f := range testFiles(t, "*.bad.yaml") {
		_, err := Load(f.path, f.lookup)
		if err == nil {
			t.Errorf("%s: no error", f.path)
			continue
		}
		got := strings.ReplaceAll(err.Error(), "cannot read configuration "+f.path+": ", "") + "\n"
		if diff := cmp.Diff(f.want, got); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", f.path, diff)
		}
	}
}

func TestNoFile(t *testing.T) {
	c, err := Load("", noEnv)
	if diff := cmp.Diff(Default(), c); diff != "" || err != nil {
		t.Errorf("no file: %v\n%s", err, diff)
	}
	_, err = Load(filepath.Join("testdata", "absent.yaml"), noEnv)
	if want := "cannot read configuration: open testdata/absent.yaml: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Load("", (&testFile{env: map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "1s"}}).lookup)
	want := `cannot read configuration: OTEL_EXPORTER_OTLP_TIMEOUT: export.timeout: "1s" is not a whole number of milliseconds`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whole files that a text file in testdata cannot well be.
func TestWholeFiles(t *testing.T) {
	check := func(data, want string) {
		t.Helper()
		_, err := Parse("x", []byte(data), noEnv)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != "cannot read configuration x: "+want) {
			t.Errorf("%.40q: got %v, want %q", data, err, want)
		}
	}
	check("", "")
	check("\n# nothing\n", "")
	check("---\n", "")
	check("null\n", "")
	check("{}\n", "")
	check(`{"log": {"level": "warn"}}`, "")
	check("\ufefflog:\r\n  level: warn\r\n", "")
	check("%YAML 1.2\n---\nlog:\n  level: warn\n...\n", "")
	check("log:\n---\nlog:\n", "line 3: a second YAML document is not read")
	check("log:\n  level: \xff\n", "line 2: it is not UTF-8 text")
	check("# "+strings.Repeat("x", maxFile), "it has 131074B, more than 128KiB")
	const notRead = "anchors, aliases, merge keys, tags and keys with ? of YAML are not read"
	for _, key := range []string{"*a ", "&a level", "!!str level", "? level ", "<<"} {
		check("log: {"+key+": info}\n", "line 1: log: "+notRead)
		check("export: {headers: {"+key+": info}}\n", "line 1: export.headers: "+notRead)
	}
	check("log:\n}\n", "line 2: log: wants a section of keys")
	check("log: {level}\n", "")
	check("5\n", "line 1: wants a section of keys")
	check("- log\n", "line 1: wants a section of keys")
}

// A value that may be a secret is in no message.
func TestErrorsKeepSecrets(t *testing.T) {
	check := func(data string, env map[string]string) {
		t.Helper()
		_, err := Parse("x", []byte(data), (&testFile{env: env}).lookup)
		if err == nil || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: got %v", data, err)
		}
	}
	check("export: {headers: {a: 1234}}", nil)
	check("export: {headers: {a: \"1234\\n\"}}", nil)
	check("export: {headers: {te: \"1234\"}}", nil)
	check("export: {headers: {a: [\"1234\"]}}", nil)
	check("export: {headers: {a: \"${S}\"}}", map[string]string{"S": "1234é"})
	check("export: {endpoint: \"http://me:1234@host/x\"}", nil)
	check("", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a%201234"})
	check("", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a=1234%zz"})
}

func TestConfigsShareNothing(t *testing.T) {
	a := Default()
	a.Correlate.Headers[0] = "x"
	a.Export.Headers["x"] = "y"
	if diff := cmp.Diff(Default(), Default()); diff != "" || Default().Correlate.Headers[0] == "x" || len(Default().Export.Headers) > 0 {
		t.Errorf("Default gives parts of another Config: %s", diff)
	}
}

func TestTarget(t *testing.T) {
	check := func(endpoint, want string, wantSecure bool) {
		t.Helper()
		c, err := Parse("x", []byte("export: {endpoint: \""+endpoint+"\"}"), noEnv)
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			return
		}
		if got, secure := c.Export.Target(); got != want || secure != wantSecure {
			t.Errorf("%s: got %s, %v", endpoint, got, secure)
		}
	}
	check("collector:4317", "collector:4317", false)
	check("http://collector:4317", "collector:4317", false)
	check("HTTPS://collector:443/", "collector:443", true)
	check("https://[2001:db8::1]:4317", "[2001:db8::1]:4317", true)
	check("localhost:4418", "localhost:4418", false)
}

func TestSize(t *testing.T) {
	check := func(text string, want Size, shown string) {
		t.Helper()
		got, err := ParseSize(text)
		if err != nil || got != want || got.String() != shown {
			t.Errorf("%s: got %d (%v), %v", text, got, got, err)
		}
		if again, err := ParseSize(shown); err != nil || again != want {
			t.Errorf("%s does not read back: %d, %v", shown, again, err)
		}
	}
	check("0", 0, "0B")
	check("64", 64, "64B")
	check("4096", 4096, "4KiB")
	check("16KiB", 16<<10, "16KiB")
	check("1536MiB", 1536<<20, "1536MiB")
	check("2GiB", 2<<30, "2GiB")
	check("1KB", 1000, "1000B")
	check("64MB", 64e6, "62500KiB")
	check("1GB", 1e9, "1000000000B")
	check("9223372036854775807", 1<<63-1, "9223372036854775807B")
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "64Mi", "64mib", "1 MiB", "9223372036854775808", "8589934592GiB", "0x10"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, d := range map[string]time.Duration{"0s": 0, "200ms": 200 * time.Millisecond, "10s": 10 * time.Second, "1m30s": 90 * time.Second,
		"5m": 5 * time.Minute, "24h": 24 * time.Hour, "1h5s": time.Hour + 5*time.Second, "20m": 20 * time.Minute} {
		if got := duration(d).String(); got != text && (text != "1h5s" || got != "1h0m5s") {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "1", "B_2": "$x ${A}", "EMPTY": ""}
	lookup := (&testFile{env: env}).lookup
	check := func(in, want string, wantExpanded bool) {
		t.Helper()
		if got, expanded, err := expand(in, lookup); got != want || expanded != wantExpanded || err != nil {
			t.Errorf("%s: got %q, %v, %v", in, got, expanded, err)
		}
	}
	check("", "", false)
	check("plain", "plain", false)
	check("${A}", "1", true)
	check("a${A}b${A}c", "a1b1c", true)
	check("${B_2}", "$x ${A}", true)
	check("${EMPTY}", "", true)
	check("${EMPTY:-x}", "x", true)
	check("${NONE:-}", "", true)
	check("${NONE:-a:-b c}", "a:-b c", true)
	check("${A:-x}", "1", true)
	check("$${A}", "${A}", false)
	check("$$$${A}$", "$${A}$", false)
	check("$A $", "$A $", false)
	for in, want := range map[string]string{
		"${NONE}":   "the environment variable NONE is not set (${NONE:-text} gives a default)",
		"${A":       "${ has no } (write $$ for a dollar sign)",
		"${}":       "${} does not name an environment variable (write $$ for a dollar sign)",
		"${A-x}":    "${A-x} does not name an environment variable (write $$ for a dollar sign)",
		"${1A:-x}":  "${1A:-x} does not name an environment variable (write $$ for a dollar sign)",
		"a${A}${ }": "${ } does not name an environment variable (write $$ for a dollar sign)",
	} {
		if _, _, err := expand(in, lookup); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

// FuzzParse: no input panics, and what loads is stable: it has a target and its lists are its own.
func FuzzParse(f *testing.F) {
	for _, file := range append(testFiles(f, "*.good.yaml"), testFiles(f, "*.bad.yaml")...) {
		f.Add(file.data)
	}
	f.Add(DefaultYAML())
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("x", data, func(name string) (string, bool) { return name, len(name)%2 == 0 })
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		if err == nil {
			if target, _ := c.Export.Target(); target == "" {
				t.Errorf("no target in %q", c.Export.Endpoint)
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "cannot read configuration x: ") {
				t.Errorf("a problem takes more than one line: %q", err)
			}
		}
	})
}
