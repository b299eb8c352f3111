//! Results as CSV: one line for each figure of each run.
//!
//! Absent: the percentile curves and the rate's course, which have no place in a flat list.

use std::fmt::Write;

use crate::outcome::Outcome;

/// All figures of all results, below a line of headings.
pub fn of(outcomes: &[Outcome]) -> String {
    let mut text = String::from("scenario,setting,server,figure,value,unit\r\n");
    for outcome in outcomes {
        let setting: Vec<String> =
            outcome.setting.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let start =
            [&outcome.scenario, &setting.join("; "), &outcome.server].map(|cell| quoted(cell));
        let start = start.join(",");
        let mut line = |figure: &str, value: f64, unit: &str| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{start},{},{value},{unit}\r\n", quoted(figure));
        };
        for measure in &outcome.measures {
            line(&measure.key, measure.value, measure.unit.name());
        }
        for series in &outcome.series {
            for (name, value) in &series.figures {
                line(&format!("{}.{}", series.key, name.trim_end_matches("_us")), *value, "us");
            }
        }
        if let Some(verdict) = outcome.verdict {
            let counts = [
                ("verified.messages", verdict.received),
                ("verified.lost", verdict.lost),
                ("verified.repeated", verdict.repeated),
                ("verified.out_of_order", verdict.out_of_order),
                ("verified.damaged", verdict.damaged),
            ];
            for (name, count) in counts {
                line(name, count as f64, "count");
            }
        }
    }
    text
}

/// A cell as RFC 4180 wants it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_only_when_they_must_be() {
        assert_eq!(quoted("plain 1 → 4"), "plain 1 → 4");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
    }

    #[test]
    fn there_is_a_heading_even_without_results() {
        assert_eq!(of(&[]), "scenario,setting,server,figure,value,unit\r\n");
    }
}
