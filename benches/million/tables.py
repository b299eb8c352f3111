"""The table of what the guests' load clients printed.

Absent: guests, and where the table goes. A run that failed has no figures here, whatever went well
before.
"""

import json

# Row, phase, path of the figure, style. The ratio to the first server follows each.
ROWS = [
    ("connect, each", "connect", ("each_us",), "us"),
    ("connections a second", "connect", ("rate",), "count"),
    ("server's CPU a connection", "connect", ("server_each_us",), "us"),
    ("idle CPU", "idle_cpu", ("server_share",), "percent"),
    ("one to one, p50", "one_to_one", ("times", "p50_us"), "us"),
    ("one to one, p99", "one_to_one", ("times", "p99_us"), "us"),
    ("to all, first, each", "fan_out_first", ("each_us",), "us"),
    ("to all, later, each", "fan_out_third", ("each_us",), "us"),
    ("PING, each", "ping", ("each_us",), "us"),
    ("PING, p99 of many at once", "ping", ("times", "p99_us"), "us"),
    ("all gone, each", "away", ("each_us",), "us"),
    ("return, each", "return", ("each_us",), "us"),
    ("one to one p50, after", "one_to_one_after", ("times", "p50_us"), "us"),
    ("to all, after, each", "fan_out_after", ("each_us",), "us"),
]
MEMORY_ROWS = [
    ("server, idle", "idle", "server"),
    ("server, one message held back", "held", "server"),
    ("server, after all of it", "after", "server"),
    ("server, everybody gone", "end", "server"),
    ("kernel, idle", "idle", "kernel"),
    ("kernel, one message held back", "held", "kernel"),
    ("load client, idle", "idle", "client"),
]


def table(report):
    servers = report["servers"]
    names = list(servers)
    head = ["figure", names[0]]
    for name in names[1:]:
        head += [name, "ratio"]
    rows = []
    for label, name, path, style in ROWS:
        values = [figure(servers[each], name, path) for each in names]
        rows.append([label, *compared(values, style)])
    count = report["connections"]
    for label, when, who in MEMORY_ROWS:
        values = [bytes_each(servers[each], when, who, count) for each in names]
        rows.append([f"{label}, bytes a connection", *compared(values, "bytes")])
    for label, when in (("left free, idle", "idle"), ("left free, held back", "held")):
        values = []
        for each in names:
            found = memory(servers[each], when)
            kernel = found and found["kernel"]
            values.append(kernel and (kernel["free_kb"] + kernel["cached_kb"]) / 1024)
        rows.append([f"{label}, MiB", *compared(values, "count")])
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    text = "\n".join(lines) + "\n\n"
    text += f"{count} connections, engine {report['engine']}, {report['cpus']} CPUs, guests of "
    text += ", ".join(f"{servers[name]['memory_mb']} MiB ({name})" for name in names)
    text += f". Cargo's profile {report['profile']}. "
    text += f"Fanfare's arguments: {report['arguments']}. " if report["arguments"] else ""
    text += f"{report['machine']}\n"
    for name in names:
        result = servers[name]
        text += f"{name}: {result['host_seconds']:.0f} s, "
        text += f"{result['host_cpu_seconds']:.0f} s of the host's CPU. "
        text += f"Failed: {result['failure']}\n" if result["failure"] else verdict(result, count)
        troubles = [
            f"{line['phase']}: {json.dumps(line['troubles'])}"
            for line in result["lines"] if line.get("troubles")
        ]
        text += f"  TCP's troubles: {'; '.join(troubles) or 'none'}\n"
    return text


def phase(result, name):
    if result["failure"]:
        return None
    return next((line for line in result["lines"] if line["phase"] == name), None)


def memory(result, when):
    if result["failure"]:
        return None
    found = [line for line in result["lines"] if line.get("when") == when]
    return found[0] if found else None


def figure(result, name, path):
    line = phase(result, name)
    if line is None:
        return None
    derived = {
        "rate": lambda: line["count"] / line["seconds"],
        "server_each_us": lambda: line["server_cpu_s"] * 1e6 / line["count"],
        "server_share": lambda: line["server_cpu_s"] / line["seconds"] * 100,
    }
    if path[0] in derived:
        return derived[path[0]]()
    value = line
    for key in path:
        value = value[key]
    return value


def bytes_each(result, when, who, connections):
    """Memory that has come since nobody was connected, for each connection."""
    empty, now = memory(result, "empty"), memory(result, when)
    if empty is None or now is None:
        return None
    grown = {part: now[part]["anon_kb"] - empty[part]["anon_kb"] for part in ("server", "client")}
    room = ("free_kb", "cached_kb")
    left = sum(empty["kernel"][key] - now["kernel"][key] for key in room)
    grown["kernel"] = left - grown["server"] - grown["client"]
    return grown[who] * 1024 / connections


def verdict(result, count):
    idle, after = (bytes_each(result, when, "server", count) for when in ("idle", "after"))
    if not idle:
        return "Everything was delivered exactly once.\n"
    change = (after / idle - 1) * 100
    return f"Everything was delivered exactly once; memory after against before: {change:+.1f} %.\n"


def compared(values, style):
    cells = []
    for index, value in enumerate(values):
        cells.append("–" if value is None else styled(value, style))
        if index:
            known = value is not None and values[0]
            cells.append(f"**{value / values[0]:.2f}**" if known else "–")
    return cells


def styled(value, style):
    if style == "us":
        return f"{value:.1f} µs" if value < 10_000 else f"{value / 1000:.1f} ms"
    if style == "percent":
        return f"{value:.1f} %"
    return f"{value:,.0f}".replace(",", " ")
