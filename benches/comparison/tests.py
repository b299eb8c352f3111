"""The rules of the comparison, tried on results that are made up here.

Absent: servers and load; `benches/client/tests/comparison.rs` runs these and a whole comparison.
"""

import pathlib
import sys
import tempfile
import unittest

from comparison import figures, goals, pages, runs, scenarios, servers

NATS = servers.Server("nats-server", scenarios.NATS, "nats {port}")
OURS = servers.Server("Fanfare", scenarios.NATS, "fanfare {port}")
BARE = servers.Server("bare relay", scenarios.BARE, "relay {port}")


def run(cpu, p50=None, p99=None, series="from_write", **others):
    """What one run printed."""
    measures = [{"key": "server_cpu_us_per_msg", "value": cpu}]
    measures += [{"key": key, "value": value} for key, value in others.items()]
    latencies = [{"key": series, "figures": {"p50_us": p50, "p99_us": p99}}] if p50 else []
    return {"measures": measures, "latencies": latencies}


def results_of(key, by_server, transport=scenarios.PLAIN):
    """The results of one leg."""
    leg = scenarios.Leg(scenarios.BY_KEY[key], transport)
    results = runs.Results([leg], list(by_server))
    for server, its_runs in by_server.items():
        results.runs[leg.key][server.name] = its_runs
    return results, leg


class Figures(unittest.TestCase):
    """Medians and ratios."""

    def test_a_cell_is_the_median_and_half_the_range(self):
        cell = figures.cell([run(1.0), run(2.0), run(4.0)], figures.CPU, None)
        self.assertEqual(cell, "2.00 ±75 %")
        self.assertEqual(figures.cell([], figures.CPU, None), figures.NOTHING)

    def test_a_ratio_above_one_is_better_whatever_is_counted(self):
        self.assertEqual(figures.ratio_of(4, 2, figures.CPU), 2)
        self.assertEqual(figures.ratio_of(4, 2, figures.RATE), 0.5)
        self.assertIsNone(figures.ratio_of(0, 2, figures.CPU))

    def test_a_series_of_its_own_counts_more_than_the_row_s(self):
        figure = figures.P99._replace(series="one_way")
        self.assertIsNone(figures.value_of(run(1, 5, 9), figure, "from_write"))
        self.assertEqual(figures.value_of(run(1, 5, 9), figures.P99, "from_write"), 9)


class Goals(unittest.TestCase):
    """What is reached and what is not."""

    def test_a_goal_is_reached_at_its_ratio_and_not_below(self):
        for ours, is_reached in ((0.2, True), (0.21, False)):
            results, leg = results_of("1-1-128", {NATS: [run(1.0)], OURS: [run(ours)]})
            self.assertIs(goals.judge_cpu(results, leg, NATS, OURS).is_reached, is_reached)

    def test_what_was_not_measured_is_not_judged(self):
        results, leg = results_of("1-1-128", {NATS: [], OURS: [run(0.1)]})
        self.assertIsNone(goals.judge_cpu(results, leg, NATS, OURS).is_reached)
        self.assertEqual(goals.judge_others(results, NATS, OURS, BARE), [])

    def test_tls_has_goals_of_its_own(self):
        results, leg = results_of("1-10", {NATS: [run(1.0)], OURS: [run(0.9)]}, scenarios.TLS)
        self.assertIsNone(goals.judge_cpu(results, leg, NATS, OURS))

    def test_latency_is_judged_by_the_bare_relay(self):
        for p50, is_reached in ((12.0, True), (12.1, False)):
            runs_of = {NATS: [], BARE: [run(1, 10, 20, "round_trip")],
                       OURS: [run(1, p50, 20, "round_trip")]}
            results, _ = results_of("request-1", runs_of)
            verdicts = goals.judge_others(results, NATS, OURS, BARE)
            self.assertEqual([verdict.is_reached for verdict in verdicts], [is_reached])


class Failures(unittest.TestCase):
    """What becomes of runs that went wrong."""

    def test_a_cell_with_a_failed_run_is_empty_and_the_others_are_not(self):
        results, leg = results_of("1-1-128", {NATS: [run(1.0)], OURS: [run(0.2)]})
        results.failures.append(runs.Failure(leg.key, NATS.name, "lost 3 messages"))
        self.assertEqual(results.of(leg, NATS), [])
        self.assertEqual(len(results.of(leg, OURS)), 1)
        self.assertIsNone(goals.judge_cpu(results, leg, NATS, OURS).is_reached)

    def test_a_run_that_failed_brings_no_figures(self):
        with tempfile.TemporaryDirectory() as folder:
            client = pathlib.Path(folder) / "client"
            printed = '{"results": [{"measures": [], "latencies": []}]}'
            client.write_text(f"#!/bin/sh\necho '{printed}'\necho lost a message >&2\nexit 1\n",
                              encoding="utf-8")
            client.chmod(0o755)
            leg = scenarios.Leg(scenarios.BY_KEY["1-1-128"], scenarios.PLAIN)
            serve = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))"
            serve += "; c = s.accept()[0]; c.sendall(b'INFO'); s.accept()"
            server = servers.Server("x", scenarios.BARE, f'{sys.executable} -c "{serve}" {{port}}')
            results = runs.measure([leg], [server], runs.Wishes(str(client), 1, "1s"))
        self.assertEqual(results.runs[leg.key]["x"], [])
        self.assertEqual([str(each) for each in results.failures], ["1-1-128, x: lost a message"])
        self.assertEqual(results.rounds, 1)

    def test_a_page_needs_all_rounds_and_every_run_of_ours(self):
        cast = pages.Cast(NATS, OURS, [], None)
        for server, rounds, is_trial, is_written in (
            (None, 3, False, True), (NATS, 3, False, True), (OURS, 3, False, False),
            (None, 2, False, False), (None, 3, True, False),
        ):
            results, leg = results_of("queue", {NATS: [run(1.0)], OURS: [run(0.5)]})
            if server:
                results.failures.append(runs.Failure(leg.key, server.name, "no"))
            facts = pages.Facts("c", "d", "m", [], rounds, 3, "2s", 1, 0, is_trial)
            self.assertEqual(pages.objections(results, cast, facts) == [], is_written)
            for page in (pages.readme, pages.documentation):
                told = "left empty: queue, " in page(results, cast, facts)
                self.assertIs(told, server is not None)


class Pages(unittest.TestCase):
    """The tables and where they go."""

    def test_only_what_is_between_the_lines_is_written_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            page.write_text("a\n<!-- t -->\nold\n<!-- /t -->\nb\n", encoding="utf-8")
            pages.replace_between(page, "t", "new \\1\n")
            text = page.read_text(encoding="utf-8")
            self.assertEqual(text, "a\n<!-- t -->\nnew \\1\n<!-- /t -->\nb\n")
            with self.assertRaises(ValueError):
                pages.replace_between(page, "u", "new")

    def test_a_peer_has_a_column_and_empty_cells(self):
        redis = servers.Server("Redis", scenarios.REDIS, "redis {port}")
        results, _ = results_of("queue", {NATS: [run(1.0)], redis: [], OURS: [run(0.5)]})
        cast = pages.Cast(NATS, OURS, [redis], None)
        facts = pages.Facts("c", "d", "m", [("x", "1")], 3, 3, "2s", 1, 0, False)
        row = pages.readme(results, cast, facts).splitlines()[-1]
        self.assertEqual(row, "| queue 2→8 128 B | 1.00 | – | 0.500 | **2.00×** | – | – | – |")


class Scenarios(unittest.TestCase):
    """Which rows are run."""

    def test_nothing_chosen_is_nothing_run(self):
        self.assertEqual(scenarios.legs(scenarios.TLS, set()), [])
        self.assertEqual(len(scenarios.legs(scenarios.PLAIN)), len(scenarios.ROWS))
        chosen = scenarios.legs(scenarios.TLS, {"churn"})
        self.assertEqual([leg.key for leg in chosen], ["tls:churn"])


class Servers(unittest.TestCase):
    """How servers are written."""

    def test_a_server_speaks_nats_unless_it_says_otherwise(self):
        self.assertEqual(servers.parse("a=b {port}").dialect, scenarios.NATS)
        self.assertEqual(servers.parse("a=redis://b {port}").dialect, scenarios.REDIS)
        self.assertEqual(servers.parse("a=mqtt://b -c {config}").command, "b -c {config}")
        for text in ("a", "a=b", "a=http://b {port}", "a=b {config}"):
            with self.assertRaises(ValueError):
                servers.parse(text)

    def test_a_server_runs_only_what_it_knows(self):
        leg = scenarios.Leg(scenarios.BY_KEY["request-1"], scenarios.PLAIN)
        self.assertTrue(leg.suits(scenarios.BARE))
        self.assertFalse(leg.suits(scenarios.REDIS))
        self.assertFalse(leg._replace(transport=scenarios.TLS).suits(scenarios.BARE))


if __name__ == "__main__":
    unittest.main()
