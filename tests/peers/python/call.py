"""Calls the trace service with grpcio itself, in ways that an exporter would not.

Usage: call.py HOST:PORT

Prints one line for each call: its name and the status that came back.
"""

import sys

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def main():
    channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_send_message_length", -1)])
    calls = {
        "empty": (EXPORT, b"", {}),
        "empty_gzip": (EXPORT, b"", {"compression": grpc.Compression.Gzip}),
        "garbage": (EXPORT, b"\xff\xff\xff", {}),
        "truncated": (EXPORT, b"\x0a\x7f\x00", {}),
        "too_large": (EXPORT, b"\x12\x80\x80\x80\x10" + bytes(32 << 20), {}),
        "unknown_method": (EXPORT + "s", b"", {}),
        "empty_again": (EXPORT, b"", {}),
    }
    for name, (method, message, options) in calls.items():
        call = channel.unary_unary(method)
        try:
            call(message, timeout=20, **options)
            print(name, "OK")
        except grpc.RpcError as error:
            print(name, error.code().name, flush=True)


main()
