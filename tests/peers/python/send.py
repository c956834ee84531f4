"""Sends one trace, one log record and metrics of every kind with OpenTelemetry's own Python exporters.

Usage: send.py grpc|http|json ENDPOINT [gzip|none]

grpc and http send protobuf, json sends OTLP/HTTP in JSON. Exits non-zero when an export is not accepted.
"""

import sys
import time

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags


def exporters(protocol, endpoint, compression):
    """Returns the exporters for spans, metrics and logs."""
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        gzip = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        options = dict(endpoint=endpoint, insecure=True, compression=gzip, timeout=10)
        return [make(**options) for make in (OTLPSpanExporter, OTLPMetricExporter, OTLPLogExporter)]
    if protocol == "http":
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        gzip = Compression.Gzip if compression == "gzip" else Compression.NoCompression
        options = dict(compression=gzip, timeout=10)
    else:
        from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

        options = dict(timeout=10)
    return [
        OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", **options),
        OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", **options),
        OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", **options),
    ]


def send_spans(resource, exporter):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("peer", "1.2.3")
    attributes = {
        "text": "Grüße",
        "int": -(2**62),
        "double": 0.5,
        "bool": True,
        "list": ["a", "b"],
        "ints": [1, 2],
        "empty": [],
    }
    with tracer.start_as_current_span("parent", kind=SpanKind.SERVER, attributes=attributes) as parent:
        context = parent.get_span_context()
        other = SpanContext(0xABCDEF, 0x123456, is_remote=True, trace_flags=TraceFlags(1))
        links = [Link(other, {"why": "caused"})]
        with tracer.start_as_current_span("child", kind=SpanKind.CLIENT, links=links) as child:
            child.add_event("retry", {"attempt": 2})
            child.set_status(Status(StatusCode.ERROR, "gone"))
    provider.shutdown()
    return context


def send_metrics(resource, exporter):
    from opentelemetry.metrics import Observation
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

    view = View(instrument_name="wait.exponential", aggregation=ExponentialBucketHistogramAggregation())
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider(resource=resource, metric_readers=[reader], views=[view])
    meter = provider.get_meter("peer", "1.2.3")
    meter.create_counter("orders", "{order}", "Orders.").add(3, {"route": "/a"})
    meter.create_up_down_counter("active", "{request}").add(-2)
    meter.create_observable_gauge("level", [lambda _: [Observation(0.25)]], "1")
    for name in ("wait", "wait.exponential"):
        histogram = meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=[0.5, 1.0])
        for value in (0.25, 0.75, 4.0):
            histogram.record(value)
    if not provider.force_flush():
        sys.exit("metrics were not accepted")
    provider.shutdown()


def send_logs(resource, exporter, context):
    from opentelemetry import context as contexts
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("peer", "1.2.3")
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            context=set_span_in_context(NonRecordingSpan(context), contexts.Context()),
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body={"message": "low", "left": 3},
            event_name="stock.low",
            attributes={"item": "tea"},
        )
    )
    provider.shutdown()


def main():
    protocol, endpoint = sys.argv[1:3]
    compression = sys.argv[3] if len(sys.argv) > 3 else "none"
    spans, metrics, logs = exporters(protocol, endpoint, compression)
    resource = Resource.create({"service.name": "peer", "service.instance.id": "i-1"})
    context = send_spans(resource, spans)
    send_metrics(resource, metrics)
    send_logs(resource, logs, context)
    print(f"{context.trace_id:032x}")


main()
