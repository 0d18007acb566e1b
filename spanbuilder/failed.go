package spanbuilder

import "github.com/alspan/alspan/internal/wire"

// Failed tells whether the span that e makes has an error for its status.
func (b *Builder) Failed(e *wire.Entry, l *Logger) bool {
	r := b.about(e, l)
	return r.failure() != ""
}

// about gives what is known of a request before its span is written: there is nothing to write it to.
func (b *Builder) about(e *wire.Entry, l *Logger) (r request) {
	r.b, r.e, r.l, r.c, r.kind = b, e, l, &noClaim, kindServer
	if e.Type == wire.UpstreamEnd || l.outbound(e) {
		r.kind = kindClient
	}
	r.target = splitTarget(e, sentPath(e))
	r.rpc = r.findRPC()
	r.answered = e.HasCode && e.Code != 0
	return r
}

var noClaim Claim
