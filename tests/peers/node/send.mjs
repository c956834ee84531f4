// Sends one trace, one log record and metrics with OpenTelemetry's own JavaScript exporters.
//
// Usage: node send.mjs json|proto ENDPOINT [gzip|none]
//
// json sends all three signals in OTLP/HTTP JSON, proto sends the trace in protobuf. Node looks for the packages where
// the folder of this file, or one above it, has them; NODE_PATH does not work for modules, hence the `require` below.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.PEER_MODULES ?? import.meta.dirname}/`);
const { context, trace, SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const { SeverityNumber } = require("@opentelemetry/api-logs");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require("@opentelemetry/sdk-metrics");
const { LoggerProvider, SimpleLogRecordProcessor } = require("@opentelemetry/sdk-logs");

const [protocol, endpoint, compression = "none"] = process.argv.slice(2);
const options = (signal) => ({ url: `${endpoint}/v1/${signal}`, compression });
const resource = resourceFromAttributes({ "service.name": "peer", "service.instance.id": "i-1" });

const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${protocol === "json" ? "http" : "proto"}`);
const spans = new BasicTracerProvider({
  resource,
  spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter(options("traces")))],
});
const tracer = spans.getTracer("peer", "1.2.3");
const attributes = { text: "Grüße", int: -7, double: 0.5, bool: true, list: ["a", "b"], ints: [1, 2], empty: [] };
const parent = tracer.startSpan("parent", { kind: SpanKind.SERVER, attributes });
const within = trace.setSpan(context.active(), parent);
const other = { traceId: "abcdef".padStart(32, "0"), spanId: "123456".padStart(16, "0"), traceFlags: 1 };
const links = [{ context: other, attributes: { why: "caused" } }];
const child = tracer.startSpan("child", { kind: SpanKind.CLIENT, links }, within);
child.addEvent("retry", { attempt: 2 });
child.setStatus({ code: SpanStatusCode.ERROR, message: "gone" });
child.end();
parent.end();
await spans.forceFlush();
await spans.shutdown();

if (protocol === "json") {
  const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-http");
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(options("metrics")),
    exportIntervalMillis: 3_600_000,
    exportTimeoutMillis: 10_000,
  });
  const exponential = { instrumentName: "wait.exponential", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } };
  const meters = new MeterProvider({ resource, readers: [reader], views: [exponential] });
  const meter = meters.getMeter("peer", "1.2.3");
  meter.createCounter("orders", { unit: "{order}", description: "Orders." }).add(3, { route: "/a" });
  meter.createUpDownCounter("active", { unit: "{request}" }).add(-2);
  meter.createObservableGauge("level", { unit: "1" }).addCallback((level) => level.observe(0.25));
  for (const name of ["wait", "wait.exponential"]) {
    const histogram = meter.createHistogram(name, { unit: "s", advice: { explicitBucketBoundaries: [0.5, 1] } });
    for (const value of [0.25, 0.75, 4]) histogram.record(value);
  }
  await meters.forceFlush();
  await meters.shutdown();

  const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
  const processor = new SimpleLogRecordProcessor(new OTLPLogExporter(options("logs")));
  const logs = new LoggerProvider({ resource, processors: [processor] });
  logs.getLogger("peer", "1.2.3").emit({
    eventName: "stock.low",
    severityNumber: SeverityNumber.WARN,
    severityText: "WARN",
    body: { message: "low", left: 3 },
    attributes: { item: "tea" },
    context: within,
  });
  await logs.forceFlush();
  await logs.shutdown();
}
console.log(parent.spanContext().traceId);
