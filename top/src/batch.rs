//! The same as plain text: for scripts, for a pipe, for somebody without a terminal.
//!
//! Absent: colours, keys, and the width of anybody's screen.

use std::fmt::Write as _;

use fanfare_bench::figure::Unit;

use crate::model::{Model, Sample};
use crate::span;
use crate::table::{self, Shown};

/// The server and its connections as lines; nothing before there is an answer.
pub fn text(model: &Model) -> String {
    let Some(sample) = &model.sample else { return String::new() };
    let totals = &sample.totals;
    let rates = model.rates.unwrap_or_default();
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<15}{value}");
    };
    line("server", format!("{} {}", totals.server_name, totals.program()));
    line("address", format!("{}:{}, monitored at {}", totals.host, totals.port, model.place));
    line("uptime", totals.uptime.clone());
    line("cpu", format!("{:.1} % of {} cores", totals.cpu, totals.cores));
    line("memory", Unit::Bytes.show(totals.mem as f64));
    let connections = [totals.connections, totals.max_connections, totals.total_connections];
    let [now, most, ever] = connections;
    line("connections", format!("{now} of at most {most}; {ever} since the start"));
    line("subscriptions", totals.subscriptions.to_string());
    line("slow consumers", format!("{}{}", totals.slow_consumers, reasons(sample)));
    line("stale", totals.stale_connections.to_string());
    let flow = |messages: f64, bytes: f64| {
        format!("{} messages, {}", Unit::PerSecond.show(messages), Unit::BytesPerSecond.show(bytes))
    };
    line("in", flow(rates.in_msgs, rates.in_bytes));
    line("out", flow(rates.out_msgs, rates.out_bytes));
    if let Some(latency) = sample.status.as_ref().map(|status| &status.latency) {
        let [half, most, all] = [latency.p50_us, latency.p99_us, latency.max_us];
        let shown = |us: f64| Unit::Micros.show(us);
        line("latency", format!("p50 {}, p99 {}, max {}", shown(half), shown(most), shown(all)));
    }
    line("answered in", span::short(sample.took.as_secs_f64()));
    for shard in sample.status.iter().flat_map(|status| &status.shards) {
        let connections = shard.connections;
        let pending = Unit::Bytes.show(shard.pending_bytes as f64);
        let turn = Unit::Micros.show(shard.turns.p99_us);
        let longest = Unit::Micros.show(shard.longest_turn_lately_us);
        let busy = format!("{:.1} % busy, {connections} clients", shard.busy_percent);
        line(
            &format!("shard {}", shard.shard),
            format!("{busy}, turn p99 {turn}, longest {longest}, {pending} pending"),
        );
    }
    text.push('\n');
    text.push_str(&connections_text(model));
    text
}

/// Why clients were slow, where the server says so.
fn reasons(sample: &Sample) -> String {
    let reasons = sample.status.iter().flat_map(|status| status.slow_consumers.named());
    let named: Vec<String> = reasons.map(|(name, count)| format!("{name} {count}")).collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

fn connections_text(model: &Model) -> String {
    let shown = if model.wishes.shows_totals { Shown::Totals } else { Shown::Rates };
    let columns: Vec<_> = table::fitting(u16::MAX).into_iter().map(|(column, _)| column).collect();
    let rows = model.rows();
    let mut lines = vec![columns.iter().map(|column| column.title.to_owned()).collect::<Vec<_>>()];
    lines.extend(
        rows.iter()
            .map(|row| columns.iter().map(|column| column.cell(row, shown)).collect::<Vec<_>>()),
    );
    let width = |n: usize| {
        let cells = lines.iter().filter_map(|line| line.get(n));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).zip(&columns).map(|((cell, &width), column)| {
            if column.is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::model::Wishes;
    use crate::model::tests::{connection, sample};

    #[test]
    fn everything_is_in_it_and_nothing_commands_a_terminal() {
        let mut model = Model::new("http://h:1".to_owned(), Wishes::default());
        assert_eq!(text(&model), "");
        let start = Instant::now();
        model.handle_sample(sample(start, 0, vec![connection(3, "orders", [0; 4])]));
        let later = start + Duration::from_secs(1);
        model.handle_sample(sample(later, 1000, vec![connection(3, "orders", [0, 500, 0, 2048])]));
        let text = text(&model);
        for part in [
            "server         n1 1.2.3\n",
            "cpu            150.0 % of 4 cores\n",
            "connections    1 of at most 65536",
            "slow consumers 2\n",
            "in             1000/s messages, ",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let line = text.lines().find(|line| line.contains("orders")).expect("the connection");
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[..4], ["3", "orders", "$G", "10.1.2.3:50003"]);
        assert!(cells.contains(&"500") && cells.contains(&"2.0Ki"), "{line}");
        assert!(!text.contains('\u{1b}'));
    }
}
