package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is where and when something was measured.
type Machine struct {
	Commit, Go, CPU, Kernel, Date string
	Cores                         int
}

// ThisMachine looks at the machine and at the repository in a folder.
func ThisMachine(repository string) Machine {
	m := Machine{Go: runtime.Version(), CPU: "unknown CPU", Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU()}
	m.Commit = says("git", "-C", repository, "rev-parse", "--short=12", "HEAD")
	// The results themselves may be new: they are no part of what is measured.
	if says("git", "-C", repository, "status", "--porcelain", "--", ".", ":!bench/RESULTS.md", ":!bench/scaling.svg") != "" {
		m.Commit += " with changes"
	}
	m.Kernel = says("uname", "-sr")
	info, _ := os.ReadFile("/proc/cpuinfo") // not everywhere
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// says gives what a command prints, "" if it fails.
func says(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (m Machine) String() string {
	return fmt.Sprintf("Commit %s, %s, %s/%s, %s, %d cores, %s, %s.\n", m.Commit, m.Go, runtime.GOOS, runtime.GOARCH, m.CPU, m.Cores, m.Kernel, m.Date)
}
