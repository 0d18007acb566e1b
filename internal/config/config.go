// Package config takes one YAML file, which may be absent, and the process environment, and gives a checked Config.
//
// Every setting is declared once, in keys.go or, for what is done to spans, in filter.go, sample.go, actions.go and redaction.go: its
// place in Config, its default, what it accepts, and its text for users. The reader, the checks, the default file, the
// reference (docs/config.md) and the JSON Schema all follow from that declaration, so a new setting is one field and one
// entry.
package config

import "time"

// Config is the whole configuration, in the order of the file, which is the order in which data flows. What each field
// means is said where it is declared. A Config belongs to its caller: its lists and maps are shared with nobody.
type Config struct {
	Receive    Receive
	Correlate  Correlate
	Spans      Spans
	Pods       Pods
	Metrics    Metrics
	Filter     Filter
	Sample     Sample
	Attributes Attributes
	Resource   Resource
	Redaction  Redaction
	Export     Export
	Admin      Admin
	Log        Log

	File string // how errors call the file that was read, "" without one
}

// Receive is how access logs and spans come in.
type Receive struct {
	GRPC    Listener
	ALS     Listener
	HTTP    Listener
	Zipkin  Listener
	Records string
	Files   Files
	Fields  map[string]string
	TLS     ServerTLS
	Limits  Limits

	OtherSignals string
}

// Files is which log files are followed.
type Files struct {
	Paths     []string
	Nodes     map[string]string
	Positions string
	Flush     time.Duration
	MaxLine   Size
}

// Listener is a place to listen on, as host:port; an empty Address is off.
type Listener struct {
	Address string
}

// ServerTLS names the files of the receiver's TLS. With an empty CertFile the listeners are plaintext.
type ServerTLS struct {
	CertFile     string
	KeyFile      string
	ClientCAFile string
}

// Limits bounds what one client may send.
type Limits struct {
	Message     Size
	Request     Size
	Streams     int
	Connections int
}

// Correlate is how the place of a request in its trace is found, and how its entry and its span meet.
type Correlate struct {
	Headers      []string
	HeaderSpanID map[string]string
	IDTags       IDTags
	StartMemory  Size
	Wait         time.Duration
	SpanWait     time.Duration
	Unpaired     string
	Memory       Size
}

// IDTags are names of custom tags that carry the ids of Envoy's own span.
type IDTags struct {
	TraceID []string
	SpanID  []string
}

// Spans is what the spans contain. The header names are in lower case.
type Spans struct {
	Events          bool
	Upstream        string
	RequestHeaders  []string
	ResponseHeaders []string
	Baggage         []string
	RedactQuery     []string
	MaxValue        Size
	TCP             bool
}

// Pods is what spans say of pods.
type Pods struct {
	Enabled     string
	Node        string
	Watch       string
	Kubeconfig  string
	Cluster     string
	Labels      []string
	Annotations []string
	AppLabels   bool
	Peers       bool
}

// Export is where spans go and how. The names in Headers are in lower case. Endpoint is as the user wrote it; Target
// takes it apart.
type Export struct {
	Endpoint    string
	Compression string
	Timeout     time.Duration
	Headers     map[string]string
	TLS         ClientTLS
	Batch       Batch
	Memory      Size
	OtherMemory Size
	WhenFull    string
	Senders     int
	Logs        bool
	LogsMemory  Size
	Retry       Retry
	Drain       time.Duration
}

// ClientTLS is the TLS of the connection to the collector; it counts only with an https:// endpoint.
type ClientTLS struct {
	CAFile             string
	CertFile           string
	KeyFile            string
	ServerName         string
	InsecureSkipVerify bool
}

// Batch says when a batch is full; the first limit that is reached counts.
type Batch struct {
	Bytes Size
	Spans int
	Age   time.Duration
}

// Retry is the schedule of the attempts to send one batch.
type Retry struct {
	Initial time.Duration
	Max     time.Duration
	GiveUp  time.Duration
}

// Admin is the agent's own HTTP side; an empty address is off.
type Admin struct {
	Address string
	Pprof   string
}

// Log is the agent's own log.
type Log struct {
	Level  string
	Format string
}

// Default gives the configuration of an empty file in an empty environment.
func Default() *Config {
	c, _ := declare()
	return c
}

// Target gives the host:port to dial, and whether the connection is TLS. It is for the Endpoint of a loaded Config,
// which has been checked.
func (e *Export) Target() (hostPort string, secure bool) {
	hostPort, secure, _ = splitEndpoint(e.Endpoint)
	return hostPort, secure
}
