package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/fake"
)

// logLines gives n lines of an access log.
func logLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"start_time":"2026-11-22T08:00:00.%03dZ","duration":1,"path":"/%d","response_code":200}`+"\n", i%1000, i)
	}
	return b.String()
}

// converted runs the conversion of a file with that text, and gives what it has told.
func (v *conversion) converted(ctx context.Context, t *testing.T, text string) (string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	if v.err = &told; v.out == nil {
		v.out = io.Discard
	}
	err := v.run(ctx, name)
	return told.String(), err
}

// to gives a conversion that sends to a backend, and its configuration has further lines of export.
func to(t *testing.T, b *fake.Backend, more string) *conversion {
	t.Helper()
	name := filepath.Join(t.TempDir(), "alspan.yaml")
	if err := os.WriteFile(name, []byte("export:\n  endpoint: "+b.Address()+"\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return &conversion{config: name}
}

func TestConvert(t *testing.T) {
	b := startBackend(t)
	told, err := to(t, b, "").converted(t.Context(), t, logLines(3)+`{"start_time":"noon","duration":1,"path":"/"}`+"\n"+`{"path":`+"\n\nhello")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.Spans()); n != 3 {
		t.Errorf("%d spans", n)
	}
	const want = `7 lines: 5 access-log entries, 1 of them malformed; 2 other lines, 0 too long
entries that make no span: 1 no_start_time
3 spans made: 3 exported, 0 dropped
`
	if told != want {
		t.Errorf("it tells\n%s, want\n%s", told, want)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space") }

// What cannot be written is an error, also when it is only the last of it.
func TestConvertToFullDisk(t *testing.T) {
	for _, n := range []int{1, 20000} {
		_, err := (&conversion{output: "-", out: fullDisk{}}).converted(t.Context(), t, logLines(n))
		if err == nil || !strings.Contains(err.Error(), "cannot write spans: no space") {
			t.Errorf("of %d lines the error is %v", n, err)
		}
	}
}

func TestConvertOntoItself(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(name, []byte(logLines(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	v := conversion{output: filepath.Dir(name) + "/./access.log", err: io.Discard}
	if err := v.run(t.Context(), name); err == nil || !strings.Contains(err.Error(), "is the file that is read") {
		t.Errorf("the error is %v", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != logLines(1) {
		t.Errorf("the file is %q (%v)", text, err)
	}
}

// An interrupt ends it within export.drain, whatever it waits for.
func TestConvertInterrupted(t *testing.T) {
	b := startBackend(t)
	b.Always(fake.Reply{Code: codes.Unavailable})
	for name, n := range map[string]int{"for the upstream": 1, "for room": 200_000} {
		ctx, cancel := context.WithCancel(t.Context())
		before := b.Stats().Requests
		go func() {
			defer cancel()
			for end := time.Now().Add(20 * time.Second); b.Stats().Requests == before && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond)
		}()
		began := time.Now()
		_, err := to(t, b, "  drain: 200ms\n").converted(ctx, t, logLines(n))
		if err == nil || !strings.Contains(err.Error(), "were lost") {
			t.Errorf("waiting %s: the error is %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("waiting %s: it took %v", name, took)
		}
	}
}

// An interrupt ends it also while a pipe has nothing to give.
func TestConvertInterruptedPipe(t *testing.T) {
	b := startBackend(t)
	in, writer := io.Pipe()
	defer writer.Close()
	v := to(t, b, "")
	v.in, v.err = in, io.Discard
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	go func() {
		defer cancel()
		io.WriteString(writer, logLines(2))
		b.WaitSpans(ctx, 2)
	}()
	if err := v.run(ctx, "-"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if n := len(b.Spans()); n != 2 {
		t.Errorf("%d spans", n)
	}
}
