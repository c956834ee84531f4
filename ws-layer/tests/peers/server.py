"""An independent server: echoes on a free port, which it prints."""

import asyncio

from websockets.asyncio.server import serve


async def echo(socket):
    print("traceparent", socket.request.headers.get("traceparent"), flush=True)
    async for message in socket:
        await socket.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
