//! The result of one run as plain data: what every report shows and what a file keeps.
//!
//! Absent: how it looks (`report`).

use serde_json::{Value, json};

use crate::figure::Unit;
use crate::latency::{Latencies, SHOWN};
use crate::receipt::Verdict;
use crate::target::Target;
use crate::timings::{Kind, Timings};
use crate::window::{Step, Window};

/// The result of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Which scenario.
    pub scenario: String,
    /// What distinguishes the run, as name and value, in the order to show them.
    pub setting: Vec<(String, String)>,
    /// The server's name and version.
    pub server: String,
    /// What was measured.
    pub measures: Vec<Measure>,
    /// The distributions that were measured.
    pub series: Vec<Series>,
    /// How the rate went: seconds and messages a second.
    pub course: Vec<(f64, f64)>,
    /// What the check of the messages found, where there were any.
    pub verdict: Option<Verdict>,
    /// Sentences that a reader of the figures has to know.
    pub notes: Vec<String>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name in files.
    pub key: String,
    /// What a person reads.
    pub label: String,
    /// The number.
    pub value: f64,
    /// What it counts.
    pub unit: Unit,
}

/// One distribution of durations.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in files.
    pub key: String,
    /// What a person reads.
    pub label: String,
    /// How many durations.
    pub count: u64,
    /// Name and value of each shown percentile, and of minimum and mean, in microseconds.
    pub figures: Vec<(String, f64)>,
    /// The percentile curve: percent and microseconds.
    pub curve: Vec<(f64, f64)>,
}

/// What a run's messages are called, and which of its counts is the work done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Messages that receivers got.
    Received,
    /// Messages that publishers wrote; there is no receiver.
    Published,
    /// Requests that were answered.
    Requests,
}

impl Outcome {
    /// An empty result.
    pub fn new(scenario: &str, target: &Target) -> Self {
        let facts = &target.facts;
        // A server that was given no name calls itself by its key, which says nothing to anybody.
        let named = if facts.name.len() > NAME_LEN_MAX { "" } else { &facts.name };
        let tls = if target.tls().is_some() { " over TLS" } else { "" };
        let server = format!("{named} {} at {}{tls}", facts.version, target.place);
        Self {
            scenario: scenario.to_owned(),
            setting: Vec::new(),
            server: server.trim_start().to_owned(),
            measures: Vec::new(),
            series: Vec::new(),
            course: Vec::new(),
            verdict: None,
            notes: Vec::new(),
        }
    }

    /// Adds something that distinguishes the run.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.setting.push((name.to_owned(), value.to_string()));
    }

    /// Adds a figure.
    pub fn measure(&mut self, key: &str, label: &str, value: f64, unit: Unit) {
        let (key, label) = (key.to_owned(), label.to_owned());
        self.measures.push(Measure { key, label, value, unit });
    }

    /// A figure by its name.
    pub fn value(&self, key: &str) -> Option<f64> {
        self.measures.iter().find(|measure| measure.key == key).map(|measure| measure.value)
    }

    /// Adds the figures of a window of a run with payloads of `size` bytes.
    pub fn add_window(&mut self, window: &Window, work: Work, size: usize) {
        let done = match work {
            Work::Received | Work::Requests => window.received,
            Work::Published => window.published,
        };
        let (count, seconds) = (done as f64, window.seconds.max(1e-9));
        let (label, noun) = match work {
            Work::Received => ("received", "message"),
            Work::Published => ("published", "message"),
            Work::Requests => ("answered", "request"),
        };
        self.measure("msgs_per_s", label, count / seconds, Unit::PerSecond);
        let published = window.published as f64 / seconds;
        if work == Work::Received && (published * seconds - count).abs() > count / 100.0 {
            self.measure("published_per_s", "published", published, Unit::PerSecond);
        }
        let bytes = count / seconds * size as f64;
        self.measure("payload_bytes_per_s", "payload", bytes, Unit::BytesPerSecond);
        self.measure("messages", "messages measured", count, Unit::Count);
        self.measure("seconds", "measured for", window.seconds, Unit::Seconds);
        // Without a message there is nothing that it was taken for.
        if let Some(cpu_s) = window.server_cpu_s.filter(|_| done > 0) {
            let each = cpu_s * 1e6 / count.max(1.0);
            let label = format!("server CPU per {noun}");
            self.measure("server_cpu_us_per_msg", &label, each, Unit::Micros);
            self.measure("server_cores", "server CPU", cpu_s / seconds, Unit::Share);
        }
        if let Some(bytes) = window.server_peak_bytes {
            self.measure("server_peak_rss", "server memory, peak", bytes as f64, Unit::Bytes);
        }
        self.add_client(window, count);
        self.course = window.steps.iter().map(|step| (step.at_s, Step::rate(step))).collect();
    }

    /// Adds the distributions that were measured.
    pub fn add_timings(&mut self, timings: &Timings) {
        for kind in Kind::ALL {
            if let Some(latencies) = timings.of(kind) {
                self.series.push(Series::of(kind.key(), kind.label(), latencies));
            }
        }
    }

    /// What a file keeps.
    pub fn to_json(&self) -> Value {
        let measures: Vec<Value> = self
            .measures
            .iter()
            .map(|m| {
                let unit = m.unit.name();
                json!({"key": m.key, "label": m.label, "value": m.value, "unit": unit})
            })
            .collect();
        let series: Vec<Value> = self.series.iter().map(Series::to_json).collect();
        let verdict = self.verdict.map(|verdict| {
            json!({
                "messages": verdict.received, "lost": verdict.lost, "repeated": verdict.repeated,
                "out_of_order": verdict.out_of_order, "damaged": verdict.damaged,
                "only_counted": verdict.anonymous,
            })
        });
        json!({
            "scenario": self.scenario, "setting": self.setting, "server": self.server,
            "measures": measures, "latencies": series, "course": self.course,
            "verified": verdict, "notes": self.notes,
        })
    }

    /// Reads back what a file keeps.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let list = |key: &str| value.get(key).and_then(Value::as_array);
        let pair = |entry: &Value| {
            Some((entry.get(0)?.as_str()?.to_owned(), entry.get(1)?.as_str()?.to_owned()))
        };
        Some(Self {
            scenario: text("scenario")?,
            setting: list("setting")?.iter().map(pair).collect::<Option<_>>()?,
            server: text("server")?,
            measures: list("measures")?.iter().map(Measure::from_json).collect::<Option<_>>()?,
            series: list("latencies")?.iter().map(Series::from_json).collect::<Option<_>>()?,
            course: list("course")?.iter().map(number_pair).collect::<Option<_>>()?,
            verdict: value.get("verified").and_then(verdict_from_json),
            notes: list("notes")?.iter().filter_map(|n| Some(n.as_str()?.to_owned())).collect(),
        })
    }

    fn add_client(&mut self, window: &Window, count: f64) {
        let shares = &window.client_shares;
        if shares.is_empty() {
            return;
        }
        let most = shares.iter().copied().fold(0.0, f64::max);
        let each = shares.iter().sum::<f64>() * window.seconds * 1e6 / count.max(1.0);
        self.measure("client_threads", "client threads", shares.len() as f64, Unit::Count);
        self.measure("client_thread_share", "busiest client thread", most, Unit::Share);
        self.measure("client_cpu_us_per_msg", "client CPU per message", each, Unit::Micros);
        if most > 0.95 {
            self.notes.push(
                "A thread of the load client was busy all the time, so it may be what limits the \
                 rate; give it more with --threads."
                    .to_owned(),
            );
        }
    }
}

impl Measure {
    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            key: value.get("key")?.as_str()?.to_owned(),
            label: value.get("label")?.as_str()?.to_owned(),
            value: value.get("value")?.as_f64()?,
            unit: Unit::of_name(value.get("unit")?.as_str()?)?,
        })
    }
}

impl Series {
    /// The figures of a distribution.
    pub fn of(key: &str, label: &str, latencies: &Latencies) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let mut figures = vec![
            ("min_us".to_owned(), micros(latencies.min_ns())),
            ("mean_us".to_owned(), latencies.mean_ns() / 1e3),
        ];
        for (name, percent) in SHOWN {
            figures.push((name.to_owned(), micros(latencies.percentile_ns(percent))));
        }
        Self {
            key: key.to_owned(),
            label: label.to_owned(),
            count: latencies.count(),
            figures,
            curve: latencies.curve().into_iter().map(|(p, nanos)| (p, micros(nanos))).collect(),
        }
    }

    /// A figure by its name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    fn to_json(&self) -> Value {
        let figures: serde_json::Map<String, Value> =
            self.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "key": self.key, "label": self.label, "count": self.count,
            "figures": figures, "curve": self.curve,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let figures = value.get("figures")?.as_object()?;
        let names = ["min_us", "mean_us"].into_iter().chain(SHOWN.map(|(name, _)| name));
        Some(Self {
            key: value.get("key")?.as_str()?.to_owned(),
            label: value.get("label")?.as_str()?.to_owned(),
            count: value.get("count")?.as_u64()?,
            figures: names
                .filter_map(|name| Some((name.to_owned(), figures.get(name)?.as_f64()?)))
                .collect(),
            curve: value
                .get("curve")?
                .as_array()?
                .iter()
                .map(number_pair)
                .collect::<Option<_>>()?,
        })
    }
}

/// Longest name of a server that is shown.
const NAME_LEN_MAX: usize = 40;

fn number_pair(value: &Value) -> Option<(f64, f64)> {
    Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?))
}

fn verdict_from_json(value: &Value) -> Option<Verdict> {
    let field = |key: &str| value.get(key)?.as_u64();
    Some(Verdict {
        received: field("messages")?,
        anonymous: field("only_counted")?,
        lost: field("lost")?,
        repeated: field("repeated")?,
        out_of_order: field("out_of_order")?,
        damaged: field("damaged")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::target::ServerFacts;

    #[test]
    fn a_result_is_read_back_from_its_file() {
        let address = "127.0.0.1:4222".parse().unwrap();
        let mut target = Target::new(address, "127.0.0.1:4222".into(), "", Credentials::None);
        target.facts = ServerFacts { name: "n".into(), ..ServerFacts::default() };
        let mut outcome = Outcome::new("pubsub", &target);
        outcome.set("size", 16);
        outcome.measure("msgs_per_s", "received", 1.5, Unit::PerSecond);
        let mut timings = Timings::new();
        timings.count_from(0);
        timings.record(Kind::OneWay, 0, 1000);
        outcome.add_timings(&timings);
        outcome.course = vec![(0.1, 7.0)];
        outcome.verdict = Some(Verdict { received: 3, lost: 1, ..Verdict::default() });
        outcome.notes.push("note".into());
        let text = outcome.to_json().to_string();
        let read = Outcome::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(read, outcome);
        assert_eq!(Outcome::from_json(&json!({"scenario": 1})), None);
    }
}
