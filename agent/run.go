package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/pods/watch"
)

// Agent is one running agent.
type Agent struct {
	cfg      atomic.Pointer[config.Config] // as it was read last; what needs a restart may not be in force
	started  *config.Config
	reloads  reloads
	log      *slog.Logger
	pipeline *Pipeline
	watcher  *watch.Watcher // nil where there is no cluster
	files    *files         // nil where none are followed
	receiver *receiver
	admin    *admin
	ready    atomic.Bool
	failed   chan error

	joining sync.WaitGroup
	parted  chan struct{} // closed when nothing comes any more: what waits goes out
	senders sync.WaitGroup
	relays  sync.WaitGroup
	abort   context.CancelFunc // ends the sending of what is still there
}

// Start makes an agent and returns when it serves. With a printer, spans are given to it instead of sent. Stop ends it.
func Start(c *config.Config, print printer, log *slog.Logger) (*Agent, error) {
	watcher, err := watchPods(&c.Pods, log)
	if err != nil {
		return nil, err
	}
	a := &Agent{started: c, log: log, watcher: watcher, failed: make(chan error, 16), parted: make(chan struct{})}
	a.cfg.Store(c)
	a.reloads.note(c)
	if a.pipeline, err = newPipeline(c, watcher.Index(), drawing(print, log), log); err != nil {
		a.watcher.Stop()
		return nil, err
	}
	if a.receiver, err = listen(&c.Receive, a.pipeline, log); err != nil {
		a.watcher.Stop()
		return nil, err
	}
	if a.files, err = a.pipeline.follow(c, log); err != nil {
		a.watcher.Stop()
		a.receiver.close()
		return nil, err
	}
	if a.admin, err = newAdmin(a); err != nil {
		a.watcher.Stop()
		a.receiver.close()
		return nil, err
	}
	ctx, abort := context.WithCancel(context.Background())
	a.abort = abort
	a.senders.Go(func() { a.pipeline.deliver(ctx, c.Export.Senders) })
	a.senders.Go(func() { a.pipeline.logged.deliver(ctx) })
	a.relays.Go(func() { a.pipeline.relay.send(ctx, c.Export.Senders) })
	a.joining.Go(func() { a.pipeline.join(a.parted) })
	a.joining.Go(func() { a.pipeline.govern(a.parted) })
	a.receiver.serve(a.failed)
	a.files.run()
	a.admin.serve(a.failed)
	a.ready.Store(true)
	a.announce(print != nil)
	return a, nil
}

// announce is the one line that says what listens where and where spans go.
func (a *Agent) announce(printing bool) {
	attrs := []slog.Attr{slog.String("version", version())}
	attrs = append(append(attrs, a.receiver.attrs()...), a.admin.attrs()...)
	if paths := a.started.Receive.Files.Paths; len(paths) > 0 {
		attrs = append(attrs, slog.Any("files", paths))
	}
	to := a.started.Export.Endpoint
	if printing {
		to = "stdout"
	}
	attrs = append(attrs, slog.String("export", to), slog.String("memory", memoryBound(a.started)), slog.String("gomemlimit", softLimit()))
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "alspan is running", attrs...)
}

// Address gives where access logs are received.
func (a *Agent) Address() string { return a.receiver.address("grpc") }

// Failed gives the error of a listener that broke.
func (a *Agent) Failed() <-chan error { return a.failed }

// Stop ends the agent within the configured time: no longer ready, streams ended right after a message, what waits for its
// partner let go, open batches sealed and sent, and beside them metrics and logs; what cannot be sent until then is counted as
// lost.
func (a *Agent) Stop() {
	began, within := time.Now(), a.cfg.Load().Export.Drain
	a.ready.Store(false)
	a.log.Info("alspan is stopping", "within", within)
	// Streams that wait for memory must come to an end, too.
	refuse := time.AfterFunc(within/2, a.pipeline.core.Refuse)
	a.files.halt()
	a.receiver.stop(within)
	a.pipeline.relay.close()
	close(a.parted)
	a.joining.Wait()
	refuse.Stop()
	a.pipeline.core.Close()
	a.pipeline.logged.close()
	deadline := time.AfterFunc(max(within-time.Since(began), 0), a.abort)
	a.senders.Wait()
	a.relays.Wait()
	deadline.Stop()
	a.abort()
	a.files.done(a.log)
	a.pipeline.close()
	a.admin.stop()
	a.watcher.Stop()
	e, s := &a.pipeline.Entries, &a.pipeline.Spans
	lost := dropped(s.Dropped[:])
	a.log.Info("alspan has stopped", "entries", e.Received.Load(), "spans", s.Made.Load(), "exported", s.Exported.Load(), "dropped", lost)
	if l := &a.pipeline.logged; l.on() {
		a.log.Info("log records were sent beside the spans", "made", l.Made.Load(), "exported", l.Exported.Load(), "dropped", dropped(l.Dropped[:]))
	}
}

// close lets the connections to the upstream go.
func (p *Pipeline) close() {
	for _, e := range []exporter{p.exporter, p.logged.exporter} {
		if c, ok := e.(io.Closer); ok {
			c.Close()
		}
	}
	if !p.relay.drops() {
		p.relay.otlp.Close()
	}
}

// run runs an agent until ctx is over or a listener breaks. SIGHUP, and a change of the file, reload the configuration.
func run(ctx context.Context, c *config.Config, from *configSource, print printer, log *slog.Logger) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from the beginning to the end: else a signal would kill us
	defer signal.Stop(hangups)
	a, err := Start(c, print, log)
	if err != nil {
		return err
	}
	defer a.Stop()
	following, stop := context.WithCancel(ctx)
	defer stop()
	go follow(following, from.file, from.read, hangups, func() { a.reload(from) })
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.Failed():
		return errors.Join(errors.New("cannot go on"), err)
	}
}
