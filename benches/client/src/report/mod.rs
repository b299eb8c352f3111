//! Results as a person or a program wants them: a table, JSON, CSV, a page with plots, and several
//! side by side.
//!
//! Absent: measuring.

pub mod compare;
pub mod csv;
pub mod html;
pub mod svg;
pub mod table;

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::options::ReportOptions;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::receipt::Verdict;

/// Prints and writes what the options ask for; messages that were not as sent are a failure, after
/// the report.
pub fn publish(options: &ReportOptions, outcomes: &[Outcome]) -> Result<(), Failure> {
    let csv_to_stdout = options.csv.as_deref() == Some(Path::new("-"));
    if options.json {
        print(&format!("{:#}\n", file_of(outcomes)))?;
    }
    if csv_to_stdout {
        print(&csv::of(outcomes))?;
    }
    if !options.json && !csv_to_stdout {
        for outcome in outcomes {
            print(&table::of(outcome))?;
        }
    }
    if let Some(path) = options.csv.as_deref().filter(|_| !csv_to_stdout) {
        write(path, &csv::of(outcomes))?;
    }
    if let Some(path) = &options.html {
        write(path, &html::page(outcomes))?;
        eprintln!("The report with plots is in {}.", path.display());
    }
    let is_clean = |outcome: &Outcome| outcome.verdict.is_none_or(Verdict::is_clean);
    if outcomes.iter().all(is_clean) {
        Ok(())
    } else {
        Err(Failure::Run("messages were not delivered as they were sent; see “verified”".into()))
    }
}

/// The file of several results.
pub fn file_of(outcomes: &[Outcome]) -> Value {
    let results: Vec<Value> = outcomes.iter().map(Outcome::to_json).collect();
    json!({"format": FORMAT, "client": env!("CARGO_PKG_VERSION"), "results": results})
}

/// Reads the results from a file's text.
pub fn results_in(text: &str) -> Result<Vec<Outcome>, &'static str> {
    let value: Value = serde_json::from_str(text).map_err(|_| "it is not JSON")?;
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err("it is no result of `fanfare bench --json`");
    }
    let results = value.get("results").and_then(Value::as_array).ok_or("it has no results")?;
    results.iter().map(|result| Outcome::from_json(result).ok_or("a result is damaged")).collect()
}

/// Writes a file, or says in a sentence why not.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::Run(format!("cannot write {}: {error}", path.display())))
}

/// Prints on stdout. A reader that has gone away ends it quietly, as it does for other tools.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

const FORMAT: &str = "fanfare-bench-1";
