//! `permissions { … }` in all its forms.
//!
//! Absent: deciding by them.
//!
//! An empty list of allowed subjects is refused: nats-server takes it for no list and allows
//! everything, which is the opposite of what it seems to say.

use super::super::access::{Permissions, ResponseGrant, Rule, Rules};
use super::super::duration;
use super::super::text::{Entry, Map, Value};
use super::findings::{Findings, set};
use super::subjects;

/// The keys of a block.
const KEYS: &[&str] = &[
    "publish",
    "pub",
    "import",
    "subscribe",
    "sub",
    "export",
    "allow_responses",
    "publish_allow_responses",
    "no_wildcards",
];

/// Which side of a client rules are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Publish,
    Subscribe,
}

/// Reads a block.
pub(super) fn read(found: &mut Findings<'_>, entry: &Entry) -> Option<Permissions> {
    let map = found.map(entry)?;
    let mut permissions = Permissions::default();
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "publish" | "pub" | "import" => {
                permissions.publish = rules(found, entry, Side::Publish, &mut permissions);
            }
            "subscribe" | "sub" | "export" => {
                permissions.subscribe = rules(found, entry, Side::Subscribe, &mut permissions);
            }
            "allow_responses" | "publish_allow_responses" => {
                permissions.responses = responses(found, entry);
            }
            "no_wildcards" => set(&mut permissions.no_wildcards, found.boolean(entry)),
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    // Who may answer may publish nothing else, unless that is allowed as well.
    if permissions.responses.is_some() && permissions.publish.allow.is_none() {
        permissions.publish.allow = Some(Vec::new());
    }
    Some(permissions)
}

/// Rules of one side: a subject, a list of subjects, or `{ allow, deny }`.
fn rules(
    found: &mut Findings<'_>,
    entry: &Entry,
    side: Side,
    permissions: &mut Permissions,
) -> Rules {
    let Value::Map(map) = &entry.node.value else {
        return Rules { allow: Some(allowed(found, entry, side)), deny: Vec::new() };
    };
    let mut rules = Rules::default();
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "allow" => rules.allow = Some(allowed(found, entry, side)),
            "deny" => rules.deny = list(found, entry, side),
            "no_wildcards" if side == Side::Subscribe => {
                set(&mut permissions.no_wildcards, found.boolean(entry));
            }
            _ => found.unknown(entry, &[&["allow", "deny", "no_wildcards"]]),
        }
    }
    rules
}

fn allowed(found: &mut Findings<'_>, entry: &Entry, side: Side) -> Vec<Rule> {
    if matches!(&entry.node.value, Value::List(items) if items.is_empty()) {
        let why = format!(
            "an empty list under {:?} would allow everything in nats-server and is refused here: \
             leave the key out to allow everything, or write `deny: \">\"` to allow nothing",
            entry.key
        );
        found.error(entry.node.at, why);
    }
    list(found, entry, side)
}

/// Subjects, for subscriptions also `"subject queue"`.
fn list(found: &mut Findings<'_>, entry: &Entry, side: Side) -> Vec<Rule> {
    let texts = found.texts(entry).unwrap_or_default();
    let mut rules = Vec::with_capacity(texts.len());
    for (at, text) in texts {
        let mut words = text.split_whitespace();
        let (subject, queue) = (words.next().unwrap_or_default(), words.next());
        if words.next().is_some() || !subjects::is_filter(subject) {
            found.error(at, format!("subject {text:?} is not a valid subject"));
        } else if queue.is_some() && side == Side::Publish {
            found.error(at, format!("{text:?}: only subscriptions have queue groups"));
        } else {
            rules.push(Rule { subject: subject.into(), queue: queue.map(Box::from) });
        }
    }
    rules
}

/// `allow_responses`: true, or `{ max, expires }`; numbers below zero lift a bound.
fn responses(found: &mut Findings<'_>, entry: &Entry) -> Option<ResponseGrant> {
    match &entry.node.value {
        Value::Boolean(allowed) => allowed.then_some(ResponseGrant::DEFAULT),
        Value::Map(map) => Some(grant(found, map)),
        _ => {
            found.mismatch(entry, "true, false or a map");
            None
        }
    }
}

fn grant(found: &mut Findings<'_>, map: &Map) -> ResponseGrant {
    let mut grant = ResponseGrant::DEFAULT;
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "max" | "max_msgs" | "max_messages" | "max_responses" => match found.integer(entry) {
                Some(0) | None => {}
                Some(number) if number < 0 => grant.max = None,
                Some(_) => grant.max = found.count(entry),
            },
            "expires" | "expiration" | "ttl" => {
                let text = found.text(entry);
                let below = text.and_then(|text| text.strip_prefix('-'));
                match below.map(duration::parse) {
                    Some(Some(time)) if time > 0 => grant.expires_ns = None,
                    Some(Some(_)) => {}
                    _ if text.is_some() => {
                        if let Some(time) = found.duration(entry).filter(|&time| time > 0) {
                            grant.expires_ns = Some(time);
                        }
                    }
                    _ => {}
                }
            }
            _ => {
                let keys = ["max", "max_msgs", "max_messages", "max_responses", "expires"];
                found.unknown(entry, &[&keys, &["expiration", "ttl"]]);
            }
        }
    }
    grant
}
