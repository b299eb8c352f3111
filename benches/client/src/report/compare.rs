//! Results of several runs side by side: what the first file measured, and how the others differ.
//!
//! Absent: judgement; a ratio is shown as it is, noise and all.

use std::fmt::Write;
use std::path::Path;

use crate::cli::CompareArgs;
use crate::failure::Failure;
use crate::figure::digits;
use crate::outcome::{Measure, Outcome, Series};
use crate::report::html::{curve_of, percentile_table, title, whole};
use crate::report::svg::{self, Bar, escaped};
use crate::report::{print, results_in, write};

/// Reads the files, prints the comparison and writes the page.
pub fn run(args: &CompareArgs) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.files {
        let unreadable =
            |why: String| Failure::Run(format!("cannot read {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let outcomes = results_in(&text).map_err(|why| unreadable(why.to_owned()))?;
        files.push(File { name: name_of(path), outcomes });
    }
    let groups = groups(&files);
    print(&groups.iter().map(table).collect::<String>())?;
    if let Some(path) = &args.html {
        let body: String = groups.iter().map(section).collect();
        write(path, &whole("Runs side by side", &body))?;
        eprintln!("The comparison with plots is in {}.", path.display());
    }
    Ok(())
}

/// One file's results.
struct File {
    name: String,
    outcomes: Vec<Outcome>,
}

/// Runs of the same scenario with the same setting, with the names of their files.
struct Group<'a> {
    title: String,
    runs: Vec<(&'a str, &'a Outcome)>,
}

impl Group<'_> {
    /// Every figure that one of the runs has, in the order of the first that has it.
    fn measures(&self) -> Vec<&Measure> {
        let mut all: Vec<&Measure> = Vec::new();
        for measure in self.runs.iter().flat_map(|(_, outcome)| &outcome.measures) {
            if !all.iter().any(|seen| seen.key == measure.key) {
                all.push(measure);
            }
        }
        all
    }

    fn series(&self) -> Vec<&Series> {
        let mut all: Vec<&Series> = Vec::new();
        for series in self.runs.iter().flat_map(|(_, outcome)| &outcome.series) {
            if !all.iter().any(|seen| seen.key == series.key) {
                all.push(series);
            }
        }
        all
    }
}

/// The file's name without its directory and its ending.
fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
}

/// Brings together what was measured with the same setting; what only one file has is kept too.
fn groups(files: &[File]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for file in files {
        for outcome in &file.outcomes {
            let title = title(outcome);
            let run = (file.name.as_str(), outcome);
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.runs.push(run),
                None => groups.push(Group { title, runs: vec![run] }),
            }
        }
    }
    groups
}

/// One figure of every run as cells: its value, and its ratio to the first run's.
fn cells<'a>(
    values: impl Iterator<Item = Option<f64>> + 'a,
    show: impl Fn(f64) -> String,
) -> Vec<String> {
    let values: Vec<Option<f64>> = values.collect();
    let first = values.first().copied().flatten();
    let ratio = |value: f64| match first {
        Some(first) if first != 0.0 => format!(" ({}×)", digits(value / first)),
        _ => String::new(),
    };
    let cell = |(index, value): (usize, &Option<f64>)| match value {
        None => "–".to_owned(),
        Some(value) if index == 0 => show(*value),
        Some(value) => show(*value) + &ratio(*value),
    };
    values.iter().enumerate().map(cell).collect()
}

/// Every line of a group's table: a label, and a cell for each run.
fn lines(group: &Group<'_>) -> Vec<(String, Vec<String>)> {
    let mut lines = Vec::new();
    for measure in group.measures() {
        let values = group.runs.iter().map(|(_, outcome)| outcome.value(&measure.key));
        lines.push((measure.label.clone(), cells(values, |value| measure.unit.show(value))));
    }
    for series in group.series() {
        for figure in ["p50_us", "p99_us", "p99_9_us"] {
            let values = group.runs.iter().map(|(_, outcome)| {
                outcome.series.iter().find(|s| s.key == series.key)?.figure(figure)
            });
            let label = format!("{}, {}", series.label, super::table::heading(figure));
            lines.push((label, cells(values, |value| crate::figure::Unit::Micros.show(value))));
        }
    }
    lines
}

fn table(group: &Group<'_>) -> String {
    let mut rows = vec![(
        String::new(),
        group.runs.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>(),
    )];
    rows.extend(lines(group));
    let label_width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let cell_width = rows.iter().flat_map(|(_, cells)| cells).map(|cell| cell.chars().count());
    let cell_width = cell_width.max().unwrap_or(0);
    let mut text = format!("{}\n", group.title);
    for (label, cells) in rows {
        let pad = " ".repeat(label_width - label.chars().count());
        let _ = write!(text, "  {label}{pad}");
        for cell in cells {
            let _ = write!(text, "  {}{cell}", " ".repeat(cell_width - cell.chars().count()));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn section(group: &Group<'_>) -> String {
    let mut text = format!("<h2>{}</h2>\n<table><tr><th></th>", escaped(&group.title));
    for (name, outcome) in &group.runs {
        let _ = write!(text, "<th title=\"{}\">{}</th>", escaped(&outcome.server), escaped(name));
    }
    text.push_str("</tr>\n");
    for (label, cells) in lines(group) {
        let _ = write!(text, "<tr><td>{}</td>", escaped(&label));
        for cell in cells {
            let _ = write!(text, "<td class=\"n\">{}</td>", escaped(&cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n");
    let rate = group.measures().into_iter().find(|measure| measure.key == "msgs_per_s");
    if let Some(rate) = rate {
        let bar = |(name, outcome): &(&str, &Outcome)| {
            Some(Bar { label: (*name).to_owned(), value: outcome.value("msgs_per_s")? })
        };
        let bars: Vec<Bar> = group.runs.iter().filter_map(bar).collect();
        let _ = writeln!(text, "<h3>Rate</h3>\n{}", svg::bars(&bars, rate.unit));
    }
    for series in group.series() {
        let runs: Vec<(&str, &Series)> = group
            .runs
            .iter()
            .filter_map(|(name, o)| Some((*name, o.series.iter().find(|s| s.key == series.key)?)))
            .collect();
        let _ = writeln!(text, "<h3>{}</h3>", escaped(&series.label));
        let rows = runs.iter().map(|(name, series)| ((*name).to_owned(), *series));
        text.push_str(&percentile_table(rows));
        let curves: Vec<svg::Curve> = runs.iter().map(|(name, s)| curve_of(name, s)).collect();
        let _ = writeln!(text, "{}", svg::percentiles(&curves));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;

    fn outcome(rate: f64) -> Outcome {
        Outcome {
            scenario: "pubsub".into(),
            setting: vec![("size".into(), "16".into())],
            server: "s".into(),
            measures: vec![Measure {
                key: "msgs_per_s".into(),
                label: "received".into(),
                value: rate,
                unit: Unit::PerSecond,
            }],
            series: Vec::new(),
            course: Vec::new(),
            verdict: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_same_setting_is_compared_and_others_are_kept_apart() {
        let mut other = outcome(1.0);
        other.setting[0].1 = "128".into();
        let files = [
            File { name: "a".into(), outcomes: vec![outcome(100.0)] },
            File { name: "b".into(), outcomes: vec![other, outcome(250.0)] },
        ];
        let groups = groups(&files);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].runs.len(), 2);
        let text = table(&groups[0]);
        assert!(text.contains("100/s") && text.contains("250/s (2.50×)"), "{text}");
        assert!(section(&groups[0]).contains("<svg"));
    }

    #[test]
    fn a_missing_figure_is_a_dash() {
        let shown = cells([None, Some(1.0)].into_iter(), digits);
        assert_eq!(shown, ["–", "1.00"]);
    }
}
