"""The Python client library nats-py against a running broker.

Usage: matrix.py URL. Prints `ok NAME` for each case and ends with status 0 when all are well.
After `restart` on a line of its own it waits for whoever runs it to restart the broker at URL.
Absent: sleeps and retries; whatever is awaited is an event, under one generous deadline.
"""

import asyncio
import sys

import nats
from nats.errors import MaxPayloadError, NoRespondersError

DEADLINE = 60
URL = sys.argv[1]


def event():
    """A value that will be there later."""
    return asyncio.get_running_loop().create_future()


async def fence(client):
    """Waits until the broker has executed everything that the client has said.

    The library's `flush` is no fence: its PING can overtake what is still in its buffer. A request
    that nobody answers goes through that buffer like everything else.
    """
    try:
        await client.request("nobody.listens.here", timeout=DEADLINE)
    except NoRespondersError:
        return
    raise AssertionError("somebody listens")


async def take(subscription, count):
    """The next messages of a subscription."""
    return [await subscription.next_msg(timeout=DEADLINE) for _ in range(count)]


async def publish_and_subscribe():
    reader, writer = await nats.connect(URL), await nats.connect(URL)
    subscription = await reader.subscribe("news.today")
    await fence(reader)
    for number in range(1000):
        await writer.publish("news.today", str(number).encode())
    await fence(writer)
    came = await take(subscription, 1000)
    assert [int(message.data) for message in came] == list(range(1000))
    assert all(message.subject == "news.today" for message in came)
    await reader.close()
    await writer.close()


async def wildcards():
    client = await nats.connect(URL)
    star = await client.subscribe("a.*.c")
    tail = await client.subscribe("a.>")
    for subject in ["a.b.c", "a.b", "a", "a.b.c.d", "b.b.c", "a.x.c"]:
        await client.publish(subject, subject.encode())
    await fence(client)
    assert [m.subject for m in await take(star, 2)] == ["a.b.c", "a.x.c"]
    assert [m.subject for m in await take(tail, 4)] == ["a.b.c", "a.b", "a.b.c.d", "a.x.c"]
    assert star.pending_msgs == 0 and tail.pending_msgs == 0
    await client.close()


async def queue_groups():
    seen, counts, members = [], [0, 0, 0], []
    done = event()
    for index in range(3):

        async def receive(message, index=index):
            seen.append(int(message.data))
            counts[index] += 1
            if len(seen) == 300:
                done.set_result(None)

        member = await nats.connect(URL)
        await member.subscribe("work", queue="team", cb=receive)
        await fence(member)
        members.append(member)
    writer = await nats.connect(URL)
    for number in range(300):
        await writer.publish("work", str(number).encode())
    await fence(writer)
    await asyncio.wait_for(done, DEADLINE)
    for member in members:
        await fence(member)
    assert sorted(seen) == list(range(300)), "each message once"
    assert min(counts) > 30, counts
    for client in [*members, writer]:
        await client.close()


async def request_and_reply():
    service, client = await nats.connect(URL), await nats.connect(URL)

    async def answer(message):
        await message.respond(str(int(message.data) * 2).encode())

    await service.subscribe("double", cb=answer)
    await fence(service)
    for number in range(200):
        reply = await client.request("double", str(number).encode(), timeout=DEADLINE)
        assert int(reply.data) == number * 2
    many = [client.request("double", str(n).encode(), timeout=DEADLINE) for n in range(100)]
    replies = await asyncio.gather(*many)
    assert [int(reply.data) for reply in replies] == [n * 2 for n in range(100)]
    old = await client.request("double", b"21", timeout=DEADLINE, old_style=True)
    assert old.data == b"42"
    await service.close()
    await client.close()


async def no_responders():
    client = await nats.connect(URL)
    try:
        await client.request("nobody", b"?", timeout=DEADLINE)
    except NoRespondersError:
        pass
    else:
        raise AssertionError("somebody answered")
    await client.close()


async def headers():
    client = await nats.connect(URL)
    subscription = await client.subscribe("foo")
    sent = {"Fruit": "apple", "fruit": "pear", "Empty": "", "Long": "x" * 5000}
    await client.publish("foo", b"payload", headers=sent)
    await client.publish("foo", b"", headers={"Only": "headers"})
    await client.publish("foo", b"plain")
    first, second, third = await take(subscription, 3)
    assert first.headers == sent and first.data == b"payload", first.headers
    assert second.headers == {"Only": "headers"} and second.data == b""
    assert third.headers is None and third.data == b"plain"
    await client.close()


async def unsubscribe_after():
    client = await nats.connect(URL)
    subscription = await client.subscribe("foo")
    await subscription.unsubscribe(limit=3)
    for number in range(10):
        await client.publish("foo", str(number).encode())
    came = await take(subscription, 3)
    assert [int(message.data) for message in came] == [0, 1, 2]
    await fence(client)
    await client.close()


async def drain():
    closed, came = event(), []

    async def on_close():
        closed.set_result(None)

    client = await nats.connect(URL, closed_cb=on_close)

    async def receive(message):
        came.append(int(message.data))

    await client.subscribe("foo", cb=receive)
    for number in range(500):
        await client.publish("foo", str(number).encode())
    await client.drain()
    await asyncio.wait_for(closed, DEADLINE)
    assert came == list(range(500)), len(came)


async def max_payload():
    client = await nats.connect(URL)
    subscription = await client.subscribe("foo")
    largest = b"x" * client.max_payload
    await client.publish("foo", largest)
    (message,) = await take(subscription, 1)
    assert message.data == largest
    try:
        await client.publish("foo", largest + b"x")
    except MaxPayloadError:
        pass
    else:
        raise AssertionError("a larger message was accepted")
    await client.close()


async def many_subjects():
    reader, writer = await nats.connect(URL), await nats.connect(URL)
    subscriptions = [await reader.subscribe(f"many.{n}.x") for n in range(1000)]
    await fence(reader)
    for number in reversed(range(1000)):
        await writer.publish(f"many.{number}.x", str(number).encode())
    await fence(writer)
    for number, subscription in enumerate(subscriptions):
        (message,) = await take(subscription, 1)
        assert int(message.data) == number
    await reader.close()
    await writer.close()


async def reconnect():
    gone, back = event(), event()

    async def on_disconnect():
        if not gone.done():
            gone.set_result(None)

    async def on_reconnect():
        back.set_result(None)

    client = await nats.connect(
        URL,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
    )
    subscription = await client.subscribe("foo")
    await client.publish("foo", b"before")
    assert (await take(subscription, 1))[0].data == b"before"
    print("restart", flush=True)
    await asyncio.wait_for(gone, DEADLINE)
    await asyncio.wait_for(back, DEADLINE)
    await fence(client)
    other = await nats.connect(URL)
    await other.publish("foo", b"after")
    await fence(other)
    assert (await take(subscription, 1))[0].data == b"after"
    await client.close()
    await other.close()


CASES = [
    publish_and_subscribe,
    wildcards,
    queue_groups,
    request_and_reply,
    no_responders,
    headers,
    unsubscribe_after,
    drain,
    max_payload,
    many_subjects,
    reconnect,
]


async def main():
    for case in CASES:
        await asyncio.wait_for(case(), DEADLINE)
        print("ok", case.__name__, flush=True)


asyncio.run(main())
