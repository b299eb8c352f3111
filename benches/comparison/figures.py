"""Medians, spreads and ratios of runs, and how they are written into a table.

Absent: which figures a table has. A run is what `fanfare bench --json` prints as a result.
"""

import statistics
from typing import NamedTuple

NOTHING = "–"


class Figure(NamedTuple):
    """A figure of a run: its heading, by which keys it is found, its unit, and what is better."""

    heading: str
    keys: tuple
    style: str
    less_is_better: bool
    # The series it is read from; nothing for the row's own.
    series: str | None = None


CPU = Figure("CPU µs/msg", ("server_cpu_us_per_msg", "server_cpu_us_per_conn"), "number", True)
RATE = Figure("rate/s", ("msgs_per_s", "conns_per_s"), "count", False)
P50 = Figure("p50 µs", ("p50_us",), "number", True)
P99 = Figure("p99 µs", ("p99_us",), "number", True)
PEAK = Figure("peak RSS", ("server_peak_rss",), "bytes", True)

# The columns of a table with a column for each.
MAIN = [CPU, RATE, P50, P99, PEAK]

RSS = Figure("memory per idle connection", ("rss_per_conn",), "bytes", True)
RSS_AFTER = Figure("the same after a message to each", ("rss_per_conn_after_message",), "bytes",
                   True)
IDLE = Figure("CPU of idle connections, cores", ("idle_server_cores",), "number", True)
KEPT = Figure("rate kept beside a stalled reader, until the cut", ("share_until_cut",), "number",
              False)
KEPT_IN_ALL = Figure("rate kept beside a stalled reader, in all", ("share_in_all",), "number",
                     False)
CUT = Figure("stalled reader cut after, s", ("cut_after",), "number", True)
GROWTH = Figure("memory growth for a stalled reader", ("memory_growth",), "bytes", True)
LEAST = Figure("least served queue member, of an even share", ("least_share",), "number", False)
PER_SUBSCRIPTION = Figure("memory per subscription", ("rss_per_subscription",), "bytes", True)

# Figures that only some scenarios have.
OTHER = [RSS, RSS_AFTER, IDLE, KEPT, KEPT_IN_ALL, CUT, GROWTH, LEAST, PER_SUBSCRIPTION]


def value_of(run, figure, series):
    """A figure of one run, or nothing."""
    for measure in run["measures"]:
        if measure["key"] in figure.keys:
            return measure["value"]
    for entry in run["latencies"]:
        if entry["key"] == (figure.series or series) and figure.keys[0] in entry["figures"]:
            return entry["figures"][figure.keys[0]]
    return None


def values_of(runs, figure, series):
    """A figure of every run that has it."""
    values = [value_of(run, figure, series) for run in runs]
    return [value for value in values if value is not None]


def median_of(runs, figure, series):
    """The median of a figure over runs, or nothing."""
    values = values_of(runs, figure, series)
    return statistics.median(values) if values else None


def ratio_of(reference, other, figure):
    """How many times better the other one is; nothing where that cannot be told."""
    if not reference or not other or reference < 0 or other < 0:
        return None
    return reference / other if figure.less_is_better else other / reference


def cell(runs, figure, series):
    """The median and half the range, as a table shows them."""
    values = values_of(runs, figure, series)
    if not values:
        return NOTHING
    median = statistics.median(values)
    text = styled(median, figure.style)
    if len(values) > 1 and median:
        half = (max(values) - min(values)) / 2 / abs(median) * 100
        text += f" ±{half:.0f} %"
    return text


def ratio_cell(reference_runs, runs, figure, series):
    """How many times better the runs are, as a table shows it."""
    ratio = ratio_of(
        median_of(reference_runs, figure, series), median_of(runs, figure, series), figure
    )
    return NOTHING if ratio is None else f"**{digits(ratio)}×**"


def styled(value, style):
    """A value with its unit."""
    if style == "bytes":
        for factor, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(value) >= factor:
                return f"{digits(value / factor)} {unit}"
        return f"{value:.0f} B"
    if style == "count":
        for factor, unit in ((1e6, " M"), (1e3, " k")):
            if abs(value) >= factor:
                return digits(value / factor) + unit
    return digits(value)


def digits(value):
    """A number with three digits or so."""
    if value == 0:
        return "0"
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"


def markdown(head, rows):
    """A table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
