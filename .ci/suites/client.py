"""The suite from python3-websockets. usage: client.py PORT HOST"""
import asyncio
import os
import sys

import websockets

PORT, HOST = sys.argv[1:]


def connect(**more):
    return websockets.connect(f"ws://{HOST}/", host="127.0.0.1", port=int(PORT), max_size=16 << 20, **more)


async def sizes():
    async with connect() as socket:
        for n in (0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20):
            data = os.urandom(n)
            await socket.send(data)
            assert await socket.recv() == data, n


async def fragments():
    async with connect() as socket:
        pieces = [f"part {i};" for i in range(50)]
        await socket.send(pieces)
        assert await socket.recv() == "".join(pieces)
        pieces = [os.urandom(1000) for _ in range(50)]
        await socket.send(pieces)
        assert await socket.recv() == b"".join(pieces)


async def pings():
    async with connect() as socket:
        for payload in (b"", b"x" * 125):
            await asyncio.wait_for(await socket.ping(payload), 10)


async def codes():
    for code in (1000, 1001, 1003, 1008, 1011, 3000, 4999):
        async with connect() as socket:
            await socket.send(f"close {code} because")
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (code, "because"), (code, socket.close_code, socket.close_reason)


async def order():
    async with connect(max_queue=None) as socket:
        async def send():
            for i in range(10000):
                await socket.send(str(i))
        sending = asyncio.create_task(send())
        for i in range(10000):
            assert await socket.recv() == str(i)
        await sending


async def refused():
    try:
        async with websockets.connect(f"ws://nobody.none.{HOST}/", host="127.0.0.1", port=int(PORT)):
            raise AssertionError("a name that nobody has was connected")
    except websockets.InvalidStatusCode as e:
        assert e.status_code == 404, e


async def main():
    parts = (sizes, fragments, pings, codes, order, refused)
    for part in parts:
        try:
            await asyncio.wait_for(part(), 60)
        except BaseException:
            print(f"websockets at {HOST}: {part.__name__} failed", file=sys.stderr)
            raise
    print(f"websockets at {HOST}: {len(parts)} parts passed")


asyncio.run(main())
