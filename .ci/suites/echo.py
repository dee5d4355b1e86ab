"""The same server on python3-websockets."""
import asyncio
import os

import websockets


async def echo(socket):
    async for message in socket:
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            await socket.close(int(code), reason)
        else:
            await socket.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"]), max_size=16 << 20):
        await asyncio.Future()


asyncio.run(main())
