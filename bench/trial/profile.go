package trial

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profile takes a CPU profile of a system that gives any while it works, into a file of that name. What it gives tells when
// that is done.
func (b *bench) profile(ctx context.Context, folder, name string, d time.Duration) <-chan error {
	done := make(chan error, 1)
	if folder == "" || b.running.Pprof == "" {
		close(done)
		return done
	}
	go func() {
		path := filepath.Join(folder, strings.NewReplacer(" ", "-", "/", "-", ",", "").Replace(name)+".pprof")
		if err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", b.running.Pprof, max(d.Seconds(), 1)), path); err != nil {
			done <- fmt.Errorf("cannot take a profile: %w", err)
		}
		close(done)
	}()
	return done
}

func fetch(ctx context.Context, url, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
