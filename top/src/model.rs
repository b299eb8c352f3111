//! What is known of a server, and what the person at the terminal wants to see of it.
//!
//! Absent: asking the server, and drawing. Time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::history::History;
use crate::snapshot::{Connection, Page, Status, Totals};
use crate::sort::Sort;

/// What a server told, and when.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When the totals came.
    pub at: Instant,
    /// How long the server took for them.
    pub took: Duration,
    /// The server as a whole.
    pub totals: Totals,
    /// Some of its connections.
    pub page: Page,
    /// More about it, where the server tells more.
    pub status: Option<Status>,
}

/// What moves in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Messages from clients.
    pub in_msgs: f64,
    /// Messages to clients.
    pub out_msgs: f64,
    /// Bytes from clients.
    pub in_bytes: f64,
    /// Bytes to clients.
    pub out_bytes: f64,
}

/// Counts at one moment, in the order of the fields of [`Rates`].
type Counts = [u64; 4];

impl Rates {
    fn between(old: Counts, new: Counts, seconds: f64) -> Self {
        // A count that shrinks belongs to something else than before.
        let rate = |old: u64, new: u64| new.saturating_sub(old) as f64 / seconds;
        let [in_msgs, out_msgs, in_bytes, out_bytes] = old;
        Self {
            in_msgs: rate(in_msgs, new[0]),
            out_msgs: rate(out_msgs, new[1]),
            in_bytes: rate(in_bytes, new[2]),
            out_bytes: rate(out_bytes, new[3]),
        }
    }
}

/// A connection and its rates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// What the server tells of it.
    pub connection: Connection,
    /// What has moved since the sample before; zeros for a connection that is new.
    pub rates: Rates,
}

/// What the person at the terminal has chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Wishes {
    /// The order of connections.
    pub sort: Sort,
    /// The other way round.
    pub is_reversed: bool,
    /// What connections have to have in them.
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    /// What is shown stays as it is.
    pub is_paused: bool,
    /// Totals of connections instead of rates.
    pub shows_totals: bool,
    /// The help stands over everything.
    pub shows_help: bool,
    /// Connections that are scrolled over.
    pub skipped: usize,
    /// How often the server is asked.
    pub interval: Duration,
    /// Connections that are shown at most; none for as many as there is room for.
    pub count: Option<usize>,
}

/// What came of the last question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing yet.
    #[default]
    Waiting,
    /// An answer.
    Live,
    /// None, for this reason, since then.
    Lost {
        /// Why.
        why: String,
        /// Since when.
        since: Instant,
    },
}

/// Rates of the past, for charts.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as in `Rates`")]
pub struct Past {
    pub in_msgs: History,
    pub out_msgs: History,
    pub in_bytes: History,
    pub out_bytes: History,
    /// Percents of one processor.
    pub cpu: History,
}

/// See the module's head.
#[derive(Debug, Clone)]
pub struct Model {
    /// The server's address, for the title.
    pub place: String,
    /// What is wanted.
    pub wishes: Wishes,
    /// What came of the last question.
    pub standing: Standing,
    /// The last answer.
    pub sample: Option<Sample>,
    /// Rates of the whole server; none before the second answer.
    pub rates: Option<Rates>,
    /// The same of the past.
    pub past: Past,
    /// The connections of the last answer, in no order.
    rows: Vec<Row>,
    /// Counts of connections at the last answer, by their numbers.
    counts: HashMap<u64, Counts>,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(place: String, wishes: Wishes) -> Self {
        Self {
            place,
            wishes,
            standing: Standing::Waiting,
            sample: None,
            rates: None,
            past: Past::default(),
            rows: Vec::new(),
            counts: HashMap::new(),
        }
    }

    /// Takes an answer in.
    pub fn handle_sample(&mut self, sample: Sample) {
        self.standing = Standing::Live;
        if self.wishes.is_paused {
            return;
        }
        let before = self.sample.as_ref().filter(|old| is_same_run(&old.totals, &sample.totals));
        let seconds = before.map(|old| sample.at.duration_since(old.at).as_secs_f64());
        let seconds = seconds.filter(|&seconds| seconds > 0.0);
        self.rates = before.zip(seconds).map(|(old, seconds)| {
            Rates::between(counts_of(&old.totals), counts_of(&sample.totals), seconds)
        });
        if let Some(rates) = self.rates {
            self.past.in_msgs.push(rates.in_msgs);
            self.past.out_msgs.push(rates.out_msgs);
            self.past.in_bytes.push(rates.in_bytes);
            self.past.out_bytes.push(rates.out_bytes);
        } else {
            self.past = Past::default();
            self.counts.clear();
        }
        self.past.cpu.push(sample.totals.cpu);
        self.rows = self.rows_of(&sample.page, seconds);
        let counts = |connection: &Connection| (connection.cid, counts_of_one(connection));
        self.counts = sample.page.connections.iter().map(counts).collect();
        self.sample = Some(sample);
    }

    fn rows_of(&self, page: &Page, seconds: Option<f64>) -> Vec<Row> {
        let row = |connection: &Connection| {
            let before = self.counts.get(&connection.cid).copied().zip(seconds);
            let rates = before.map_or_else(Rates::default, |(counts, seconds)| {
                Rates::between(counts, counts_of_one(connection), seconds)
            });
            Row { connection: connection.clone(), rates }
        };
        page.connections.iter().map(row).collect()
    }

    /// Takes in that there was no answer.
    pub fn handle_trouble(&mut self, why: String, now: Instant) {
        let since = match self.standing {
            Standing::Lost { since, .. } => since,
            Standing::Waiting | Standing::Live => now,
        };
        self.standing = Standing::Lost { why, since };
    }

    /// The connections to show, in their order.
    pub fn rows(&self) -> Vec<&Row> {
        let wanted = |row: &&Row| row.connection.is_found_by(&self.wishes.filter);
        let mut rows: Vec<&Row> = self.rows.iter().filter(wanted).collect();
        rows.sort_by(|a, b| {
            let order = self.wishes.sort.compare(a, b);
            if self.wishes.is_reversed { order.reverse() } else { order }
        });
        rows.truncate(self.wishes.count.unwrap_or(usize::MAX));
        rows
    }
}

/// Whether counts of the two can be compared.
fn is_same_run(old: &Totals, new: &Totals) -> bool {
    old.server_id == new.server_id && old.start == new.start
}

fn counts_of(totals: &Totals) -> Counts {
    [totals.in_msgs, totals.out_msgs, totals.in_bytes, totals.out_bytes]
}

fn counts_of_one(connection: &Connection) -> Counts {
    let of = connection;
    [of.in_msgs, of.out_msgs, of.in_bytes, of.out_bytes]
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            sort: Sort::default(),
            is_reversed: false,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            shows_totals: false,
            shows_help: false,
            skipped: 0,
            interval: Duration::from_secs(1),
            count: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn connection(cid: u64, name: &str, counts: Counts) -> Connection {
        let [in_msgs, out_msgs, in_bytes, out_bytes] = counts;
        Connection {
            cid,
            name: name.to_owned(),
            ip: "10.1.2.3".to_owned(),
            port: 50_000 + cid,
            lang: "go".to_owned(),
            version: "1.50.0".to_owned(),
            account: "$G".to_owned(),
            rtt: "115µs".to_owned(),
            uptime: "1m2s".to_owned(),
            idle: "0s".to_owned(),
            subscriptions: cid,
            in_msgs,
            out_msgs,
            in_bytes,
            out_bytes,
            ..Connection::default()
        }
    }

    pub(crate) fn sample(at: Instant, in_msgs: u64, connections: Vec<Connection>) -> Sample {
        let totals = Totals {
            server_id: "NABC".to_owned(),
            server_name: "n1".to_owned(),
            version: "1.2.3".to_owned(),
            start: "then".to_owned(),
            uptime: "1h2m3s".to_owned(),
            cores: 4,
            cpu: 150.0,
            mem: 64 << 20,
            connections: connections.len() as u64,
            max_connections: 65_536,
            subscriptions: 12,
            in_msgs,
            out_msgs: in_msgs * 3,
            in_bytes: in_msgs * 100,
            out_bytes: in_msgs * 300,
            slow_consumers: 2,
            ..Totals::default()
        };
        let page = Page { total: connections.len() as u64, connections };
        Sample { at, took: Duration::from_millis(3), totals, page, status: None }
    }

    #[test]
    fn rates_are_what_moved_by_the_time_between() {
        let mut model = Model::new("h:1".to_owned(), Wishes::default());
        let start = Instant::now();
        model.handle_sample(sample(start, 100, vec![connection(1, "a", [10, 0, 0, 0])]));
        assert_eq!((model.rates, model.rows()[0].rates), (None, Rates::default()));
        let later = start + Duration::from_secs(2);
        let both = vec![connection(1, "a", [30, 4, 0, 0]), connection(2, "b", [9, 9, 9, 9])];
        model.handle_sample(sample(later, 300, both));
        let rates = model.rates.expect("rates");
        assert!((rates.in_msgs - 100.0).abs() < 1e-6 && (rates.out_msgs - 300.0).abs() < 1e-6);
        let of = |cid| model.rows().into_iter().find(|row| row.connection.cid == cid).unwrap();
        assert!((of(1).rates.in_msgs - 10.0).abs() < 1e-6, "{:?}", of(1));
        assert_eq!(of(2).rates, Rates::default(), "one that is new has no rate yet");
        assert_eq!(model.past.in_msgs.tail(2), [0, 100]);
    }

    #[test]
    fn a_server_that_began_anew_has_no_rates_yet() {
        let mut model = Model::new("h:1".to_owned(), Wishes::default());
        let start = Instant::now();
        model.handle_sample(sample(start, 100, vec![connection(1, "a", [10, 0, 0, 0])]));
        model.handle_trouble("gone".to_owned(), start + Duration::from_secs(1));
        model.handle_trouble("still".to_owned(), start + Duration::from_secs(2));
        let since = start + Duration::from_secs(1);
        assert_eq!(model.standing, Standing::Lost { why: "still".to_owned(), since });
        let mut fresh =
            sample(start + Duration::from_secs(3), 150, vec![connection(1, "x", [50; 4])]);
        fresh.totals.start = "now".to_owned();
        model.handle_sample(fresh);
        assert_eq!((&model.standing, model.rates), (&Standing::Live, None));
        assert_eq!(model.rows()[0].rates, Rates::default());
    }

    #[test]
    fn a_pause_keeps_what_is_shown() {
        let mut model = Model::new("h:1".to_owned(), Wishes::default());
        let start = Instant::now();
        model.handle_sample(sample(start, 100, vec![]));
        model.wishes.is_paused = true;
        model.handle_sample(sample(start + Duration::from_secs(1), 900, vec![]));
        assert_eq!(model.sample.as_ref().map(|sample| sample.totals.in_msgs), Some(100));
    }

    #[test]
    fn rows_are_filtered_sorted_and_counted() {
        let mut model = Model::new("h:1".to_owned(), Wishes::default());
        let all =
            (1..=5).map(|n| connection(n, if n % 2 == 0 { "even" } else { "odd" }, [0, n, 0, 0]));
        model.handle_sample(sample(Instant::now(), 1, all.collect()));
        let cids = |model: &Model| -> Vec<u64> {
            model.rows().iter().map(|row| row.connection.cid).collect()
        };
        assert_eq!(cids(&model), [5, 4, 3, 2, 1]);
        model.wishes.filter = "ODD".to_owned();
        assert_eq!(cids(&model), [5, 3, 1]);
        model.wishes.is_reversed = true;
        model.wishes.count = Some(2);
        assert_eq!(cids(&model), [1, 3]);
    }
}
