//! What an asker wants to see: from a query's names and values, or from a request's JSON.
//!
//! Absent: what is done with it (`answer`). The names are those of nats-server, for either form; a
//! name that nobody knows is passed over, as it is there.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::io::http::Request;

/// See the module's head. What is not asked for is empty, 0 or false.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) sort: String,
    /// Whether users are told.
    pub(crate) auth: bool,
    pub(crate) subscriptions: bool,
    pub(crate) subscriptions_detail: bool,
    /// Rows that are passed over, and rows that are told then; 0 for as many as by default.
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) number: u64,
    pub(crate) state: State,
    pub(crate) user: String,
    pub(crate) account: String,
    pub(crate) filter_subject: String,
    pub(crate) mqtt_client: String,
    /// A subject that subscriptions are tested with.
    pub(crate) test: String,
    /// Accounts that are told, all when empty; and whether those that nobody uses are.
    pub(crate) accounts: Vec<String>,
    pub(crate) unused: bool,
    /// Whose health is asked for, and whether all that is wrong is told.
    pub(crate) stream: String,
    pub(crate) consumer: String,
    pub(crate) details: bool,
    /// Whether a tenant asks, who gets smaller pages.
    pub(crate) of_tenant: bool,
}

/// Which connections are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Open,
    Closed,
    All,
}

impl Options {
    /// From a query behind a path, for an endpoint that reads these names.
    pub(crate) fn from_query(request: &Request, names: &[&str]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for name in names {
            let value = request.value(name);
            match *name {
                "sort" => value.clone_into(&mut options.sort),
                "auth" => options.auth = boolean(name, value)?,
                "subs" if value.eq_ignore_ascii_case("detail") && names.contains(&"sort") => {
                    options.subscriptions_detail = true;
                }
                "subs" => options.subscriptions = boolean(name, value)?,
                "offset" => options.offset = count(name, value)?,
                "limit" => options.limit = count(name, value)?,
                "cid" => options.number = unsigned(name, value)?,
                "state" => options.state = state(value)?,
                "user" => value.clone_into(&mut options.user),
                "acc" | "account" => value.clone_into(&mut options.account),
                "filter_subject" => value.clone_into(&mut options.filter_subject),
                "mqtt_client" => value.clone_into(&mut options.mqtt_client),
                "test" => value.clone_into(&mut options.test),
                "unused" => options.unused = boolean(name, value)?,
                "stream" => value.clone_into(&mut options.stream),
                "consumer" => value.clone_into(&mut options.consumer),
                "details" => options.details = boolean(name, value)?,
                // Checked, as nats-server does, and without a meaning here.
                "accs" | "accounts" | "streams" | "consumers" | "config" | "direct-consumers"
                | "js-enabled" | "js-enabled-only" | "js-server-only" | "js-meta-only"
                | "leader-only" | "raft" | "stream-leader-only" => {
                    boolean(name, value)?;
                }
                _ => {}
            }
        }
        Ok(options)
    }

    /// From a request's body, which may be empty.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        if body.trim_ascii().is_empty() {
            return Ok(options);
        }
        let read: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
        for (name, value) in &read {
            let wrong = || Refusal::bad(format!("{name}: a value of another kind was expected"));
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            let truth = || value.as_bool().ok_or_else(wrong);
            let count = || match value.as_i64() {
                Some(number) => Ok(usize::try_from(number).unwrap_or(0)),
                None => Err(wrong()),
            };
            match &**name {
                "sort" => options.sort = text()?,
                "auth" => options.auth = truth()?,
                "subscriptions" => options.subscriptions = truth()?,
                "subscriptions_detail" => options.subscriptions_detail = truth()?,
                "offset" => options.offset = count()?,
                "limit" => options.limit = count()?,
                "cid" => options.number = value.as_u64().ok_or_else(wrong)?,
                "state" => {
                    options.state = match value.as_u64().ok_or_else(wrong)? {
                        0 => State::Open,
                        1 => State::Closed,
                        2 => State::All,
                        _ => return Err(wrong()),
                    }
                }
                "user" => options.user = text()?,
                "acc" | "account" => options.account = text()?,
                "filter_subject" => options.filter_subject = text()?,
                "mqtt_client" => options.mqtt_client = text()?,
                "test" => options.test = text()?,
                "accounts" if value.is_array() => {
                    let names = value.as_array().into_iter().flatten();
                    let names = names.map(|name| name.as_str().map(str::to_owned));
                    options.accounts = names.collect::<Option<_>>().ok_or_else(wrong)?;
                }
                "include_unused" => options.unused = truth()?,
                "stream" => options.stream = text()?,
                "consumer" => options.consumer = text()?,
                "details" => options.details = truth()?,
                _ => {}
            }
        }
        Ok(options)
    }
}

/// Go's `strconv.ParseBool`; nothing is a no.
fn boolean(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Refusal::bad(format!(
            "Error decoding boolean for '{name}': strconv.ParseBool: parsing {value:?}: \
             invalid syntax"
        ))),
    }
}

/// Go's `strconv.Atoi`; what is below 0 counts as 0.
fn count(name: &str, value: &str) -> Result<usize, Refusal> {
    let number: i64 = number(name, value, Kind { name: "int", function: "Atoi" })?;
    Ok(usize::try_from(number).unwrap_or(0))
}

fn unsigned(name: &str, value: &str) -> Result<u64, Refusal> {
    number(name, value, Kind { name: "uint64", function: "ParseUint" })
}

/// How Go calls a kind of number and the function that reads it.
struct Kind {
    name: &'static str,
    function: &'static str,
}

fn number<T: FromStr + Default>(name: &str, value: &str, kind: Kind) -> Result<T, Refusal> {
    if value.is_empty() {
        return Ok(T::default());
    }
    value.parse().map_err(|_| {
        let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_negative = value.starts_with('-') && kind.function == "ParseUint";
        let is_large = is_number && !is_negative;
        let why = if is_large { "value out of range" } else { "invalid syntax" };
        let Kind { name: kind, function } = kind;
        Refusal::bad(format!(
            "Error decoding {kind} for '{name}': strconv.{function}: parsing {value:?}: {why}"
        ))
    })
}

fn state(value: &str) -> Result<State, Refusal> {
    match &*value.to_ascii_lowercase() {
        "" | "open" => Ok(State::Open),
        "closed" => Ok(State::Closed),
        "any" | "all" => Ok(State::All),
        _ => Err(Refusal::bad(format!("Error decoding state for {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_has_the_names_of_nats_server() {
        let body = br#"{"sort":"subs","auth":true,"subscriptions":true,"offset":-3,"limit":5,
            "cid":7,"state":2,"user":"u","acc":"A","filter_subject":"a.>","test":"b",
            "accounts":["A","B"],"include_unused":true,"nobody_knows":[1]}"#;
        let read = Options::from_json(body).expect("options");
        let meant = Options {
            sort: "subs".to_owned(),
            auth: true,
            subscriptions: true,
            limit: 5,
            number: 7,
            state: State::All,
            user: "u".to_owned(),
            account: "A".to_owned(),
            filter_subject: "a.>".to_owned(),
            test: "b".to_owned(),
            accounts: vec!["A".to_owned(), "B".to_owned()],
            unused: true,
            ..Options::default()
        };
        assert_eq!(read, meant);
        assert_eq!(Options::from_json(b" "), Ok(Options::default()));
        let most = Options::from_json(br#"{"offset":9223372036854775807}"#).expect("options");
        assert_eq!(most.offset, 9_223_372_036_854_775_807);
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        for body in [
            "[]",
            "{",
            r#"{"sort":1}"#,
            r#"{"offset":"1"}"#,
            r#"{"offset":1.5}"#,
            r#"{"limit":9223372036854775808}"#,
            r#"{"cid":-1}"#,
            r#"{"state":3}"#,
            r#"{"auth":"yes"}"#,
            r#"{"accounts":[1]}"#,
        ] {
            assert!(Options::from_json(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        /// Any bytes are options or refused.
        #[test]
        fn no_body_is_too_odd(
            name in "sort|auth|offset|limit|cid|state|acc|accounts|test",
            value in "[-0-9.eE\\[\\]{}\"a-z,]{0,12}",
            rest in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let _ = Options::from_json(&rest);
            let _ = Options::from_json(format!("{{\"{name}\":{value}}}").as_bytes());
        }
    }
}
