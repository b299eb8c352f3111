//! Every endpoint by its name, and the one way to its JSON, for HTTP and for requests alike.
//!
//! Absent: how an answer travels.

use std::io::{self, Write};

use serde::Serialize;

use super::Monitor;
use super::options::Options;
use super::refusal::Refusal;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Varz,
    Connz,
    Subsz,
    Accountz,
    Accstatz,
    Statusz,
    Healthz,
    Routez,
    Gatewayz,
    Leafz,
    Jsz,
}

impl Endpoint {
    /// The endpoint at a path of the monitoring port.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, _)| *known == path).map(|(endpoint, ..)| *endpoint)
    }

    /// Its path.
    pub(crate) fn path(self) -> &'static str {
        ALL.iter().find(|(endpoint, ..)| *endpoint == self).map_or("", |(_, path, _)| path)
    }

    /// The names that a query may have, in the order in which nats-server reads them.
    pub(crate) fn names(self) -> &'static [&'static str] {
        ALL.iter().find(|(endpoint, ..)| *endpoint == self).map_or(&[], |(_, _, names)| names)
    }
}

/// Endpoints, their paths and the names of their queries.
const ALL: &[(Endpoint, &str, &[&str])] = &[
    (Endpoint::Varz, "/varz", &[]),
    (
        Endpoint::Connz,
        "/connz",
        &[
            "sort",
            "auth",
            "subs",
            "offset",
            "limit",
            "cid",
            "state",
            "user",
            "acc",
            "filter_subject",
            "mqtt_client",
        ],
    ),
    (
        Endpoint::Healthz,
        "/healthz",
        &[
            "js-enabled",
            "js-enabled-only",
            "js-server-only",
            "js-meta-only",
            "details",
            "account",
            "stream",
            "consumer",
        ],
    ),
    (Endpoint::Subsz, "/subsz", &["subs", "offset", "limit", "test", "acc"]),
    (Endpoint::Accountz, "/accountz", &["acc"]),
    (Endpoint::Accstatz, "/accstatz", &["unused"]),
    (Endpoint::Statusz, "/statusz", &[]),
    (Endpoint::Routez, "/routez", &[]),
    (Endpoint::Gatewayz, "/gatewayz", &["accs"]),
    (Endpoint::Leafz, "/leafz", &["subs"]),
    (
        Endpoint::Jsz,
        "/jsz",
        &[
            "accounts",
            "streams",
            "consumers",
            "direct-consumers",
            "config",
            "raft",
            "stream-leader-only",
            "limit",
            "offset",
            "leader-only",
        ],
    ),
];

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Indented by two blanks, as nats-server's pages are, and no longer than so many bytes.
    Indented(usize),
    /// Without blanks, and no longer than so many bytes.
    Dense(usize),
}

impl Monitor {
    /// The JSON of an endpoint, or why there is none.
    pub(crate) fn answer(
        &mut self,
        endpoint: Endpoint,
        options: &Options,
    ) -> Result<String, Refusal> {
        self.answer_as(endpoint, options, Form::Indented(ANSWER_BYTES_MAX))
    }

    /// The same in some form.
    pub(crate) fn answer_as(
        &mut self,
        endpoint: Endpoint,
        options: &Options,
        form: Form,
    ) -> Result<String, Refusal> {
        self.begin_asking();
        match endpoint {
            Endpoint::Varz => json(&self.varz(), form),
            Endpoint::Connz => json(&self.connz(options)?, form),
            Endpoint::Subsz => json(&self.subsz(options)?, form),
            Endpoint::Accountz => json(&self.accountz(options)?, form),
            Endpoint::Accstatz => json(&self.accstatz(options), form),
            Endpoint::Statusz => json(&self.statusz(), form),
            Endpoint::Healthz => super::healthz::answer(options, self.news.leaves),
            Endpoint::Routez => json(&self.routez(), form),
            Endpoint::Gatewayz => json(&self.gatewayz(), form),
            Endpoint::Leafz => json(&self.leafz(), form),
            Endpoint::Jsz => json(&self.jsz(), form),
        }
    }
}

fn json(value: &impl Serialize, form: Form) -> Result<String, Refusal> {
    let (Form::Indented(most) | Form::Dense(most)) = form;
    let mut bounded = Bounded { out: Vec::new(), most };
    let written = match form {
        Form::Indented(_) => serde_json::to_writer_pretty(&mut bounded, value),
        Form::Dense(_) => serde_json::to_writer(&mut bounded, value),
    };
    match written {
        Ok(()) => String::from_utf8(bounded.out).map_err(|error| broken(&error.to_string())),
        Err(error) if error.is_io() => {
            let why = "the answer would be too long, ask for less".to_owned();
            Err(Refusal { status: 413, why })
        }
        Err(error) => Err(broken(&error.to_string())),
    }
}

fn broken(why: &str) -> Refusal {
    Refusal { status: 503, why: why.to_owned() }
}

/// Takes so many bytes and no more.
struct Bounded {
    out: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most.saturating_sub(self.out.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of an answer over HTTP.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dense_answer_has_no_blanks_and_an_end() {
        let value = ["a b", "c"];
        assert_eq!(json(&value, Form::Dense(11)), Ok("[\"a b\",\"c\"]".to_owned()));
        let refusal = json(&value, Form::Dense(10)).expect_err("one byte too many");
        assert_eq!(refusal.status, 413);
        let whole = "[\n  \"a b\",\n  \"c\"\n]";
        assert_eq!(json(&value, Form::Indented(whole.len())), Ok(whole.to_owned()));
        assert!(json(&value, Form::Indented(whole.len() - 1)).is_err());
    }
}
