package traces

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/alspan/alspan/internal/rawgrpc"
)

// A failure is why an HTTP request is not served.
type failure struct {
	status int
	why    Refusal
	text   string
}

// read reads the body of r into body, decompressed. What is allocated is what was received, whatever a header promises.
func (s *Server) read(w http.ResponseWriter, r *http.Request, body *rawgrpc.Message) *failure {
	name, ok := contentEncoding(r.Header)
	if !ok {
		return &failure{http.StatusUnsupportedMediaType, Unsupported, "Content-Encoding is not supported: use gzip, zstd or none"}
	}
	if r.ContentLength > int64(s.opts.Limit) {
		return s.tooLarge()
	}
	data, err := mem.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.opts.Limit)), s.opts.Pool)
	defer func() { data.Free() }()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return s.tooLarge()
	}
	if err != nil {
		return &failure{http.StatusBadRequest, Malformed, fmt.Sprintf("cannot read the body: %v", err)}
	}
	if name != "" && data.Len() > 0 {
		packed := data
		data, err = inflate(encoding.GetCompressor(name), packed, s.opts.Limit, s.opts.Pool)
		packed.Free()
		switch {
		case err != nil:
			return &failure{http.StatusBadRequest, Malformed, fmt.Sprintf("cannot read the body as %s: %v", name, err)}
		case data.Len() > s.opts.Limit:
			return s.tooLarge()
		}
	}
	if err := (rawgrpc.Codec{Pool: s.opts.Pool}).Unmarshal(data, body); err != nil {
		return &failure{http.StatusInternalServerError, Malformed, err.Error()}
	}
	return nil
}

func (s *Server) tooLarge() *failure {
	return &failure{http.StatusRequestEntityTooLarge, TooLarge, fmt.Sprintf("the request has more than %d bytes (receive.limits.request)", s.opts.Limit)}
}

// inflate decompresses data, at most one byte more than limit of it.
func inflate(c encoding.Compressor, data mem.BufferSlice, limit int, pool mem.BufferPool) (mem.BufferSlice, error) {
	in := data.Reader()
	defer in.Close()
	r, err := c.Decompress(in)
	if err != nil {
		return nil, err
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	return mem.ReadAll(io.LimitReader(r, int64(limit)+1), pool)
}

// contentEncoding gives the name of the compression, empty for none, false for one that is not known.
func contentEncoding(h http.Header) (string, bool) {
	switch e := strings.ToLower(strings.TrimSpace(strings.Join(h.Values("Content-Encoding"), ","))); e {
	case "", "identity":
		return "", true
	case "gzip", "zstd":
		return e, true
	case "x-gzip":
		return "gzip", true
	}
	return "", false
}

// mediaType gives the content type without its parameters, in lower case.
func mediaType(h http.Header) string {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}
