// Command floor does the least that any agent must: it reads what the load sends over plain TCP, copies it once, and
// writes it to a sink; with -discard it only reads. It prints its addresses as a line of JSON; GET /progress on the control
// address gives the bytes that it has read.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const buffer = 128 << 10

func main() {
	to := flag.String("to", "", "the sink's plain address")
	discard := flag.Bool("discard", false, "read only")
	flag.Parse()
	if err := run(*to, *discard); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(to string, discard bool) error {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	var bytes atomic.Uint64
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"bytes":%d}`, bytes.Load())
	})}
	go s.Serve(control) // until the process ends
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"in": in.Addr().String(), "control": control.Addr().String()}); err != nil {
		return fmt.Errorf("cannot print the addresses: %w", err)
	}
	for {
		c, err := in.Accept()
		if err != nil {
			return fmt.Errorf("cannot accept: %w", err)
		}
		var out net.Conn
		if !discard {
			if out, err = net.Dial("tcp", to); err != nil {
				return fmt.Errorf("cannot reach the sink: %w", err)
			}
		}
		go pump(c, out, &bytes)
	}
}

// pump moves one connection's bytes: a buffer is filled, copied to another one, and that is written. A splice in the
// kernel would be cheaper, and is nothing that an agent could do.
func pump(in, out net.Conn, bytes *atomic.Uint64) {
	defer in.Close()
	received, sent := make([]byte, buffer), make([]byte, buffer)
	for {
		n, err := in.Read(received)
		if out != nil && n > 0 {
			copy(sent, received[:n])
			if _, err := out.Write(sent[:n]); err != nil {
				return
			}
		}
		bytes.Add(uint64(n))
		if err != nil {
			if out != nil {
				out.Close()
			}
			return
		}
	}
}
