package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ring"
)

// fixed are the keys, or the sections of keys, that a running agent cannot change: sockets, connections, memory that is divided at
// the start, goroutines.
var fixed = []string{
	"receive", "correlate.start_memory", "correlate.memory",
	"pods.enabled", "pods.node", "pods.watch", "pods.kubeconfig", "pods.labels", "pods.annotations",
	"metrics", "export.endpoint", "export.tls", "export.memory", "export.other_memory", "export.when_full", "export.senders", "export.logs", "export.logs_memory", "admin", "log.format",
}

func isFixed(path string) bool {
	return slices.ContainsFunc(fixed, func(f string) bool { return path == f || strings.HasPrefix(path, f+".") })
}

// reloads are what is known of them.
type reloads struct {
	mu             sync.Mutex // one at a time
	good, bad      atomic.Int64
	failed         atomic.Bool  // the last one
	hash, loadedAt atomic.Int64 // of the configuration that was taken up last; Unix seconds
}

// note remembers that c was taken up.
func (r *reloads) note(c *config.Config) {
	const exact = 1<<48 - 1 // as a number of a metric
	r.hash.Store(int64(xxh3.HashString(fmt.Sprintf("%+v", *c)) & exact))
	r.loadedAt.Store(time.Now().Unix())
}

// Reload takes up another configuration while everything runs. It gives the keys that have changed, and those that need a restart to
// be in force. With an error everything stays as it was.
func (a *Agent) Reload(c *config.Config) (changed, restart []string, err error) {
	a.reloads.mu.Lock()
	defer a.reloads.mu.Unlock()
	if err := checkFiles(c); err != nil {
		return nil, nil, err
	}
	p := a.pipeline
	s, err := newSettings(c, a.watcher.Index(), p.settings.Load(), a.log)
	if err != nil {
		return nil, nil, err
	}
	changed = slices.DeleteFunc(config.Changed(a.cfg.Load(), c), isFixed)
	restart = slices.DeleteFunc(config.Changed(a.started, c), func(path string) bool { return !isFixed(path) })
	p.take(c, s, a.log)
	a.cfg.Store(c)
	a.reloads.note(c)
	return changed, restart, nil
}

// take makes the pipeline go by other settings from now on.
func (p *Pipeline) take(c *config.Config, s *settings, log *slog.Logger) {
	p.loggers.Set(relations(c))
	p.settings.Store(s)
	p.inbox.rouse() // the join takes it up even if nothing comes
	p.core.Limit(limits(c))
	set(p.exporter, exportOptions(c, log))
	if p.logged.core != nil {
		p.logged.core.Limit(limits(c))
		set(p.logged.exporter, exportOptions(c, log))
	}
	if !p.relay.drops() {
		p.relay.otlp.Set(exportOptions(c, log))
	}
}

func limits(c *config.Config) ring.Limits {
	return ring.Limits{Bytes: int64(c.Export.Batch.Bytes), Spans: c.Export.Batch.Spans, Age: c.Export.Batch.Age}
}

func set(e exporter, o export.Options) {
	if e, ok := e.(interface{ Set(export.Options) }); ok {
		e.Set(o)
	}
}

// configSource is where the configuration comes from, and what of it is not the agent's.
type configSource struct {
	file  string
	read  looked         // the file, just before it was read last
	level *slog.LevelVar // of the log
}

func (s *configSource) load() (*config.Config, error) {
	s.read = look(s.file)
	return config.Load(s.file, os.LookupEnv)
}

// reload reads the configuration anew and takes it up.
func (a *Agent) reload(from *configSource) {
	c, err := from.load()
	var changed, restart []string
	if err == nil {
		changed, restart, err = a.Reload(c)
	}
	a.reloads.failed.Store(err != nil)
	if err != nil {
		a.reloads.bad.Add(1)
		a.log.Error("the configuration was not taken up; everything stays as it was", "error", err)
		return
	}
	a.reloads.good.Add(1)
	from.level.Set(levelOf(c.Log))
	a.log.Info("the configuration was taken up", "changed", changed)
	if len(restart) > 0 {
		a.log.Warn("these settings are in force after a restart only", "settings", restart)
	}
}

// poll is how often the file is looked at. Looking costs a system call, and it works on every file system and for the symbolic links
// of a ConfigMap, which Kubernetes exchanges.
const poll = time.Second

// follow calls reload at every signal, and when the file is not the one that was taken any more, until ctx is over.
func follow(ctx context.Context, file string, taken looked, signals <-chan os.Signal, reload func()) {
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	seen := taken
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			taken = look(file)
			seen = taken
			reload()
		case <-ticks.C:
			now := look(file)
			if now.same(seen) && !now.same(taken) { // it is not being written any more
				taken = now
				reload()
			}
			seen = now
		}
	}
}

// looked is what can be seen of a file from outside.
type looked struct{ os.FileInfo }

func look(file string) looked {
	if file == "" {
		return looked{}
	}
	info, _ := os.Stat(file) // one that is not there is no change yet
	return looked{info}
}

func (l looked) same(other looked) bool {
	if l.FileInfo == nil || other.FileInfo == nil {
		return l.FileInfo == nil
	}
	return os.SameFile(l.FileInfo, other.FileInfo) && l.ModTime().Equal(other.ModTime()) && l.Size() == other.Size()
}
