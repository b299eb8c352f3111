//! Every endpoint by its name, and the one way to its JSON, for HTTP and for requests alike.
//!
//! Absent: how an answer travels.

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

impl Monitor {
    /// The JSON of an endpoint, or why there is none.
    pub(crate) fn answer(
        &mut self,
        endpoint: Endpoint,
        options: &Options,
    ) -> Result<String, Refusal> {
        self.begin_asking();
        match endpoint {
            Endpoint::Varz => json(&self.varz()),
            Endpoint::Connz => json(&self.connz(options)?),
            Endpoint::Subsz => json(&self.subsz(options)?),
            Endpoint::Accountz => json(&self.accountz(options)?),
            Endpoint::Accstatz => json(&self.accstatz(options)),
            Endpoint::Statusz => json(&self.statusz()),
            Endpoint::Healthz => super::healthz::answer(options, self.news.leaves),
            Endpoint::Routez => json(&self.routez()),
            Endpoint::Gatewayz => json(&self.gatewayz()),
            Endpoint::Leafz => json(&self.leafz()),
            Endpoint::Jsz => json(&self.jsz()),
        }
    }
}

/// Indented by two blanks, as nats-server's is.
fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Refusal { status: 503, why: error.to_string() })
}
