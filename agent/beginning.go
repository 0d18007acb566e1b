package agent

import (
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// beginning is what a connection says first.
type beginning interface {
	// more waits for more bytes than it gave before, and gives all of them, but never more than lookAt.
	more() ([]byte, error)
	// conn gives the connection, from which all can be read.
	conn() net.Conn
	SetReadDeadline(time.Time) error
}

// lookAt is how much of a connection is looked at: the first request's headers, up to its content type, are shorter.
const lookAt = 4 << 10

// speaksGRPC tells whether a connection speaks gRPC, and not other HTTP.
func speaksGRPC(b beginning, deadline time.Time) (bool, error) {
	for {
		said, err := b.more()
		if err != nil {
			return false, err
		}
		n := min(len(said), len(http2.ClientPreface))
		if string(said[:n]) != http2.ClientPreface[:n] {
			return false, nil
		}
		if n == len(http2.ClientPreface) {
			return firstIsGRPC(b, said, deadline)
		}
	}
}

// firstIsGRPC tells the same of a connection that speaks HTTP/2.
func firstIsGRPC(b beginning, said []byte, deadline time.Time) (bool, error) {
	if soon := time.Now().Add(firstRequest); soon.Before(deadline) {
		if err := b.SetReadDeadline(soon); err != nil {
			return false, err
		}
	}
	for {
		if isGRPC, known := requestIsGRPC(said[len(http2.ClientPreface):]); known || len(said) >= lookAt {
			return isGRPC || !known, nil
		}
		var err error
		if said, err = b.more(); errors.Is(err, os.ErrDeadlineExceeded) {
			return true, nil
		} else if err != nil {
			return false, err
		}
	}
}

// requestIsGRPC looks for the content type of the first request in frames of HTTP/2, which may not be complete.
func requestIsGRPC(frames []byte) (isGRPC, known bool) {
	const head = 9
	for len(frames) >= head {
		length := int(frames[0])<<16 | int(frames[1])<<8 | int(frames[2])
		kind, flags := http2.FrameType(frames[3]), http2.Flags(frames[4])
		payload := frames[head:]
		whole := len(payload) >= length
		if whole {
			payload, frames = payload[:length], payload[length:]
		}
		if kind == http2.FrameHeaders {
			t, found := contentType(payload, flags)
			if !found && !(whole && flags.Has(http2.FlagHeadersEndHeaders)) {
				return false, false
			}
			return t == grpcType || strings.HasPrefix(t, grpcType+"+") || strings.HasPrefix(t, grpcType+";"), true
		}
		if !whole {
			break
		}
	}
	return false, false
}

const grpcType = "application/grpc"

// contentType gives the content type in the payload of a frame with headers, false when there is none so far.
func contentType(payload []byte, flags http2.Flags) (value string, found bool) {
	skip := 0
	if flags.Has(http2.FlagHeadersPadded) {
		skip++ // the padding itself is at the end, and no field
	}
	if flags.Has(http2.FlagHeadersPriority) {
		skip += 5
	}
	if len(payload) <= skip {
		return "", false
	}
	d := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == "content-type" && !found {
			value, found = f.Value, true
		}
	})
	d.SetMaxStringLength(lookAt)
	d.Write(payload[skip:]) // what is wrong with it is said by who serves it
	return value, found
}

// reading is the beginning of a connection whose bytes cannot be looked at without being read.
type reading struct {
	net.Conn
	said []byte
}

func (r *reading) more() ([]byte, error) {
	if r.said == nil {
		r.said = make([]byte, 0, lookAt)
	}
	n, err := r.Conn.Read(r.said[len(r.said):cap(r.said)])
	r.said = r.said[:len(r.said)+n]
	if n > 0 {
		err = nil
	}
	return r.said, err
}

func (r *reading) conn() net.Conn { return &again{r.Conn, r.said} }

// again is a connection of which the first bytes are read again.
type again struct {
	net.Conn
	said []byte
}

// Read reads what was read before, and then the connection.
func (a *again) Read(p []byte) (int, error) {
	if len(a.said) == 0 {
		return a.Conn.Read(p)
	}
	n := copy(p, a.said)
	if a.said = a.said[n:]; len(a.said) == 0 {
		a.said = nil
	}
	return n, nil
}
