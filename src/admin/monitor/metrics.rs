//! `/metrics`: the numbers of the broker for Prometheus.
//!
//! Absent: names of clients and subjects, of which there may be millions. What shards count is read
//! where they publish it; only what accounts use is asked for, and only a bounded number of
//! accounts have rows of their own.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Monitor;
use crate::io::meter::Reading;

/// One metric with its rows.
#[derive(Debug)]
pub(super) struct Metric {
    name: &'static str,
    help: &'static str,
    rows: Rows,
}

/// Names of labels with their values.
pub(super) type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Rows {
    Counter(Vec<(Labels, u64)>),
    Gauge(Vec<(Labels, f64)>),
    Histogram(Vec<(Labels, Reading)>),
}

/// All metrics, in the order in which they were first told.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    list: Vec<Metric>,
    places: BTreeMap<&'static str, usize>,
}

impl Metrics {
    /// What only grows; the name is without `_total`.
    pub(super) fn counter(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: Labels,
        value: u64,
    ) {
        if let Rows::Counter(rows) = self.rows(name, help, || Rows::Counter(Vec::new())) {
            rows.push((labels, value));
        }
    }

    /// A present state.
    pub(super) fn gauge(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: Labels,
        value: f64,
    ) {
        if let Rows::Gauge(rows) = self.rows(name, help, || Rows::Gauge(Vec::new())) {
            rows.push((labels, value));
        }
    }

    /// Times.
    pub(super) fn histogram(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: Labels,
        value: Reading,
    ) {
        if let Rows::Histogram(rows) = self.rows(name, help, || Rows::Histogram(Vec::new())) {
            rows.push((labels, value));
        }
    }

    fn rows(
        &mut self,
        name: &'static str,
        help: &'static str,
        none: impl FnOnce() -> Rows,
    ) -> &mut Rows {
        let next = self.list.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.list.push(Metric { name, help, rows: none() });
        }
        // INVARIANT: a place is that of an element, the last one at least.
        &mut self.list[place].rows
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Metric { name, help, rows } in &self.list {
            let kind = match rows {
                Rows::Counter(_) => MetricType::Counter,
                Rows::Gauge(_) => MetricType::Gauge,
                Rows::Histogram(_) => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            match rows {
                Rows::Counter(rows) => {
                    for (labels, value) in rows {
                        write(&mut metric, labels, |row| {
                            row.encode_counter::<NoLabelSet, u64, u64>(value, None)
                        })?;
                    }
                }
                Rows::Gauge(rows) => {
                    for (labels, value) in rows {
                        write(&mut metric, labels, |row| row.encode_gauge(value))?;
                    }
                }
                Rows::Histogram(rows) => {
                    for (labels, reading) in rows {
                        let buckets = buckets(reading);
                        let (sum, count) = (reading.sum_ns as f64 / 1e9, reading.total());
                        write(&mut metric, labels, |row| {
                            row.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
                        })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes one row; without labels there are no braces either.
fn write(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels,
    value: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    if labels.is_empty() { value(metric) } else { value(&mut metric.encode_family(labels)?) }
}

/// Counts between bounds in seconds; the last has no bound.
fn buckets(reading: &Reading) -> Vec<(f64, u64)> {
    let mut before = 0;
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    for (bound_ns, sum) in reading.cumulated() {
        buckets.push((bound_ns as f64 / 1e9, sum - before));
        before = sum;
    }
    if let Some((bound, _)) = buckets.last_mut() {
        *bound = f64::INFINITY;
    }
    buckets
}

impl Monitor {
    /// The metrics as text, in the form that the asker takes.
    pub(super) fn metrics(&mut self, takes_openmetrics: bool) -> Result<String, fmt::Error> {
        let mut metrics = Metrics::default();
        self.measure_shards(&mut metrics);
        self.measure_others(&mut metrics);
        self.measure_accounts(&mut metrics);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(if takes_openmetrics { text } else { classic(&text) })
    }
}

/// The older form of the same: a counter's name ends with `_total` wherever it stands, and there is
/// no end.
fn classic(text: &str) -> String {
    let words = |line: &str| -> Option<(String, String)> {
        let (name, rest) = line.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut help: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = words(rest);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(words) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                out.extend(["# HELP ", &*name, suffix, " ", &*help, "\n"]);
            }
            out.extend(["# TYPE ", &*name, suffix, " ", &*kind, "\n"]);
        } else if line != "# EOF" && !line.starts_with("# UNIT") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(takes_openmetrics: bool) -> String {
        let mut metrics = Metrics::default();
        let counter = ("things", "Things that came.");
        metrics.counter(counter, vec![("kind", "a\"\\b\n".to_owned())], 7);
        metrics.gauge(("level", "How high it is."), Vec::new(), 1.5);
        metrics.counter(counter, vec![("kind", "c".to_owned())], 8);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a text takes everything");
        if takes_openmetrics { text } else { classic(&text) }
    }

    #[test]
    fn both_forms_say_the_same() {
        let open = "# HELP things Things that came.\n# TYPE things counter\n\
                    things_total{kind=\"a\\\"\\\\b\\n\"} 7\nthings_total{kind=\"c\"} 8\n\
                    # HELP level How high it is.\n# TYPE level gauge\nlevel 1.5\n# EOF\n";
        assert_eq!(text(true), open);
        let classic = "# HELP things_total Things that came.\n# TYPE things_total counter\n\
                       things_total{kind=\"a\\\"\\\\b\\n\"} 7\nthings_total{kind=\"c\"} 8\n\
                       # HELP level How high it is.\n# TYPE level gauge\nlevel 1.5\n";
        assert_eq!(text(false), classic);
    }
}
