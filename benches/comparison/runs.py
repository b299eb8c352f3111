"""Rounds of runs: every server in turn, each time one that was just started.

Absent: what the results mean. The servers alternate, so that whatever else the machine does hits
all of them alike.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from comparison import servers as starting
from comparison.scenarios import BARE, FRAMED, MQTT, NATS, REDIS, SEALED, WSS

# URL schemes by what a server speaks.
SCHEMES = {NATS: "nats", BARE: "nats", REDIS: "redis", MQTT: "mqtt"}


class Wishes(NamedTuple):
    """How to run."""

    client: str
    rounds: int
    duration: str
    threads: str | None = None
    # Lengths that scenarios have of their own give way to `duration`.
    is_quick: bool = False


class Failure(NamedTuple):
    """A run that went wrong."""

    leg: str
    server: str
    reason: str

    def __str__(self):
        return f"{self.leg}, {self.server}: {self.reason}"


class Results:
    """What the runs brought: for each leg and server a list of runs, and what went wrong."""

    def __init__(self, legs, servers):
        self.legs = legs
        self.servers = servers
        self.runs = {leg.key: {server.name: [] for server in servers} for leg in legs}
        self.failures = []
        # Rounds that have come to their end.
        self.rounds = 0

    def of(self, leg, server):
        """The runs of a leg with a server; none where one of them has failed.

        A median of those that went well would say of a server what is not so.
        """
        if any((each.leg, each.server) == (leg.key, server.name) for each in self.failures):
            return []
        return self.runs.get(leg.key, {}).get(server.name, [])

    def busiest_client(self):
        """The largest share of a core that a thread of the load client used, if it is known."""
        shares = [
            measure["value"]
            for by_server in self.runs.values()
            for runs in by_server.values()
            for run in runs
            for measure in run["measures"]
            if measure["key"] == "client_thread_share"
        ]
        return max(shares, default=None)


def measure(legs, servers, wishes, after_round=lambda results: None):
    """Runs everything; what there is when the user ends it early is returned, too.

    `after_round` is told what there is after each whole round.
    """
    results = Results(legs, servers)
    starting.raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="comparison") as folder:
        if any(leg.transport in SEALED for leg in legs):
            starting.make_certificates(folder)
        try:
            for number in range(wishes.rounds):
                for leg in legs:
                    _each_server(results, leg, number, wishes, folder)
                results.rounds = number + 1
                after_round(results)
        except KeyboardInterrupt:
            say("ended early; the tables have what there is\n")
    say("")
    return results


def _each_server(results, leg, number, wishes, folder):
    """Runs one leg with every server that can run it."""
    # Who goes first alternates, so that no server always finds a warmer machine.
    for server in results.servers if number % 2 == 0 else results.servers[::-1]:
        if not leg.suits(server.dialect):
            continue
        begun = time.monotonic()
        say(f"round {number + 1}/{wishes.rounds}  {leg.key}  {server.name}", ends=False)
        run, failure = run_once(leg, server, wishes, folder)
        say(f"  {time.monotonic() - begun:.1f} s")
        if run and not failure:
            results.runs[leg.key][server.name].append(run)
        if failure:
            results.failures.append(Failure(leg.key, server.name, failure))


def run_once(leg, server, wishes, folder):
    """Starts a server, loads it, stops it; returns the result and what went wrong."""
    with tempfile.TemporaryFile() as log:
        with starting.Running(server, leg.transport, folder, log) as running:
            if running.is_ready():
                return load(leg, running, wishes, folder)
        log.seek(0)
        tail = log.read()[-300:].decode("utf-8", "replace").strip()
        return None, f"the server did not start: {tail}"


def load(leg, running, wishes, folder):
    """Loads a server that is ready."""
    line = [wishes.client, "bench", *leg.row.arguments.split(), "--json", "--quiet"]
    scheme = SCHEMES[running.server.dialect]
    if leg.transport in FRAMED:
        scheme = "wss" if leg.transport == WSS else "ws"
    line += ["--server", f"{scheme}://127.0.0.1:{running.load_port}"]
    line += ["--server-pid", str(running.pid)]
    line += ["--tlsca", os.path.join(folder, "ca.pem")] if leg.transport in SEALED else []
    duration = None if wishes.is_quick else leg.row.duration
    line += ["--duration", duration or wishes.duration]
    line += ["--threads", wishes.threads] if wishes.threads else []
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    failure = done.stderr.strip() if done.returncode else None
    try:
        return json.loads(done.stdout)["results"][0], failure
    except (ValueError, KeyError, IndexError):
        return None, failure or "the load client printed no result"


def dropped_packets():
    """How many packets the kernel has dropped for want of room in a processor's queue."""
    try:
        with open("/proc/net/softnet_stat", encoding="utf-8") as file:
            return sum(int(line.split()[1], 16) for line in file)
    except OSError:
        return 0


def machine():
    """The machine and its load, in one sentence."""
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    except OSError:
        pass
    load_text = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    # What follows the version is a distribution's name for its build, or a host's for its guests.
    system = f"{os.uname().sysname} {os.uname().release.split('-')[0]}"
    return f"{os.cpu_count()} × {model}, {system}, load {load_text}."


def say(text, ends=True):
    """Tells the user how far it is: a line on a terminal, lines elsewhere."""
    if sys.stderr.isatty():
        if text and not text.startswith(" "):
            print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)
        elif not text:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, end="\n" if ends else "", file=sys.stderr, flush=True)
