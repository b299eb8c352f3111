"""What is measured: the rows of the comparison, and over which transport each is run.

Absent: servers, figures and goals. A row is an argument list for `fanfare bench`; what its keys
mean to a reader stands beside it, and nowhere else.
"""

from typing import NamedTuple

# What a server speaks. `bare` is NATS as far as the bare relay knows it (benches/client, `floor`).
NATS, REDIS, MQTT, BARE = "nats", "redis", "mqtt", "bare"
EVERYBODY = frozenset({NATS, REDIS, MQTT, BARE})
PEERS = frozenset({NATS, REDIS, MQTT})
NATS_ONLY = frozenset({NATS})
# Servers that cut off a reader that stops.
CUTTING = frozenset({NATS, REDIS})
WITH_REQUESTS = frozenset({NATS, BARE})

# What the load goes over; wss is WebSocket over TLS.
PLAIN, TLS, WEBSOCKET, WSS = "plain", "tls", "websocket", "wss"
FRAMED = (WEBSOCKET, WSS)
SEALED = (TLS, WSS)


SUFFIXES = {PLAIN: "", TLS: ", TLS", WEBSOCKET: ", WebSocket", WSS: ", WebSocket over TLS"}


class Row(NamedTuple):
    """One scenario."""

    key: str
    label: str
    # Arguments of `bench`.
    arguments: str
    # The series of latencies that p50 and p99 are read from.
    series: str | None
    # Which servers know what it asks of them.
    dialects: frozenset
    # How long it takes, where the length of a run is not the user's.
    duration: str | None = None


class Leg(NamedTuple):
    """A scenario over a transport: what is run once a round with each server."""

    row: Row
    transport: str

    @property
    def key(self):
        """Its name in results."""
        return self.row.key if self.transport == PLAIN else f"{self.transport}:{self.row.key}"

    @property
    def label(self):
        """What a reader calls it."""
        return self.row.label + SUFFIXES[self.transport]

    def suits(self, dialect):
        """Whether a server of this dialect can run it."""
        return dialect in self.row.dialects and (self.transport == PLAIN or dialect == NATS)


def fan_out(subs, one_at_a_time):
    """A row of one publisher and many subscribers."""
    if one_at_a_time:
        arguments = f"fanout --subs {subs} --one-at-a-time"
        label, key = f"1→{subs} one at a time", f"one-{subs}"
        return Row(key, label, arguments, "last_has_it", EVERYBODY)
    pipelined = " pipelined" if subs >= 1000 else ""
    label = f"1→{subs}{pipelined} 128 B"
    return Row(f"1-{subs}", label, f"fanout --subs {subs}", "from_write", EVERYBODY)


def connections(count):
    """A row of idle connections, and a message to each."""
    arguments = f"conns --conns {count} --message"
    return Row(f"conns-{count}", f"{count} connections", arguments, "connect", EVERYBODY)


# A stalled reader has to outlast the time after which nats-server gives it up.
STALL = "13s"

ROWS = [
    Row("pub-16", "pub only 16 B", "pubsub --subs 0 --size 16", None, EVERYBODY),
    Row("pub-128", "pub only 4 × 128 B", "pubsub --pubs 4 --subs 0 --size 128", None, EVERYBODY),
    Row("1-1-16", "1:1 16 B", "pubsub --size 16", None, EVERYBODY),
    Row("1-1-128", "1:1 128 B", "pubsub --size 128", "from_write", EVERYBODY),
    Row("1-1-1k", "1:1 1 KiB", "pubsub --size 1k", "from_write", EVERYBODY),
    Row("1-1-16k", "1:1 16 KiB", "pubsub --size 16k", "from_write", EVERYBODY),
    Row("8-pairs", "8 pairs 128 B", "pubsub --pubs 8 --subs 8 --pairs", "from_write", PEERS),
    Row("4-4", "4→4 128 B", "pubsub --pubs 4 --subs 4", "from_write", PEERS),
    fan_out(10, one_at_a_time=False),
    fan_out(100, one_at_a_time=False),
    fan_out(1000, one_at_a_time=False),
    Row("queue", "queue 2→8 128 B", "queue --pubs 2 --members 8", "from_write", NATS_ONLY),
    Row("cold", "110k subscriptions, 65536 subjects", "wildcard --subjects 65536", "from_write",
        NATS_ONLY),
    Row("hot", "110k subscriptions, 256 subjects", "wildcard --subjects 256", "from_write",
        NATS_ONLY),
    Row("request-1", "request, 1 in flight", "request", "round_trip", WITH_REQUESTS),
    Row("request-64", "request, 64 in flight", "request --clients 64", "round_trip", NATS_ONLY),
    Row("request-64x8", "request, 64 × 8 in flight", "request --clients 64 --depth 8",
        "round_trip", NATS_ONLY),
    Row("rate-1k", "constant 1k/s", "latency --rate 1k", "from_write", EVERYBODY),
    Row("rate-10k", "constant 10k/s", "latency --rate 10k", "from_write", EVERYBODY),
    Row("rate-100k", "constant 100k/s, from schedule", "latency --rate 100k", "one_way", EVERYBODY),
    fan_out(100, one_at_a_time=True),
    fan_out(1000, one_at_a_time=True),
    fan_out(5000, one_at_a_time=True),
    fan_out(10000, one_at_a_time=True),
    connections(5000),
    connections(18000),
    Row("churn", "connect, SUB, close", "churn", "connect", EVERYBODY),
    Row("slow", "1 of 5 stalled, 1 KiB, full speed", "slow --size 1k", "from_write", CUTTING,
        STALL),
    Row("slow-20k", "1 of 5 stalled, 1 KiB, 20k/s", "slow --size 1k --rate 20k", "from_write",
        CUTTING, STALL),
]

BY_KEY = {row.key: row for row in ROWS}

# What is run over a transport when nobody says otherwise: messages, requests, memory, handshakes.
USUAL = {
    PLAIN: [row.key for row in ROWS],
    TLS: ["1-1-128", "1-1-1k", "1-1-16k", "1-10", "request-1", "request-64", "conns-5000", "churn"],
    WEBSOCKET: ["1-1-128", "1-10", "1-1000", "request-1", "conns-5000"],
    WSS: ["1-1-128", "1-10", "1-1000", "conns-5000"],
}


def legs(transport, only=None):
    """The rows that are run over a transport, in the order of the table."""
    keys = set(USUAL[transport]) if only is None else only
    return [Leg(row, transport) for row in ROWS if row.key in keys]
