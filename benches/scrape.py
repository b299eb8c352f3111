"""The parts of benches/scrape: idle connections, a stream of messages whose latency is taken, and
one who looks. No libraries, so that the same Python serves everywhere."""

import json
import selectors
import socket
import sys
import time
import urllib.request

HELLO = b'CONNECT {"verbose":false,"pedantic":false,"name":"scrape"}\r\n'


def connect(port):
    """A connection that has come in."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.recv(4096)
    peer.sendall(HELLO + b"PING\r\n")
    while b"PONG" not in peer.recv(4096):
        pass
    return peer


def idle(port, count):
    """Holds connections with a subscription each, and answers PINGs."""
    selector = selectors.DefaultSelector()
    for number in range(count):
        peer = connect(port)
        peer.sendall(b"SUB idle.%d 1\r\n" % number)
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if b"PING" in key.fileobj.recv(4096):
                key.fileobj.sendall(b"PONG\r\n")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def arrived(http, count):
    """Waits until as many connections are there."""
    while json.loads(get(http + "/varz"))["connections"] < count:
        time.sleep(0.2)


def look(http):
    """Scrapes every second, and walks all connections in between without a pause."""
    scrapes = pages = 0
    due = time.monotonic()
    while True:
        offset, total = 0, 1
        while offset < total:
            if time.monotonic() >= due:
                get(http + "/metrics")
                due += 1
                scrapes += 1
            page = json.loads(get(f"{http}/connz?subs=detail&limit=1024&offset={offset}"))
            total, offset, pages = page["total"], offset + 1024, pages + 1


def measure(port, http, seconds, name):
    """Sends a thousand messages a second from one connection to another."""
    reader, writer = connect(port), connect(port)
    reader.sendall(b"SUB measured 1\r\nPING\r\n")
    while b"PONG" not in reader.recv(4096):
        pass
    before = json.loads(get(http + "/statusz"))
    latencies, rest = [], b""
    due = end = time.monotonic()
    end += seconds
    while due < end:
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        due += 0.001
        writer.sendall(b"PUB measured 20\r\n%020d\r\n" % time.monotonic_ns())
        while b"\r\n" not in rest.partition(b"\r\n")[2]:
            rest += reader.recv(4096)
            if rest.startswith(b"PING\r\n"):
                reader.sendall(b"PONG\r\n")
                rest = rest[6:]
        _, stamp, rest = rest.split(b"\r\n", 2)
        latencies.append((time.monotonic_ns() - int(stamp)) / 1000)
    latencies.sort()
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))]
    after = json.loads(get(http + "/statusz"))["latency"]
    count = after["count"] - before["latency"]["count"]
    print(
        f"{name}: end to end p50 {at(0.5):.0f} us, p99 {at(0.99):.0f} us, p99.9 {at(0.999):.0f} us, "
        f"largest {latencies[-1]:.0f} us ({len(latencies)} messages); "
        f"inside p50 {after['p50_us']} us, p99 {after['p99_us']} us, largest {after['max_us']} us "
        f"({count} deliveries)",
        flush=True,
    )


def main():
    what, *rest = sys.argv[1:]
    if what == "idle":
        idle(int(rest[0]), int(rest[1]))
    elif what == "await":
        arrived(rest[0], int(rest[1]))
    elif what == "look":
        look(rest[0])
    else:
        measure(int(rest[0]), rest[1], int(rest[2]), rest[3])


main()
