"""Chats with vc-server as a program that shares no code with it: http.client and websockets.

usage: chat.py URL TRACEPARENT

Opens a live connection, sends a message over HTTP with the given traceparent, waits until the
message arrives over the socket, closes, and prints what it saw as one JSON object.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit

from websockets.sync.client import connect

url, traceparent = sys.argv[1:]
host = urlsplit(url).netloc


def request(method, path, body=None, headers=()):
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        all_headers = {"content-type": "application/json", **dict(headers)}
        connection.request(method, path, text, all_headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


with connect(f"ws://{host}/live?author=Socket", open_timeout=30) as socket:
    welcome = json.loads(socket.recv(timeout=30))
    status, sent = request(
        "POST",
        "/rooms/general/messages?token=s3cr3t",
        {"author": "Caller", "text": "hello from a stranger's code"},
        {"traceparent": traceparent, "tracestate": "peer=1"},
    )
    while True:
        event = json.loads(socket.recv(timeout=30))
        if event["type"] == "message":
            break
missing, _ = request("GET", "/rooms/no-such-room")

print(json.dumps({"welcome": welcome, "status": status, "sent": json.loads(sent), "event": event, "missing": missing}))
