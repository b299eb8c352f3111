//! A result as a table on a terminal.
//!
//! Absent: escape sequences, so that the table can be redirected and quoted.

use std::fmt::Write;

use crate::figure::{Unit, grouped};
use crate::latency::SHOWN;
use crate::outcome::{Outcome, Series};
use crate::receipt::Verdict;

/// The table of one result.
pub fn of(outcome: &Outcome) -> String {
    let mut text = String::new();
    let setting: Vec<String> =
        outcome.setting.iter().map(|(name, value)| format!("{name} {value}")).collect();
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(text, "{} · {}", outcome.scenario, setting.join(" · "));
    let _ = writeln!(text, "server {}", outcome.server);
    let width = outcome.measures.iter().map(|m| m.label.chars().count()).max().unwrap_or(0);
    for measure in &outcome.measures {
        let pad = width - measure.label.chars().count();
        let value = measure.unit.show(measure.value);
        let _ = writeln!(text, "  {}{} {value:>12}", measure.label, " ".repeat(pad));
    }
    text.push_str(&latencies(&outcome.series));
    if let Some(verdict) = &outcome.verdict {
        let _ = writeln!(text, "  {}", verdict_sentence(verdict));
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "  Note: {note}");
    }
    text.push('\n');
    text
}

/// What the check found, as a sentence.
pub fn verdict_sentence(verdict: &Verdict) -> String {
    let mut text = format!(
        "verified: {} messages, {} lost, {} repeated, {} out of order, {} damaged",
        grouped(verdict.received),
        grouped(verdict.lost),
        grouped(verdict.repeated),
        grouped(verdict.out_of_order),
        grouped(verdict.damaged)
    );
    if verdict.anonymous > 0 {
        text.push_str(" (payloads below 8 bytes carry no number: counted only)");
    }
    text
}

fn latencies(all: &[Series]) -> String {
    let mut text = String::new();
    if all.is_empty() {
        return text;
    }
    let width = all.iter().map(|series| series.label.chars().count()).max().unwrap_or(0);
    let mut head = format!("  {}", " ".repeat(width));
    for (name, _) in SHOWN {
        let _ = write!(head, " {:>9}", heading(name));
    }
    let _ = writeln!(text, "{head}");
    for series in all {
        let pad = width - series.label.chars().count();
        let _ = write!(text, "  {}{}", series.label, " ".repeat(pad));
        for (name, _) in SHOWN {
            let shown = series.figure(name).map(|value| Unit::Micros.show(value));
            let _ = write!(text, " {:>9}", shown.unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

/// `p99_9_us` as a heading: `p99.9`.
pub fn heading(name: &str) -> String {
    name.trim_end_matches("_us").replace('_', ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latencies;

    #[test]
    fn headings_are_percentiles() {
        assert_eq!(heading("p99_99_us"), "p99.99");
        assert_eq!(heading("max_us"), "max");
    }

    #[test]
    fn every_series_has_a_line_under_the_headings() {
        let mut latencies_of_one = Latencies::new();
        latencies_of_one.record(44_000);
        let series = Series::of("one_way", "one way", &latencies_of_one);
        let text = latencies(&[series]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("p99.9"));
        assert!(lines[1].contains("44.0 µs"));
    }

    #[test]
    fn the_verdict_names_every_kind_of_fault() {
        let verdict = Verdict { received: 1234, lost: 5, ..Verdict::default() };
        let text = verdict_sentence(&verdict);
        assert!(text.starts_with("verified: 1 234 messages, 5 lost, 0 repeated"));
        assert!(!text.contains("counted only"));
    }
}
