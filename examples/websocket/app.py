"""A chat room for each customer: what one of its members says, all of them hear."""
import asyncio
import os
import signal

import websockets

members = set()


async def member(connection):
    members.add(connection)
    try:
        async for text in connection:
            websockets.broadcast(members, f"{os.environ['TENEMENT_ID']}: {text}")
    finally:
        members.discard(connection)


async def main():
    end = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set_result, None)
    async with websockets.unix_serve(member, os.environ["SOCKET_PATH"]):
        await end


asyncio.run(main())
