"""Connects, says so, and reads whatever comes until the end."""

import asyncio
import sys

from websockets.asyncio.client import connect


async def main(url):
    async with connect(url, max_queue=None) as socket:
        print("connected", flush=True)
        async for _ in socket:
            pass


asyncio.run(main(sys.argv[1]))
