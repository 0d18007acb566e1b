package fake

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// export handles one request.
func (b *Backend) export(ctx context.Context, signal Signal, raw []byte) (any, error) {
	r := &Request{At: time.Now(), Signal: signal, Raw: raw}
	r.Header, _ = metadata.FromIncomingContext(ctx)
	switch {
	case signal != Traces:
		r.Other, r.Err = decodeOther(signal, raw)
	case b.opts.CountOnly:
		r.Spans, r.Err = countSpans(raw)
	default:
		r.Traces, r.Spans, r.Err = decode(raw)
	}
	reply := b.reply(signal)
	answer, err := b.answer(ctx, r, reply)
	r.Code = status.Code(err)
	if err == nil {
		r.Rejected = rejected(answer)
	}
	if b.opts.OnRequest != nil {
		b.opts.OnRequest(r)
	}
	b.record(r)
	if reply.Disconnect {
		b.Disconnect()
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// answer gives the encoded ExportTraceServiceResponse, or the status to refuse with.
func (b *Backend) answer(ctx context.Context, r *Request, reply Reply) ([]byte, error) {
	if reply.Delay > 0 {
		t := time.NewTimer(reply.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, status.FromContextError(ctx.Err()).Err()
	case reply.Disconnect:
		return nil, status.Error(codes.Unavailable, "disconnected")
	case reply.Code != codes.OK:
		st := status.New(reply.Code, reply.Message)
		if reply.RetryInfo != nil {
			var err error
			if st, err = st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(*reply.RetryInfo)}); err != nil {
				return nil, fmt.Errorf("cannot attach RetryInfo: %w", err)
			}
		}
		return nil, st.Err()
	case r.Err != nil: // what grpc-go answers when the official runtime fails
		return nil, status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", r.Err)
	case b.relay != nil:
		var answer []byte
		err := b.relay.Invoke(ctx, r.Signal.Method(), r.Raw, &answer)
		return answer, err
	}
	return partialSuccess(reply.Rejected, reply.Message), nil
}

// record counts a request that has been decided, and remembers it.
func (b *Backend) record(r *Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		close(b.changed)
		b.changed = make(chan struct{})
	}()
	if r.Err != nil {
		b.undecoded++
		b.err = cmp.Or(b.err, r.Err)
	}
	if r.Signal != Traces {
		b.others = append(b.others, r)
		return
	}
	b.stats.Requests++
	b.stats.Bytes += uint64(len(r.Raw))
	if r.Code == codes.OK {
		b.stats.Rejected += uint64(r.Rejected)
		b.stats.Spans += uint64(max(int64(r.Spans)-r.Rejected, 0))
	} else {
		b.stats.Refused++
	}
	if b.opts.Keep >= 0 {
		b.requests = append(b.requests, r)
		b.kept += len(r.Raw)
		for b.opts.Keep > 0 && b.kept > b.opts.Keep {
			b.kept -= len(b.requests[0].Raw)
			b.requests[0] = nil
			b.requests = b.requests[1:]
		}
	}
}
