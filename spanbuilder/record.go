// Package spanbuilder takes access-log entries and gives encoded OTLP spans: which records make spans, what an entry
// proves about its place in a trace, and what the span says.
package spanbuilder

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/wire"
)

// Use is what a record is good for.
type Use uint8

const (
	Drop    Use = iota // nothing
	Teach              // it has the context that the caller sent
	Request            // it is a finished request or connection: a span
	Try                // it is one attempt of a request
)

// Classify tells what e is good for, and for Drop the reason. With tcp, finished TCP and UDP records are used too.
//
// Envoy flags a DownstreamStart record as intermediate, so the type is looked at first. Records of Envoy before 1.27, and
// those of listeners, have no type.
func Classify(e *wire.Entry, tcp bool) (Use, ledger.EntryDrop) {
	if e.TCP && !tcp {
		return Drop, ledger.EntryTCP
	}
	switch e.Type {
	case wire.DownstreamStart:
		return timed(e, Teach)
	case wire.DownstreamEnd:
		return timed(e, Request)
	case wire.TCPConnectionEnd, wire.UDPSessionEnd:
		if e.TCP {
			return timed(e, Request)
		}
		return Drop, ledger.EntryTCP
	case wire.NotSet:
		switch {
		case e.TCP: // a listener's record of the connection that a TcpConnectionEnd tells of, too
			return Drop, ledger.EntryListener
		case e.Intermediate || !e.Duration.Set:
			return Drop, ledger.EntryIntermediate
		case len(e.Text(wire.Path)) == 0 && len(e.Text(wire.Authority)) == 0 && e.Code == 0:
			return Drop, ledger.EntryListener
		}
		return timed(e, Request)
	case wire.DownstreamPeriodic, wire.TCPPeriodic, wire.UDPPeriodic:
		return Drop, ledger.EntryPeriodic
	case wire.TunnelEstablished, wire.UDPUpstreamConnected:
		return Drop, ledger.EntryTunnel
	case wire.TCPConnectionStart, wire.TCPUpstreamConnected:
		return Drop, ledger.EntryConnected
	case wire.UpstreamPoolReady:
		return Drop, ledger.EntryUpstreamReady
	case wire.UpstreamPeriodic:
		return Drop, ledger.EntryUpstreamPeriodic
	case wire.UpstreamEnd:
		return timed(e, Try)
	}
	return Drop, ledger.EntryUnknown
}

func timed(e *wire.Entry, u Use) (Use, ledger.EntryDrop) {
	if _, ok := e.Start.Unix(); !ok {
		return Drop, ledger.EntryNoStart
	}
	return u, 0
}

// Failed tells whether e looks like a failed request: no answer or a 5xx, a response flag, a gRPC status. It is asked when
// not all entries can be kept; what the span says is found out with more care.
func Failed(e *wire.Entry) bool {
	if e.Code == 0 || e.Code >= 500 || e.Flags != 0 {
		return true
	}
	status, ok := e.Fields(wire.ResponseTrailers).Get("grpc-status")
	if !ok {
		status, ok = e.Fields(wire.ResponseHeaders).Get("grpc-status")
	}
	return ok && string(status) != "0"
}
