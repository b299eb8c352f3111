//! `accounts { NAME { … } }`.
//!
//! Absent: whether imports find what they ask for (`graph`), and whether a user is named twice.

use super::super::access::{Account, AccountLimits, MessageTrace, User};
use super::super::text::{Entry, Map, Position, Value};

use super::findings::{Findings, set};
use super::keys::Kind;
use super::later::Later;
use super::{mappings, permissions, shares, users};

/// The keys of one account.
const KEYS: &[&str] = &[
    "nkey",
    "users",
    "limits",
    "default_permissions",
    "mappings",
    "maps",
    "exports",
    "imports",
    "jetstream",
    "msg_trace",
    "trace_dest",
    "rate_limits",
];

/// The keys of its limits.
const LIMITS_KEYS: &[&str] = &[
    "max_connections",
    "max_conn",
    "max_subscriptions",
    "max_subs",
    "max_payload",
    "max_pay",
    "max_leafnodes",
    "max_leafs",
    "rate_limits",
];

/// An account with the places of what others refer to.
pub(super) struct Draft {
    pub(super) account: Account,
    /// Places of its exports and imports, in their order.
    pub(super) exports_at: Vec<Position>,
    pub(super) imports_at: Vec<Position>,
    pub(super) users: Vec<(Position, User)>,
}

impl Draft {
    fn named(name: &str) -> Self {
        Self {
            account: Account { name: name.into(), ..Account::default() },
            exports_at: Vec::new(),
            imports_at: Vec::new(),
            users: Vec::new(),
        }
    }
}

/// Reads the block: a map of accounts, or a list of names.
pub(super) fn read(found: &mut Findings<'_>, later: &mut Later, entry: &Entry) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    match &entry.node.value {
        Value::List(_) => {
            for (at, name) in found.texts(entry).unwrap_or_default() {
                if drafts.iter().any(|draft| &*draft.account.name == name) {
                    found.error(at, format!("Duplicate Account Entry: {name}"));
                } else if allowed(found, at, name) {
                    drafts.push(Draft::named(name));
                }
            }
        }
        Value::Map(map) => {
            for entry in map.entries().filter(|entry| !entry.used) {
                let Value::Map(inner) = &entry.node.value else {
                    found.error(entry.node.at, "Expected map entries for accounts");
                    continue;
                };
                if allowed(found, entry.node.at, &entry.key) {
                    drafts.push(one(found, later, &entry.key, inner));
                }
            }
        }
        _ => found.mismatch(entry, "a map or a list"),
    }
    drafts
}

fn allowed(found: &mut Findings<'_>, at: Position, name: &str) -> bool {
    if name == Account::GLOBAL {
        found.error(at, format!("{name:?} is a Reserved Account"));
    } else if name.is_empty() {
        found.error(at, "an account needs a name");
    } else {
        return true;
    }
    false
}

fn one(found: &mut Findings<'_>, later: &mut Later, name: &str, map: &Map) -> Draft {
    let mut draft = Draft::named(name);
    for entry in map.entries() {
        let account = &mut draft.account;
        match &*entry.key.to_ascii_lowercase() {
            "nkey" => {
                account.nkey = found.boxed(entry);
                if !account.nkey.as_deref().is_some_and(|key| Kind::Account.is_key(key)) {
                    found.error(entry.node.at, "Not a valid public nkey for an account");
                }
            }
            "users" => draft.users = users::read(found, entry, name),
            "limits" => limits(found, &mut account.limits, entry),
            "rate_limits" => account.limits.rate = users::rate(found, entry),
            "default_permissions" => account.default_permissions = permissions::read(found, entry),
            "mappings" | "maps" => account.mappings = mappings::read(found, entry),
            "exports" => {
                let read = shares::exports(found, entry);
                (draft.exports_at, account.exports) = read.into_iter().unzip();
            }
            "imports" => {
                let read = shares::imports(found, entry);
                (draft.imports_at, account.imports) = read.into_iter().unzip();
            }
            "jetstream" => later.account_jetstream(found, entry),
            "msg_trace" | "trace_dest" => {
                account.trace = message_trace(found, entry);
            }
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    draft
}

/// `limits { … }`; numbers below zero lift a bound.
fn limits(found: &mut Findings<'_>, limits: &mut AccountLimits, entry: &Entry) {
    fn bound<T: TryFrom<i64>>(found: &mut Findings<'_>, entry: &Entry) -> Option<T> {
        found.integer(entry).filter(|&number| number >= 0)?;
        found.count(entry)
    }
    let Some(map) = found.map(entry) else { return };
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "max_connections" | "max_conn" => limits.connections_max = bound(found, entry),
            "max_subscriptions" | "max_subs" => limits.subscriptions_max = bound(found, entry),
            "max_payload" | "max_pay" => limits.payload_max = bound(found, entry),
            "max_leafnodes" | "max_leafs" => limits.leafs_max = bound(found, entry),
            "rate_limits" => limits.rate = users::rate(found, entry),
            _ => found.unknown(entry, &[LIMITS_KEYS]),
        }
    }
}

/// `msg_trace`: a subject, or `{ dest, sampling }`.
fn message_trace(found: &mut Findings<'_>, entry: &Entry) -> Option<MessageTrace> {
    let (mut subject, mut sampling) = (None, 100);
    match &entry.node.value {
        Value::Text(text) => subject = Some((entry.node.at, text.clone())),
        Value::Map(map) => {
            for entry in map.entries() {
                match &*entry.key.to_ascii_lowercase() {
                    "dest" => {
                        let mut dest = None;
                        set(&mut dest, found.boxed(entry).map(|text| Some((entry.node.at, text))));
                        subject = dest;
                    }
                    "sampling" => {
                        let share = mappings::percent(entry).filter(|share| *share > 0);
                        sampling = share.unwrap_or(0);
                        if share.is_none() {
                            let why = "trace destination sampling needs to be [1..100]";
                            found.error(entry.node.at, why);
                        }
                    }
                    _ => found.unknown(entry, &[&["dest", "sampling"]]),
                }
            }
        }
        _ => found.mismatch(entry, "a subject or a map"),
    }
    let (at, dest) = subject?;
    if !super::subjects::is_literal(&dest) {
        found.error(at, format!("Trace destination {dest:?} is not valid"));
        return None;
    }
    Some(MessageTrace { dest, sampling })
}
