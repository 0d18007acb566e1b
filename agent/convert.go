package agent

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/tail"
)

// conversion makes spans of the lines of one log file, and ends.
type conversion struct {
	config string
	output string // file for OTLP JSON lines, "-" is standard output, "" the upstream
	node   string
	quiet  bool
	in     io.Reader
	out    io.Writer
	err    io.Writer
}

func convertCommand() *cobra.Command {
	var v conversion
	c := &cobra.Command{Use: "convert FILE|-", Short: "Turn a file of JSON access-log lines into spans.", Args: cobra.ExactArgs(1),
		Long: "Reads a file of JSON access-log lines, also one in the format of CRI or Docker or compressed with gzip, and sends the spans that are made of\n" +
			"them to the upstream of the configuration, or writes them as OTLP JSON lines. With - it reads standard input.",
		RunE: func(c *cobra.Command, args []string) error {
			v.in, v.out, v.err = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
			return v.run(c.Context(), args[0])
		}}
	fileFlag(c, &v.config)
	c.Flags().StringVarP(&v.output, "output", "o", "", "write OTLP JSON lines to this file, or to standard output with -, instead of sending spans")
	c.Flags().StringVar(&v.node, "node", "", "id of the Envoy node that has written the file")
	c.Flags().BoolVarP(&v.quiet, "quiet", "q", false, "show no progress")
	return c
}

func (v *conversion) run(ctx context.Context, name string) (err error) {
	c, err := config.Load(v.config, os.LookupEnv)
	if err != nil {
		return err
	}
	log := newLog(v.err, c.Log.Format, levelOf(c.Log))
	in, bar, closed, err := v.open(ctx, name)
	if err != nil {
		return err
	}
	defer closed()
	to, finish, err := v.target(name, log)
	if err != nil {
		return err
	}
	// No spans will come to meet the entries, and lines can wait for the upstream.
	c.Correlate.Wait, c.Correlate.SpanWait, c.Export.WhenFull, c.Metrics.Requests, c.Metrics.ServiceGraph = 0, 0, "wait", false, false
	c.Export.Logs = false // spans are what is asked for
	if abs, err := filepath.Abs(name); err == nil && name != "-" {
		name = abs
	}
	p, err := newPipeline(c, nil, to, log)
	if err != nil {
		return err
	}
	lines, failed := v.convert(ctx, p, c, in, name)
	if bar != nil {
		bar.Finish()
	}
	return errors.Join(failed, finish(), v.report(p, lines))
}

// convert reads in to its end, or until ctx is over, and returns when everything has left.
func (v *conversion) convert(ctx context.Context, p *Pipeline, c *config.Config, in io.Reader, name string) (lines converted, err error) {
	f, err := p.fileInlet(&c.Receive)
	if err != nil {
		return lines, err
	}
	f.node = v.node
	sending, abort := context.WithCancel(context.Background())
	defer abort()
	// Who has interrupted waits neither for room nor for ever.
	defer context.AfterFunc(ctx, func() {
		f.stop.Store(true)
		time.AfterFunc(c.Export.Drain/2, p.core.Refuse)
		time.AfterFunc(c.Export.Drain, abort)
	})()
	parted := make(chan struct{})
	var joining, senders sync.WaitGroup
	senders.Go(func() { p.deliver(sending, c.Export.Senders) })
	joining.Go(func() { p.join(parted) })
	joining.Go(func() { p.govern(parted) })
	lines.tooLong, err = tail.Lines(in, int(c.Receive.Files.MaxLine), func(b *tail.Batch) {
		b.Path = name
		lines.read += int64(len(b.Lines))
		f.take(b)
	})
	if err != nil {
		err = fmt.Errorf("cannot read %s to its end: %w", name, err)
	}
	close(parted)
	joining.Wait()
	p.core.Close()
	senders.Wait()
	p.close()
	lines.other = f.Other.Load()
	return lines, err
}

// converted counts lines.
type converted struct{ read, other, tooLong int64 }

// open gives what is to be read, decompressed, and its size in bytes as it is read from the disk, -1 if that is not known.
func (v *conversion) open(ctx context.Context, name string) (in io.Reader, bar *progressbar.ProgressBar, done func() error, err error) {
	raw, size, done := v.in, int64(-1), func() error { return nil }
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("cannot read log lines: %w", err)
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		raw, done = f, f.Close
	}
	if !v.quiet && isTerminal(v.err) {
		bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(v.err), progressbar.OptionShowBytes(true), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetDescription(filepath.Base(name)))
		counted := progressbar.NewReader(raw, bar)
		raw = &counted
	}
	buffered := bufio.NewReaderSize(&interruptible{ctx: ctx, from: raw}, 64<<10)
	if head, _ := buffered.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, nil, nil, errors.Join(fmt.Errorf("cannot decompress %s: %w", name, err), done())
		}
		return z, bar, done, nil
	}
	return buffered, bar, done, nil
}

// target gives where spans go, nil for the upstream. Done writes what is left of them.
func (v *conversion) target(input string, log *slog.Logger) (to exporter, done func() error, err error) {
	switch v.output {
	case "":
		return nil, func() error { return nil }, nil
	case "-":
		j := export.NewJSON(v.out, log)
		return j, j.Close, nil
	}
	if is, err := os.Stat(v.output); err == nil && input != "-" {
		if from, err := os.Stat(input); err == nil && os.SameFile(is, from) {
			return nil, nil, fmt.Errorf("cannot write spans: %s is the file that is read", v.output)
		}
	}
	f, err := os.Create(v.output)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write spans: %w", err)
	}
	j := export.NewJSON(f, log)
	return j, func() error { return errors.Join(j.Close(), f.Close()) }, nil
}

// report says what became of the lines, and gives an error if spans were lost.
func (v *conversion) report(p *Pipeline, lines converted) error {
	e, s := &p.Entries, &p.Spans
	fmt.Fprintf(v.err, "%d lines: %d access-log entries, %d of them malformed; %d other lines, %d too long\n", lines.read+lines.tooLong, e.Received.Load(),
		e.Dropped[ledger.EntryMalformed].Load(), lines.other, lines.tooLong)
	var without []string
	for i := range e.Dropped {
		if n := e.Dropped[i].Load(); n > 0 && ledger.EntryDrop(i) != ledger.EntryMalformed {
			without = append(without, fmt.Sprintf("%d %s", n, ledger.EntryDrop(i)))
		}
	}
	if n := e.Duplicate.Load(); n > 0 {
		without = append(without, fmt.Sprintf("%d duplicate", n))
	}
	if n := e.Taught.Load(); n > 0 {
		without = append(without, fmt.Sprintf("%d start", n))
	}
	if len(without) > 0 {
		fmt.Fprintf(v.err, "entries that make no span: %s\n", strings.Join(without, ", "))
	}
	fmt.Fprintf(v.err, "%d spans made: %d exported, %d dropped\n", s.Made.Load(), s.Exported.Load(), dropped(s.Dropped[:]))
	for _, lost := range []ledger.SpanDrop{ledger.SpanRejected, ledger.SpanPartial, ledger.SpanRetryExhausted, ledger.SpanShutdown, ledger.SpanFull, ledger.SpanOversize} {
		if n := s.Dropped[lost].Load(); n > 0 {
			return fmt.Errorf("cannot deliver all spans: %d were lost (%s)", n, lost)
		}
	}
	return nil
}

// interruptible is a reader that ends when ctx is over, even while from has nothing to give, as a terminal or a pipe.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	room []byte // belongs to the read that goes on
	rest []byte
	err  error // of from, once rest is read
}

func (r *interruptible) Read(b []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	if len(r.rest) == 0 && r.err == nil {
		if r.room == nil {
			r.room = make([]byte, 64<<10)
		}
		n, got := 0, make(chan error, 1)
		go func() {
			var err error
			n, err = r.from.Read(r.room)
			got <- err
		}()
		select {
		case r.err = <-got:
			r.rest = r.room[:n]
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
	n := copy(b, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) > 0 {
		return n, nil
	}
	return n, r.err
}
