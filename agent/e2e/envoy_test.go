package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// envoy is one running Envoy.
type envoy struct {
	*process
	hop     string
	address string // of its one listener
	admin   string // address
	records string // file of its own account, see truth_test.go
}

// startEnvoy starts an Envoy on free ports and waits until it is ready.
func startEnvoy(t *testing.T, version string, b bootstrap) *envoy {
	t.Helper()
	path, err := toolbox.Path(toolbox.Tool{Name: "envoy", Version: version})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	e := &envoy{hop: b.Name, records: filepath.Join(dir, "records.jsonl")}
	config, err := json.MarshalIndent(b.render(e.records), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file, adminFile := filepath.Join(dir, "envoy.json"), filepath.Join(dir, "admin")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", file, "--admin-address-path", adminFile, "--use-dynamic-base-id", "--concurrency", "2", "--log-level", "warning"}
	if !b.inFiles() {
		args = append(args, "--file-flush-interval-msec", "50")
	} else if !b.DefaultFlush {
		args = append(args, "--file-flush-interval-msec", "100")
	}
	e.process = startInto(t, b.Stdout, "envoy "+version+" "+b.Name, path, args...)
	eventually(t, 20*time.Second, func() error {
		select {
		case <-e.done:
			t.Fatalf("%s ended at its start: %v", e.name, e.err)
		default:
		}
		content, _ := os.ReadFile(adminFile) // it comes when the admin port is open
		e.admin = string(content)
		ready, err := get("http://" + e.admin + "/ready")
		if err == nil && strings.TrimSpace(ready) != "LIVE" {
			err = fmt.Errorf("%s is not ready: %s", e.name, ready)
		}
		return err
	})
	listeners, err := get("http://" + e.admin + "/listeners?format=json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Statuses []struct {
			LocalAddress struct {
				SocketAddress struct {
					Address   string
					PortValue int `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal([]byte(listeners), &list); err != nil || len(list.Statuses) != 1 {
		t.Fatalf("cannot read Envoy's listeners: %v\n%s", err, listeners)
	}
	at := list.Statuses[0].LocalAddress.SocketAddress
	e.address = fmt.Sprintf("%s:%d", at.Address, at.PortValue)
	return e
}

// deadAddress gives an address where nobody listens, and nobody else can: it is taken.
func deadAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// spansSent gives how many spans of its own Envoy has exported.
func (e *envoy) spansSent() (int, error) {
	page, err := get("http://" + e.admin + "/stats?filter=^tracing.*spans_sent$")
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(page) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Errorf("cannot read Envoy's counter %q: %w", line, err)
		}
		sum += n
	}
	return sum, nil
}

// get reads a page, and makes any status but 200 an error.
func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
	}
	return string(body), err
}
