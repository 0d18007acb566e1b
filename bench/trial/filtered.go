package trial

import (
	"context"
	"fmt"
	"time"
)

// filtered waits until a system that has metrics says that its filters dropped as many spans as were to be dropped since it
// started. It gives an error if they drop more, or fewer in the end.
func (b *bench) filtered(ctx context.Context, want uint64) error {
	if b.running.Admin == "" {
		return nil
	}
	for began := time.Now(); ; time.Sleep(lookEvery) {
		fates, err := b.fates(ctx)
		if err != nil {
			return err
		}
		n := uint64(fates["dropped filtered"])
		if n == want {
			return nil
		}
		if n > want || time.Since(began) > quiet {
			return fmt.Errorf("cannot use the measurement: filters dropped %d spans, want %d", n, want)
		}
	}
}
