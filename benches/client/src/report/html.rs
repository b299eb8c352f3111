//! A page with tables and plots that needs nothing but a browser.
//!
//! Absent: scripts, and any file or address that the page would load.

use std::fmt::Write;

use crate::figure::Unit;
use crate::latency::SHOWN;
use crate::outcome::{Outcome, Series};
use crate::report::svg::{self, Bar, Curve, escaped};
use crate::report::table::{heading, verdict_sentence};

/// The page of the results of one command.
pub fn page(outcomes: &[Outcome]) -> String {
    let mut body = String::new();
    if outcomes.len() > 1 {
        body.push_str(&rates(outcomes));
    }
    for outcome in outcomes {
        body.push_str(&section(outcome));
    }
    whole("Load of a NATS server", &body)
}

/// A page with a title and a body.
pub fn whole(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\
         <footer>Made by fanfare bench {}.</footer></body></html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The rates of several results as bars.
pub fn rates(outcomes: &[Outcome]) -> String {
    let bars: Vec<Bar> = outcomes
        .iter()
        .filter_map(|outcome| {
            Some(Bar { label: title(outcome), value: outcome.value("msgs_per_s")? })
        })
        .collect();
    if bars.is_empty() {
        return String::new();
    }
    format!("<h2>Messages per second</h2>\n{}\n", svg::bars(&bars, Unit::PerSecond))
}

/// The scenario and what distinguishes the run.
pub fn title(outcome: &Outcome) -> String {
    let setting: Vec<String> =
        outcome.setting.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!("{} · {}", outcome.scenario, setting.join(" · "))
}

/// A table of percentiles, one line for each series.
pub fn percentile_table<'a>(rows: impl Iterator<Item = (String, &'a Series)>) -> String {
    let mut table = String::from("<table><tr><th></th>");
    for (name, _) in SHOWN {
        let _ = write!(table, "<th>{}</th>", escaped(&heading(name)));
    }
    table.push_str("<th>count</th></tr>\n");
    for (label, series) in rows {
        let _ = write!(table, "<tr><td>{}</td>", escaped(&label));
        for (name, _) in SHOWN {
            let shown = series.figure(name).map(|value| Unit::Micros.show(value));
            let _ = write!(table, "<td class=\"n\">{}</td>", escaped(&shown.unwrap_or_default()));
        }
        let _ = writeln!(table, "<td class=\"n\">{}</td></tr>", series.count);
    }
    table + "</table>\n"
}

fn section(outcome: &Outcome) -> String {
    let mut text = format!(
        "<h2>{}</h2>\n<p>Server {}.</p>\n<table>",
        escaped(&title(outcome)),
        escaped(&outcome.server)
    );
    for measure in &outcome.measures {
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"n\">{}</td></tr>",
            escaped(&measure.label),
            escaped(&measure.unit.show(measure.value))
        );
    }
    text.push_str("</table>\n");
    if let Some(verdict) = &outcome.verdict {
        let class = if verdict.is_clean() { "good" } else { "bad" };
        let _ = writeln!(text, "<p class=\"{class}\">{}</p>", escaped(&verdict_sentence(verdict)));
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "<p class=\"note\">{}</p>", escaped(note));
    }
    if !outcome.series.is_empty() {
        let rows = outcome.series.iter().map(|series| (series.label.clone(), series));
        text.push_str(&percentile_table(rows));
        let curves: Vec<Curve> = outcome.series.iter().map(|s| curve_of(&s.label, s)).collect();
        let _ = writeln!(text, "<h3>Latency by percentile</h3>\n{}", svg::percentiles(&curves));
    }
    if outcome.course.len() > 1 {
        let curve = Curve { label: "messages per second".into(), points: outcome.course.clone() };
        let _ = writeln!(text, "<h3>Rate over time</h3>\n{}", svg::course(&[curve]));
    }
    text
}

/// A series as a curve.
pub fn curve_of(label: &str, series: &Series) -> Curve {
    Curve { label: label.to_owned(), points: series.curve.clone() }
}

const STYLE: &str = include_str!("page.css");
