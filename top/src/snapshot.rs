//! What a server tells of itself at one moment: its totals, and a page of its connections.
//!
//! Absent: asking (`http`) and comparing (`model`). Servers differ, so that everything may be
//! missing; texts have lost whatever a terminal could take for a command.

use serde::{Deserialize, Deserializer};

/// `/varz`, as far as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct Totals {
    #[serde(deserialize_with = "text")]
    pub server_id: String,
    #[serde(deserialize_with = "text")]
    pub server_name: String,
    #[serde(deserialize_with = "text")]
    pub version: String,
    #[serde(deserialize_with = "text")]
    pub go: String,
    #[serde(deserialize_with = "text")]
    pub host: String,
    #[serde(deserialize_with = "count")]
    pub port: u64,
    #[serde(deserialize_with = "text")]
    pub start: String,
    #[serde(deserialize_with = "text")]
    pub uptime: String,
    #[serde(deserialize_with = "count")]
    pub cores: u64,
    #[serde(deserialize_with = "figure")]
    pub cpu: f64,
    #[serde(deserialize_with = "count")]
    pub mem: u64,
    #[serde(deserialize_with = "count")]
    pub connections: u64,
    #[serde(deserialize_with = "count")]
    pub max_connections: u64,
    #[serde(deserialize_with = "count")]
    pub total_connections: u64,
    #[serde(deserialize_with = "count")]
    pub subscriptions: u64,
    #[serde(deserialize_with = "count")]
    pub in_msgs: u64,
    #[serde(deserialize_with = "count")]
    pub out_msgs: u64,
    #[serde(deserialize_with = "count")]
    pub in_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub out_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub slow_consumers: u64,
    #[serde(deserialize_with = "count")]
    pub stale_connections: u64,
}

/// `/statusz`, which only Fanfare has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// How long messages take from a publisher's socket to a subscriber's.
    pub latency: Times,
    /// Clients closed for being slow.
    pub slow_consumers: SlowReasons,
    /// The event loops.
    pub shards: Vec<Shard>,
}

/// Times of the last seconds, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct Times {
    #[serde(deserialize_with = "count")]
    pub window_count: u64,
    #[serde(deserialize_with = "figure")]
    pub p50_us: f64,
    #[serde(deserialize_with = "figure")]
    pub p99_us: f64,
    #[serde(deserialize_with = "figure")]
    pub max_us: f64,
}

/// Clients closed for being slow, by the reason.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct SlowReasons {
    #[serde(deserialize_with = "count")]
    pub pending_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub write_deadline: u64,
    #[serde(deserialize_with = "count")]
    pub memory_budget: u64,
}

impl SlowReasons {
    /// The reasons with their names, those alone that there were.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("pending", self.pending_bytes),
            ("deadline", self.write_deadline),
            ("memory", self.memory_budget),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// One event loop.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct Shard {
    #[serde(deserialize_with = "count")]
    pub shard: u64,
    #[serde(deserialize_with = "count")]
    pub connections: u64,
    #[serde(deserialize_with = "count")]
    pub pending_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub parked: u64,
    #[serde(deserialize_with = "figure")]
    pub busy_percent: f64,
    pub turns: Times,
    #[serde(deserialize_with = "figure")]
    pub longest_turn_lately_us: f64,
}

/// `/connz`: a page of connections, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Page {
    /// All connections of the server that the page was chosen from.
    #[serde(deserialize_with = "count")]
    pub total: u64,
    /// Those of the page.
    pub connections: Vec<Connection>,
}

/// One connection of a page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct Connection {
    #[serde(deserialize_with = "count")]
    pub cid: u64,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub ip: String,
    #[serde(deserialize_with = "count")]
    pub port: u64,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub lang: String,
    #[serde(deserialize_with = "text")]
    pub version: String,
    #[serde(deserialize_with = "text")]
    pub account: String,
    #[serde(deserialize_with = "text")]
    pub authorized_user: String,
    #[serde(deserialize_with = "text")]
    pub tls_version: String,
    #[serde(deserialize_with = "text")]
    pub rtt: String,
    #[serde(deserialize_with = "text")]
    pub uptime: String,
    #[serde(deserialize_with = "text")]
    pub idle: String,
    #[serde(deserialize_with = "count")]
    pub subscriptions: u64,
    #[serde(deserialize_with = "count")]
    pub pending_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub in_msgs: u64,
    #[serde(deserialize_with = "count")]
    pub out_msgs: u64,
    #[serde(deserialize_with = "count")]
    pub in_bytes: u64,
    #[serde(deserialize_with = "count")]
    pub out_bytes: u64,
}

impl Totals {
    /// The program and its version. Fanfare gives the version of NATS that it answers like, for
    /// tools that look at that, and its own where others name their compiler.
    pub fn program(&self) -> String {
        let own = self.go.split_once("(fanfare ").and_then(|(_, rest)| rest.split_once(')'));
        own.map_or_else(|| self.version.clone(), |(version, _)| format!("fanfare {version}"))
    }
}

impl Connection {
    /// `ip:port`, with brackets around an IPv6 address.
    pub fn peer(&self) -> String {
        if self.ip.contains(':') {
            format!("[{}]:{}", self.ip, self.port)
        } else {
            format!("{}:{}", self.ip, self.port)
        }
    }

    /// The client library and its version.
    pub fn library(&self) -> String {
        [&*self.lang, &*self.version].join(" ").trim().to_owned()
    }

    /// Whether a filter that somebody types finds it, whatever the case of its letters.
    pub fn is_found_by(&self, filter: &str) -> bool {
        let wanted = filter.to_lowercase();
        let numbers = [self.cid.to_string(), self.peer()];
        let texts = [&self.name, &self.lang, &self.version, &self.account, &self.authorized_user];
        let mut all = numbers.iter().chain(texts);
        all.any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// A number that is not below 0; what is none is 0.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(fanfare_bench::figure::whole(figure(from)?))
}

fn figure<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_f64().unwrap_or(0.0))
}

/// A text of the server, or one that a client gave itself.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(shown(value.as_str().unwrap_or_default()))
}

/// The text without what a terminal would not show as it is: controls, and marks that turn the
/// direction of what follows.
pub fn shown(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().take(TEXT_MAX).map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Longest text that is kept of any, in characters.
const TEXT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_nothing() {
        let totals: Totals =
            serde_json::from_str(r#"{"mem":1.5e3,"cpu":7,"port":null,"version":3,"in_msgs":-1}"#)
                .expect("totals");
        assert_eq!((totals.mem, totals.port, totals.in_msgs), (1500, 0, 0));
        assert!((totals.cpu - 7.0).abs() < 1e-9 && totals.version.is_empty());
        let page: Page = serde_json::from_str(r#"{"connections":[{"cid":1}]}"#).expect("a page");
        assert_eq!(page.connections.len(), 1);
    }

    #[test]
    fn the_program_is_named_by_its_own_version() {
        let mut totals = Totals { version: "2.14.0".to_owned(), ..Totals::default() };
        totals.go = "go1.26.2".to_owned();
        assert_eq!(totals.program(), "2.14.0");
        totals.go = "rust (fanfare 0.1.0)".to_owned();
        assert_eq!(totals.program(), "fanfare 0.1.0");
    }

    #[test]
    fn texts_cannot_command_a_terminal() {
        let json = r#"{"name":"\u001b]0;x\u0007a\u202eb","ip":"::1","port":9}"#;
        let connection: Connection = serde_json::from_str(json).expect("a connection");
        assert_eq!(connection.name, "\u{fffd}]0;x\u{fffd}a\u{fffd}b");
        assert_eq!(connection.peer(), "[::1]:9");
        assert_eq!(shown(&"x".repeat(1000)).len(), TEXT_MAX);
    }

    #[test]
    fn a_filter_looks_at_whatever_names_a_connection() {
        let connection = Connection {
            cid: 17,
            name: "Billing".to_owned(),
            lang: "go".to_owned(),
            account: "SHOP".to_owned(),
            ip: "10.0.0.7".to_owned(),
            port: 4711,
            ..Connection::default()
        };
        for filter in ["17", "bill", "GO", "shop", "10.0.0.7:47", ""] {
            assert!(connection.is_found_by(filter), "{filter}");
        }
        assert!(!connection.is_found_by("python"));
    }
}
