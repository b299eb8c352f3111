"""Which curves of docs/scaling.md are drawn, and its tables, from the figures of benches/curves.

Absent: drawing (`plot`) and measuring. Tables stand between marks of comments in the document and
are replaced there; everything else in it is written by hand.
"""

import re

import plot

KINDS = ("own", "shared")
SHARDED = (("own", "connect"), ("own", "subscribe"), ("own", "publish_one"),
           ("shared", "publish_all"), ("own", "disconnect"))


def draw(data, docs):
    """Writes all plots and tables."""
    charts = {
        "memory": memory(data), "time": time(data), "turns": turns(data),
        "mesh": mesh(data), "replicas": replicas(data), "sharded": sharded(data),
    }
    if data["counted"]:
        charts["misses"] = misses(data)
        charts["instructions"] = instructions(data)
    for name, text in charts.items():
        (docs / f"scale-{name}.svg").write_text(text)
    document = docs / "scaling.md"
    text = document.read_text()
    tables = {"origin": origin(data), "clients": clients_table(data), "turns": turns_table(data),
              "growth": growth_table(data), "counted": counted_images(data),
              "shards": shards_table(data), "mesh": mesh_table(data)}
    for name, table in tables.items():
        marked = re.compile(rf"(<!-- curves: {name} -->\n).*?(<!-- /curves -->)", re.S)
        if not marked.search(text):
            raise SystemExit(f"no place for `{name}` in {document}")
        text = marked.sub(lambda found: found[1] + table + found[2], text)
    document.write_text(text)
    print("drawn:", ", ".join(f"docs/scale-{name}.svg" for name in charts))


def of(data, kind, where="points"):
    return [point for point in data[where] if point["filters"] == kind]


def over(points, value, key="clients"):
    found = []
    for point in points:
        try:
            found.append((point[key], value(point)))
        except (KeyError, TypeError):
            pass
    return found


def subtitle(data):
    return f"two shards in one thread, no sockets; commit {data['commit']}, {data['date']}"


def memory(data):
    series = []
    for kind in KINDS:
        points, memory = of(data, kind), "memory"
        series += [
            (f"held back, {kind}: heap", over(points, lambda p: p[memory]["idle"]["heap_per_client"]
                                              + p[memory]["held"]["heap_per_client"])),
            (f"idle, {kind}: resident",
             over(points, lambda p: p[memory]["idle"]["rss_per_client"])),
            (f"idle, {kind}: heap", over(points, lambda p: p[memory]["idle"]["heap_per_client"])),
        ]
    return plot.chart("Memory of a client with one subscription", subtitle(data), "clients",
                      "bytes for each client", series, y_log=False)


def costs():
    return [("disconnect, own filter", "own", "disconnect"), ("subscribe, own filter", "own",
            "subscribe"), ("connect", "own", "connect"), ("publish to one", "own", "publish_one"),
            ("subscribe, shared filter", "shared", "subscribe"),
            ("PING and PONG", "shared", "ping"),
            ("a delivery of one to all", "shared", "publish_all")]


def time(data):
    series = [(name, over(of(data, kind), lambda p, phase=phase: p[phase]["ns"]))
              for name, kind, phase in costs()]
    return plot.chart("Time of an operation, both shards together", "median; " + subtitle(data),
                      "clients", "nanoseconds", series)


def misses(data):
    series = [(name, over(of(data, kind, "counted"),
                          lambda p, phase=phase: max(p["phases"][phase]["misses"], 0.01)))
              for name, kind, phase in costs()]
    return plot.chart("Cache lines that an operation fetches from memory",
                      "simulated: a last cache of 32 MiB; " + subtitle(data), "clients",
                      "misses for each operation", series)


def instructions(data):
    series = [(name, over(of(data, kind, "counted"),
                          lambda p, phase=phase: p["phases"][phase]["instructions"]))
              for name, kind, phase in costs()]
    return plot.chart("Instructions of an operation, both shards together",
                      "counted under valgrind; " + subtitle(data), "clients", "instructions",
                      series)


def turns(data):
    series = [(name, over(of(data, kind), lambda p, phase=phase: p[phase]["longest_turn_ns"] / 1e6))
              for name, kind, phase in costs()]
    return plot.chart("Longest turn of a shard", "64 clients act in one turn; " + subtitle(data),
                      "clients", "milliseconds", series)


def mesh(data):
    flood, megabyte = data["flood"], 1024 * 1024
    series = [("all batches filled", over(flood, lambda p: p["heap_flooded"] / megabyte, "shards")),
              ("a minute later", over(flood, lambda p: p["heap_afterwards"] / megabyte, "shards")),
              ("before any message", over(flood, lambda p: p["heap_calm"] / megabyte, "shards"))]
    return plot.chart("Memory of the mesh", f"all shards of a broker; commit {data['commit']}, "
                      f"{data['date']}", "shards", "MiB", series)


def replicas(data):
    series = [(f"{kind} filter: heap", over(of(data, kind, "sharded"),
              lambda p: p["memory"]["idle"]["heap_per_client"], "shards")) for kind in KINDS]
    return plot.chart("Memory of a client and the replicas of its filter",
                      f"without the mesh; commit {data['commit']}, {data['date']}", "shards",
                      "bytes for each client", series)


def sharded(data):
    where = "counted_sharded" if data["counted_sharded"] else "sharded"
    key = (lambda p, phase: p["phases"][phase]["instructions"]) if data["counted_sharded"] \
        else (lambda p, phase: p[phase]["ns"])
    series = [(name, over(of(data, kind, where), lambda p, phase=phase: key(p, phase), "shards"))
              for name, kind, phase in costs()]
    unit = "instructions" if data["counted_sharded"] else "nanoseconds"
    return plot.chart(f"{unit.capitalize()} of an operation, all shards together",
                      f"no sockets; commit {data['commit']}, {data['date']}", "shards", unit,
                      series)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(value):
    if value is None:
        return ""
    if value < 10:
        return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
    return f"{value:,.0f}".replace(",", " ")


def pick(point, *path):
    for step in path:
        point = (point or {}).get(step)
    return point


def origin(data):
    load = data["load"] or [0]
    note = data.get("note", "")
    return (f"Made on {data['date']} of commit {data['commit']} (profile `{data['profile']}`), "
            f"{data['cpu']},\nwhile the machine's load was {min(load):.1f} to {max(load):.1f}."
            f"{' ' + note if note else ''}\n")


def counted_images(data):
    if not data["counted"]:
        return "Nothing was counted under valgrind in this run.\n"
    return ("![Cache lines fetched from memory, over the number of clients](scale-misses.svg)\n\n"
            "![Instructions of an operation, over the number of clients](scale-instructions.svg)\n")


def clients_table(data):
    rows = []
    for own in of(data, "own"):
        shared = next((p for p in of(data, "shared") if p["clients"] == own["clients"]), {})
        rows.append([plot.short(own["clients"])] + [number(value) for value in (
            pick(own, "memory", "idle", "heap_per_client"),
            pick(own, "memory", "idle", "rss_per_client"),
            pick(shared, "memory", "idle", "heap_per_client"),
            pick(shared, "memory", "idle", "rss_per_client"),
            pick(own, "connect", "ns"), pick(own, "subscribe", "ns"),
            pick(shared, "subscribe", "ns"), pick(own, "publish_one", "ns"),
            pick(shared, "publish_all", "ns"), pick(shared, "ping", "ns"),
            pick(own, "disconnect", "ns"))])
    return table(["clients", "heap own", "resident own", "heap shared", "resident shared",
                  "connect ns", "subscribe own", "subscribe shared", "publish to one",
                  "a delivery to all", "PING and PONG", "disconnect own"], rows)


def turns_table(data):
    names = [name for name, _, _ in costs()]
    rows = []
    for own in of(data, "own"):
        shared = next((p for p in of(data, "shared") if p["clients"] == own["clients"]), {})
        values = [pick(own if kind == "own" else shared, phase, "longest_turn_ns")
                  for _, kind, phase in costs()]
        rows.append([plot.short(own["clients"])] + [number((v or 0) / 1e6) for v in values])
    return table(["clients"] + [name + ", ms" for name in names], rows)


def growth_table(data):
    rows = []
    for name, kind, phase in costs():
        points = of(data, kind)
        counted = of(data, kind, "counted")
        values = [pick(point, phase, "ns") for point in points]
        row = [name, number(values[0]), number(values[-1]), f"{max(values) / values[0]:.1f}"]
        for value in ("instructions", "near_misses", "misses"):
            row += [number(pick(p, "phases", phase, value)) for p in (counted[:1] + counted[-1:])]
        rows.append(row)
    head = ["", f"ns at {plot.short(of(data, 'own')[0]['clients'])}",
            f"ns at {plot.short(of(data, 'own')[-1]['clients'])}", "most over first"]
    ends = of(data, "own", "counted")[:1] + of(data, "own", "counted")[-1:]
    for value in ("instructions", "first-cache misses", "last-cache misses"):
        for point in ends:
            head.append(f"{value} at {plot.short(point['clients'])}")
    return table(head, rows)


def shards_table(data):
    rows = []
    for own in of(data, "own", "sharded"):
        shards = own["shards"]
        shared = next(p for p in of(data, "shared", "sharded") if p["shards"] == shards)
        counted = {kind: next((p for p in of(data, kind, "counted_sharded")
                               if p["shards"] == shards), {}) for kind in KINDS}
        rows.append([str(shards)] + [number(value) for value in (
            pick(own, "memory", "idle", "heap_per_client"),
            pick(shared, "memory", "idle", "heap_per_client"),
            pick(own, "subscribe", "interest_records") / own["clients"],
            pick(shared, "subscribe", "interest_records"),
            pick(own, "publish_one", "data_records") / pick(own, "publish_one", "operations"),
            pick(shared, "publish_all", "data_records") * shared["clients"]
            / pick(shared, "publish_all", "operations"),
            *(pick(counted[kind], "phases", phase, "instructions") if any(counted.values())
              else pick(own if kind == "own" else shared, phase, "ns")
              for kind, phase in SHARDED))])
    unit = "instructions" if data["counted_sharded"] else "ns"
    return table(["shards", "heap own", "heap shared", "records of an own SUB",
                  "records of all shared SUBs", "records of a publish to one",
                  "records of a publish to all", f"connect, {unit}", f"subscribe own, {unit}",
                  f"publish to one, {unit}", f"a delivery to all, {unit}",
                  f"disconnect own, {unit}"], rows)


def mesh_table(data):
    rows = []
    for point in data["flood"]:
        row = [str(point["shards"]), str(point["pairs"])]
        for state in ("heap_calm", "heap_flooded", "heap_afterwards"):
            row.append(number(point[state] / 1024 / 1024))
        row.append(number((point["heap_flooded"] - point["heap_calm"]) / point["pairs"] / 1024))
        rows.append(row)
    return table(["shards", "pairs", "before any message, MiB", "flooded, MiB",
                  "a minute later, MiB", "KiB a flooded pair"], rows)
