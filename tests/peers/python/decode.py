"""Decodes what two pipelines exported with Python's own protobuf classes, and compares it.

Usage: decode.py FOLDER FOLDER

Each folder has the bodies of OTLP requests as they were sent: traces-*.bin, metrics-*.bin, logs-*.bin. Ids become the names of
spans from the root on, times of the run become "now"; what was said about the pipeline itself is decoded and not compared.
Prints how much there was of everything as JSON; exits non-zero and says how they differ when they do.
"""

import difflib
import json
import pathlib
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Facts in the tests are older, so that they are compared.
RUN = 1_700_000_000 * 10**9
# One for each pipeline.
OWN = {"service.instance.id"}
# Our own log records say more than the stock appender's (docs/guide/logs.md): where the event is, and when.
PLACE = {"code.file.path", "code.line.number"}
# Of what takes a different time in every run only that it was measured is a fact.
MEASURED_TIME = {"http.server.request.duration", "campanile.request.duration"}


def known(message):
    """Fails when there is a field anywhere that the schema has not."""
    assert len(UnknownFieldSet(message)) == 0, f"unknown fields in {message}"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                known(part)


def read(folder, signal, kind):
    for file in sorted(pathlib.Path(folder).glob(f"{signal}-*.bin")):
        body = file.read_bytes()
        message = kind.FromString(body)
        known(message)
        # log records may say a zero that could be left out
        assert message.ByteSize() == len(body) or signal == "logs", f"{file} is not canonical"
        yield message


def value(any_value):
    which = any_value.WhichOneof("value")
    if which is None:
        return None
    found = getattr(any_value, which)
    if which == "array_value":
        found = [value(item) for item in found.values]
    elif which == "kvlist_value":
        found = attributes(found.values)
    elif which == "bytes_value":
        found = found.hex()
    return {which: found}


def attributes(pairs):
    # a key that was set twice is there twice, in that order
    pairs = sorted(pairs, key=lambda it: it.key)
    return [[pair.key, "measured" if pair.key in MEASURED_TIME else value(pair.value)] for pair in pairs]


def at(nanos):
    return nanos if nanos < RUN else "now"


def origin(group, scope_group):
    resource = [pair for pair in attributes(group.resource.attributes) if pair[0] not in OWN]
    scope = scope_group.scope
    return {
        "resource": resource,
        "resource schema": group.schema_url,
        "scope": [scope.name, scope.version, attributes(scope.attributes), scope_group.schema_url],
    }


def traces(folder):
    found = []
    for message in read(folder, "traces", ExportTraceServiceRequest):
        for group in message.resource_spans:
            for scope_group in group.scope_spans:
                found += [(origin(group, scope_group), span) for span in scope_group.spans]
    by_id = {span.span_id: span for _, span in found}
    assert len(by_id) == len(found), "an id twice"

    def path(span_id):
        span = by_id.get(span_id)
        if span is None:
            # the test's callers have small ids; a random one is of a span that was not kept
            return span_id.hex() if int.from_bytes(span_id, "big") < 1 << 16 else "not kept"
        return path(span.parent_span_id) + "/" + span.name

    facts = []
    for place, span in found:
        assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        facts.append({
            **place,
            "span": path(span.span_id),
            "trace state": span.trace_state,
            "flags": span.flags,
            "kind": span.kind,
            "times": [at(span.start_time_unix_nano), at(span.end_time_unix_nano)],
            "attributes": attributes(span.attributes),
            "events": [[at(it.time_unix_nano), it.name, attributes(it.attributes), it.dropped_attributes_count] for it in span.events],
            "links": [[it.trace_id.hex(), it.span_id.hex(), it.trace_state, attributes(it.attributes), it.dropped_attributes_count, it.flags]
                      for it in span.links],
            "dropped": [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count],
            # an empty message and none mean the same
            "status": [span.status.code, span.status.message],
        })
    return facts, path, by_id


def logs(folder, path):
    facts = []
    for message in read(folder, "logs", ExportLogsServiceRequest):
        for group in message.resource_logs:
            for scope_group in group.scope_logs:
                for record in scope_group.log_records:
                    assert record.time_unix_nano <= record.observed_time_unix_nano
                    facts.append({
                        **origin(group, scope_group),
                        "log": path(record.span_id),
                        "observed": at(record.observed_time_unix_nano),
                        "severity": [record.severity_number, record.severity_text],
                        "body": value(record.body),
                        # the appender takes a place in the source for a name
                        "event": "" if record.event_name.startswith("event ") else record.event_name,
                        "attributes": [pair for pair in attributes(record.attributes) if pair[0] not in PLACE],
                        "dropped": record.dropped_attributes_count,
                        "flags": record.flags,
                    })
    return facts


def point(data, name):
    fact = {"attributes": attributes(data.attributes), "flags": data.flags}
    assert 0 < data.start_time_unix_nano <= data.time_unix_nano or data.DESCRIPTOR.name == "NumberDataPoint"
    if data.DESCRIPTOR.name == "NumberDataPoint":
        fact["value"] = [data.WhichOneof("value"), getattr(data, data.WhichOneof("value"))]
        return fact
    assert sum(data.bucket_counts) == data.count and data.min <= data.max
    fact |= {"count": data.count, "bounds": list(data.explicit_bounds)}
    if name not in MEASURED_TIME:
        fact |= {"buckets": list(data.bucket_counts), "sum": data.sum, "range": [data.min, data.max]}
    return fact


def metrics(folder, by_id):
    facts, about_itself, exemplars = [], 0, 0
    for message in read(folder, "metrics", ExportMetricsServiceRequest):
        for group in message.resource_metrics:
            for scope_group in group.scope_metrics:
                place = origin(group, scope_group)
                for metric in scope_group.metrics:
                    if scope_group.scope.name == "campanile.telemetry":
                        about_itself += 1
                        continue
                    kind = metric.WhichOneof("data")
                    data = getattr(metric, kind)
                    for each in data.data_points:
                        for exemplar in each.exemplars:
                            exemplars += 1
                            assert by_id[exemplar.span_id].trace_id == exemplar.trace_id
                    points = sorted((point(each, metric.name) for each in data.data_points), key=json.dumps)
                    facts.append({
                        **place,
                        "metric": [metric.name, metric.description, metric.unit, kind],
                        "aggregation": [getattr(data, "aggregation_temporality", None), getattr(data, "is_monotonic", None)],
                        "points": points,
                    })
    return facts, about_itself, exemplars


def story(folder):
    spans, path, by_id = traces(folder)
    series, about_itself, exemplars = metrics(folder, by_id)
    records = logs(folder, path)
    counts = {
        "spans": len(spans),
        "logs": len(records),
        "metrics": len(series),
        "about itself": about_itself,
        "exemplars": exemplars,
    }
    facts = [json.dumps(fact, sort_keys=True, indent=1) for fact in spans + series + records]
    return sorted(facts), counts


def main():
    (ours, our_counts), (stock, stock_counts) = story(sys.argv[1]), story(sys.argv[2])
    if ours != stock:
        lines = ("\n".join(stock).splitlines(), "\n".join(ours).splitlines())
        difference = list(difflib.unified_diff(*lines, "stock", "ours", lineterm="", n=12))
        sys.exit("\n".join(difference[:400]))
    json.dump([our_counts, stock_counts], sys.stdout)


main()
