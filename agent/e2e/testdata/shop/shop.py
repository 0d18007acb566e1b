"""The same application in Python: OpenTelemetry's SDK, OTLP over HTTP. Its argument is the address to report to."""
import signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

provider = TracerProvider(resource=Resource.create({"service.name": "shop", "k8s.pod.name": "shop-1"}))
exporter = OTLPSpanExporter(endpoint=f"http://{sys.argv[1]}/v1/traces", compression=Compression.Gzip)
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
tracer = provider.get_tracer("shop")


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        context = TraceContextTextMapPropagator().extract({k.lower(): v for k, v in self.headers.items()})
        with tracer.start_as_current_span("GET", context=context, kind=SpanKind.SERVER):
            with tracer.start_as_current_span("work", attributes={"items": 3}) as span:
                span.add_event("packed")
            self.send_response(200)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
provider.shutdown()
