package traces

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
)

// The compressions that are received, over gRPC and HTTP alike, are those that grpc knows by name.
func init() {
	encoding.RegisterCompressor(guarded{encoding.GetCompressor(gzip.Name), smallInflated})
	encoding.RegisterCompressor(guarded{new(zstdCompressor), 0}) // its window alone is large
}

// A few bytes can inflate to the largest request there may be, so that many such requests at a time would need that memory
// each. What is small inflates at once; the others take turns.
const (
	smallInflated = 1 << 20
	turns         = 2
)

var turn = make(chan struct{}, turns)

// guarded is a compressor whose readers take turns after so many bytes.
type guarded struct {
	encoding.Compressor
	after int
}

// Decompress gives a reader that is to be closed, and whose input must not wait for a slow peer.
func (g guarded) Decompress(r io.Reader) (io.Reader, error) {
	z, err := g.Compressor.Decompress(r)
	if err != nil {
		return nil, err
	}
	return &inflating{from: z, after: g.after}, nil
}

type inflating struct {
	from     io.Reader
	n, after int
	held     bool
}

func (i *inflating) Read(p []byte) (int, error) {
	if i.n >= i.after && !i.held {
		turn <- struct{}{}
		i.held = true
	}
	n, err := i.from.Read(p)
	i.n += n
	return n, err
}

// Close gives the turn to another one, and the decompressor back to its pool.
func (i *inflating) Close() error {
	if i.held {
		<-turn
		i.held = false
	}
	if c, ok := i.from.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// zstdCompressor is Zstandard with bounded memory.
type zstdCompressor struct{ decoders, encoders sync.Pool }

const (
	// A window is memory that a few bytes can ask for. This is what every decoder must take (RFC 9659).
	zstdWindow = 8 << 20
	zstdMemory = 256 << 20 // the largest receive.limits.request
)

// Name is the name in grpc-encoding and Content-Encoding.
func (*zstdCompressor) Name() string { return "zstd" }

// Decompress gives a reader that is to be closed.
func (c *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	d, ok := c.decoders.Get().(*zstd.Decoder)
	if !ok {
		// One goroutine, the caller's: others could read the transport's buffers after they were given back.
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeBuffersBelow(0),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(zstdMemory)); err != nil {
			return nil, fmt.Errorf("cannot make a zstd decoder: %w", err)
		}
	}
	if err := d.Reset(r); err != nil {
		return nil, fmt.Errorf("cannot read zstd: %w", err)
	}
	return &zstdReader{d, &c.decoders}, nil
}

type zstdReader struct {
	*zstd.Decoder
	pool *sync.Pool
}

// Close gives the decoder back.
func (r *zstdReader) Close() error {
	if err := r.Reset(nil); err != nil {
		return err
	}
	r.pool.Put(r.Decoder)
	return nil
}

// Compress is for replies, which have the compression of their request.
func (c *zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	e, ok := c.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		if e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10),
			zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
			return nil, fmt.Errorf("cannot make a zstd encoder: %w", err)
		}
	}
	e.Reset(w)
	return &zstdWriter{e, &c.encoders}, nil
}

type zstdWriter struct {
	*zstd.Encoder
	pool *sync.Pool
}

// Close ends the frame and gives the encoder back.
func (w *zstdWriter) Close() error {
	err := w.Encoder.Close()
	w.pool.Put(w.Encoder)
	return err
}
