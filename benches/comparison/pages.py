"""The tables of the README and of docs/performance.md, from the results of all runs.

Absent: running, and what stands around the tables. A page has two lines, `<!-- NAME -->` and
`<!-- /NAME -->`; what is between them is written anew, and nothing else.
"""

import re
import textwrap
from typing import NamedTuple

from comparison import goals
from comparison.figures import (
    CPU, CUT, GROWTH, KEPT, LEAST, NOTHING, P50, P99, PEAK, PER_SUBSCRIPTION, RATE, RSS,
    RSS_AFTER, Figure, cell, markdown, ratio_cell, values_of,
)


class Facts(NamedTuple):
    """What a reader has to know to believe a table."""

    commit: str
    date: str
    machine: str
    # Name and version of each server.
    versions: list
    # Whole ones, and how many there were to be.
    rounds: int
    rounds_planned: int
    duration: str
    minutes: float
    # Packets of the loopback that the kernel had no room for.
    drops: int
    # Whether it is one round, or only a part, and so not to be quoted.
    is_trial: bool


class Cast(NamedTuple):
    """Which server is what; those that were not there are nothing."""

    reference: object
    ours: object
    # Servers of other protocols.
    peers: list
    bare: object


P999 = Figure("p99.9 µs", ("p99_9_us",), "number", True)

# What the commands of benches/table and the configuration in `servers` ask for.
DEFAULTS = (
    "their defaults, but Redis without snapshots and its protected mode, for up to 20 000 clients, "
    "and Mosquitto with TCP_NODELAY, as many clients and queued messages as there may be, and "
    "errors alone in its log"
)

# Legs and series of the table of latencies.
LATENCIES = [
    ("request-1", "round_trip", "request, 1 in flight"),
    ("request-64", "round_trip", "request, 64 in flight"),
    ("rate-1k", "from_write", "one way at 1 k/s, from the write"),
    ("rate-10k", "from_write", "one way at 10 k/s, from the write"),
    ("rate-10k", "one_way", "one way at 10 k/s, from schedule"),
    ("rate-100k", "one_way", "one way at 100 k/s, from schedule"),
    ("one-100", "last_has_it", "1→100 one at a time, the last has it"),
    ("one-1000", "last_has_it", "1→1000 one at a time, the last has it"),
    ("one-5000", "last_has_it", "1→5000 one at a time, the last has it"),
    ("one-10000", "last_has_it", "1→10000 one at a time, the last has it"),
]

# Figures of the table of memory and of stalled readers.
SIZES = [RSS, RSS_AFTER, PEAK, PER_SUBSCRIPTION]
STALLS = [KEPT, CUT, GROWTH, LEAST]
# Scenarios whose peak of memory says something.
PEAKS = {"1-1-128", "one-5000", "one-10000"}


def objections(results, cast, facts):
    """Why these results must not stand in a page; a peer that failed has empty cells there."""
    found = []
    if facts.is_trial:
        found.append("it is a trial")
    if facts.rounds < facts.rounds_planned:
        found.append(f"only {facts.rounds} of {facts.rounds_planned} rounds were run")
    found += [str(each) for each in results.failures if each.server == cast.ours.name]
    return found


def readme(results, cast, facts):
    """What stands in the README."""
    head = ["scenario", cast.reference.name, *(peer.name for peer in cast.peers), cast.ours.name]
    head += ["CPU ratio", "rate", "p50", "p99"]
    rows = []
    for leg in results.legs:
        cells = [leg.label]
        for server in (cast.reference, *cast.peers, cast.ours):
            cells.append(cell(results.of(leg, server), CPU, leg.row.series))
        cells.append(_ratio(results, leg, cast, CPU))
        cells += [_ratio(results, leg, cast, figure).strip("*") for figure in (RATE, P50, P99)]
        rows.append(cells)
    text = (
        "Server CPU in microseconds per message (per request, per connection), median of "
        f"{_rounds(facts)} ± half the range, and how many times better than {cast.reference.name} "
        f"{cast.ours.name} is; the same for rate and latency. {_origin(facts)}"
    )
    parts = [_paragraph(text), markdown(head, rows), *_failed(results)]
    return "\n".join(parts)


def documentation(results, cast, facts):
    """What stands in docs/performance.md."""
    parts = [
        _paragraph(f"{_origin(facts)} Medians of {_rounds(facts)} ± half the range."),
        _cpu_table(results, cast),
        _reached(results, cast),
        _ratio_table(results, cast),
        _latency_table(results, cast),
        _memory_table(results, cast),
    ]
    busiest = results.busiest_client()
    if busiest is not None:
        text = f"The busiest thread of the load client was at {busiest * 100:.0f} % of a core."
        parts.append(_paragraph(f"{text} The whole took {facts.minutes:.0f} minutes."))
    if facts.drops:
        parts.append(
            _paragraph(
                f"The kernel dropped {facts.drops} packets meanwhile "
                "(net.core.netdev_max_backlog), each of which holds a connection up by 200 ms or "
                "more: the machine was busy."
            )
        )
    parts += _failed(results)
    return "\n".join(parts)


def replace_between(path, name, text):
    """Puts a text between the two lines of a page; a ValueError says that they are missing."""
    before = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    after, count = pattern.subn(lambda match: match[1] + text + match[2], before)
    if count != 1:
        raise ValueError(f"{path} has no lines <!-- {name} --> and <!-- /{name} -->")
    path.write_text(after, encoding="utf-8")


def _paragraph(text):
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False) + "\n"


def _failed(results):
    """What went wrong, and why a cell is empty."""
    return [_paragraph(f"Failed, and so left empty: {failure}") for failure in results.failures]


def _rounds(facts):
    return "one round" if facts.rounds == 1 else f"{facts.rounds} rounds"


def _origin(facts):
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions)
    hurry = " A trial, **not to be quoted**." if facts.is_trial else ""
    return (
        f"{versions}, with {DEFAULTS}, over loopback, the load client on the same cores. "
        f"{facts.machine} {facts.date}, commit `{facts.commit}`, by `benches/table`, "
        f"{facts.duration} a run.{hurry}"
    )


def _ratio(results, leg, cast, figure):
    theirs, ours = results.of(leg, cast.reference), results.of(leg, cast.ours)
    return ratio_cell(theirs, ours, figure, leg.row.series)


def _cpu_table(results, cast):
    """Everybody's CPU time, and the goals."""
    others = [server for server in (*cast.peers, cast.bare) if server]
    head = ["CPU µs/msg", cast.reference.name, *(server.name for server in others)]
    head += [cast.ours.name, "ratio", "goal", "reached"]
    rows = []
    for leg in results.legs:
        cells = [leg.label]
        for server in (cast.reference, *others, cast.ours):
            cells.append(cell(results.of(leg, server), CPU, leg.row.series))
        verdict = goals.judge_cpu(results, leg, cast.reference, cast.ours)
        cells.append(_ratio(results, leg, cast, CPU))
        cells += [verdict.wanted, verdict.mark] if verdict else [NOTHING, NOTHING]
        rows.append(cells)
    return markdown(head, rows)


def _reached(results, cast):
    """The goals that are no ratio of CPU time."""
    verdicts = goals.judge_others(results, cast.reference, cast.ours, cast.bare)
    if not verdicts:
        return ""
    rows = [[each.label, each.found, each.wanted, each.mark] for each in verdicts]
    return markdown(["other goals", "found", "goal", "reached"], rows)


def _ratio_table(results, cast):
    """Rate and latency of the two."""
    head = ["scenario"]
    for figure in (RATE, P50, P99):
        head += [f"{figure.heading}: {cast.reference.name}", cast.ours.name, "ratio"]
    rows = []
    for leg in results.legs:
        cells = [leg.label]
        for figure in (RATE, P50, P99):
            for server in (cast.reference, cast.ours):
                cells.append(cell(results.of(leg, server), figure, leg.row.series))
            cells.append(_ratio(results, leg, cast, figure))
        rows.append(cells)
    return markdown(head, rows)


def _latency_table(results, cast):
    """Latencies of everybody: p50, p99, p99.9."""
    servers = [each for each in (cast.reference, *cast.peers, cast.bare, cast.ours) if each]
    by_key = {leg.key: leg for leg in results.legs}
    rows = []
    for key, series, label in LATENCIES:
        leg = by_key.get(key)
        if leg is None:
            continue
        row = [label]
        for server in servers:
            found = [
                cell(results.of(leg, server), figure, series).split(" ±")[0]
                for figure in (P50, P99, P999)
            ]
            row.append(NOTHING if found[0] == NOTHING else " / ".join(found))
        rows.append(row)
    if not rows:
        return ""
    return markdown(["latency, µs: p50 / p99 / p99.9", *(each.name for each in servers)], rows)


def _memory_table(results, cast):
    """Memory, and what becomes of those beside a stalled reader."""
    servers = [each for each in (cast.reference, *cast.peers, cast.ours) if each]
    rows = []
    for leg in results.legs:
        for figure in SIZES + STALLS:
            if figure is PEAK and leg.key not in PEAKS:
                continue
            runs = [results.of(leg, server) for server in servers]
            if any(values_of(each, figure, None) for each in runs):
                cells = [cell(each, figure, None) for each in runs]
                ratio = _ratio(results, leg, cast, figure)
                rows.append([f"{leg.label}: {figure.heading}", *cells, ratio])
    if not rows:
        return ""
    return markdown(["memory and fairness", *(each.name for each in servers), "ratio"], rows)
