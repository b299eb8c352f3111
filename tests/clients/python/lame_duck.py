"""The Python client library nats-py at a broker that leaves, and at the next one.

Usage: lame_duck.py FIRST SECOND. Prints `connected`, waits for a line, makes requests and prints
`answered` with the first answer; ends with `ok` when a hundred were answered after a reconnect.
Absent: sleeps. A request that was under way when its connection ended is made again.
"""

import asyncio
import sys

import nats
from nats.errors import ConnectionClosedError, ConnectionReconnectingError, TimeoutError


async def main():
    moved = asyncio.Event()

    async def note():
        moved.set()

    client = await nats.connect(
        servers=sys.argv[1:3],
        dont_randomize=True,
        reconnect_time_wait=0.05,
        max_reconnect_attempts=-1,
        reconnected_cb=note,
    )
    print("connected", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    tried = answered = elsewhere = 0
    while elsewhere < 100:
        tried += 1
        has_moved = moved.is_set()
        try:
            reply = await client.request("service", b"hi", timeout=2)
        except (TimeoutError, ConnectionClosedError, ConnectionReconnectingError):
            continue
        assert reply.data == b"yes", reply
        answered += 1
        if answered == 1:
            print("answered", flush=True)
        elsewhere += has_moved
    assert tried - answered <= 2, (tried, answered)
    print(f"ok {answered} of {tried}", flush=True)
    await client.close()


asyncio.run(asyncio.wait_for(main(), 60))
