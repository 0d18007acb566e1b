package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// configMap is an agent and the folder that a kubelet makes of its ConfigMap: the file is a link through ..data, which is exchanged.
type configMap struct {
	agent   *alspan
	dir     string
	n       int      // how often it was exchanged
	base    string   // of all configurations
	rules   string   // the filter that users paste
	mistake []string // what the log is to say of the broken one
}

func newConfigMap(t *testing.T, l *lab, base map[string]any) *configMap {
	t.Helper()
	content, err := yaml.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := loadCases(toolbox.Envoy().Version, true)
	if err != nil {
		t.Fatal(err)
	}
	c := &configMap{dir: t.TempDir(), base: string(content)}
	for _, other := range cases {
		if other.Name == "filters" {
			c.rules, _, _ = strings.Cut(other.Pasted, "attributes:\n")
		}
	}
	if err := os.Symlink("..data/alspan.yaml", filepath.Join(c.dir, "alspan.yaml")); err != nil {
		t.Fatal(err)
	}
	c.exchange(t, c.plain(0))
	c.agent = startAgentOn(t, l.agent, filepath.Join(c.dir, "alspan.yaml"))
	return c
}

// plain gives a configuration whose generation spans get as the attribute cluster, filtering one with a filter.
func (c *configMap) plain(generation int) string {
	return c.base + fmt.Sprintf("attributes:\n  actions:\n  - key: cluster\n    value: %q\n    action: upsert\n", fmt.Sprint(generation))
}

func (c *configMap) filtering(generation int) string { return c.plain(generation) + c.rules }

// broken is a filtering one with a condition that is none.
func (c *configMap) broken(generation int) string {
	before, after, _ := strings.Cut(c.filtering(generation), `name == "OperationHandler`)
	c.mistake = append(c.mistake, fmt.Sprintf("line %d: filter.traces.span[8]: cannot parse the condition", strings.Count(before, "\n")+1))
	return before + `nam == "OperationHandler` + after
}

// exchange puts another file into the folder.
func (c *configMap) exchange(t *testing.T, text string) {
	t.Helper()
	old, name := fmt.Sprintf("..%d", c.n), fmt.Sprintf("..%d", c.n+1)
	c.n++
	path := func(parts ...string) string { return filepath.Join(append([]string{c.dir}, parts...)...) }
	if err := errors.Join(os.Mkdir(path(name), 0o755), os.WriteFile(path(name, "alspan.yaml"), []byte(text), 0o644),
		os.Symlink(name, path("..data_tmp")), os.Rename(path("..data_tmp"), path("..data")), os.RemoveAll(path(old))); err != nil {
		t.Fatal(err)
	}
}

// hangUp asks the agent to read its file.
func (c *configMap) hangUp(t *testing.T) {
	t.Helper()
	if err := c.agent.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// reloads is what the agent says of them.
type reloads struct {
	taken, refused int
	successful     bool
	hash           float64
}

func (c *configMap) state(t *testing.T) reloads {
	t.Helper()
	page, err := c.agent.metrics()
	if err != nil {
		t.Fatal(err)
	}
	return reloads{int(page[`alspan_config_reloads_total{result="taken"}`]), int(page[`alspan_config_reloads_total{result="refused"}`]),
		page["alspan_config_last_reload_successful"] == 1, page["alspan_config_hash"]}
}

// reloaded waits until the agent has read its file once more.
func (c *configMap) reloaded(t *testing.T, before reloads) reloads {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		if now := c.state(t); now.taken+now.refused == before.taken+before.refused {
			return fmt.Errorf("there was no reload since %+v", before)
		}
		return nil
	})
	return c.state(t) // all of it from after the reload
}

// open says whether so many streams and connections are open at the agent, and none was refused anything.
func (c *configMap) open(streams, connections int) error {
	page, err := c.agent.metrics()
	if err != nil {
		return err
	}
	for name, want := range map[string]int{"alspan_streams": streams, "alspan_connections": connections, "alspan_connections_refused_total": 0,
		"alspan_messages_refused_total": 0, "alspan_requests_refused_total": 0, "alspan_requests_truncated_total": 0} {
		if got, ok := page[name]; !ok || got != float64(want) {
			return fmt.Errorf("%s is %v, want %d", name, got, want)
		}
	}
	return nil
}

// idle waits until so many entries and spans have come and have left.
func (c *configMap) idle(t *testing.T, entries, spans int) (page metrics) {
	t.Helper()
	eventually(t, 40*time.Second, func() (err error) {
		if page, err = c.agent.metrics(); err != nil {
			return err
		}
		if e, s := page["alspan_entries_received_total"], page["alspan_spans_in_total"]; e != float64(entries) || s != float64(spans) {
			return fmt.Errorf("%v entries and %v spans have come, want %d and %d", e, s, entries, spans)
		}
		if err := page.idle(); err != nil {
			return err
		}
		return page.balanced()
	})
	return page
}

// stop ends the agent, which is to have said of each mistake where it is, and of nothing else that it is wrong.
func (c *configMap) stop(t *testing.T) {
	t.Helper()
	if took, err := c.agent.stop(15 * time.Second); err != nil || took > 10*time.Second {
		t.Errorf("the agent took %s to stop: %v", took, err)
	}
	var errs []string
	for line := range strings.Lines(c.agent.out.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") || strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
			errs = append(errs, line)
		}
	}
	ok := len(errs) == len(c.mistake)
	for i, line := range errs {
		ok = ok && strings.Contains(line, "the configuration was not taken up") && strings.Contains(line, c.mistake[i])
	}
	if !ok {
		t.Errorf("the agent has said %q, want %q", errs, c.mistake)
	}
}
