"""An independent client: Python's websockets. Talks to an echo server at the URL given."""

import asyncio
import sys

from websockets.asyncio.client import connect


async def data(socket, expected):
    answer = await socket.recv()
    assert answer == expected, (answer, expected)


async def main(url, seconds):
    async with connect(url) as socket:
        for message in ["", "text", "κόσμε", b"", b"\x00\xff", "x" * 70_000]:
            await socket.send(message)
            await data(socket, message)
        await socket.send(["in ", "three ", "fragments"])
        await data(socket, "in three fragments")
        await (await socket.ping())
        # Long enough for heartbeats, which the library answers by itself.
        await asyncio.sleep(float(seconds))
        await socket.close(4001, "done")
    print("ok", socket.close_code)


asyncio.run(main(*sys.argv[1:]))
