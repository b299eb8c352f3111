//! Users: `users [ … ]` of `authorization` and of accounts, and flows (`rate_limits`).
//!
//! Absent: whether a name is used twice, which only shows when all is read.

use super::super::Secret;
use super::super::access::{ConnectionType, Identity, Rate, User};
use super::super::text::{Entry, Map, Position};
use super::findings::{Findings, set};
use super::keys::Kind;
use super::permissions;

/// The keys of a user.
const KEYS: &[&str] = &[
    "user",
    "username",
    "pass",
    "password",
    "nkey",
    "permission",
    "permissions",
    "authorization",
    "allowed_connection_types",
    "connection_types",
    "clients",
    "proxy_required",
    "rate_limits",
];

/// Reads a list of users of this account, each with its place.
pub(super) fn read(
    found: &mut Findings<'_>,
    entry: &Entry,
    account: &str,
) -> Vec<(Position, User)> {
    let maps = found.maps(entry);
    maps.into_iter().filter_map(|(at, map)| Some((at, one(found, at, map, account)?))).collect()
}

fn one(found: &mut Findings<'_>, at: Position, map: &Map, account: &str) -> Option<User> {
    let (mut name, mut password, mut nkey) = (None, None, None);
    let mut user = User {
        identity: Identity::Nkey("".into()),
        account: account.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: Rate::default(),
    };
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "user" | "username" => name = found.boxed(entry).filter(|name| !name.is_empty()),
            "pass" | "password" => password = secret(found, entry),
            "nkey" => nkey = found.boxed(entry).filter(|key| !key.is_empty()),
            "permission" | "permissions" | "authorization" => {
                user.permissions = permissions::read(found, entry);
            }
            "allowed_connection_types" | "connection_types" | "clients" => {
                user.connection_types = connection_types(found, entry);
            }
            "proxy_required" => set(&mut user.proxy_required, found.boolean(entry)),
            "rate_limits" => user.rate = rate(found, entry),
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    user.identity = match (name, nkey) {
        (None, None) => {
            found.error(at, "User entry requires a user");
            return None;
        }
        (None, Some(key)) if password.is_none() => {
            if !Kind::User.is_key(&key) {
                found.error(at, "Not a valid public nkey for a user");
                return None;
            }
            Identity::Nkey(key)
        }
        (_, Some(_)) => {
            found.error(at, "Nkey users do not take usernames or passwords");
            return None;
        }
        (Some(name), None) => Identity::Password { name, password },
    };
    Some(user)
}

/// A password or token; an empty one is none.
pub(super) fn secret(found: &mut Findings<'_>, entry: &Entry) -> Option<Secret> {
    found.text(entry).filter(|text| !text.is_empty()).map(Secret::new)
}

fn connection_types(found: &mut Findings<'_>, entry: &Entry) -> Vec<ConnectionType> {
    let mut types = Vec::new();
    for (at, name) in found.texts(entry).unwrap_or_default() {
        match ConnectionType::parse(name) {
            Some(kind) if types.contains(&kind) => {}
            Some(kind) => types.push(kind),
            None => found.error(at, format!("unknown connection type {name:?}")),
        }
    }
    types
}

/// `rate_limits { messages, bytes }`, each a second.
pub(super) fn rate(found: &mut Findings<'_>, entry: &Entry) -> Rate {
    let mut rate = Rate::default();
    let Some(map) = found.map(entry) else { return rate };
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "messages" => found.bound(entry, &mut rate.messages),
            "bytes" => found.bound(entry, &mut rate.bytes),
            _ => found.unknown(entry, &[&["messages", "bytes"]]),
        }
    }
    rate
}
