package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is the agent's own HTTP side: metrics and health, and profiles on an address of their own.
type admin struct {
	servers   []*http.Server
	listeners []net.Listener
	names     []string
}

func newAdmin(a *Agent) (*admin, error) {
	d := &admin{}
	if err := d.listen("admin", a.started.Admin.Address, a.adminHandler()); err != nil {
		return nil, err
	}
	if err := d.listen("pprof", a.started.Admin.Pprof, pprofHandler()); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *admin) listen(name, address string, h http.Handler) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s.address: %w", name, err)
	}
	d.names, d.listeners = append(d.names, name), append(d.listeners, l)
	d.servers = append(d.servers, &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	})
	return nil
}

// attrs gives the addresses for the start-up line.
func (d *admin) attrs() (attrs []slog.Attr) {
	for i, l := range d.listeners {
		attrs = append(attrs, slog.String(d.names[i], l.Addr().String()))
	}
	return attrs
}

func (d *admin) serve(failed chan<- error) {
	for i, s := range d.servers {
		go func() {
			if err := s.Serve(d.listeners[i]); err != http.ErrServerClosed {
				failed <- fmt.Errorf("cannot serve on %s: %w", d.listeners[i].Addr(), err)
			}
		}()
	}
}

func (d *admin) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for i, s := range d.servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
		d.listeners[i].Close() // one that was never served
	}
}

// adminHandler serves /metrics, /healthz (the process works) and /readyz (it receives).
func (a *Agent) adminHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newMetrics(a), ruleMetrics{a.pipeline}, samplerMetrics{a.pipeline}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.pipeline.red != nil {
		registry.MustRegister(a.pipeline.red)
	}
	mux := http.NewServeMux()
	// Exemplars exist in OpenMetrics and in the protobuf format only, native histograms in the latter.
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !a.ready.Load() {
			http.Error(w, "not ready: starting or stopping", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	return mux
}

func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
