package parity

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/agent"
	"github.com/alspan/alspan/internal/config"
)

// running is an agent that keeps what it would send.
type running struct {
	agent *agent.Agent
	mu    sync.Mutex
	spans []*tracepb.ResourceSpans
}

// startAgent starts an agent with the configuration in text.
func startAgent(text string) (*running, error) {
	c, err := agentConfig(text)
	if err != nil {
		return nil, err
	}
	r := new(running)
	r.agent, err = agent.Start(c, r.keep, slog.New(slog.DiscardHandler))
	return r, err
}

// agentConfig reads the configuration in text, but for what an agent listens on, and for waiting: it leaves spans as they come.
func agentConfig(text string) (*config.Config, error) {
	c, err := config.Parse("", []byte(text), os.LookupEnv)
	if err != nil {
		return nil, err
	}
	c.Receive.GRPC.Address, c.Receive.HTTP.Address, c.Receive.Zipkin.Address, c.Admin.Address = "127.0.0.1:0", "", "", ""
	c.Correlate.SpanWait, c.Correlate.Wait, c.Export.Batch.Age = 0, 0, time.Millisecond
	c.Pods.Enabled = "off"
	return c, nil
}

func (r *running) keep(list []*tracepb.ResourceSpans) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, list...)
}

// run gives requests to the agent, stops it, and gives what came out as one.
func (r *running) run(requests ...[]byte) ([]byte, error) {
	err := r.send(requests)
	r.agent.Stop()
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&tracepb.TracesData{ResourceSpans: r.spans})
}

func (r *running) send(requests [][]byte) error {
	for _, body := range requests {
		resp, err := http.Post("http://"+r.agent.Address()+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || len(answer) > 0 {
			return fmt.Errorf("the agent answers %s %q", resp.Status, answer)
		}
	}
	return nil
}
