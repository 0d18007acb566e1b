package e2e

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// send sends a request to an Envoy and reads the whole answer, whatever it is. arrived tells when the upstream has it.
func (r *request) send(ctx context.Context, address string, arrived <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second+r.Hold)
	defer cancel()
	switch {
	case r.Method == "GRPC":
		return r.sendGRPC(ctx, address)
	case r.HTTP == "2":
		return r.sendHTTP2(ctx, address)
	}
	return r.sendHTTP1(ctx, address, arrived)
}

// headers gives all header lines of a request but the host.
func (r *request) headers() [][2]string {
	all, _ := r.contextHeaders()
	if r.RequestID != "" {
		all = append(all, [2]string{"x-request-id", r.RequestID})
	}
	key, value, _ := strings.Cut(r.Header, ": ")
	if key != "" {
		all = append(all, [2]string{key, value})
	}
	if key != "user-agent" {
		all = append(all, [2]string{"user-agent", "e2e/1.0"})
	}
	return all
}

// sendHTTP1 writes the request's bytes itself: net/http would refuse some of them.
func (r *request) sendHTTP1(ctx context.Context, address string, arrived <-chan struct{}) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)

	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/%s\r\nHost: %s\r\n", r.Method, r.target(), r.HTTP, cmp.Or(r.Host, "shop.example:8080"))
	if r.Upgrade {
		text.WriteString("Connection: Upgrade\r\nUpgrade: websocket\r\n")
	} else {
		text.WriteString("Connection: close\r\n")
	}
	for _, h := range r.headers() {
		fmt.Fprintf(&text, "%s: %s\r\n", h[0], h[1])
	}
	if r.Body > 0 {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", r.Body)
	}
	text.WriteString("\r\n" + strings.Repeat("b", r.Body))
	if _, err := io.WriteString(conn, text.String()); err != nil {
		return err
	}
	if r.Abort && !r.Upgrade {
		select {
		case <-arrived:
			return nil // and go away
		case <-ctx.Done():
			return fmt.Errorf("cannot abort %s, it never reached the upstream: %w", r.Name, ctx.Err())
		}
	}
	answer := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answer, nil)
	if err != nil {
		return err
	}
	if r.Upgrade {
		return r.talk(conn, answer, resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if breaksOff := r.Tail == "/cut" || r.Tail == "/stall"; breaksOff != errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer to %s broke off: %t: %w", r.Name, !breaksOff, err)
	} else if breaksOff {
		return nil
	}
	return err
}

// talk uses an upgraded connection: it waits for an echo, then it goes away or waits until the upstream does.
func (r *request) talk(conn net.Conn, answer *bufio.Reader, code int) error {
	if code != http.StatusSwitchingProtocols {
		return fmt.Errorf("cannot upgrade %s: status %d", r.Name, code)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	_, err := io.ReadFull(answer, make([]byte, len("hello")))
	time.Sleep(r.Hold)
	if err == nil && !r.Abort {
		_, err = io.Copy(io.Discard, answer)
	}
	return err
}

func (r *request) sendHTTP2(ctx context.Context, address string) error {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+address+r.target(), strings.NewReader(strings.Repeat("b", r.Body)))
	if err != nil {
		return err
	}
	req.Host = "shop.example:8080"
	for _, h := range r.headers() {
		req.Header.Set(h[0], h[1])
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (r *request) sendGRPC(ctx context.Context, address string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("shop.example:8080"), grpc.WithUserAgent("e2e/1.0"))
	if err != nil {
		return err
	}
	defer conn.Close()
	pairs := []string{"e2e-status", fmt.Sprint(r.Status)}
	for _, h := range r.headers() {
		if h[0] != "user-agent" {
			pairs = append(pairs, h[0], h[1])
		}
	}
	err = conn.Invoke(metadata.AppendToOutgoingContext(ctx, pairs...), r.target(), &emptypb.Empty{}, &emptypb.Empty{})
	if got := status.Code(err); got != codes.Code(r.Status) {
		return fmt.Errorf("cannot call %s: %w", r.Name, errors.Join(err, fmt.Errorf("status %s", got)))
	}
	return nil
}
