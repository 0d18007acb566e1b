package accesslog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/rawgrpc"
)

// pipes is a listener in memory, so that time can be that of a synctest bubble.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A party is a stream, seen from the client: what came from the server until its end.
type party struct {
	grpc.ClientStream
	replies int
	ended   chan struct{}
	err     error // once ended
}

// join opens a stream and listens to it, as no Envoy does.
func join(t *testing.T, conn *grpc.ClientConn) *party {
	t.Helper()
	p := &party{ClientStream: openRaw(t, conn, method), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		var m rawgrpc.Message
		for p.err = p.RecvMsg(&m); p.err == nil; p.err = p.RecvMsg(&m) {
			p.replies++
			m.Free()
		}
	}()
	return p
}

func (p *party) log(t *testing.T, path string) {
	t.Helper()
	if err := p.SendMsg(raw(marshal(t, httpMessage(nil, path)))); err != nil {
		t.Errorf("cannot log %s: %v", path, err)
	}
	synctest.Wait()
}

// over tells whether the stream has ended without an error and without any message to the client.
func (p *party) over(t *testing.T) bool {
	t.Helper()
	synctest.Wait()
	select {
	case <-p.ended:
		if !errors.Is(p.err, io.EOF) || p.replies != 0 {
			t.Errorf("a stream has ended with %v after %d replies", p.err, p.replies)
		}
		return true
	default:
		return false
	}
}

// consumed is what a Server's consumers saw. One in whose way something is put waits.
type consumed struct {
	mu    sync.Mutex
	texts []string
	gate  chan struct{}
}

func (c *consumed) open(from netip.Addr) Consumer {
	return func(m *Message) {
		text := tell(m)
		c.mu.Lock()
		c.texts = append(c.texts, text)
		c.mu.Unlock()
		if text == "/slow" {
			<-c.gate
		}
	}
}

func (c *consumed) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.texts
	c.texts = nil
	return t
}

func TestNoReplyWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := new(consumed), newPipes()
		s := NewServer(c.open, limit)
		_, conn := serve(t, s, l, grpc.WithContextDialer(l.dial))
		p := join(t, conn)
		for range 100 {
			p.log(t, "/a")
			time.Sleep(time.Minute)
		}
		if n := len(c.take()); n != 100 || p.over(t) {
			t.Errorf("%d messages", n)
		}
		p.CloseSend()
		<-p.ended
		if p.replies != 1 || !errors.Is(p.err, io.EOF) || s.Streams.Load() != 0 {
			t.Errorf("%d replies, %v", p.replies, p.err)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := new(consumed), newPipes()
		s := NewServer(c.open, limit)
		_, conn := serve(t, s, l, grpc.WithContextDialer(l.dial))
		one, two := join(t, conn), join(t, conn)
		one.log(t, "/1")
		two.log(t, "/2")
		s.Drain()
		time.Sleep(time.Hour)
		if one.over(t) || two.over(t) || s.Streams.Load() != 2 {
			t.Error("an idle stream has ended")
		}
		one.log(t, "/3")
		if !one.over(t) || two.over(t) || s.Streams.Load() != 1 {
			t.Error("not the stream that logged has ended")
		}
		// One that begins now has one message.
		three := join(t, conn)
		if three.log(t, "/4"); !three.over(t) {
			t.Error("a new stream goes on")
		}
		if got := c.take(); !slices.Equal(got, []string{"/1", "/2", "/3", "/4"}) {
			t.Errorf("%q", got)
		}
		// Nothing is left to be cut but the idle one.
		s.Cut()
		if !two.over(t) || s.Streams.Load() != 0 || s.Messages.Load() != 4 {
			t.Errorf("%d streams, %d messages", s.Streams.Load(), s.Messages.Load())
		}
	})
}

func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := &consumed{gate: make(chan struct{})}, newPipes()
		s := NewServer(c.open, limit)
		_, conn := serve(t, s, l, grpc.WithContextDialer(l.dial))
		idle, busy, silent := join(t, conn), join(t, conn), join(t, conn)
		idle.log(t, "/a")
		busy.log(t, "/slow")
		s.Drain()
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			s.Cut()
		}()
		time.Sleep(time.Minute)
		for _, p := range []*party{idle, busy, silent} {
			if !p.over(t) {
				t.Error("a stream goes on")
			}
		}
		select {
		case <-cut:
			t.Error("a message is still being consumed")
		default:
		}
		close(c.gate)
		<-cut
		if got := c.take(); !slices.Equal(got, []string{"/a", "/slow"}) || s.Streams.Load() != 0 {
			t.Errorf("%q, %d streams", got, s.Streams.Load())
		}
		// Nothing is consumed any more.
		late := join(t, conn)
		late.SendMsg(raw(marshal(t, httpMessage(nil, "/late")))) // may be refused already
		<-late.ended
		if got := c.take(); got != nil || status.Code(late.err) != codes.Unavailable || s.Messages.Load() != 2 {
			t.Errorf("%q, %v", got, late.err)
		}
	})
}

// While the consumer is busy with one message and the next has arrived, a cut stream may still give that one to it, but
// Cut waits for both.
func TestCutWithWaitingMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := &consumed{gate: make(chan struct{})}, newPipes()
		s := NewServer(c.open, limit)
		_, conn := serve(t, s, l, grpc.WithContextDialer(l.dial))
		p := join(t, conn)
		p.log(t, "/slow")
		p.log(t, "/next")
		done := make(chan int)
		go func() {
			s.Cut()
			done <- len(c.take())
		}()
		synctest.Wait()
		close(c.gate)
		n := <-done
		time.Sleep(time.Hour)
		if more := c.take(); more != nil || n < 1 || int64(n) != s.Messages.Load() || !p.over(t) {
			t.Errorf("%d messages by the end of the cut, %q later", n, more)
		}
	})
}

// The agent's stop with senders that never pause: no message is consumed after Cut, each that was is counted.
func TestCutUnderLoad(t *testing.T) {
	var (
		after, count sync.WaitGroup // of the senders
		mu           sync.Mutex
		seen         int64
		cut          bool
	)
	s := NewServer(func(netip.Addr) Consumer {
		return func(m *Message) {
			mu.Lock()
			defer mu.Unlock()
			if seen++; cut {
				t.Error("consumed after the cut")
			}
		}
	}, limit)
	g, conn := serve(t, s, loopback(t))
	message := raw(marshal(t, httpMessage(nil, "/a")))
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		count.Add(1)
		after.Go(func() {
			first := sync.OnceFunc(count.Done)
			for ctx.Err() == nil {
				stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method, grpc.ForceCodecV2(rawgrpc.Codec{}))
				for n := 0; err == nil && n < 50; n++ {
					err = stream.SendMsg(message)
				}
				if err == nil {
					stream.CloseSend()
					stream.RecvMsg(new(rawgrpc.Message))
					first()
				}
			}
		})
	}
	count.Wait()
	s.Drain()
	s.Cut()
	mu.Lock()
	cut = true
	total := seen
	mu.Unlock()
	if n := s.Messages.Load(); n != total || n == 0 {
		t.Errorf("%d messages, %d consumed", n, total)
	}
	g.Stop()
	cancel()
	after.Wait()
	if n := s.Messages.Load(); n != total {
		t.Errorf("%d messages after the cut", n-total)
	}
}
