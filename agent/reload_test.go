package agent

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
)

// reconfigured gives a copy of what the agent was started with, changed.
func reconfigured(t *testing.T, a *Agent, change func(*config.Config)) *config.Config {
	t.Helper()
	c := *a.started
	change(&c)
	return &c
}

func mustReload(t *testing.T, a *Agent, change func(*config.Config)) (changed, restart []string) {
	t.Helper()
	changed, restart, err := a.Reload(reconfigured(t, a, change))
	if err != nil {
		t.Fatal(err)
	}
	return changed, restart
}

// Everything that may change does, on a stream that stays open and without a span lost.
func TestReload(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, func(c *config.Config) { c.Correlate.Wait = 0 })
	e := newEnvoy(t, a, 5*time.Millisecond)
	sent := 0
	send := func() fake.Span {
		t.Helper()
		x := entry("/x")
		x.Request.RequestHeaders = map[string]string{"x-team": "web"}
		e.Log(0, x)
		sent++
		spans, err := backend.Wait(t.Context(), func(s []fake.Span) bool { return len(s) >= sent })
		if err != nil {
			t.Fatal(err)
		}
		return spans[sent-1]
	}
	has := func(s fake.Span, key string) bool { _, ok := attributesOf(s.Span)[key]; return ok }
	if s := send(); has(s, "cluster") || has(s, "http.request.header.x-team") {
		t.Errorf("before the reload a span has %v", attributesOf(s.Span))
	}
	changed, restart := mustReload(t, a, func(c *config.Config) {
		c.Attributes.Actions = []config.Action{{Key: "cluster", Action: "insert", Value: "a"}}
		c.Resource.Attributes = []config.Action{{Key: "team", Action: "insert", Value: "b"}}
		c.Spans.RequestHeaders = []string{"x-team"}
		c.Spans.Events = false
		c.Export.Headers = map[string]string{"tenant": "t1"}
		c.Export.Compression = "gzip"
		c.Export.Batch.Age = 20 * time.Millisecond
		c.Export.Memory *= 2
		c.Log.Format = "json"
	})
	if want := []string{"spans.events", "spans.request_headers", "attributes.actions", "resource.attributes", "export.compression", "export.headers", "export.batch.age"}; !slices.Equal(changed, want) {
		t.Errorf("changed: %q, want %q", changed, want)
	}
	if want := []string{"export.memory", "log.format"}; !slices.Equal(restart, want) {
		t.Errorf("a restart is needed for %q, want %q", restart, want)
	}
	s := send()
	if r := s.Resource.Attributes; !has(s, "cluster") || !has(s, "http.request.header.x-team") || len(s.Events) != 0 || r[len(r)-1].Key != "team" {
		t.Errorf("after the reload a span is %v of %v", s.Span, s.Resource)
	}
	requests := backend.Requests()
	if h := requests[len(requests)-1].Header; h.Get("tenant") == nil {
		t.Errorf("the headers of a request are %v", h)
	}

	// A filter, and back: what it has counted stays with it while it is there.
	filtered := func(c *config.Config) {
		c.Filter.Traces.Span = []config.Text{{Value: `attributes["url.path"] == "/x"`, Path: "filter.traces.span[0]", Line: 3}}
	}
	mustReload(t, a, filtered)
	e.Log(0, entry("/x"))
	await(t, "the filter", func() bool { return a.pipeline.Spans.Dropped[ledger.SpanFiltered].Load() == 1 })
	mustReload(t, a, func(c *config.Config) {
		filtered(c)
		c.Filter.Traces.Span = slices.Insert(c.Filter.Traces.Span, 0, config.Text{Value: `name == "none"`, Path: "filter.traces.span[0]"})
		c.Filter.Traces.Span[1].Path = "filter.traces.span[1]"
	})
	body := get(t, a, "/metrics", http.StatusOK)
	for _, line := range []string{`alspan_filter_hits_total{condition="attributes[\"url.path\"] == \"/x\"",rule="filter.traces.span[1]"} 1`,
		`alspan_filter_hits_total{condition="name == \"none\"",rule="filter.traces.span[0]"} 0`, `alspan_spans_dropped_total{reason="filtered"} 1`} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("the metrics have no line %s", line)
		}
	}

	// What cannot be used changes nothing.
	before := a.pipeline.settings.Load()
	for _, bad := range []func(*config.Config){
		func(c *config.Config) {
			c.Filter.Traces.Span = []config.Text{{Value: `nam == "x"`, Path: "filter.traces.span[0]", Line: 7}}
		},
		func(c *config.Config) { c.Export.TLS.CAFile, c.Export.Endpoint = "none", "https://x:1" },
	} {
		c := reconfigured(t, a, bad)
		c.File = "alspan.yaml"
		if _, _, err := a.Reload(c); err == nil {
			t.Error("a bad configuration is taken up")
		} else if text := err.Error(); len(c.Filter.Traces.Span) > 0 && !strings.HasPrefix(text, "cannot read configuration alspan.yaml: line 7: filter.traces.span[0]: cannot parse the condition") {
			t.Errorf("got error %s", text)
		}
	}
	if a.pipeline.settings.Load() != before {
		t.Error("a bad configuration changes something")
	}
	mustReload(t, a, func(*config.Config) {})
	if s := send(); has(s, "cluster") {
		t.Errorf("back to the beginning a span has %v", attributesOf(s.Span))
	}
	e.Close(t.Context())
	a.Stop()
	checkLedgers(t, a)
	if n := a.pipeline.Entries.Received.Load(); n != int64(sent)+1 {
		t.Errorf("%d entries came, want %d", n, sent+1)
	}
}

// The join takes up other waits for what is already in it, and other settings of the headers for loggers that are known.
func TestReloadReachesTheJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		began := time.Now()
		e, _ := pair(1)
		r.logs(1, alsMessage(t, e))
		r.after(time.Second)
		c := config.Default()
		c.Correlate.Wait, c.Export.Batch.Age = 3*time.Second, time.Millisecond
		c.Correlate.HeaderSpanID = map[string]string{"edge": "parent"}
		s, err := newSettings(c, nil, r.p.settings.Load(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r.p.take(c, s, slog.New(slog.DiscardHandler))
		r.after(10 * time.Second)
		if len(r.out) != 1 || r.out[0].At.Sub(began) > 3100*time.Millisecond || len(r.out[0].ParentSpanId) == 0 {
			t.Errorf("after %v: %v", r.out[0].At.Sub(began), r.out)
		}
		r.end()
	})
}

// A file is read anew when it has changed and is not being written any more, however it was exchanged, and at a signal.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A ConfigMap's folder: the file is a link into a link, which is exchanged.
		dir := t.TempDir()
		version := func(name, text string) {
			t.Helper()
			for _, err := range []error{os.Mkdir(filepath.Join(dir, name), 0o700), os.WriteFile(filepath.Join(dir, name, "c.yaml"), []byte(text), 0o600),
				os.Symlink(name, filepath.Join(dir, "new")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "..data"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		version("v1", "a")
		file := filepath.Join(dir, "c.yaml")
		if err := os.Symlink("..data/c.yaml", file); err != nil {
			t.Fatal(err)
		}
		var reloads atomic.Int64
		signals := make(chan os.Signal, 1)
		ctx, cancel := context.WithCancel(t.Context())
		before := look(file)
		go follow(ctx, file, before, signals, func() { reloads.Add(1) })
		wants := func(n int64, what string) {
			t.Helper()
			time.Sleep(5 * poll)
			synctest.Wait()
			if got := reloads.Load(); got != n {
				t.Errorf("%s: %d reloads, want %d", what, got, n)
			}
		}
		wants(0, "nothing")
		version("v2", "b")
		wants(1, "exchanged")
		if err := os.Remove(filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		wants(1, "gone")
		version("v3", "c")
		wants(2, "back")
		if err := os.WriteFile(file, []byte("longer"), 0o600); err != nil {
			t.Fatal(err)
		}
		wants(3, "written in place")
		signals <- syscall.SIGHUP
		wants(4, "a signal")
		time.Sleep(poll / 2) // not when the file is looked at
		for i := range 5 {   // somebody who writes slowly
			if err := os.WriteFile(file, []byte(strings.Repeat("x", 10+i)), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(poll)
			if got := reloads.Load(); got != 4 {
				t.Errorf("a file that is being written is read: %d reloads", got)
			}
		}
		wants(5, "written")
		cancel()
		synctest.Wait()
		ctx, cancel = context.WithCancel(t.Context())
		go follow(ctx, file, before, signals, func() { reloads.Add(1) })
		wants(6, "changed between the first reading and now")
		cancel()
		synctest.Wait()
	})
}

// What needs a restart is what the configuration has.
func TestFixedKeysAreKeys(t *testing.T) {
	text := string(config.Markdown())
	for _, f := range fixed {
		if !strings.Contains(text, "`"+f+"`") && !strings.Contains(text, "\n## "+f+"\n") {
			t.Errorf("there is no key %s", f)
		}
	}
}
