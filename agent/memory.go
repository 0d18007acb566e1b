package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/alspan/alspan/internal/config"
)

// limitShare is the part of the container's memory limit that becomes GOMEMLIMIT. Memory is bounded by construction; this
// makes the garbage collector work harder before the kernel has to end the agent. GOMAXPROCS follows the container's CPU
// limit by itself.
const limitShare = 0.75

// gcPercent is how much garbage there may be, relative to what is in use. Most of that are the arenas of the batching core and
// of the join, which have nothing in them to be looked at: a collection is cheap, and room for as much again would be wasted.
const gcPercent = 25

// limitMemory sets the runtime's soft limit from the cgroup's, and how much garbage there may be. GOMEMLIMIT and GOGC in the
// environment win.
func limitMemory(log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	_, err := memlimit.Set(memlimit.WithRatio(limitShare))
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) {
		log.Warn("the container's memory limit is not known", "error", err)
	}
}

// memoryBound says the most that batches, log records, metrics and logs on their way, start entries, what waits, what is remembered,
// metrics of requests and connections can take: what is not in it is the program itself, and for each stream the one message, and for
// each request the body, that is being received.
func memoryBound(c *config.Config) string {
	fixed := config.Size(coreOptions(c).Bound()) + c.Correlate.StartMemory + c.Correlate.Memory + requestMemory + printMemory + idMemory + verdictMemory + c.Filter.Remembered() + c.Metrics.Most()
	if c.Export.Logs {
		fixed += config.Size(logCoreOptions(c).Bound())
	}
	if c.Receive.OtherSignals == "forward" {
		fixed += c.Export.OtherMemory
	}
	const each = config.Size(2*window + readBuffer + writeBuffer)
	return fmt.Sprintf("%d MiB, and %.1f MiB for each of at most %d connections", fixed/config.MiB, float64(each)/float64(config.MiB), c.Receive.Limits.Connections)
}

// short is the share of GOMEMLIMIT from which memory is short: the garbage collector works for little then.
const short = 0.95

// memoryShort tells whether memory is short. Without a limit it never is.
func memoryShort() bool {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return false
	}
	used := []runtimemetrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	runtimemetrics.Read(used)
	return float64(used[0].Value.Uint64()-used[1].Value.Uint64()) > short*float64(limit)
}

// softLimit gives GOMEMLIMIT as it is in force, "none" when there is none.
func softLimit() string {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return "none"
	}
	return fmt.Sprintf("%d MiB", limit>>20)
}
