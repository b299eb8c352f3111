"""What each scenario is to reach, and whether it does.

Absent: measuring. A goal is judged by medians; one whose figures are missing is not judged.
"""

from typing import NamedTuple

from comparison.figures import (
    CPU, KEPT, NOTHING, P50, P99, RSS, digits, median_of, ratio_of, styled,
)
from comparison.scenarios import BY_KEY, PLAIN, TLS, WEBSOCKET, Leg

# How many times less CPU a message (a request, a connection) takes than with nats-server.
CPU_GOALS = {
    "pub-16": 3, "pub-128": 3, "1-1-16": 5, "1-1-128": 5, "1-1-1k": 2.2, "1-1-16k": 2.2,
    "8-pairs": 4, "4-4": 4, "1-10": 4, "1-1000": 6, "queue": 5, "cold": 12, "hot": 5,
    "request-1": 3.5, "request-64": 3, "request-64x8": 4, "rate-1k": 4, "rate-10k": 4,
    "one-1000": 3.5, "one-10000": 4, "conns-5000": 6, "conns-18000": 6, "churn": 6,
}
# Over WebSocket what holds without it is wanted, over TLS only this: ciphers take what they take.
TLS_GOALS = {"1-1-128": 4}


class Verdict(NamedTuple):
    """A goal and what became of it."""

    label: str
    wanted: str
    found: str
    # Nothing where the figures are missing.
    is_reached: bool | None

    @property
    def mark(self):
        """Whether it is reached, in a cell."""
        return {True: "yes", False: "**no**", None: NOTHING}[self.is_reached]


def cpu_goal(leg):
    """How many times better a leg's CPU time is to be, or nothing."""
    goals = TLS_GOALS if leg.transport == TLS else CPU_GOALS
    return goals.get(leg.row.key) if leg.transport in (PLAIN, TLS, WEBSOCKET) else None


def judge_cpu(results, leg, reference, ours):
    """The verdict about a leg's CPU time, or nothing where there is no goal."""
    goal = cpu_goal(leg)
    if goal is None:
        return None
    return _against(results, leg, CPU, (reference, ours), goal)


def judge_others(results, reference, ours, bare):
    """The verdicts about everything that is not CPU time against the reference."""
    def leg(key, transport=PLAIN):
        return Leg(BY_KEY[key], transport)

    one_way = P99._replace(series="one_way")
    from_write = P50._replace(series="from_write")
    verdicts = [
        _named("p99 at 10 k/s, from schedule",
               _against(results, leg("rate-10k"), one_way, (reference, ours), 2)),
        _named("p99 at 100 k/s, from schedule",
               _against(results, leg("rate-100k"), one_way, (reference, ours), 2)),
        _within("p50 one way at 10 k/s, of the bare relay's", results,
                (leg("rate-10k"), bare), (leg("rate-10k"), ours), from_write, 1.8),
        _within("p50 of a request, of the bare relay's", results,
                (leg("request-1"), bare), (leg("request-1"), ours), P50, 1.2),
        _within("CPU with cold subjects, of that with hot ones", results,
                (leg("hot"), ours), (leg("cold"), ours), CPU, 2),
        _at_most("memory per idle connection", results, leg("conns-5000"), ours, 700),
        _at_most("memory per idle connection", results, leg("conns-18000"), ours, 700),
        _at_most("memory per idle connection", results, leg("conns-5000", TLS), ours, 4500),
        _at_most("memory per idle connection", results, leg("conns-5000", WEBSOCKET), ours, 1000),
        _kept(results, leg("slow"), ours),
        _kept(results, leg("slow-20k"), ours),
    ]
    return [verdict for verdict in verdicts if verdict.found != NOTHING]


def _median(results, leg, server, figure):
    if server is None:
        return None
    return median_of(results.of(leg, server), figure, leg.row.series)


def _named(label, verdict):
    return verdict._replace(label=label)


def _against(results, leg, figure, servers, times):
    """So many times better than the reference."""
    values = [_median(results, leg, server, figure) for server in servers]
    ratio = ratio_of(*values, figure)
    found = NOTHING if ratio is None else f"{digits(ratio)}×"
    return Verdict(leg.label, f"{times:g}×", found, None if ratio is None else ratio >= times)


def _within(label, results, base, ours, figure, times):
    """At most so many times another median."""
    values = [_median(results, leg, server, figure) for leg, server in (base, ours)]
    if not values[0] or not values[1]:
        return Verdict(label, f"≤ {times:g}×", NOTHING, None)
    quotient = values[1] / values[0]
    found = f"{digits(quotient)}× ({digits(values[1])} of {digits(values[0])} µs)"
    return Verdict(label, f"≤ {times:g}×", found, quotient <= times)


def _at_most(label, results, leg, server, bound):
    """At most so many bytes."""
    value = _median(results, leg, server, RSS)
    found = NOTHING if value is None else styled(value, "bytes")
    reached = None if value is None else value <= bound
    return Verdict(f"{leg.label}: {label}", f"≤ {bound} B", found, reached)


def _kept(results, leg, server):
    """Healthy subscribers' share of their rate beside a stalled one."""
    value = _median(results, leg, server, KEPT)
    found = NOTHING if value is None else f"{value * 100:.0f} %"
    label = f"{leg.label}: rate that the others keep until the cut"
    return Verdict(label, "≥ 98 %", found, None if value is None else value >= 0.98)
