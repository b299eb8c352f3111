//! A line of the log: its words, what it is about, and the two forms that it is written in.
//!
//! Absent: where lines go (`log_sink`). The form for people is nats-server's to the byte; the form
//! for programs is one JSON object a line, whatever is in the words.

use chrono::{DateTime, Local, SecondsFormat, Utc};
use serde_json::Value as Json;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What an operator expects to see.
    Info,
    /// Connections coming and going.
    Debug,
    /// Protocol lines.
    Trace,
    /// Something that an operator should know of.
    Warn,
    /// Something that went wrong.
    Error,
    /// Why the broker cannot go on.
    Fatal,
}

impl Level {
    /// How lines of this level are marked.
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "INF",
            Self::Debug => "DBG",
            Self::Trace => "TRC",
            Self::Warn => "WRN",
            Self::Error => "ERR",
            Self::Fatal => "FTL",
        }
    }

    /// The same for programs, in the words that most collectors of logs know.
    fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// See the module's head.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    level: Level,
    text: String,
    /// The address and the number of the client that the line is about.
    client: Option<(Box<str>, u64)>,
    /// More about it, for programs; the words say the same.
    facts: Vec<(&'static str, Json)>,
}

/// A line of words alone, for a debugging operator.
impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new(Level::Debug, text)
    }
}

impl Line {
    /// A line of words alone.
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), client: None, facts: Vec::new() }
    }

    /// Says which client it is about; the text goes on behind that.
    pub fn of(mut self, peer: &str, number: u64) -> Self {
        self.client = Some((peer.into(), number));
        self
    }

    /// Adds a fact for programs.
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// How much it matters.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// About how many bytes it keeps.
    pub(super) fn len(&self) -> usize {
        let client = self.client.as_ref().map_or(0, |(peer, _)| peer.len());
        size_of::<Self>() + self.text.len() + client
    }

    /// The words as people read them.
    pub(super) fn words(&self) -> String {
        match &self.client {
            Some((peer, number)) => format!("{peer} - cid:{number} - {}", self.text),
            None => self.text.clone(),
        }
    }
}

/// Whether a line carries the time, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Local,
    Utc,
}

/// `[pid] 2026/11/21 04:27:16.511030 [INF] text`.
pub(super) fn text(zone: Option<Zone>, line: &Line) -> String {
    const FORM: &str = "%Y/%m/%d %H:%M:%S%.6f";
    let pid = std::process::id();
    let label = line.level.label();
    let words = line.words();
    let now: DateTime<Utc> = Utc::now();
    match zone {
        Some(Zone::Local) => {
            let time = now.with_timezone(&Local);
            format!("[{pid}] {} [{label}] {words}\n", time.format(FORM))
        }
        Some(Zone::Utc) => format!("[{pid}] {} [{label}] {words}\n", now.format(FORM)),
        None => format!("[{pid}] [{label}] {words}\n"),
    }
}

/// `{"time":"2026-11-21T04:27:16.511030Z","level":"info","pid":1,"msg":"text"}`.
pub(super) fn json(has_time: bool, line: &Line) -> String {
    let now = has_time.then(|| Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
    let mut object = format!("{{{}}}\n", members(now.as_deref(), line));
    // A collector that reads lines must not see two where there is one.
    debug_assert_eq!(object.find('\n'), Some(object.len() - 1));
    object.shrink_to_fit();
    object
}

/// The members in the order in which people like to read them.
fn members(time: Option<&str>, line: &Line) -> String {
    let mut members = Vec::new();
    let mut member = |name: &str, value: &Json| members.push(format!("\"{name}\":{value}"));
    if let Some(time) = time {
        member("time", &time.into());
    }
    member("level", &line.level.word().into());
    member("pid", &std::process::id().into());
    member("msg", &line.text.as_str().into());
    if let Some((peer, number)) = &line.client {
        member("peer", &(&**peer).into());
        member("cid", &(*number).into());
    }
    for (name, value) in &line.facts {
        member(name, value);
    }
    members.join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_for_people_has_no_facts() {
        let line = Line::new(Level::Info, "gone").of("[::1]:5", 7).with("reason", "x");
        let pid = std::process::id();
        assert_eq!(text(None, &line), format!("[{pid}] [INF] [::1]:5 - cid:7 - gone\n"));
        let plain = Line::new(Level::Warn, "beware");
        assert_eq!(text(None, &plain), format!("[{pid}] [WRN] beware\n"));
    }

    proptest! {
        /// Whatever is in the words, a line is one object and says the same.
        #[test]
        fn any_words_make_one_object(words in "(?s).{0,40}", peer in "(?s).{0,10}") {
            let line = Line::new(Level::Trace, &*words).of(&peer, 1).with("reason", &*words);
            let written = json(true, &line);
            prop_assert_eq!(written.find('\n'), Some(written.len() - 1));
            let object: Json = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(object["msg"].as_str(), Some(&*words));
            prop_assert_eq!(object["reason"].as_str(), Some(&*words));
            prop_assert_eq!(object["peer"].as_str(), Some(&*peer));
        }
    }

    #[test]
    fn the_form_for_programs_is_one_object() {
        let line = Line::new(Level::Error, "a \"quoted\"\nline \u{1b}[31m")
            .of("127.0.0.1:5", 7)
            .with("reason", "why")
            .with("dropped", 3_u64);
        let written = json(true, &line);
        assert_eq!(written.matches('\n').count(), 1, "{written}");
        let object: Json = serde_json::from_str(&written).expect("an object");
        assert_eq!(object["level"], "error");
        assert_eq!(object["pid"], std::process::id());
        assert_eq!(object["msg"], "a \"quoted\"\nline \u{1b}[31m");
        assert_eq!((&object["peer"], &object["cid"]), (&"127.0.0.1:5".into(), &7.into()));
        assert_eq!((&object["reason"], &object["dropped"]), (&"why".into(), &3.into()));
        let time = object["time"].as_str().expect("a time");
        let read = DateTime::parse_from_rfc3339(time).expect("RFC 3339");
        assert!(time.ends_with('Z') && read.timestamp() > 1_700_000_000, "{time}");
        assert!(!json(false, &line).contains("\"time\""));
        assert!(json(false, &line).starts_with("{\"level\":\"error\",\"pid\":"));
    }
}
